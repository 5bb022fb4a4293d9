package authprovider

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/vault"
)

// Where secrets are sealed.
const (
	secretTable = "auth_providers"
	secretKind  = "client-secret"
	loginTable  = "oidc_logins"
)

// mostLogins bounds the sign-ins that have begun; the oldest go first. One
// network is stopped by its limit long before.
const mostLogins = 10_000

// loginTime is how long the browser that began a sign-in is known, and so long as
// the sign-in lasts.
const loginTime = 10 * time.Minute

var (
	errNotOffered = fail.NotFound("Provider not found or disabled")
	errAway       = fail.ServiceUnavailable("The login provider cannot be reached. Please try again later.")
)

// refusal is why a sign-in ends, in words for its person.
type refusal string

func (r refusal) Error() string { return string(r) }

const (
	refusedState     = refusal("This sign-in has expired, is already completed or was begun in another browser. Please start again.")
	refusedSettings  = refusal("This login provider is not available any more.")
	refusedByPerson  = refusal("The sign-in was cancelled.")
	refusedThere     = refusal("The login provider has refused the sign-in.")
	refusedAway      = refusal("The login provider cannot be reached. Please try again later.")
	refusedProof     = refusal("The login provider's answer could not be verified.")
	refusedUsername  = refusal("The login provider does not tell a usable username.")
	refusedName      = refusal("The login provider does not tell a usable name.")
	refusedDuplicate = refusal("This username already belongs to another account.")
)

// BeginOidcLogin answers the page of a provider that a sign-in begins at.
func (h *Handlers) BeginOidcLogin(ctx context.Context, request api.BeginOidcLoginRequestObject) (api.BeginOidcLoginResponseObject, error) {
	row, err := h.queries.BeginOidcLogin(ctx, request.ProviderID)
	if err != nil {
		return nil, fail.OnNoRows(err, errNotOffered)
	}
	provider, err := h.connect(ctx, row.Issuer)
	if err != nil {
		h.log.WarnContext(ctx, "login provider", "provider", row.ID, "error", reason(err))
		return nil, errAway
	}
	config, err := client(provider, row.ClientID, row.RedirectURI, "")
	if err != nil {
		return nil, err
	}
	config.Scopes = scopes(row.Scope)
	state, nonce, verifier := vault.NewNonce(), vault.NewNonce(), vault.NewNonce()
	if err := h.remember(ctx, row, state, nonce, verifier); err != nil {
		return nil, err
	}
	return api.BeginOidcLogin200JSONResponse{
		Headers: api.BeginOidcLogin200ResponseHeaders{SetCookie: browserCookie(proof(state), loginTime)},
		Body:    api.OidcLogin{URL: config.AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier))},
	}, nil
}

// proof is what the browser that begins a sign-in shows at its end. A link to the
// callback, which anybody can send, does not bring it. It is also what names the
// sign-in where its verifier is sealed.
func proof(state string) string { return hex.EncodeToString(vault.HashToken(state)) }

// browserCookie is the one cookie of the server. Its prefix makes browsers take it
// from this host by HTTPS only (RFC 6265bis 4.1.3.2); it comes along when the provider
// leads back, and no script reads it.
func browserCookie(value string, age time.Duration) string {
	return fmt.Sprintf("__Host-nexterm-login=%s; Path=/; Max-Age=%d; Secure; HttpOnly; SameSite=Lax", value, int(age.Seconds()))
}

// remember stores what the end of a sign-in is held against, for any server.
func (h *Handlers) remember(ctx context.Context, row db.BeginOidcLoginRow, state, nonce, verifier string) error {
	sealed, err := h.vault.Seal(loginTable, row.ID, proof(state), vault.Secret(verifier))
	if err != nil {
		return err
	}
	return h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		stored, err := tx.CreateOidcLogin(ctx, db.CreateOidcLoginParams{
			StateHash: vault.HashToken(state), NonceHash: vault.HashToken(nonce), KeyID: sealed.KeyID, CodeVerifier: sealed.Ciphertext,
			ProviderID: row.ID, ProviderRevision: row.Revision,
		})
		if err != nil {
			return err
		}
		if stored == 0 {
			return errNotOffered
		}
		// After what locks the provider, whose deletion takes sign-ins too.
		return tx.DeleteOldOidcLogins(ctx, mostLogins)
	})
}

