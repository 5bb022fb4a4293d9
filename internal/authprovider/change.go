package authprovider

import (
	"cmp"
	"context"
	"net/url"
	"reflect"
	"slices"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/origin"
	"github.com/nexterm-go/nexterm/internal/vault"
)

var (
	errInternal       = fail.BadRequest("Internal authentication provider can only be enabled or disabled")
	errDeleteInternal = fail.BadRequest("Cannot delete internal authentication provider")
	errLast           = fail.BadRequest("At least one authentication provider must remain enabled")
	errNothing        = fail.BadRequest("value must contain at least one of [name, issuer, clientId, clientSecret, redirectUri, scope, enabled, usernameAttribute, firstNameAttribute, lastNameAttribute]")
	errRegistration   = fail.BadRequest("allowRegistration is not allowed")
	errSecretAgain    = fail.BadRequest("clientSecret is required for an issuer on another host")
)

// What a provider is stored with that does not say otherwise.
const (
	defaultScope     = "openid profile"
	defaultUsername  = "preferred_username"
	defaultFirstName = "given_name"
	defaultLastName  = "family_name"
)

// CreateOidcProvider stores a provider. Nothing is asked of it yet.
func (h *Handlers) CreateOidcProvider(ctx context.Context, request api.CreateOidcProviderRequestObject) (api.CreateOidcProviderResponseObject, error) {
	body := request.Body
	if err := h.checkAddresses(ctx, &body.Issuer, &body.RedirectURI); err != nil {
		return nil, err
	}
	var id int64
	err := h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) (err error) {
		id, err = tx.CreateOidcProvider(ctx, db.CreateOidcProviderParams{
			Name: body.Name, Issuer: body.Issuer, ClientID: body.ClientID, RedirectURI: body.RedirectURI,
			Scope: or(body.Scope, defaultScope), Enabled: or(body.Enabled, false),
			UsernameAttribute:  or(body.UsernameAttribute, defaultUsername),
			FirstNameAttribute: or(body.FirstNameAttribute, defaultFirstName),
			LastNameAttribute:  or(body.LastNameAttribute, defaultLastName),
		})
		if err != nil {
			return err
		}
		tx.Record(event.Event{Action: event.AuthProviderCreate, ResourceID: id, Details: event.Details{"name": body.Name}})
		if or(body.ClientSecret, mask) == mask {
			return nil
		}
		sealed, err := h.vault.Seal(secretTable, id, secretKind, vault.Secret(*body.ClientSecret), body.Issuer, body.ClientID)
		if err != nil {
			return err
		}
		return tx.SetClientSecret(ctx, db.SetClientSecretParams{ID: id, KeyID: sealed.KeyID, ClientSecret: sealed.Ciphertext})
	})
	if err != nil {
		return nil, err
	}
	return api.CreateOidcProvider201JSONResponse{ID: id, Message: "Provider created successfully"}, nil
}

func or[T any](given *T, preset T) T {
	if given == nil {
		return preset
	}
	return *given
}

// UpdateOidcProvider changes a provider: everything of one, or whether the
// internal one is used.
func (h *Handlers) UpdateOidcProvider(ctx context.Context, request api.UpdateOidcProviderRequestObject) (api.UpdateOidcProviderResponseObject, error) {
	// Names are looked up before anything is locked, and judged once it is known
	// that the provider has addresses.
	addresses := h.checkAddresses(ctx, request.Body.Issuer, request.Body.RedirectURI)
	var row db.GetOidcProviderRow
	err := h.change(ctx, request.ID, func(tx *change.Tx, before db.GetOidcProviderRow) error {
		if err := cmp.Or(checkMembers(*request.Body, before.IsInternal), addresses); err != nil {
			return err
		}
		updated, err := h.update(ctx, tx, before, *request.Body)
		if err != nil {
			return err
		}
		row = db.GetOidcProviderRow(updated)
		tx.Record(event.Event{
			Action: event.AuthProviderUpdate, ResourceID: row.ID,
			Details: event.Details{"name": row.Name, "updatedFields": caller.Members(ctx)},
		})
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.UpdateOidcProvider200JSONResponse(toAPI(row)), nil
}

// checkMembers refuses a body with members that the kind of provider does not
// have, or without any.
func checkMembers(body api.OidcProviderPatch, internal bool) error {
	empty := reflect.ValueOf(body).IsZero()
	if internal {
		body.Enabled, body.AllowRegistration = nil, nil
		if empty || !reflect.ValueOf(body).IsZero() {
			return errInternal
		}
		return nil
	}
	switch {
	case empty:
		return errNothing
	case body.AllowRegistration != nil:
		return errRegistration
	}
	return nil
}

// change makes a change of a provider, alone, after which one has to be enabled.
func (h *Handlers) change(ctx context.Context, id int64, write func(*change.Tx, db.GetOidcProviderRow) error) error {
	return h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		if err := tx.LockProviders(ctx); err != nil {
			return err
		}
		row, err := tx.GetOidcProvider(ctx, id)
		if err != nil {
			return fail.OnNoRows(err, errNotFound)
		}
		if err := write(tx, row); err != nil {
			return err
		}
		enabled, err := tx.IsAnyProviderEnabled(ctx)
		if err == nil && !enabled {
			return errLast
		}
		return err
	})
}

