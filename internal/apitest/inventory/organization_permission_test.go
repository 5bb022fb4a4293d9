package inventory_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/permission"
	"github.com/nexterm-go/nexterm/internal/testserver"
)

const (
	memberNotFound = "Member not found"
	grantTooMuch   = "You can only grant permissions that you hold yourself"
)

// memberEditor is what the permission editor gets.
type memberEditor struct {
	Catalog struct {
		Scope                   string
		Categories, Permissions []body
	}
	Overrides map[string]string
	Effective struct {
		IsOwner, IsAdmin bool
		Permissions      []string
	}
	Inherited []string
}

func memberRightsPath(s *testserver.Server, c *testserver.Client) string {
	return organizationPath(s.Organization, "/members/%d/permissions", c.AccountID)
}

func changeRights(values body) body { return body{"permissions": values} }

func TestPermissionEditorShowsTheCatalog(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	var shown memberEditor
	s.Owner.Get(memberRightsPath(s, s.Colleague)).Want(200).Into(&shown)
	require.Equal(t, "organization", shown.Catalog.Scope)
	var ids, categories []any
	for _, p := range shown.Catalog.Permissions {
		ids = append(ids, p["id"])
	}
	for _, c := range shown.Catalog.Categories {
		categories = append(categories, c["key"])
	}
	require.Len(t, ids, 21)
	require.ElementsMatch(t, everyPermission, ids)
	require.Equal(t, []any{"resources", "connections", "files", "general", "members", "audit", "sessions"}, categories)
	require.Equal(t, body{
		"id": "resources.manage", "scopes": []any{"system", "organization"}, "category": "resources",
		"label": "Manage Resources", "description": "Change entries, folders, integrations and tags.", "default": true,
	}, shown.Catalog.Permissions[0])
	require.Equal(t, body{
		"id": "org.sessions.control", "scopes": []any{"organization"}, "category": "sessions",
		"label": "Control Live Sessions", "description": "Type into joined sessions.", "dangerous": true,
	}, shown.Catalog.Permissions[20])
	require.Equal(t, body{"key": "files", "label": "File Transfer", "icon": "mdiFolderNetworkOutline"}, shown.Catalog.Categories[2])
}

func TestPermissionEditorTellsInheritedFromEffective(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	s.OverrideMember(t, s.Colleague, permission.OrgManage, "allow")
	s.OverrideMember(t, s.Colleague, permission.FilesModify, "deny")
	s.OverrideMember(t, s.Colleague, "gone.with.a.version", "allow")
	s.Deny(t, s.Colleague, "connect.ssh")

	var shown memberEditor
	s.Owner.Get(memberRightsPath(s, s.Colleague)).Want(200).Into(&shown)
	require.Equal(t, map[string]string{"org.manage": "allow", "files.modify": "deny"}, shown.Overrides)
	require.False(t, shown.Effective.IsOwner)
	require.False(t, shown.Effective.IsAdmin)
	require.Equal(t, []string{
		"resources.manage", "identities.manage", "snippets.manage", "scripts.manage", "scripts.execute",
		"connect.rdp", "connect.vnc", "connect.proxmox", "connect.tunnel", "files.view", "files.upload", "files.download", "files.modify",
	}, shown.Inherited)
	require.Equal(t, []string{
		"resources.manage", "identities.manage", "snippets.manage", "scripts.manage", "scripts.execute",
		"connect.rdp", "connect.vnc", "connect.proxmox", "connect.tunnel", "files.view", "files.upload", "files.download", "org.manage",
	}, shown.Effective.Permissions)

	var list []struct{ Permissions []string }
	s.Colleague.Get("/api/organization").Want(200).Into(&list)
	require.Equal(t, shown.Effective.Permissions, list[0].Permissions, "the member sees the same")
}