// FinishOidcLogin leads a browser back to the application: with the token of a
// new session, or with a sentence.
func (h *Handlers) FinishOidcLogin(ctx context.Context, request api.FinishOidcLoginRequestObject) (api.FinishOidcLoginResponseObject, error) {
	token, err := h.finish(ctx, request.Params)
	location := "/?token=" + token
	var refused refusal
	if errors.As(err, &refused) {
		location = "/?error=" + strings.ReplaceAll(url.QueryEscape(string(refused)), "+", "%20")
	} else if err != nil {
		return nil, err
	}
	return api.FinishOidcLogin302Response{
		Headers: api.FinishOidcLogin302ResponseHeaders{
			Location: location, ReferrerPolicy: "no-referrer", SetCookie: browserCookie("", 0),
		},
	}, nil
}

func (h *Handlers) finish(ctx context.Context, params api.FinishOidcLoginParams) (token string, err error) {
	state := or(params.State, "")
	if or(params.Browser, "") != proof(state) {
		return "", refusedState
	}
	var login db.FinishOidcLoginRow
	err = h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) (err error) {
		login, err = tx.FinishOidcLogin(ctx, vault.HashToken(state))
		return fail.OnNoRows(err, refusedState)
	})
	if err != nil {
		return "", err
	}
	switch {
	case !login.Open:
		return "", refusedState
	case !login.Current:
		return "", refusedSettings
	case or(params.Iss, login.Issuer) != login.Issuer:
		// Somebody sends the answer of another provider (RFC 9207).
		return "", refusedProof
	case or(params.Error, "") == "access_denied":
		return "", refusedByPerson
	case or(params.Code, "") == "":
		return "", refusedThere
	}
	token, err = h.complete(ctx, login, state, *params.Code)
	var refused refusal
	if errors.As(err, &refused) {
		h.log.WarnContext(ctx, "sign-in with a provider", "provider", login.ID, "error", reason(err))
	}
	return token, err
}

// complete opens a session for the account of whom the provider vouches for. The
// first sign-in creates the account.
func (h *Handlers) complete(ctx context.Context, login db.FinishOidcLoginRow, state, code string) (token string, err error) {
	p, err := h.redeem(ctx, login, state, code)
	if err != nil {
		return "", err
	}
	var accountID int64
	err = h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) (err error) {
		token, accountID, err = p.signIn(ctx, tx)
		return err
	})
	if err != nil {
		return "", err
	}
	h.log.InfoContext(ctx, "signed in with a provider", "provider", login.ID, "account", accountID)
	return token, nil
}

// redeem exchanges the code for what the provider knows of the person.
func (h *Handlers) redeem(ctx context.Context, login db.FinishOidcLoginRow, state, code string) (person, error) {
	verifier, err := h.vault.Open(loginTable, login.ID, proof(state), login.CodeVerifier)
	if err != nil {
		return person{}, err
	}
	var secret vault.Secret
	if login.ClientSecret != nil {
		if secret, err = h.vault.Open(secretTable, login.ID, secretKind, login.ClientSecret, login.Issuer, login.ClientID); err != nil {
			// Somebody has changed the row past this server, perhaps to receive the secret.
			return person{}, because(refusedSettings, err)
		}
	}
	ctx, cancel := context.WithTimeout(h.reach(ctx), finishTime)
	defer cancel()
	provider, err := h.connect(ctx, login.Issuer)
	if err != nil {
		return person{}, because(refusedAway, err)
	}
	config, err := client(provider, login.ClientID, login.RedirectURI, string(secret))
	if err != nil {
		return person{}, because(refusedProof, err)
	}
	token, err := config.Exchange(ctx, code, oauth2.VerifierOption(string(verifier)))
	if err != nil {
		return person{}, because(refusedThere, err)
	}
	claims, err := verify(ctx, provider, token, login)
	if err != nil {
		return person{}, because(refusedProof, err)
	}
	return toPerson(login, claims)
}

// because keeps the cause of a refusal for the log.
func because(r refusal, cause error) error { return errors.Join(cause, r) }
