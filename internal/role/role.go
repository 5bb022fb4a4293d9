// Package role owns the administration of permissions: roles, which the API
// calls groups, who has them, and the overrides of accounts. It does not own
// what permissions there are, nor what members of an organization may do in it.
package role

import (
	"context"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/permission"
)

var (
	errNotFound       = fail.NotFound("Group not found")
	errBuiltInStays   = fail.BadRequest("Built-in groups cannot be deleted")
	errBuiltInChange  = fail.BadRequest("Built-in groups cannot be modified")
	errHasEverything  = fail.BadRequest("The administrator group already grants every permission")
	errAccountMissing = fail.NotFound("Account not found")
)

// Handlers are the operations of the tag role.
type Handlers struct {
	queries *db.Queries
	changes *change.Changes
}

// New returns the operations over a database.
func New(queries *db.Queries, changes *change.Changes) *Handlers {
	return &Handlers{queries: queries, changes: changes}
}

// GetPermissionCatalog answers what can be granted.
func (h *Handlers) GetPermissionCatalog(context.Context, api.GetPermissionCatalogRequestObject) (api.GetPermissionCatalogResponseObject, error) {
	return api.GetPermissionCatalog200JSONResponse{System: permission.SystemCatalog, Organization: permission.OrganizationCatalog}, nil
}

// ListRoles answers all roles in order of priority.
func (h *Handlers) ListRoles(ctx context.Context, _ api.ListRolesRequestObject) (api.ListRolesResponseObject, error) {
	roles, err := list(ctx, h.queries)
	if err != nil {
		return nil, err
	}
	return api.ListRoles200JSONResponse(roles), nil
}

