// Package authprovider owns the ways to sign in that the server offers, and signing
// in with OpenID Connect. It does not check passwords; package session does. The
// verification of ID tokens is the library's.
package authprovider

import (
	"context"
	"log/slog"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/origin"
	"github.com/nexterm-go/nexterm/internal/outbound"
	"github.com/nexterm-go/nexterm/internal/vault"
)

var errNotFound = fail.NotFound("Provider not found")

// mask stands for a stored client secret.
const mask = "********"

// Handlers are the operations of the tag provider.
type Handlers struct {
	queries  *db.Queries
	changes  *change.Changes
	vault    *vault.Vault
	outbound *outbound.Client
	public   []origin.Origin
	log      *slog.Logger
	metadata metadata
}

// New returns the operations over a database. Providers send browsers back to
// one of the public origins; with none, to wherever an administrator says.
func New(queries *db.Queries, changes *change.Changes, keys *vault.Vault, client *outbound.Client, public []origin.Origin, log *slog.Logger) *Handlers {
	return &Handlers{queries: queries, changes: changes, vault: keys, outbound: client, public: public, log: log}
}

// ListProviders answers what a login page offers.
func (h *Handlers) ListProviders(ctx context.Context, _ api.ListProvidersRequestObject) (api.ListProvidersResponseObject, error) {
	rows, err := h.queries.ListProviders(ctx)
	if err != nil {
		return nil, err
	}
	providers := make(api.ListProviders200JSONResponse, len(rows))
	for i, row := range rows {
		all := toAPI(db.GetOidcProviderRow(row))
		providers[i] = api.AuthProvider{
			ID: all.ID, Name: all.Name, Issuer: all.Issuer, Enabled: all.Enabled, IsInternal: all.IsInternal,
			AllowRegistration: all.AllowRegistration, ClientID: all.ClientID, RedirectURI: all.RedirectURI, Scope: all.Scope,
			UsernameAttribute: all.UsernameAttribute, FirstNameAttribute: all.FirstNameAttribute, LastNameAttribute: all.LastNameAttribute,
		}
	}
	return providers, nil
}

// ListProviderSettings answers all providers with their settings.
func (h *Handlers) ListProviderSettings(ctx context.Context, _ api.ListProviderSettingsRequestObject) (api.ListProviderSettingsResponseObject, error) {
	rows, err := h.queries.ListProviders(ctx)
	if err != nil {
		return nil, err
	}
	lists := api.ListProviderSettings200JSONResponse{Oidc: make([]api.AuthProviderSettings, len(rows)), Ldap: []api.AuthProviderSettings{}}
	for i, row := range rows {
		lists.Oidc[i] = toAPI(db.GetOidcProviderRow(row))
	}
	return lists, nil
}

// GetOidcProvider answers one provider with its settings.
func (h *Handlers) GetOidcProvider(ctx context.Context, request api.GetOidcProviderRequestObject) (api.GetOidcProviderResponseObject, error) {
	row, err := h.queries.GetOidcProvider(ctx, request.ID)
	if err != nil {
		return nil, fail.OnNoRows(err, errNotFound)
	}
	return api.GetOidcProvider200JSONResponse(toAPI(row)), nil
}

func toAPI(row db.GetOidcProviderRow) api.AuthProviderSettings {
	settings := api.AuthProviderSettings{
		ID:                 row.ID,
		Name:               row.Name,
		Issuer:             row.Issuer,
		Enabled:            row.Enabled,
		IsInternal:         row.IsInternal,
		ClientID:           row.ClientID,
		RedirectURI:        row.RedirectURI,
		Scope:              row.Scope,
		UsernameAttribute:  row.UsernameAttribute,
		FirstNameAttribute: row.FirstNameAttribute,
		LastNameAttribute:  row.LastNameAttribute,
	}
	if row.IsInternal {
		settings.AllowRegistration = new(row.Enabled && row.AllowRegistration)
	}
	if row.HasSecret {
		settings.ClientSecret = new(mask)
	}
	return settings
}
