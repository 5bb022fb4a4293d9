// Package group owns the administration of permissions: groups, who is in them, and the overrides of accounts. It does not own
// what permissions there are, nor what members of an organization may do in it.
package group

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

// Handlers are the operations of the tag group.
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

// ListGroups answers all groups in order of priority.
func (h *Handlers) ListGroups(ctx context.Context, _ api.ListGroupsRequestObject) (api.ListGroupsResponseObject, error) {
	groups, err := list(ctx, h.queries)
	if err != nil {
		return nil, err
	}
	return api.ListGroups200JSONResponse(groups), nil
}

// CreateGroup adds a group of the lowest priority.
func (h *Handlers) CreateGroup(ctx context.Context, request api.CreateGroupRequestObject) (api.CreateGroupResponseObject, error) {
	var row db.PermissionGroup
	err := h.change(ctx, func(tx *change.Tx, _ *caller.Caller) (err error) {
		if row, err = tx.CreateGroup(ctx, db.CreateGroupParams{Name: request.Body.Name, Color: request.Body.Color}); err != nil {
			return err
		}
		tx.Record(event.Event{Action: event.GroupCreate, ResourceID: row.ID, Details: event.Details{"name": row.Name}})
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.CreateGroup200JSONResponse(toAPI(row)), nil
}

// OrderGroups sets the priority of the groups that the body names.
func (h *Handlers) OrderGroups(ctx context.Context, request api.OrderGroupsRequestObject) (api.OrderGroupsResponseObject, error) {
	var groups []api.GroupSummary
	err := h.change(ctx, func(tx *change.Tx, _ *caller.Caller) (err error) {
		if err := tx.OrderGroups(ctx, request.Body.Order); err != nil {
			return err
		}
		tx.Record(event.Event{Action: event.GroupUpdate, Details: event.Details{"order": request.Body.Order}})
		groups, err = list(ctx, tx.Queries)
		return err
	})
	if err != nil {
		return nil, err
	}
	return api.OrderGroups200JSONResponse(groups), nil
}

// GetGroup answers a group with its permissions and members.
func (h *Handlers) GetGroup(ctx context.Context, request api.GetGroupRequestObject) (api.GetGroupResponseObject, error) {
	group, err := details(ctx, h.queries, request.ID)
	if err != nil {
		return nil, err
	}
	return api.GetGroup200JSONResponse(group), nil
}

// UpdateGroup changes name, color and priority, each only when it is given.
func (h *Handlers) UpdateGroup(ctx context.Context, request api.UpdateGroupRequestObject) (api.UpdateGroupResponseObject, error) {
	var row db.PermissionGroup
	err := h.change(ctx, func(tx *change.Tx, _ *caller.Caller) error {
		group, err := find(ctx, tx.Queries, request.ID)
		if err != nil {
			return err
		}
		if group.IsAdmin || group.IsDefault {
			return errBuiltInChange
		}
		row, err = tx.UpdateGroup(ctx, db.UpdateGroupParams{
			ID: group.ID, Name: request.Body.Name, Color: request.Body.Color, SortOrder: request.Body.SortOrder,
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
	return api.UpdateGroup200JSONResponse(toAPI(row)), nil
}

// DeleteGroup takes its permissions from all its members.
func (h *Handlers) DeleteGroup(ctx context.Context, request api.DeleteGroupRequestObject) (api.DeleteGroupResponseObject, error) {
	err := h.change(ctx, func(tx *change.Tx, _ *caller.Caller) error {
		group, err := find(ctx, tx.Queries, request.ID)
		if err != nil {
			return err
		}
		if group.IsAdmin || group.IsDefault {
			return errBuiltInStays
		}
		tx.Record(event.Event{Action: event.GroupDelete, ResourceID: group.ID, Details: event.Details{"name": group.Name}})
		return tx.DeleteGroup(ctx, group.ID)
	})
	if err != nil {
		return nil, err
	}
	return api.DeleteGroup200JSONResponse{Success: true}, nil
}

// UpdateGroupPermissions changes what a group decides.
func (h *Handlers) UpdateGroupPermissions(ctx context.Context, request api.UpdateGroupPermissionsRequestObject) (api.UpdateGroupPermissionsResponseObject, error) {
	allow, deny, neutral := permission.Sort(request.Body.Permissions, permission.System)
	var changed api.GroupDetails
	err := h.change(ctx, func(tx *change.Tx, _ *caller.Caller) error {
		group, err := find(ctx, tx.Queries, request.ID)
		if err != nil {
			return err
		}
		if group.IsAdmin {
			return errHasEverything
		}
		err = tx.UpdateGroupPermissions(ctx, db.UpdateGroupPermissionsParams{
			ID: group.ID, Allowed: allow.Names(), Denied: deny.Names(), Neutral: neutral.Names(),
		})
		if err != nil {
			return err
		}
		tx.Record(event.Event{
			Action: event.GroupPermissions, ResourceID: group.ID,
			Details: event.Details{"name": group.Name, "allowed": allow.Names(), "denied": deny.Names(), "neutral": neutral.Names()},
		})
		changed, err = details(ctx, tx.Queries, group.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	return api.UpdateGroupPermissions200JSONResponse(changed), nil
}

func find(ctx context.Context, q *db.Queries, id int64) (db.GetGroupRow, error) {
	row, err := q.GetGroup(ctx, id)
	return row, fail.OnNoRows(err, errNotFound)
}

func list(ctx context.Context, q *db.Queries) ([]api.GroupSummary, error) {
	rows, err := q.ListGroups(ctx)
	if err != nil {
		return nil, err
	}
	groups := make([]api.GroupSummary, len(rows))
	for i, row := range rows {
		groups[i] = api.GroupSummary{
			ID: row.ID, Name: row.Name, Color: row.Color,
			IsAdmin: row.IsAdmin, IsDefault: row.IsDefault, IsSystem: row.IsAdmin || row.IsDefault,
			SortOrder: row.SortOrder, MemberCount: row.MemberCount,
			Permissions: overrides(row.Allowed, row.Denied),
		}
	}
	return groups, nil
}

func details(ctx context.Context, q *db.Queries, id int64) (api.GroupDetails, error) {
	row, err := find(ctx, q, id)
	if err != nil {
		return api.GroupDetails{}, err
	}
	members, err := q.ListGroupMembers(ctx, id)
	if err != nil {
		return api.GroupDetails{}, err
	}
	group := api.GroupDetails{
		ID: row.ID, Name: row.Name, Color: row.Color,
		IsAdmin: row.IsAdmin, IsDefault: row.IsDefault, IsSystem: row.IsAdmin || row.IsDefault,
		SortOrder: row.SortOrder, Permissions: overrides(row.Allowed, row.Denied),
		Members: make([]api.AccountView, len(members)),
	}
	for i, m := range members {
		group.Members[i] = api.AccountView{
			ID: m.ID, Username: m.Username, FirstName: m.FirstName, LastName: m.LastName, AvatarHash: m.AvatarHash,
		}
	}
	return group, nil
}

// overrides leaves out names that the system does not know any more.
func overrides(allowed, denied []string) map[string]api.PermissionOverride {
	known := permission.All(permission.System)
	return permission.Overrides[api.PermissionOverride](permission.Of(allowed...)&known, permission.Of(denied...)&known)
}

func toAPI(row db.PermissionGroup) api.Group {
	return api.Group{
		ID: row.ID, Name: row.Name, Color: row.Color,
		IsAdmin: row.IsAdmin, IsDefault: row.IsDefault, SortOrder: row.SortOrder,
	}
}