// CreateRole adds a role of the lowest priority.
func (h *Handlers) CreateRole(ctx context.Context, request api.CreateRoleRequestObject) (api.CreateRoleResponseObject, error) {
	var row db.PermissionGroup
	err := h.change(ctx, func(tx *change.Tx, _ *caller.Caller) (err error) {
		if row, err = tx.CreateRole(ctx, db.CreateRoleParams{Name: request.Body.Name, Color: request.Body.Color}); err != nil {
			return err
		}
		tx.Record(event.Event{Action: event.GroupCreate, ResourceID: row.ID, Details: event.Details{"name": row.Name}})
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.CreateRole200JSONResponse(toAPI(row)), nil
}

// OrderRoles sets the priority of the roles that the body names.
func (h *Handlers) OrderRoles(ctx context.Context, request api.OrderRolesRequestObject) (api.OrderRolesResponseObject, error) {
	var roles []api.RoleSummary
	err := h.change(ctx, func(tx *change.Tx, _ *caller.Caller) (err error) {
		if err := tx.OrderRoles(ctx, request.Body.Order); err != nil {
			return err
		}
		tx.Record(event.Event{Action: event.GroupUpdate, Details: event.Details{"order": request.Body.Order}})
		roles, err = list(ctx, tx.Queries)
		return err
	})
	if err != nil {
		return nil, err
	}
	return api.OrderRoles200JSONResponse(roles), nil
}

// GetRole answers a role with its permissions and members.
func (h *Handlers) GetRole(ctx context.Context, request api.GetRoleRequestObject) (api.GetRoleResponseObject, error) {
	role, err := details(ctx, h.queries, request.ID)
	if err != nil {
		return nil, err
	}
	return api.GetRole200JSONResponse(role), nil
}

// UpdateRole changes name, color and priority, each only when it is given.
func (h *Handlers) UpdateRole(ctx context.Context, request api.UpdateRoleRequestObject) (api.UpdateRoleResponseObject, error) {
	var row db.PermissionGroup
	err := h.change(ctx, func(tx *change.Tx, _ *caller.Caller) error {
		role, err := find(ctx, tx.Queries, request.ID)
		if err != nil {
			return err
		}
		if role.IsAdmin || role.IsDefault {
			return errBuiltInChange
		}
		row, err = tx.UpdateRole(ctx, db.UpdateRoleParams{
			ID: role.ID, Name: request.Body.Name, Color: request.Body.Color, SortOrder: request.Body.SortOrder,
		})
		if err != nil {
			return err
		}
		tx.Record(event.Event{
			Action: event.GroupUpdate, ResourceID: row.ID,
			Details: event.Details{"name": row.Name, "updatedFields": caller.Members(ctx)},
		})
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.UpdateRole200JSONResponse(toAPI(row)), nil
}

// DeleteRole takes a role from everybody who has it.
func (h *Handlers) DeleteRole(ctx context.Context, request api.DeleteRoleRequestObject) (api.DeleteRoleResponseObject, error) {
	err := h.change(ctx, func(tx *change.Tx, _ *caller.Caller) error {
		role, err := find(ctx, tx.Queries, request.ID)
		if err != nil {
			return err
		}
		if role.IsAdmin || role.IsDefault {
			return errBuiltInStays
		}
		tx.Record(event.Event{Action: event.GroupDelete, ResourceID: role.ID, Details: event.Details{"name": role.Name}})
		return tx.DeleteRole(ctx, role.ID)
	})
	if err != nil {
		return nil, err
	}
	return api.DeleteRole200JSONResponse{Success: true}, nil
}

// UpdateRolePermissions changes what a role decides.
func (h *Handlers) UpdateRolePermissions(ctx context.Context, request api.UpdateRolePermissionsRequestObject) (api.UpdateRolePermissionsResponseObject, error) {
	allow, deny, neutral := permission.Sort(request.Body.Permissions, permission.System)
	var changed api.RoleDetails
	err := h.change(ctx, func(tx *change.Tx, _ *caller.Caller) error {
		role, err := find(ctx, tx.Queries, request.ID)
		if err != nil {
			return err
		}
		if role.IsAdmin {
			return errHasEverything
		}
		err = tx.UpdateRolePermissions(ctx, db.UpdateRolePermissionsParams{
			ID: role.ID, Allowed: allow.Names(), Denied: deny.Names(), Neutral: neutral.Names(),
		})
		if err != nil {
			return err
		}
		tx.Record(event.Event{
			Action: event.GroupPermissions, ResourceID: role.ID,
			Details: event.Details{"name": role.Name, "allowed": allow.Names(), "denied": deny.Names(), "neutral": neutral.Names()},
		})
		changed, err = details(ctx, tx.Queries, role.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	return api.UpdateRolePermissions200JSONResponse(changed), nil
}

func find(ctx context.Context, q *db.Queries, id int64) (db.GetRoleRow, error) {
	row, err := q.GetRole(ctx, id)
	return row, fail.OnNoRows(err, errNotFound)
}

func list(ctx context.Context, q *db.Queries) ([]api.RoleSummary, error) {
	rows, err := q.ListRoles(ctx)
	if err != nil {
		return nil, err
	}
	roles := make([]api.RoleSummary, len(rows))
	for i, row := range rows {
		roles[i] = api.RoleSummary{
			ID: row.ID, Name: row.Name, Color: row.Color,
			IsAdmin: row.IsAdmin, IsDefault: row.IsDefault, IsSystem: row.IsAdmin || row.IsDefault,
			SortOrder: row.SortOrder, MemberCount: row.MemberCount,
			Permissions: overrides(row.Allowed, row.Denied),
		}
	}
	return roles, nil
}

func details(ctx context.Context, q *db.Queries, id int64) (api.RoleDetails, error) {
	row, err := find(ctx, q, id)
	if err != nil {
		return api.RoleDetails{}, err
	}
	members, err := q.ListRoleMembers(ctx, id)
	if err != nil {
		return api.RoleDetails{}, err
	}
	role := api.RoleDetails{
		ID: row.ID, Name: row.Name, Color: row.Color,
		IsAdmin: row.IsAdmin, IsDefault: row.IsDefault, IsSystem: row.IsAdmin || row.IsDefault,
		SortOrder: row.SortOrder, Permissions: overrides(row.Allowed, row.Denied),
		Members: make([]api.AccountView, len(members)),
	}
	for i, m := range members {
		role.Members[i] = api.AccountView{
			ID: m.ID, Username: m.Username, FirstName: m.FirstName, LastName: m.LastName, AvatarHash: m.AvatarHash,
		}
	}
	return role, nil
}

// overrides leaves out names that the system does not know any more.
func overrides(allowed, denied []string) map[string]api.PermissionOverride {
	known := permission.All(permission.System)
	return permission.Overrides[api.PermissionOverride](permission.Of(allowed...)&known, permission.Of(denied...)&known)
}

func toAPI(row db.PermissionGroup) api.Role {
	return api.Role{
		ID: row.ID, Name: row.Name, Color: row.Color,
		IsAdmin: row.IsAdmin, IsDefault: row.IsDefault, SortOrder: row.SortOrder,
	}
}
