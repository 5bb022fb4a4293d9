// Package organization owns the operations on organizations: their members,
// invitations, the members' permissions and the settings for live sessions. It
// does not own what belongs to an organization; foreign keys tie that to it.
package organization

import (
	"context"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/audit"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/permission"
	"github.com/nexterm-go/nexterm/internal/timestamp"
)

var (
	errNoAccess        = fail.Forbidden("You don't have access to this organization")
	errUpdateForbidden = fail.Forbidden("You don't have permission to update this organization")
	errDeleteForbidden = fail.Forbidden("You don't have permission to delete this organization or it doesn't exist")
)

// Handlers are the operations of the tag organization.
type Handlers struct {
	queries *db.Queries
	changes *change.Changes
}

// New returns the operations over a database.
func New(queries *db.Queries, changes *change.Changes) *Handlers {
	return &Handlers{queries: queries, changes: changes}
}

// ListOrganizations answers the caller's active memberships.
func (h *Handlers) ListOrganizations(ctx context.Context, _ api.ListOrganizationsRequestObject) (api.ListOrganizationsResponseObject, error) {
	c := caller.From(ctx)
	rows, err := h.queries.ListOrganizations(ctx, c.Organizations)
	if err != nil {
		return nil, err
	}
	organizations := make(api.ListOrganizations200JSONResponse, len(rows))
	for i, row := range rows {
		if organizations[i], err = toAPI(row, c.Owns(row.ID), c.In(row.ID)); err != nil {
			return nil, err
		}
	}
	return organizations, nil
}

// CreateOrganization founds an organization that the caller owns.
func (h *Handlers) CreateOrganization(ctx context.Context, request api.CreateOrganizationRequestObject) (api.CreateOrganizationResponseObject, error) {
	var row db.CreateOrganizationRow
	err := h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) (err error) {
		row, err = tx.CreateOrganization(ctx, db.CreateOrganizationParams{
			Name: request.Body.Name, Description: request.Body.Description, AccountID: caller.From(ctx).AccountID,
		})
		if err != nil {
			return err
		}
		tx.Record(event.Event{
			Action: event.OrganizationCreate, Owner: caller.Organization(row.ID), ResourceID: row.ID,
			Details: event.Details{"name": row.Name},
		})
		return tx.Within(ctx, caller.Account(caller.From(ctx).AccountID), change.Organizations)
	})
	if err != nil {
		return nil, err
	}
	answer, err := toAPI(db.Organization(row), true, permission.All(permission.Organization))
	return api.CreateOrganization201JSONResponse(answer), err
}

// GetOrganization answers one organization to its active members.
func (h *Handlers) GetOrganization(ctx context.Context, request api.GetOrganizationRequestObject) (api.GetOrganizationResponseObject, error) {
	c := caller.From(ctx)
	if err := h.checkMember(ctx, c, request.ID); err != nil {
		return nil, err
	}
	row, err := h.queries.GetOrganization(ctx, request.ID)
	if err != nil {
		return nil, fail.OnNoRows(err, caller.ErrOrganizationNotFound)
	}
	answer, err := toAPI(row, c.Owns(row.ID), c.In(row.ID))
	return api.GetOrganization200JSONResponse(answer), err
}

// UpdateOrganization changes the name, the description or both.
func (h *Handlers) UpdateOrganization(ctx context.Context, request api.UpdateOrganizationRequestObject) (api.UpdateOrganizationResponseObject, error) {
	c, body := caller.From(ctx), request.Body
	if !c.In(request.ID).Has(permission.OrgManage) {
		return nil, errUpdateForbidden
	}
	update := db.UpdateOrganizationParams{
		ID: request.ID, Name: body.Name, SetDescription: body.Description.IsSpecified(),
	}
	if update.SetDescription && !body.Description.IsNull() {
		description := body.Description.MustGet()
		update.Description = &description
	}
	var row db.Organization
	err := h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) (err error) {
		if row, err = tx.UpdateOrganization(ctx, update); err != nil {
			return fail.OnNoRows(err, caller.ErrOrganizationNotFound)
		}
		tx.Record(event.Event{
			Action: event.OrganizationUpdate, Owner: caller.Organization(row.ID), ResourceID: row.ID,
			Details: event.Details{"name": row.Name, "updatedFields": caller.Members(ctx)},
		})
		return nil
	})
	if err != nil {
		return nil, err
	}
	answer, err := toAPI(row, c.Owns(row.ID), c.In(row.ID))
	return api.UpdateOrganization200JSONResponse(answer), err
}

// DeleteOrganization removes an organization and everything that it owns. The
// audit log keeps what it knows.
func (h *Handlers) DeleteOrganization(ctx context.Context, request api.DeleteOrganizationRequestObject) (api.DeleteOrganizationResponseObject, error) {
	if !caller.From(ctx).In(request.ID).Has(permission.OrgDelete) {
		return nil, errDeleteForbidden
	}
	organization := caller.Organization(request.ID)
	// Changes of the organization's tree come before, not half way into each other.
	err := h.changes.Do(ctx, change.Touch{Owners: []caller.Owner{organization}}, func(tx *change.Tx) error {
		row, err := tx.DeleteOrganization(ctx, request.ID)
		if err != nil {
			return fail.OnNoRows(err, caller.ErrOrganizationNotFound)
		}
		tx.Record(event.Event{
			Action: event.OrganizationDelete, Owner: organization, ResourceID: request.ID,
			Details: event.Details{"name": row.Name}, Accounts: row.FormerMembers, AccountLists: event.AllLists,
		})
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.DeleteOrganization200JSONResponse{Success: true, Message: "Organization deleted successfully"}, nil
}

// checkMember refuses callers without an active membership. Only those who
// manage all organizations learn that there is no such organization.
func (h *Handlers) checkMember(ctx context.Context, c *caller.Caller, id int64) error {
	if c.Member(id) {
		return nil
	}
	if !c.ManagesAll() {
		return errNoAccess
	}
	found, err := h.queries.HasOrganization(ctx, id)
	switch {
	case err != nil:
		return err
	case !found:
		return caller.ErrOrganizationNotFound
	}
	return errNoAccess
}

// roleOf tells the caller's role; those who may change an organization without
// being in it count as members.
func roleOf(owner bool) api.OrganizationRole {
	if owner {
		return api.OrganizationRoleOwner
	}
	return api.OrganizationRoleMember
}

func toAPI(row db.Organization, owner bool, permissions permission.Set) (api.Organization, error) {
	auditSettings, err := audit.MergeSettings(row.AuditSettings)
	if err != nil {
		return api.Organization{}, err
	}
	sessionSettings, err := mergeSessionSettings(row.SessionSettings)
	return api.Organization{
		ID:              row.ID,
		Name:            row.Name,
		Description:     row.Description,
		Role:            roleOf(owner),
		IsOwner:         owner,
		Permissions:     permissions.Names(),
		AuditSettings:   auditSettings,
		SessionSettings: sessionSettings,
		CreatedAt:       timestamp.Format(row.CreatedAt),
		UpdatedAt:       timestamp.Format(row.UpdatedAt),
	}, err
}
