package organization

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
	errForbidden      = fail.Forbidden("Forbidden")
	errGrantTooMuch   = fail.Forbidden("You can only grant permissions that you hold yourself")
	errMemberNotFound = fail.NotFound("Member not found")
)

// member is what decides about an active member's permissions.
type member struct {
	owner           bool
	system          permission.Set
	allowed, denied permission.Set
}

// GetMemberPermissions answers a member's overrides and what they lead to.
func (h *Handlers) GetMemberPermissions(ctx context.Context, request api.GetMemberPermissionsRequestObject) (api.GetMemberPermissionsResponseObject, error) {
	if !caller.From(ctx).In(request.ID).Has(permission.OrgMembersManage) {
		return nil, errForbidden
	}
	m, err := findMember(ctx, h.queries, request.ID, request.AccountID)
	if err != nil {
		return nil, err
	}
	return api.GetMemberPermissions200JSONResponse(m.toAPI()), nil
}

// UpdateMemberPermissions changes the overrides that the body names. Whatever lets
// the member do more is a grant, a denial that goes as well; repeating what is
// granted already is none.
func (h *Handlers) UpdateMemberPermissions(ctx context.Context, request api.UpdateMemberPermissionsRequestObject) (api.UpdateMemberPermissionsResponseObject, error) {
	if !caller.From(ctx).In(request.ID).Has(permission.OrgMembersManage) {
		return nil, errForbidden
	}
	allow, deny, neutral := permission.Sort(request.Body.Permissions, permission.Organization)
	var m member
	err := h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) (err error) {
		if err := tx.LockPermissions(ctx); err != nil {
			return err
		}
		if err := tx.LockMember(ctx, db.LockMemberParams{OrganizationID: request.ID, AccountID: request.AccountID}); err != nil {
			return err
		}
		c, err := caller.From(ctx).Renew(ctx, tx.Queries)
		if err != nil {
			return err
		}
		held := c.In(request.ID)
		if !held.Has(permission.OrgMembersManage) {
			return errForbidden
		}
		if m, err = findMember(ctx, tx.Queries, request.ID, request.AccountID); err != nil {
			return err
		}
		if m.owner || request.AccountID == c.AccountID {
			return errForbidden
		}
		granted := allow &^ m.allowed
		_, before := m.system.InOrganization(m.owner, m.allowed, m.denied)
		m.allowed = m.allowed&^(deny|neutral) | allow
		m.denied = m.denied&^(allow|neutral) | deny
		_, after := m.system.InOrganization(m.owner, m.allowed, m.denied)
		if (granted|after&^before)&^held != 0 {
			return errGrantTooMuch
		}
		tx.Record(event.Event{
			Action: event.OrganizationMemberPermissions, Owner: caller.Organization(request.ID), ResourceID: request.ID,
			Details: event.Details{
				"accountId": request.AccountID, "allowed": allow.Names(), "denied": deny.Names(), "neutral": neutral.Names(),
			},
		})
		return tx.UpdateMemberPermissions(ctx, db.UpdateMemberPermissionsParams{
			OrganizationID: request.ID, AccountID: request.AccountID,
			Allowed: allow.Names(), Denied: deny.Names(), Neutral: neutral.Names(),
		})
	})
	if err != nil {
		return nil, err
	}
	return api.UpdateMemberPermissions200JSONResponse(m.toAPI()), nil
}

// findMember reads an active member's permissions as of the statement's start.
func findMember(ctx context.Context, q *db.Queries, organizationID, accountID int64) (member, error) {
	row, err := q.GetMemberPermissions(ctx, db.GetMemberPermissionsParams{OrganizationID: organizationID, AccountID: accountID})
	if err != nil {
		return member{}, fail.OnNoRows(err, caller.ErrOrganizationNotFound)
	}
	if row.Role == nil {
		return member{}, errMemberNotFound
	}
	m := member{
		owner:   *row.Role == string(api.OrganizationRoleOwner),
		system:  permission.Of(row.Permissions...),
		allowed: permission.Of(row.Allowed...) & permission.All(permission.Organization),
		denied:  permission.Of(row.Denied...) & permission.All(permission.Organization),
	}
	if row.IsAdmin {
		m.system = permission.All(permission.System)
	}
	return m, nil
}

func (m *member) toAPI() api.MemberPermissions {
	inherited, effective := m.system.InOrganization(m.owner, m.allowed, m.denied)
	return api.MemberPermissions{
		Catalog:   permission.OrganizationCatalog,
		Overrides: permission.Overrides[api.PermissionOverride](m.allowed, m.denied),
		Effective: api.EffectivePermissions{
			IsOwner:     m.owner,
			IsAdmin:     m.system.Has(permission.OrganizationsManageAll),
			Permissions: effective.Names(),
		},
		Inherited: inherited.Names(),
	}
}
