package authprovider

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/jackc/pgx/v5"
	"golang.org/x/oauth2"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/signin"
	"github.com/nexterm-go/nexterm/internal/username"
	"github.com/nexterm-go/nexterm/internal/vault"
)

const (
	maxUsername = 255
	maxSubject  = 255
	maxName     = 50
	// maxAge is how long ago, or how far ahead, an ID token may have been issued.
	maxAge = 10 * time.Minute
	// leeway is how far two clocks may differ.
	leeway = time.Minute
)

// claims are what a provider says of a person.
type claims map[string]any

// verify checks an ID token (OpenID Connect Core, section 3.1.3.7) and returns
// its claims, with the attributes that it lacks from the UserInfo endpoint.
func verify(ctx context.Context, provider *oidc.Provider, token *oauth2.Token, login db.FinishOidcLoginRow) (claims, error) {
	text, _ := token.Extra("id_token").(string)
	idToken, err := provider.Verifier(&oidc.Config{ClientID: login.ClientID, SkipExpiryCheck: true}).Verify(ctx, text)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	if idToken.Expiry.Add(leeway).Before(now) || now.Sub(idToken.IssuedAt).Abs() > maxAge {
		return nil, errors.New("the ID token is too old, or of another time")
	}
	if subtle.ConstantTimeCompare(vault.HashToken(idToken.Nonce), login.NonceHash) != 1 {
		return nil, errors.New("the ID token has another nonce")
	}
	if idToken.AccessTokenHash != "" {
		if err := idToken.VerifyAccessToken(token.AccessToken); err != nil {
			return nil, err
		}
	}
	var found claims
	if err := idToken.Claims(&found); err != nil {
		return nil, err
	}
	if begin, given := found["nbf"].(float64); given && time.Unix(int64(begin), 0).After(now.Add(leeway)) {
		return nil, errors.New("the ID token does not hold yet")
	}
	if party, given := found["azp"]; given && party != any(login.ClientID) || !given && len(idToken.Audience) > 1 {
		return nil, errors.New("the ID token is for another party")
	}
	attributes := []string{login.UsernameAttribute, login.FirstNameAttribute, login.LastNameAttribute}
	lacking := slices.DeleteFunc(attributes, func(name string) bool { return found[name] != nil })
	if len(lacking) == 0 || provider.UserInfoEndpoint() == "" {
		return found, nil
	}
	more, err := userInfo(ctx, provider, token, idToken.Subject)
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(more, func(name string, _ any) bool { return !slices.Contains(lacking, name) })
	maps.Copy(found, more)
	return found, nil
}

// userInfo asks the UserInfo endpoint. Its answer may be about somebody else
// (section 5.3.2).
func userInfo(ctx context.Context, provider *oidc.Provider, token *oauth2.Token, subject string) (claims, error) {
	info, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil {
		// The library quotes the answer, which could repeat the access token.
		return nil, errors.New("the UserInfo endpoint gives no usable answer")
	}
	if info.Subject != subject {
		return nil, errors.New("the UserInfo endpoint is about another subject")
	}
	var found claims
	err = info.Claims(&found)
	return found, err
}

// person is somebody whom a provider vouches for. Names that it does not tell
// are nil.
type person struct {
	issuer, subject, username string
	firstName, lastName       *string
}

func toPerson(login db.FinishOidcLoginRow, found claims) (person, error) {
	p := person{issuer: login.Issuer, subject: found.text("sub"), username: found.text(login.UsernameAttribute)}
	if p.subject == "" || !plain(p.subject) || utf8.RuneCountInString(p.subject) > maxSubject {
		return p, because(refusedProof, errors.New("the ID token has no usable subject"))
	}
	// What cannot be seen, or looks like something else, would make one name look
	// like another.
	unseen := func(r rune) bool { return !unicode.IsPrint(r) || ignorable(r) }
	if p.username == "" || !plain(p.username) || utf8.RuneCountInString(p.username) > maxUsername ||
		strings.ContainsFunc(p.username, unseen) || strings.TrimSpace(p.username) != p.username || username.Mixed(p.username) {
		return p, because(refusedUsername, fmt.Errorf("the claim %q is no usable username", login.UsernameAttribute))
	}
	var err error
	if p.firstName, err = found.name(login.FirstNameAttribute); err != nil {
		return p, err
	}
	p.lastName, err = found.name(login.LastNameAttribute)
	return p, err
}

// name is a claim's text as a name, cut to what is stored of one; nil without any.
func (c claims) name(attribute string) (*string, error) {
	text := c.text(attribute)
	if !plain(text) {
		return nil, because(refusedName, fmt.Errorf("the claim %q is no usable name", attribute))
	}
	visible := func(r rune) bool { return r != ' ' && unicode.IsPrint(r) && !ignorable(r) }
	if !strings.ContainsFunc(text, visible) {
		return nil, nil
	}
	runes := []rune(strings.TrimSpace(text))
	return new(strings.TrimSpace(string(runes[:min(len(runes), maxName)]))), nil
}

// text is a claim's text, empty for a claim of another kind.
func (c claims) text(name string) string {
	text, _ := c[name].(string)
	return text
}

// plain reports whether a text can be stored and shown: no NUL or other control
// character, none that turns what follows around, and none that stands for what
// was invalid.
func plain(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool {
		return unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp, unicode.Bidi_Control) || r == utf8.RuneError
	})
}

// ignorable characters are shown as nothing, or as a blank.
func ignorable(r rune) bool {
	return unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) || r == '\u2800'
}

// signIn opens a session for the account of the person, whom issuer and subject
// identify and nothing else. The first sign-in creates the account; it has no
// password, so none fits.
func (p person) signIn(ctx context.Context, tx *change.Tx) (token string, id int64, err error) {
	if err := tx.LockOidcSubject(ctx, db.LockOidcSubjectParams{Issuer: p.issuer, Subject: p.subject}); err != nil {
		return "", 0, err
	}
	id, err = tx.UpdateOidcAccount(ctx, db.UpdateOidcAccountParams{
		Issuer: p.issuer, Subject: p.subject, FirstName: p.firstName, LastName: p.lastName,
	})
	if errors.Is(err, pgx.ErrNoRows) {
		id, err = p.create(ctx, tx)
	}
	if err != nil {
		return "", 0, err
	}
	token, err = signin.Open(ctx, tx, id, signin.ByOIDC)
	return token, id, err
}

func (p person) create(ctx context.Context, tx *change.Tx) (id int64, err error) {
	id, err = tx.CreateAccount(ctx, db.CreateAccountParams{
		Username: p.username, FoldedUsername: username.Fold(p.username), FirstName: or(p.firstName, ""), LastName: or(p.lastName, ""),
	})
	if err != nil {
		return 0, fail.OnConstraint(err, "accounts_username_unique", refusedDuplicate)
	}
	tx.Record(event.Event{
		Action: event.AccountCreate, Owner: caller.Account(id), ResourceID: id,
		Details: event.Details{"name": p.username, "isAdmin": false},
	})
	return id, tx.CreateOidcAccount(ctx, db.CreateOidcAccountParams{Issuer: p.issuer, Subject: p.subject, AccountID: id})
}
