package organization

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
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

// UpdateMemberPermissions changes the overrides that the body names.
func (h *Handlers) UpdateMemberPermissions(ctx context.Context, request api.UpdateMemberPermissionsRequestObject) (api.UpdateMemberPermissionsResponseObject, error) {
	c := caller.From(ctx)
	held := c.In(request.ID)
	if !held.Has(permission.OrgMembersManage) {
		return nil, errForbidden
	}
	var allow, deny, neutral permission.Set
	for name, value := range request.Body.Permissions {
		// Names that no organization knows drop out.
		named := permission.Of(name) & permission.All(permission.Organization)
		switch value {
		case api.PermissionChangeAllow:
			allow |= named
		case api.PermissionChangeDeny:
			deny |= named
		case api.PermissionChangeNeutral:
			neutral |= named
		}
	}
	var m member
	err := pgx.BeginFunc(ctx, h.pool, func(tx pgx.Tx) (err error) {
		q := h.queries.WithTx(tx)
		if err := q.LockMember(ctx, db.LockMemberParams{OrganizationID: request.ID, AccountID: request.AccountID}); err != nil {
			return err
		}
		if m, err = findMember(ctx, q, request.ID, request.AccountID); err != nil {
			return err
		}
		if m.owner || request.AccountID == c.AccountID {
			return errForbidden
		}
		// Repeating what is granted already is no grant.
		if granted := allow &^ m.allowed; granted&^held != 0 {
			return errGrantTooMuch
		}
		m.allowed = m.allowed&^(deny|neutral) | allow
		m.denied = m.denied&^(allow|neutral) | deny
		return q.UpdateMemberPermissions(ctx, db.UpdateMemberPermissionsParams{
			OrganizationID: request.ID, AccountID: request.AccountID,
			Allowed: allow.Names(), Denied: deny.Names(), Neutral: neutral.Names(),
		})
	})
	if err != nil {
		return nil, err
	}
	h.events.Publish(event.Change{Topics: []event.Topic{event.LiveSessions}, Organizations: []int64{request.ID}})
	return api.UpdateMemberPermissions200JSONResponse(m.toAPI()), nil
}

// findMember reads an active member's permissions as of the statement's start.
func findMember(ctx context.Context, q *db.Queries, organizationID, accountID int64) (member, error) {
	row, err := q.GetMemberPermissions(ctx, db.GetMemberPermissionsParams{OrganizationID: organizationID, AccountID: accountID})
	if err != nil {
		return member{}, fail.OnNoRows(err, errNotFound)
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
	overrides := map[string]api.PermissionOverride{}
	for _, name := range m.allowed.Names() {
		overrides[name] = api.PermissionOverrideAllow
	}
	for _, name := range m.denied.Names() {
		overrides[name] = api.PermissionOverrideDeny
	}
	return api.MemberPermissions{
		Catalog:   catalog(permission.CatalogOf(permission.Organization)),
		Overrides: overrides,
		Effective: api.EffectivePermissions{
			IsOwner:     m.owner,
			IsAdmin:     m.system.Has(permission.OrganizationsManageAll),
			Permissions: effective.Names(),
		},
		Inherited: inherited.Names(),
	}
}

// catalog writes a catalog; flags that are not set are left out.
func catalog(c permission.Catalog) api.PermissionCatalog {
	answer := api.PermissionCatalog{Scope: api.PermissionScope(c.Scope.Names()[0])}
	for _, category := range c.Categories {
		answer.Categories = append(answer.Categories, api.PermissionCategory{Key: category.Key, Label: category.Label, Icon: category.Icon})
	}
	for _, p := range c.Permissions {
		description := api.PermissionDescription{ID: string(p.Name), Category: p.Category, Label: p.Label, Description: p.Description}
		for _, scope := range p.Scopes.Names() {
			description.Scopes = append(description.Scopes, api.PermissionScope(scope))
		}
		if p.Default {
			description.Default = &p.Default
		}
		if p.Dangerous {
			description.Dangerous = &p.Dangerous
		}
		answer.Permissions = append(answer.Permissions, description)
	}
	return answer
}
