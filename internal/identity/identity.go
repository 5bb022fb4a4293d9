// Package identity owns the operations on identities: named logins with sealed
// secrets. It does not use the secrets; connections do.
package identity

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/audit"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/permission"
	"github.com/nexterm-go/nexterm/internal/vault"
)

var (
	errNotFound             = fail.NotFound("Identity does not exist")
	errOrganizationNotFound = fail.NotFound("Organization not found")
	errPersonalForbidden    = fail.Forbidden("You don't have permission to manage identities")
	errSharedForbidden      = fail.Forbidden("You don't have permission to manage this organization's identities")
	errNotOwnPersonal       = fail.Forbidden("Can only move your own personal identities")
)

// Handlers are the operations of the tag identity.
type Handlers struct {
	pool    *pgxpool.Pool
	queries *db.Queries
	vault   *vault.Vault
	events  *event.Bus
}

// New returns the operations over a database and the vault of its secrets.
func New(pool *pgxpool.Pool, v *vault.Vault, events *event.Bus) *Handlers {
	return &Handlers{pool: pool, queries: db.New(pool), vault: v, events: events}
}

// publish announces a change of identities to the caller and the active members
// of the organizations; nil stands for personal.
func (h *Handlers) publish(c *caller.Caller, organizations ...*int64) {
	h.events.Tell(c.AccountID, organizations, event.Identities, event.Entries)
}

// ListIdentities answers what the caller may use, personal ones first.
func (h *Handlers) ListIdentities(ctx context.Context, _ api.ListIdentitiesRequestObject) (api.ListIdentitiesResponseObject, error) {
	c := caller.From(ctx)
	rows, err := h.queries.ListIdentities(ctx, db.ListIdentitiesParams{AccountID: c.AccountID, OrganizationIds: c.Organizations})
	if err != nil {
		return nil, err
	}
	identities := make(api.ListIdentities200JSONResponse, len(rows))
	for i, row := range rows {
		identities[i] = toAPI(row)
	}
	return identities, nil
}

// CreateIdentity stores an identity with the secrets that its type uses.
func (h *Handlers) CreateIdentity(ctx context.Context, request api.CreateIdentityRequestObject) (api.CreateIdentityResponseObject, error) {
	c, body := caller.From(ctx), request.Body
	given := secrets{body.Password, body.SSHKey, body.Passphrase}
	if err := given.check(); err != nil {
		return nil, err
	}
	if err := mayManage(c, body.OrganizationID); err != nil {
		return nil, err
	}
	row := db.CreateIdentityParams{
		OrganizationID: body.OrganizationID,
		Name:           body.Name,
		Username:       body.Username,
		Type:           string(body.Type),
	}
	scope := api.IdentityScopeOrganization
	if body.OrganizationID == nil {
		row.AccountID, scope = &c.AccountID, api.IdentityScopePersonal
	}
	if body.Type == api.IdentityTypePasswordOnly {
		row.Username = nil
	}

	var id int64
	err := pgx.BeginFunc(ctx, h.pool, func(tx pgx.Tx) (err error) {
		q := h.queries.WithTx(tx)
		if id, err = q.CreateIdentity(ctx, row); err != nil {
			return fail.OnConstraint(err, "identities_organization_exists", errOrganizationNotFound)
		}
		if err := h.storeSecrets(ctx, q, id, body.Type, given, false); err != nil {
			return err
		}
		return audit.Record(ctx, q, audit.Event{
			Action: audit.IdentityCreate, OrganizationID: body.OrganizationID, ResourceID: id,
			Details: audit.Details{"identityName": body.Name, "identityType": body.Type, "scope": scope},
		})
	})
	if err != nil {
		return nil, err
	}
	h.publish(c, body.OrganizationID)
	return api.CreateIdentity200JSONResponse{ID: id, Message: "Identity got successfully created"}, nil
}

// DeleteIdentity removes an identity, its secrets and its links.
func (h *Handlers) DeleteIdentity(ctx context.Context, request api.DeleteIdentityRequestObject) (api.DeleteIdentityResponseObject, error) {
	c := caller.From(ctx)
	var organizationID *int64
	err := pgx.BeginFunc(ctx, h.pool, func(tx pgx.Tx) error {
		q := h.queries.WithTx(tx)
		current, err := lock(ctx, q, c, request.IdentityID)
		if err != nil {
			return err
		}
		organizationID = current.OrganizationID
		if err := mayManage(c, current.OrganizationID); err != nil {
			return err
		}
		if err := q.DeleteIdentity(ctx, db.DeleteIdentityParams{
			ID: current.ID, AccountID: c.AccountID, OrganizationIds: c.Organizations, EveryOrganization: c.ManagesAll(),
		}); err != nil {
			return err
		}
		return audit.Record(ctx, q, audit.Event{
			Action: audit.IdentityDelete, OrganizationID: current.OrganizationID, ResourceID: current.ID,
			Details: audit.Details{"identityName": current.Name, "identityType": current.Type},
		})
	})
	if err != nil {
		return nil, err
	}
	h.publish(c, organizationID)
	return api.DeleteIdentity200JSONResponse{Message: "Identity got successfully deleted"}, nil
}

// lock reads an identity that the caller may see or manage, for a change.
func lock(ctx context.Context, q *db.Queries, c *caller.Caller, id int64) (db.LockIdentityRow, error) {
	row, err := q.LockIdentity(ctx, db.LockIdentityParams{
		ID: id, AccountID: c.AccountID, OrganizationIds: c.Organizations, EveryOrganization: c.ManagesAll(),
	})
	return row, fail.OnNoRows(err, errNotFound)
}

// mayManage checks the right to change identities of an organization, or
// personal ones where it is nil. Whether the organization exists is left to the
// foreign key: only callers who manage all organizations get that far.
func mayManage(c *caller.Caller, organizationID *int64) error {
	switch {
	case organizationID == nil && !c.Holds(permission.IdentitiesManage):
		return errPersonalForbidden
	case organizationID != nil && !c.In(*organizationID).Has(permission.IdentitiesManage):
		return errSharedForbidden
	}
	return nil
}

func toAPI(row db.ListIdentitiesRow) api.Identity {
	scope := api.IdentityScopePersonal
	if row.OrganizationID != nil {
		scope = api.IdentityScopeOrganization
	}
	return api.Identity{
		ID:             row.ID,
		Name:           row.Name,
		Username:       row.Username,
		Type:           api.IdentityType(row.Type),
		AccountID:      row.AccountID,
		OrganizationID: row.OrganizationID,
		Scope:          scope,
	}
}