func TestPermissionEditorShowsOwnersAndAdministrators(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	s.Exec(t, `insert into organization_members (organization_id, account_id, status, invited_by) values ($1, $2, 'active', $3)`,
		s.Organization, s.Admin.AccountID, s.Owner.AccountID)
	s.OverrideMember(t, s.Admin, permission.OrgManage, "deny")

	var owner, admin memberEditor
	s.Owner.Get(memberRightsPath(s, s.Owner)).Want(200).Into(&owner)
	require.True(t, owner.Effective.IsOwner)
	require.False(t, owner.Effective.IsAdmin)
	require.Equal(t, everyPermission, owner.Effective.Permissions)

	s.Owner.Get(memberRightsPath(s, s.Admin)).Want(200).Into(&admin)
	require.False(t, admin.Effective.IsOwner)
	require.True(t, admin.Effective.IsAdmin)
	require.Equal(t, everyPermission, admin.Effective.Permissions, "overrides do not reduce an administrator")
	require.Equal(t, everyPermission, admin.Inherited)
	require.Equal(t, map[string]string{"org.manage": "deny"}, admin.Overrides)
}

func TestPermissionsOfMembersNeedTheRight(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	inviteByOwner(t, s, s.Stranger)
	nothing := changeRights(body{})
	elsewhere := organizationPath(noOrganization, "/members/%d/permissions", s.Colleague.AccountID)
	for _, c := range []*testserver.Client{s.Colleague, s.Stranger} {
		c.Get(memberRightsPath(s, s.Colleague)).WantError(403, "Forbidden")
		c.Put(memberRightsPath(s, s.Colleague), nothing).WantError(403, "Forbidden")
		c.Get(elsewhere).WantError(403, "Forbidden")
		c.Put(elsewhere, nothing).WantError(403, "Forbidden")
	}
	s.Admin.Get(elsewhere).WantError(404, organizationNotFound)
	s.Admin.Put(elsewhere, nothing).WantError(404, organizationNotFound)

	for _, target := range []*testserver.Client{s.Stranger, s.Admin} {
		s.Owner.Get(memberRightsPath(s, target)).WantError(404, memberNotFound)
		s.Owner.Put(memberRightsPath(s, target), nothing).WantError(404, memberNotFound)
	}
	s.Owner.Get(organizationPath(s.Organization, "/members/x/permissions")).WantError(400, "Invalid member account ID")
	s.Owner.Put("/api/organization/x/members/1/permissions", nothing).WantError(400, "Invalid organization ID")
	s.Admin.Get(memberRightsPath(s, s.Colleague)).Want(200)
}

func TestPermissionChangesTouchWhatTheyName(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	s.OverrideMember(t, s.Colleague, permission.OrgManage, "allow")
	s.OverrideMember(t, s.Colleague, permission.FilesView, "deny")
	s.OverrideMember(t, s.Colleague, permission.FilesModify, "deny")
	s.OverrideMember(t, s.Colleague, permission.OrgDelete, "allow")

	var after, shown memberEditor
	s.Owner.Put("/api/organizations/1/members/3/permissions", nil).WantError(400, "permissions is required")
	s.Owner.Put(memberRightsPath(s, s.Colleague), changeRights(body{
		"org.manage": "neutral", "files.view": "allow", "org.delete": "deny", "connect.ssh": "deny", "org.audit.view": "allow",
		"scripts.manage": "neutral", "users.manage": "allow", "no.such": "deny",
	})).Want(200).Into(&after)
	require.Equal(t, map[string]string{
		"files.view": "allow", "org.delete": "deny", "connect.ssh": "deny", "org.audit.view": "allow", "files.modify": "deny",
	}, after.Overrides)
	s.Owner.Get(memberRightsPath(s, s.Colleague)).Want(200).Into(&shown)
	require.Equal(t, shown, after, "the answer is what is stored")
	var strays int
	s.Scan(t, &strays, `select count(*) from organization_member_permissions where permission in ('users.manage', 'no.such')`)
	require.Zero(t, strays)

	s.Owner.Put(memberRightsPath(s, s.Colleague), changeRights(body{})).Want(200).Into(&after)
	require.Equal(t, shown, after)
}

