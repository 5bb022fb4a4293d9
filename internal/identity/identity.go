// Package identity owns the operations on identities: named logins with sealed
// secrets. It does not use the secrets; connections do.
package identity

import (
	"context"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/paging"
	"github.com/nexterm-go/nexterm/internal/permission"
	"github.com/nexterm-go/nexterm/internal/vault"
)

var (
	errNotFound          = fail.NotFound("Identity does not exist")
	errPersonalForbidden = fail.Forbidden("You don't have permission to manage identities")
	errSharedForbidden   = fail.Forbidden("You don't have permission to manage this organization's identities")
	errNotOwnPersonal    = fail.Forbidden("Can only move your own personal identities")
)

// Handlers are the operations of the tag identity.
type Handlers struct {
	queries *db.Queries
	changes *change.Changes
	vault   *vault.Vault
}

// New returns the operations over a database and the vault of its secrets.
func New(queries *db.Queries, changes *change.Changes, v *vault.Vault) *Handlers {
	return &Handlers{queries, changes, v}
}

// ListIdentities answers what the caller may use, personal ones first.
func (h *Handlers) ListIdentities(ctx context.Context, _ api.ListIdentitiesRequestObject) (api.ListIdentitiesResponseObject, error) {
	reach := caller.From(ctx).Reach
	return struct {
		api.ListIdentities200JSONResponse
		*paging.List[api.Identity]
	}{List: &paging.List[api.Identity]{Context: ctx, Read: func(ctx context.Context, last *api.Identity) ([]api.Identity, error) {
		page := db.ListIdentitiesParams{Reach: reach, Most: paging.Length}
		if last != nil {
			page.AfterID = last.ID
			if last.OrganizationID != nil {
				page.AfterOrganization = *last.OrganizationID
			}
		}
		rows, err := h.queries.ListIdentities(ctx, page)
		identities := make([]api.Identity, len(rows))
		for i, row := range rows {
			identities[i] = toAPI(row)
		}
		return identities, err
	}}}, nil
}

// CreateIdentity stores an identity with the secrets that its type uses.
func (h *Handlers) CreateIdentity(ctx context.Context, request api.CreateIdentityRequestObject) (api.CreateIdentityResponseObject, error) {
	c, body := caller.From(ctx), request.Body
	given := secrets{body.Password, body.SSHKey, body.Passphrase}
	if err := given.check(); err != nil {
		return nil, err
	}
	owner := caller.OwnerOf(c, body.OrganizationID)
	if err := mayManage(c, owner); err != nil {
		return nil, err
	}
	row := db.CreateIdentityParams{Scope: int64(owner), Name: body.Name, Username: body.Username, Type: string(body.Type)}
	scope := api.IdentityScopeOrganization
	if body.OrganizationID == nil {
		scope = api.IdentityScopePersonal
	}
	if body.Type == api.IdentityTypePasswordOnly {
		row.Username = nil
	}
	var id int64
	err := h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) (err error) {
		if id, err = tx.CreateIdentity(ctx, row); err != nil {
			return fail.OnConstraint(err, "identities_organization_exists", caller.ErrOrganizationNotFound)
		}
		tx.Record(event.Event{
			Action: event.IdentityCreate, Owner: owner, ResourceID: id,
			Details: event.Details{"identityName": body.Name, "identityType": body.Type, "scope": scope},
		})
		if err := h.storeSecrets(ctx, tx, id, body.Type, given, false); err != nil {
			return err
		}
		return tx.Within(ctx, owner, change.Identities)
	})
	if err != nil {
		return nil, err
	}
	return api.CreateIdentity200JSONResponse{ID: id, Message: "Identity got successfully created"}, nil
}

// DeleteIdentity removes an identity, its secrets and its links.
func (h *Handlers) DeleteIdentity(ctx context.Context, request api.DeleteIdentityRequestObject) (api.DeleteIdentityResponseObject, error) {
	c := caller.From(ctx)
	err := h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		current, err := find(ctx, tx, c, request.IdentityID)
		if err != nil {
			return err
		}
		if err := mayManage(c, caller.Owner(current.Scope)); err != nil {
			return err
		}
		tx.Record(event.Event{
			Action: event.IdentityDelete, Owner: caller.Owner(current.Scope), ResourceID: current.ID,
			Details: event.Details{"identityName": current.Name, "identityType": current.Type},
		})
		return tx.DeleteIdentity(ctx, db.DeleteIdentityParams{ID: current.ID, Reach: c.Reach, ManagesAll: c.ManagesAll()})
	})
	if err != nil {
		return nil, err
	}
	return api.DeleteIdentity200JSONResponse{Message: "Identity got successfully deleted"}, nil
}

// find reads an identity that the caller may see or manage, for a change.
func find(ctx context.Context, tx *change.Tx, c *caller.Caller, id int64) (db.LockIdentityRow, error) {
	row, err := tx.LockIdentity(ctx, db.LockIdentityParams{ID: id, Reach: c.Reach, ManagesAll: c.ManagesAll()})
	return row, fail.OnNoRows(err, errNotFound)
}

func mayManage(c *caller.Caller, owner caller.Owner) error {
	return c.Need(permission.IdentitiesManage, owner, errPersonalForbidden, errSharedForbidden)
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