func (h *Handlers) update(ctx context.Context, tx *change.Tx, row db.GetOidcProviderRow, body api.OidcProviderPatch) (db.UpdateOidcProviderRow, error) {
	update := db.UpdateOidcProviderParams{
		ID: row.ID, Name: body.Name, Issuer: body.Issuer, ClientID: body.ClientID, RedirectURI: body.RedirectURI, Scope: body.Scope,
		Enabled: body.Enabled, AllowRegistration: body.AllowRegistration, UsernameAttribute: body.UsernameAttribute,
		FirstNameAttribute: body.FirstNameAttribute, LastNameAttribute: body.LastNameAttribute,
	}
	text, err := body.ClientSecret.Get()
	secret, kept := vault.Secret(text), !body.ClientSecret.IsSpecified() || err == nil && text == mask
	issuer, clientID := or(body.Issuer, row.Issuer), or(body.ClientID, row.ClientID)
	switch {
	case !kept:
		update.SetSecret = true
	case !row.HasSecret || issuer == row.Issuer && clientID == row.ClientID:
		return tx.UpdateOidcProvider(ctx, update)
	case !sameOrigin(issuer, row.Issuer):
		// Whoever may change an issuer may not read the secret by having it sent there.
		return db.UpdateOidcProviderRow{}, errSecretAgain
	default:
		// It is sealed anew for what it is bound to.
		ciphertext, err := tx.GetClientSecret(ctx, row.ID)
		if err != nil {
			return db.UpdateOidcProviderRow{}, err
		}
		if secret, err = h.vault.Open(secretTable, row.ID, secretKind, ciphertext, row.Issuer, row.ClientID); err != nil {
			return db.UpdateOidcProviderRow{}, err
		}
		update.SetSecret = true
	}
	if kept || !body.ClientSecret.IsNull() {
		sealed, err := h.vault.Seal(secretTable, row.ID, secretKind, secret, issuer, clientID)
		if err != nil {
			return db.UpdateOidcProviderRow{}, err
		}
		update.KeyID, update.ClientSecret = &sealed.KeyID, sealed.Ciphertext
	}
	return tx.UpdateOidcProvider(ctx, update)
}

// DeleteOidcProvider removes a provider, but neither the internal nor the last
// enabled one.
func (h *Handlers) DeleteOidcProvider(ctx context.Context, request api.DeleteOidcProviderRequestObject) (api.DeleteOidcProviderResponseObject, error) {
	err := h.change(ctx, request.ID, func(tx *change.Tx, row db.GetOidcProviderRow) error {
		if row.IsInternal {
			return errDeleteInternal
		}
		tx.Record(event.Event{Action: event.AuthProviderDelete, ResourceID: row.ID, Details: event.Details{"name": row.Name}})
		return tx.DeleteOidcProvider(ctx, row.ID)
	})
	if err != nil {
		return nil, err
	}
	return api.DeleteOidcProvider200JSONResponse{Message: "Provider deleted successfully"}, nil
}

// checkAddresses refuses an issuer that cannot be one, and a redirection to
// elsewhere than this server.
func (h *Handlers) checkAddresses(ctx context.Context, issuer, redirectURI *string) error {
	if issuer != nil {
		if err := h.checkIssuer(ctx, *issuer); err != nil {
			return err
		}
	}
	if redirectURI == nil {
		return nil
	}
	u, o, err := parseAddress(*redirectURI)
	switch {
	case err != nil || u.Fragment != "":
		return fail.BadRequest("redirectUri must be a valid uri")
	case len(h.public) > 0 && !slices.Contains(h.public, o):
		return fail.BadRequest("redirectUri must be on a public origin of this server")
	}
	return nil
}

// checkIssuer refuses what is no issuer (OpenID Connect Core, section 1.2). Over
// plain http it has to be on a network that the operator allows by name.
func (h *Handlers) checkIssuer(ctx context.Context, text string) error {
	u, _, err := parseAddress(text)
	switch {
	case err != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return fail.BadRequest("issuer must be a valid uri")
	case u.Scheme == "http" && !h.outbound.Allows(ctx, u.Hostname()):
		return fail.BadRequest("issuer must use https")
	}
	return nil
}

// parseAddress reads an absolute http or https URL without user info.
func parseAddress(text string) (*url.URL, origin.Origin, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, origin.Origin{}, err
	}
	o, err := origin.Parse((&url.URL{Scheme: u.Scheme, User: u.User, Host: u.Host}).String())
	return u, o, err
}

func sameOrigin(a, b string) bool {
	_, first, err := parseAddress(a)
	if err != nil {
		return false
	}
	_, second, err := parseAddress(b)
	return err == nil && first == second
}