func TestPermissionChangesHaveThreeValues(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	path := memberRightsPath(s, s.Colleague)
	s.Owner.Put(path, body{}).WantError(400, "permissions is required")
	s.Owner.Put(path, body{"permissions": nil}).WantError(400, "permissions must be of type object")
	s.Owner.Put(path, body{"permissions": []string{"org.manage"}}).WantError(400, "permissions must be of type object")
	s.Owner.Put(path, changeRights(body{"org.manage": "maybe"})).WantError(400, "permissions.org.manage must be one of [allow, deny, neutral]")
	s.Owner.Put(path, changeRights(body{"no.such": true})).WantError(400, "permissions.no.such must be one of [allow, deny, neutral]")
	s.Owner.Put(path, changeRights(body{"org.manage": nil})).WantError(400, "permissions.org.manage must be one of [allow, deny, neutral]")
	s.Owner.Put(path, body{"permissions": body{}, "role": "owner"}).WantError(400, "role is not allowed")
}

func TestNobodyGrantsMoreThanTheyHold(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	guest := s.NewAccount(t, "guest")
	s.Exec(t, `insert into organization_members (organization_id, account_id, status, invited_by) values ($1, $2, 'active', $3)`,
		s.Organization, guest.AccountID, s.Owner.AccountID)
	s.OverrideMember(t, s.Colleague, permission.OrgMembersManage, "allow")
	s.OverrideMember(t, s.Colleague, permission.ConnectSSH, "deny")

	s.Colleague.Put(memberRightsPath(s, guest), changeRights(body{"org.delete": "allow", "files.view": "deny"})).WantError(403, grantTooMuch)
	s.Colleague.Put(memberRightsPath(s, guest), changeRights(body{"connect.ssh": "allow"})).WantError(403, grantTooMuch)
	var stored int
	s.Scan(t, &stored, `select count(*) from organization_member_permissions where account_id = $1`, guest.AccountID)
	require.Zero(t, stored, "a refused change changes nothing")

	s.Colleague.Put(memberRightsPath(s, guest), changeRights(body{"org.members.manage": "allow", "org.delete": "deny"})).Want(200)
	s.Colleague.Put(memberRightsPath(s, guest), changeRights(body{"org.delete": "allow"})).WantError(403, grantTooMuch)
	s.OverrideMember(t, guest, permission.OrgManage, "allow")
	s.Colleague.Put(memberRightsPath(s, guest), changeRights(body{"org.manage": "allow"})).Want(200)

	s.Owner.Put(memberRightsPath(s, guest), changeRights(body{"org.delete": "allow"})).Want(200)
	s.Admin.Put(memberRightsPath(s, guest), changeRights(body{"org.audit.view": "allow"})).Want(200)
}

func TestLiftingADenialIsAGrant(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	guest := s.NewAccount(t, "guest")
	s.Exec(t, `insert into organization_members (organization_id, account_id, status, invited_by) values ($1, $2, 'active', $3)`,
		s.Organization, guest.AccountID, s.Owner.AccountID)
	s.OverrideMember(t, s.Colleague, permission.OrgMembersManage, "allow")
	for _, name := range []permission.Name{permission.ConnectSSH, permission.FilesView, permission.OrgDelete} {
		s.OverrideMember(t, guest, name, "deny")
	}
	s.OverrideMember(t, s.Colleague, permission.ConnectSSH, "deny")
	path := memberRightsPath(s, guest)

	s.Colleague.Put(path, changeRights(body{"connect.ssh": "neutral"})).WantError(403, grantTooMuch)
	s.Colleague.Put(path, changeRights(body{"connect.ssh": "allow"})).WantError(403, grantTooMuch)
	require.Equal(t, 3, s.Count(t, "organization_member_permissions where account_id = $1", guest.AccountID))
	s.Colleague.Put(path, changeRights(body{"files.view": "neutral"})).Want(200)
	s.Colleague.Put(path, changeRights(body{"org.delete": "neutral"})).Want(200)
	s.Owner.Put(path, changeRights(body{"connect.ssh": "neutral"})).Want(200)
}

