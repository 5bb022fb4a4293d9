package identity

import (
	"context"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/fail"
)

// UpdateIdentity changes fields, secrets, type or owning organization; all of
// it or nothing.
func (h *Handlers) UpdateIdentity(ctx context.Context, request api.UpdateIdentityRequestObject) (api.UpdateIdentityResponseObject, error) {
	c, body := caller.From(ctx), request.Body
	given := secrets{body.Password, body.SSHKey, body.Passphrase}
	if err := given.check(); err != nil {
		return nil, err
	}
	err := h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		current, err := find(ctx, tx, c, request.IdentityID)
		if err != nil {
			return err
		}
		before := caller.Owner(current.Scope)
		if err := mayManage(c, before); err != nil {
			return err
		}
		after := before
		if body.OrganizationID != nil {
			after = caller.Organization(*body.OrganizationID)
		}
		if err := mayManage(c, after); err != nil {
			return err
		}
		changed := current
		changed.Scope = int64(after)
		if body.Name != nil {
			changed.Name = *body.Name
		}
		if body.Type != nil {
			changed.Type = string(*body.Type)
		}
		if err := update(ctx, tx, c, changed, body.Username); err != nil {
			return err
		}
		if left := before.OrganizationID(); left != nil && after != before {
			if err := tx.UnlinkIdentity(ctx, db.UnlinkIdentityParams{IdentityID: current.ID, OrganizationID: *left}); err != nil {
				return err
			}
		}
		recordUpdate(tx, before, after, changed, caller.Members(ctx, "password", "sshKey", "passphrase"))
		if err := h.storeSecrets(ctx, tx, current.ID, api.IdentityType(changed.Type), given, true); err != nil {
			return err
		}
		if after != before {
			return tx.Within(ctx, after, change.Identities)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.UpdateIdentity200JSONResponse{Message: "Identity got successfully edited"}, nil
}

// MoveIdentity hands a personal identity of the caller over to an organization.
func (h *Handlers) MoveIdentity(ctx context.Context, request api.MoveIdentityRequestObject) (api.MoveIdentityResponseObject, error) {
	c, target := caller.From(ctx), request.Body.OrganizationID
	var moved db.LockIdentityRow
	err := h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) (err error) {
		if moved, err = find(ctx, tx, c, request.IdentityID); err != nil {
			return err
		}
		if moved.Scope < 0 {
			return errNotOwnPersonal
		}
		to := caller.Organization(target)
		if err := mayManage(c, to); err != nil {
			return err
		}
		moved.Scope = int64(to)
		tx.Record(event.Event{
			Action: event.IdentityUpdate, Owner: to, ResourceID: moved.ID,
			Details:  event.Details{"identityName": moved.Name, "targetOrganizationId": target},
			Accounts: []int64{c.AccountID}, AccountLists: []event.List{event.Identities, event.Entries},
		})
		if err := update(ctx, tx, c, moved, nil); err != nil {
			return err
		}
		return tx.Within(ctx, to, change.Identities)
	})
	if err != nil {
		return nil, err
	}
	return api.MoveIdentity200JSONResponse{
		Message: "Identity successfully moved to organization",
		Identity: toAPI(db.ListIdentitiesRow{
			ID: moved.ID, Name: moved.Name, Username: moved.Username, Type: moved.Type, OrganizationID: &target,
		}),
	}, nil
}

// update writes the changed row; a nil username keeps the stored one.
func update(ctx context.Context, tx *change.Tx, c *caller.Caller, changed db.LockIdentityRow, username *string) error {
	err := tx.UpdateIdentity(ctx, db.UpdateIdentityParams{
		Name: changed.Name, Type: changed.Type, Username: username, NewScope: changed.Scope,
		ID: changed.ID, Reach: c.Reach, ManagesAll: c.ManagesAll(),
	})
	return fail.OnConstraint(err, "identities_organization_exists", caller.ErrOrganizationNotFound)
}

// recordUpdate tells the owner, or each owner that a move involves.
func recordUpdate(tx *change.Tx, before, after caller.Owner, changed db.LockIdentityRow, fields []string) {
	e := event.Event{
		Action: event.IdentityUpdate, Owner: after, ResourceID: changed.ID,
		Details: event.Details{"identityName": changed.Name, "identityType": changed.Type, "updatedFields": fields},
	}
	if before == after {
		tx.Record(e)
		return
	}
	e.Details["sourceOrganizationId"] = before.OrganizationID()
	e.Details["targetOrganizationId"] = after.OrganizationID()
	departure := e
	departure.Owner = before
	tx.Record(departure, e)
}
