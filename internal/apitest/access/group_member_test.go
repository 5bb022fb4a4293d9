package access_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/permission"
	"github.com/nexterm-go/nexterm/internal/testserver"
)

type rightsEditor struct {
	ID        int64
	Username  string
	GroupIDs  []int64
	Overrides map[string]string
	Effective struct {
		IsAdmin     bool
		Permissions []string
	}
}

func showRights(t *testing.T, s *testserver.Server, c *testserver.Client) (shown rightsEditor) {
	t.Helper()
	s.Admin.Get(user(c, "")).Want(200).Into(&shown)
	return shown
}

// holds asks the account itself: what is administered is what counts.
func holds(t *testing.T, c *testserver.Client, name string) bool {
	t.Helper()
	var me struct{ Permissions []string }
	c.Get("/api/account/me").Want(200).Into(&me)
	for _, held := range me.Permissions {
		if held == name {
			return true
		}
	}
	return false
}

func TestGroupMembersComeAndGoOnce(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id := newGroup(t, s, "Operators", body{"settings.ai": "allow"})
	member := groupPath(id, "/members/%d", s.Stranger.AccountID)
	for range 2 {
		require.JSONEq(t, `{"success": true}`, string(s.Admin.Post(groupPath(id, "/members"), body{"accountId": s.Stranger.AccountID}).Want(200).Body))
		require.Len(t, getGroup(t, s, id).Members, 1)
		require.True(t, holds(t, s.Stranger, "settings.ai"))
	}
	for range 2 {
		require.JSONEq(t, `{"success": true}`, string(s.Admin.Delete(member).Want(200).Body))
		require.Empty(t, getGroup(t, s, id).Members)
		require.False(t, holds(t, s.Stranger, "settings.ai"))
	}
}

func TestGroupMembersMustExist(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id := newGroup(t, s, "Operators", body{})
	s.Admin.Post(groupPath(id, "/members"), body{}).WantError(400, "accountId is required")
	s.Admin.Post(groupPath(id, "/members"), body{"accountId": 0}).WantError(400, "accountId must be a positive number")
	s.Admin.Post(groupPath(id, "/members"), body{"accountId": "x"}).WantError(400, "accountId must be a number")
	s.Admin.Post(groupPath(id, "/members"), body{"accountId": 987654}).WantError(404, accountNotFound)
	s.Admin.Post(groupPath(999, "/members"), body{"accountId": 1}).WantError(404, groupNotFound)
	s.Admin.Post(groupsPath+"/x/members", body{"accountId": 1}).WantError(400, "Invalid group ID")
	s.Admin.Delete(groupPath(id, "/members/987654")).WantError(404, accountNotFound)
	s.Admin.Delete(groupPath(999, "/members/1")).WantError(404, groupNotFound)
	s.Admin.Delete(groupPath(id, "/members/0")).WantError(400, "Invalid account ID")
}

func TestShowWhatAnAccountMayDo(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id := newGroup(t, s, "Operators", body{"settings.ai": "allow", "connect.ssh": "deny"}, s.Stranger)
	s.Grant(t, s.Stranger, "users.view")
	s.Grant(t, s.Stranger, "gone.with.a.version")
	shown := showRights(t, s, s.Stranger)
	require.Equal(t, "stranger", shown.Username)
	require.Equal(t, []int64{id}, shown.GroupIDs, "the default group is not named")
	require.Equal(t, map[string]string{"users.view": "allow"}, shown.Overrides)
	require.False(t, shown.Effective.IsAdmin)
	require.Equal(t, []string{
		"users.view", "organizations.create", "audit.view", "settings.ai",
		"resources.manage", "identities.manage", "snippets.manage", "scripts.manage", "scripts.execute",
		"connect.rdp", "connect.vnc", "connect.proxmox", "connect.tunnel", "files.view", "files.upload", "files.download", "files.modify",
	}, shown.Effective.Permissions)

	s.Admin.Put(user(s.Admin, "/permissions"), change(body{"files.view": "deny"})).Want(200)
	admin := showRights(t, s, s.Admin)
	require.True(t, admin.Effective.IsAdmin)
	require.Equal(t, map[string]string{"files.view": "deny"}, admin.Overrides)
	require.Equal(t, permission.All(permission.System).Names(), admin.Effective.Permissions, "overrides take nothing from an administrator")

	s.Admin.Get("/api/permissions/users/987654").WantError(404, accountNotFound)
	s.Admin.Get("/api/permissions/users/01").WantError(400, "Invalid account ID")
}

func TestPrioritiesDecide(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	const ai = "settings.ai"
	high := newGroup(t, s, "high", body{ai: "deny"}, s.Stranger)
	low := newGroup(t, s, "low", body{ai: "allow"}, s.Stranger)
	require.False(t, holds(t, s.Stranger, ai), "the first group that says something decides")
	s.Admin.Put(groupsPath+"/order", body{"order": []int64{low, high}}).Want(200)
	require.True(t, holds(t, s.Stranger, ai))
	s.Admin.Patch(groupPath(low, ""), body{"sortOrder": 9}).Want(200)
	require.False(t, holds(t, s.Stranger, ai))
	s.Admin.Put(groupPath(high, "/permissions"), change(body{ai: "neutral"})).Want(200)
	require.True(t, holds(t, s.Stranger, ai), "a group that says nothing leaves it to the next")

	s.Admin.Put(groupPath(high, "/permissions"), change(body{ai: "deny"})).Want(200)
	s.Admin.Patch(groupPath(high, ""), body{"sortOrder": 9}).Want(200)
	require.False(t, holds(t, s.Stranger, ai), "the older group wins a tie")

	s.Admin.Put(user(s.Stranger, "/permissions"), change(body{ai: "allow"})).Want(200)
	require.True(t, holds(t, s.Stranger, ai), "an override decides before all groups")
	s.Admin.Put(user(s.Stranger, "/permissions"), change(body{ai: "neutral"})).Want(200)
	require.False(t, holds(t, s.Stranger, ai))
}

