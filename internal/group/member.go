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

// AddGroupMember adds an account to a group.
func (h *Handlers) AddGroupMember(ctx context.Context, request api.AddGroupMemberRequestObject) (api.AddGroupMemberResponseObject, error) {
	err := h.change(ctx, func(tx *change.Tx, c *caller.Caller) error {
		group, err := find(ctx, tx.Queries, request.ID)
		if err != nil {
			return err
		}
		if group.IsAdmin && !c.Admin {
			return errAdminsOnly
		}
		added, err := tx.AddGroupMember(ctx, db.AddGroupMemberParams{ID: group.ID, AccountID: request.Body.AccountID})
		if err != nil {
			return fail.OnConstraint(err, "group_members_account_exists", errAccountMissing)
		}
		if added > 0 {
			tx.Record(membership(event.GroupMemberAdd, group, request.Body.AccountID))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.AddGroupMember200JSONResponse{Success: true}, nil
}

// RemoveGroupMember takes an account out of a group.
func (h *Handlers) RemoveGroupMember(ctx context.Context, request api.RemoveGroupMemberRequestObject) (api.RemoveGroupMemberResponseObject, error) {
	err := h.change(ctx, func(tx *change.Tx, c *caller.Caller) error {
		group, err := find(ctx, tx.Queries, request.ID)
		if err != nil {
			return err
		}
		if group.IsAdmin && !c.Admin {
			return errAdminsOnly
		}
		if _, err := findUser(ctx, tx.Queries, request.AccountID); err != nil {
			return err
		}
		removed, err := tx.RemoveGroupMember(ctx, db.RemoveGroupMemberParams{ID: group.ID, AccountID: request.AccountID})
		if err != nil {
			return err
		}
		if removed > 0 {
			tx.Record(membership(event.GroupMemberRemove, group, request.AccountID))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.RemoveGroupMember200JSONResponse{Success: true}, nil
}

func membership(action event.Action, group db.GetGroupRow, accountID int64) event.Event {
	return event.Event{
		Action: action, Owner: caller.Account(accountID), ResourceID: group.ID,
		Details: event.Details{"name": group.Name, "accountId": accountID},
	}
}

// GetUserPermissions answers an account's groups and overrides and what they
// lead to.
func (h *Handlers) GetUserPermissions(ctx context.Context, request api.GetUserPermissionsRequestObject) (api.GetUserPermissionsResponseObject, error) {
	user, err := findUser(ctx, h.queries, request.AccountID)
	if err != nil {
		return nil, err
	}
	return api.GetUserPermissions200JSONResponse(user), nil
}

// UpdateUserGroups replaces the groups of an account.
func (h *Handlers) UpdateUserGroups(ctx context.Context, request api.UpdateUserGroupsRequestObject) (api.UpdateUserGroupsResponseObject, error) {
	var user api.UserPermissions
	err := h.change(ctx, func(tx *change.Tx, c *caller.Caller) (err error) {
		if user, err = findUser(ctx, tx.Queries, request.AccountID); err != nil {
			return err
		}
		becomes, err := tx.MakesAdministrator(ctx, request.Body.GroupIds)
		if err != nil {
			return err
		}
		if (user.Effective.IsAdmin || becomes) && !c.Admin {
			return errAdminsOnly
		}
		if err := tx.UpdateUserGroups(ctx, db.UpdateUserGroupsParams{AccountID: user.ID, GroupIds: request.Body.GroupIds}); err != nil {
			return err
		}
		if user, err = findUser(ctx, tx.Queries, user.ID); err != nil {
			return err
		}
		tx.Record(event.Event{
			Action: event.AccountGroups, Owner: caller.Account(user.ID), ResourceID: user.ID,
			Details: event.Details{"name": user.Username, "groupIds": user.GroupIds},
		})
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.UpdateUserGroups200JSONResponse(user), nil
}

// UpdateUserPermissions changes the overrides of an account.
func (h *Handlers) UpdateUserPermissions(ctx context.Context, request api.UpdateUserPermissionsRequestObject) (api.UpdateUserPermissionsResponseObject, error) {
	allow, deny, neutral := permission.Sort(request.Body.Permissions, permission.System)
	var user api.UserPermissions
	err := h.change(ctx, func(tx *change.Tx, _ *caller.Caller) error {
		err := tx.UpdateUserPermissions(ctx, db.UpdateUserPermissionsParams{
			AccountID: request.AccountID, Allowed: allow.Names(), Denied: deny.Names(), Neutral: neutral.Names(),
		})
		if err != nil {
			return fail.OnConstraint(err, "account_permissions_account_exists", errAccountMissing)
		}
		if user, err = findUser(ctx, tx.Queries, request.AccountID); err != nil {
			return err
		}
		tx.Record(event.Event{
			Action: event.AccountPermissions, Owner: caller.Account(user.ID), ResourceID: user.ID,
			Details: event.Details{"name": user.Username, "allowed": allow.Names(), "denied": deny.Names(), "neutral": neutral.Names()},
		})
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.UpdateUserPermissions200JSONResponse(user), nil
}

func findUser(ctx context.Context, q *db.Queries, id int64) (api.UserPermissions, error) {
	row, err := q.GetUserPermissions(ctx, id)
	if err != nil {
		return api.UserPermissions{}, fail.OnNoRows(err, errAccountMissing)
	}
	effective := permission.Of(row.Permissions...) & permission.All(permission.System)
	if row.IsAdmin {
		effective = permission.All(permission.System)
	}
	return api.UserPermissions{
		ID: row.ID, Username: row.Username, FirstName: row.FirstName, LastName: row.LastName, AvatarHash: row.AvatarHash,
		GroupIds:  row.GroupIds,
		Overrides: overrides(row.Allowed, row.Denied),
		Effective: api.EffectiveSystemPermissions{IsAdmin: row.IsAdmin, Permissions: effective.Names()},
	}, nil
}
