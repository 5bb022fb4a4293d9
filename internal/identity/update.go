package identity

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/audit"
	"github.com/nexterm-go/nexterm/internal/caller"
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
	var before, after *int64
	err := pgx.BeginFunc(ctx, h.pool, func(tx pgx.Tx) error {
		q := h.queries.WithTx(tx)
		current, err := lock(ctx, q, c, request.IdentityID)
		if err != nil {
			return err
		}
		if err := mayManage(c, current.OrganizationID); err != nil {
			return err
		}
		target := current.OrganizationID
		if body.OrganizationID != nil {
			target = body.OrganizationID
		}
		if err := mayManage(c, target); err != nil {
			return err
		}
		before, after = current.OrganizationID, target
		changed := current
		changed.OrganizationID = target
		if body.Name != nil {
			changed.Name = *body.Name
		}
		if body.Type != nil {
			changed.Type = string(*body.Type)
		}
		if err := update(ctx, q, c, changed, body.Username); err != nil {
			return err
		}
		if left := current.OrganizationID; left != nil && *left != *target {
			if err := q.UnlinkIdentity(ctx, db.UnlinkIdentityParams{IdentityID: current.ID, OrganizationID: *left}); err != nil {
				return err
			}
		}
		if err := h.storeSecrets(ctx, q, current.ID, api.IdentityType(changed.Type), given, true); err != nil {
			return err
		}
		return recordUpdate(ctx, q, current, changed, updatedFields(body))
	})
	if err != nil {
		return nil, err
	}
	h.publish(c, before, after)
	return api.UpdateIdentity200JSONResponse{Message: "Identity got successfully edited"}, nil
}

// MoveIdentity hands a personal identity of the caller over to an organization.
func (h *Handlers) MoveIdentity(ctx context.Context, request api.MoveIdentityRequestObject) (api.MoveIdentityResponseObject, error) {
	c, target := caller.From(ctx), request.Body.OrganizationID
	var moved db.LockIdentityRow
	err := pgx.BeginFunc(ctx, h.pool, func(tx pgx.Tx) error {
		q := h.queries.WithTx(tx)
		current, err := lock(ctx, q, c, request.IdentityID)
		if err != nil {
			return err
		}
		if current.AccountID == nil {
			return errNotOwnPersonal
		}
		if err := mayManage(c, &target); err != nil {
			return err
		}
		moved = current
		moved.AccountID, moved.OrganizationID = nil, &target
		if err := update(ctx, q, c, moved, nil); err != nil {
			return err
		}
		return audit.Record(ctx, q, audit.Event{
			Action: audit.IdentityUpdate, OrganizationID: &target, ResourceID: current.ID,
			Details: audit.Details{"identityName": current.Name, "targetOrganizationId": target},
		})
	})
	if err != nil {
		return nil, err
	}
	h.publish(c, &target)
	return api.MoveIdentity200JSONResponse{
		Message:  "Identity successfully moved to organization",
		Identity: toAPI(db.ListIdentitiesRow(moved)),
	}, nil
}

// update writes the changed row; a nil username keeps the stored one.
func update(ctx context.Context, q *db.Queries, c *caller.Caller, changed db.LockIdentityRow, username *string) error {
	err := q.UpdateIdentity(ctx, db.UpdateIdentityParams{
		Name: changed.Name, Type: changed.Type, Username: username, NewOrganizationID: changed.OrganizationID,
		ID: changed.ID, AccountID: c.AccountID, OrganizationIds: c.Organizations, EveryOrganization: c.ManagesAll(),
	})
	return fail.OnConstraint(err, "identities_organization_exists", errOrganizationNotFound)
}

// recordUpdate writes one audit row, or one for each organization that a move
// involves.
func recordUpdate(ctx context.Context, q *db.Queries, before, after db.LockIdentityRow, fields []string) error {
	event := audit.Event{
		Action: audit.IdentityUpdate, OrganizationID: after.OrganizationID, ResourceID: after.ID,
		Details: audit.Details{"identityName": after.Name, "identityType": after.Type, "updatedFields": fields},
	}
	moved := after.OrganizationID != nil && (before.OrganizationID == nil || *before.OrganizationID != *after.OrganizationID)
	if moved {
		event.Details["sourceOrganizationId"] = before.OrganizationID
		event.Details["targetOrganizationId"] = after.OrganizationID
	}
	if moved && before.OrganizationID != nil {
		departure := event
		departure.OrganizationID = before.OrganizationID
		if err := audit.Record(ctx, q, departure); err != nil {
			return err
		}
	}
	return audit.Record(ctx, q, event)
}

// updatedFields names the members of the body, without the secrets.
func updatedFields(body *api.UpdateIdentityJSONRequestBody) []string {
	fields := []string{}
	for _, field := range []struct {
		name  string
		given bool
	}{
		{"name", body.Name != nil},
		{"username", body.Username != nil},
		{"type", body.Type != nil},
		{"organizationId", body.OrganizationID != nil},
	} {
		if field.given {
			fields = append(fields, field.name)
		}
	}
	return fields
}