func TestTheDefaultGroupDecidesLast(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	const view = "files.view"
	id := newGroup(t, s, "Guests", body{view: "deny"}, s.Stranger)
	s.Admin.Patch(groupPath(id, ""), body{"sortOrder": 100}).Want(200)
	require.False(t, holds(t, s.Stranger, view), "whatever the order of the groups")
	require.True(t, holds(t, s.Colleague, view))
	s.Admin.Post(groupPath(defaultGroup, "/members"), body{"accountId": s.Stranger.AccountID}).Want(200)
	require.False(t, holds(t, s.Stranger, view), "even when it is given")

	s.Admin.Put(groupPath(defaultGroup, "/permissions"), change(body{view: "deny", "settings.ai": "allow"})).Want(200)
	require.False(t, holds(t, s.Colleague, view))
	require.True(t, holds(t, s.Colleague, "settings.ai"))
	require.True(t, holds(t, s.NewAccount(t, "newcomer"), "settings.ai"))
	require.True(t, holds(t, s.Admin, view))
}

func TestGroupsOfAnAccountAreReplaced(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	a, b, c := newGroup(t, s, "a", body{"settings.ai": "allow"}, s.Stranger), newGroup(t, s, "b", body{}, s.Stranger), newGroup(t, s, "c", body{})
	var changed rightsEditor
	s.Admin.Put(user(s.Stranger, "/groups"), body{"groupIds": []any{c, 999, c, b, "3"}}).Want(200).Into(&changed)
	require.Equal(t, []int64{a, b, c}, changed.GroupIDs)
	s.Admin.Put(user(s.Stranger, "/groups"), body{"groupIds": []int64{c, b, c}}).Want(200).Into(&changed)
	require.Equal(t, []int64{b, c}, changed.GroupIDs)
	require.Equal(t, showRights(t, s, s.Stranger), changed)
	require.False(t, holds(t, s.Stranger, "settings.ai"))
	s.Admin.Put(user(s.Stranger, "/groups"), body{"groupIds": []int64{}}).Want(200).Into(&changed)
	require.Empty(t, changed.GroupIDs)

	s.Admin.Put(user(s.Stranger, "/groups"), body{}).WantError(400, "groupIds is required")
	s.Admin.Put(user(s.Stranger, "/groups"), body{"groupIds": nil}).WantError(400, "groupIds must be an array")
	s.Admin.Put(user(s.Stranger, "/groups"), body{"groupIds": []int64{-1}}).WantError(400, "groupIds[0] must be a positive number")
	s.Admin.Put("/api/permissions/users/987654/groups", body{"groupIds": []int64{}}).WantError(404, accountNotFound)
	s.Admin.Put("/api/permissions/users/x/groups", body{"groupIds": []int64{}}).WantError(400, "Invalid account ID")
}

func TestOverridesHaveThreeValues(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	var changed, after rightsEditor
	s.Admin.Put(user(s.Stranger, "/permissions"), change(body{"settings.ai": "allow", "files.view": "deny", "org.manage": "allow", "no.such": "deny"})).Want(200).Into(&changed)
	require.Equal(t, map[string]string{"settings.ai": "allow", "files.view": "deny"}, changed.Overrides)
	require.Contains(t, changed.Effective.Permissions, "settings.ai")
	require.NotContains(t, changed.Effective.Permissions, "files.view")
	s.Admin.Put(user(s.Stranger, "/permissions"), change(body{"settings.ai": "neutral", "connect.ssh": "neutral"})).Want(200).Into(&after)
	require.Equal(t, map[string]string{"files.view": "deny"}, after.Overrides)
	require.Equal(t, showRights(t, s, s.Stranger), after)

	s.Admin.Put(user(s.Stranger, "/permissions"), body{}).WantError(400, "permissions is required")
	s.Admin.Put(user(s.Stranger, "/permissions"), change(body{"files.view": true})).WantError(400, "permissions.files.view must be one of [allow, deny, neutral]")
	s.Admin.Put("/api/permissions/users/987654/permissions", change(body{"files.view": "deny"})).WantError(404, accountNotFound)
	s.Admin.Put("/api/permissions/users/987654/permissions", change(body{})).WantError(404, accountNotFound)
}

func TestTheLastAdministratorStays(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	member := func(c *testserver.Client) string { return groupPath(administrators, "/members/%d", c.AccountID) }
	s.Admin.Delete(member(s.Admin)).WantError(400, lastAdmin)
	s.Admin.Put(user(s.Admin, "/groups"), body{"groupIds": []int64{defaultGroup}}).WantError(400, lastAdmin)
	s.Admin.Delete(member(s.Owner)).Want(200)

	s.Admin.Post(groupPath(administrators, "/members"), body{"accountId": s.Owner.AccountID}).Want(200)
	s.Admin.Delete(member(s.Admin)).Want(200)
	s.Admin.Get(groupsPath).WantError(403, "Forbidden")
	s.Owner.Put(user(s.Admin, "/groups"), body{"groupIds": []int64{administrators}}).Want(200)
	s.Admin.Put(user(s.Owner, "/groups"), body{"groupIds": []int64{}}).Want(200)
	s.Admin.Delete(member(s.Admin)).WantError(400, lastAdmin)
}