func TestWhoWaitsToGrantGrantsWhatIsLeft(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	guest := s.NewAccount(t, "guest")
	s.Exec(t, `insert into organization_members (organization_id, account_id, status, invited_by) values ($1, $2, 'active', $3)`,
		s.Organization, guest.AccountID, s.Owner.AccountID)
	s.OverrideMember(t, s.Colleague, permission.OrgMembersManage, "allow")
	s.OverrideMember(t, s.Colleague, permission.OrgManage, "allow")
	tx, err := s.Pool.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
	var pid int
	require.NoError(t, tx.QueryRow(t.Context(), `select pg_backend_pid() from organization_members where account_id = $1 for update`,
		guest.AccountID).Scan(&pid))
	_, err = tx.Exec(t.Context(), `delete from organization_member_permissions where account_id = $1 and permission = 'org.manage'`, s.Colleague.AccountID)
	require.NoError(t, err)
	answer := make(chan *testserver.Response)
	go func() {
		answer <- s.Colleague.Put(memberRightsPath(s, guest), changeRights(body{"org.manage": "allow"}))
	}()
	require.Eventually(t, func() bool {
		return s.Count(t, "pg_stat_activity where $1 = any(pg_blocking_pids(pid))", pid) == 1
	}, 10*time.Second, 5*time.Millisecond)
	require.NoError(t, tx.Commit(t.Context()))
	(<-answer).WantError(403, grantTooMuch)
}

func TestOwnersAndOneselfAreNoTargets(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	deny := changeRights(body{"files.view": "deny"})
	s.OverrideMember(t, s.Colleague, permission.OrgMembersManage, "allow")
	s.Colleague.Put(memberRightsPath(s, s.Owner), deny).WantError(403, "Forbidden")
	s.Colleague.Put(memberRightsPath(s, s.Colleague), deny).WantError(403, "Forbidden")
	s.Owner.Put(memberRightsPath(s, s.Owner), deny).WantError(403, "Forbidden")
	s.Admin.Put(memberRightsPath(s, s.Owner), deny).WantError(403, "Forbidden")
	s.Admin.Put(memberRightsPath(s, s.Admin), deny).WantError(404, memberNotFound)
	s.Exec(t, `insert into organization_members (organization_id, account_id, status, invited_by) values ($1, $2, 'active', $3)`,
		s.Organization, s.Admin.AccountID, s.Owner.AccountID)
	s.Admin.Put(memberRightsPath(s, s.Admin), deny).WantError(403, "Forbidden")
}

func TestRepeatingAGrantThatIsWithdrawnDoesNotReviveIt(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	guest := s.NewAccount(t, "guest")
	s.Exec(t, `insert into organization_members (organization_id, account_id, status, invited_by) values ($1, $2, 'active', $3)`,
		s.Organization, guest.AccountID, s.Owner.AccountID)
	s.OverrideMember(t, s.Colleague, permission.OrgMembersManage, "allow")
	put := func(c *testserver.Client, value string) func() *testserver.Response {
		return func() *testserver.Response {
			return c.Put(memberRightsPath(s, guest), changeRights(body{"org.delete": value}))
		}
	}
	for range rounds {
		s.OverrideMember(t, guest, permission.OrgDelete, "allow")
		statuses := testserver.AtOnce(put(s.Colleague, "allow"), put(s.Owner, "neutral"))
		require.Contains(t, []int{200, 403}, statuses[0])
		require.Equal(t, 200, statuses[1])
		var shown memberEditor
		s.Owner.Get(memberRightsPath(s, guest)).Want(200).Into(&shown)
		require.Empty(t, shown.Overrides)
	}
}
