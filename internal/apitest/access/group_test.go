package access_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/permission"
	"github.com/nexterm-go/nexterm/internal/testserver"
)

const (
	groupsPath      = "/api/permissions/groups"
	groupNotFound   = "Group not found"
	accountNotFound = "Account not found"
	adminsOnly      = "Only administrators can manage the administrator group"
	beyondOwn       = "You can only grant permissions that you hold yourself"
	lastAdmin       = "You cannot remove the last administrator"

	administrators, defaultGroup = 1, 2
)

type group struct {
	ID                           int64
	Name, Color                  string
	IsDefault, IsAdmin, IsSystem bool
	SortOrder, MemberCount       int
	Permissions                  map[string]string
	Members                      []struct {
		ID       int64
		Username string
	}
}

func groupPath(id int64, rest string, args ...any) string {
	return fmt.Sprintf("%s/%d"+rest, append([]any{groupsPath, id}, args...)...)
}

func user(c *testserver.Client, rest string) string {
	return fmt.Sprintf("/api/permissions/users/%d%s", c.AccountID, rest)
}

func change(values body) body { return body{"permissions": values} }

// newGroup adds a group of the next priority with permissions and members.
func newGroup(t *testing.T, s *testserver.Server, name string, permissions body, members ...*testserver.Client) int64 {
	t.Helper()
	id := s.Admin.Post(groupsPath, body{"name": name}).Want(200).ID()
	s.Admin.Put(groupPath(id, "/permissions"), change(permissions)).Want(200)
	for _, c := range members {
		s.Admin.Post(groupPath(id, "/members"), body{"accountId": c.AccountID}).Want(200)
	}
	return id
}

func listGroups(t *testing.T, c *testserver.Client) []group {
	t.Helper()
	var groups []group
	c.Get(groupsPath).Want(200).Into(&groups)
	return groups
}

func groupNames(groups []group) (names []string) {
	for _, r := range groups {
		names = append(names, r.Name)
	}
	return names
}

func getGroup(t *testing.T, s *testserver.Server, id int64) (shown group) {
	t.Helper()
	s.Admin.Get(groupPath(id, "")).Want(200).Into(&shown)
	return shown
}

func TestPermissionCatalogDescribesBothScopes(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	type catalog struct {
		Scope                   string
		Categories, Permissions []body
	}
	var shown struct{ System, Organization catalog }
	s.Admin.Get("/api/permissions/catalog").Want(200).Into(&shown)
	require.Equal(t, "system", shown.System.Scope)
	require.Equal(t, "organization", shown.Organization.Scope)
	require.Len(t, shown.System.Permissions, 27)
	require.Len(t, shown.Organization.Permissions, 21)
	require.Equal(t, body{
		"id": "users.impersonate", "scopes": []any{"system"}, "category": "users", "label": "Impersonate Users",
		"description": "Open a session as another account.", "dangerous": true,
	}, shown.System.Permissions[2])
	require.Equal(t, body{"key": "users", "label": "User Management", "icon": "mdiAccountGroup"}, shown.System.Categories[0])
	require.Equal(t, "general", shown.Organization.Categories[3]["key"])
}

func TestEveryGroupOperationNeedsThePermission(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	s.Grant(t, s.Owner, "users.view", "users.manage", "users.impersonate")
	before := listGroups(t, s.Admin)
	for _, path := range []string{"/api/permissions/catalog", groupsPath, groupPath(defaultGroup, ""), user(s.Owner, "")} {
		s.Owner.Get(path).WantError(403, "Forbidden")
		s.Anonymous.Get(path).Want(400)
	}
	s.Owner.Post(groupsPath, body{}).WantError(403, "Forbidden")
	s.Owner.Put(groupsPath+"/order", body{}).WantError(403, "Forbidden")
	s.Owner.Patch(groupPath(99, ""), body{}).WantError(403, "Forbidden")
	s.Owner.Delete(groupPath(99, "")).WantError(403, "Forbidden")
	s.Owner.Put(groupPath(99, "/permissions"), body{}).WantError(403, "Forbidden")
	s.Owner.Post(groupPath(99, "/members"), body{}).WantError(403, "Forbidden")
	s.Owner.Delete(groupPath(99, "/members/1")).WantError(403, "Forbidden")
	s.Owner.Put(user(s.Owner, "/groups"), body{}).WantError(403, "Forbidden")
	s.Owner.Put(user(s.Owner, "/permissions"), body{}).WantError(403, "Forbidden")
	require.Equal(t, before, listGroups(t, s.Admin))

	s.Admin.Put(user(s.Owner, "/permissions"), change(body{"permissions.manage": "allow"})).Want(200)
	s.Owner.Get(groupsPath).Want(200)
	s.NewAPIKey(t, s.Owner).Get(groupsPath).Want(200)
}

func TestBuiltInGroupsAreThereAtInstall(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	groups := listGroups(t, s.Admin)
	require.Len(t, groups, 2)
	require.Equal(t, group{
		ID: administrators, Name: "Administrator", Color: "#a44747", IsAdmin: true, IsSystem: true, MemberCount: 1, Permissions: map[string]string{},
	}, groups[0])
	everybody := map[string]string{}
	for _, p := range permission.Registry {
		if p.Default {
			everybody[string(p.Name)] = "allow"
		}
	}
	require.Equal(t, group{
		ID: defaultGroup, Name: "Default", Color: "#B7B7B7", IsDefault: true, IsSystem: true, SortOrder: 1, Permissions: everybody,
	}, groups[1])
}

func TestCreatedGroupsComeLastButForTheDefault(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	var first, second group
	s.Admin.Post(groupsPath, body{"name": "  Operators "}).Want(200).Into(&first)
	require.Equal(t, group{ID: first.ID, Name: "Operators", Color: "#314BD3", SortOrder: 2}, first)
	s.Admin.Post(groupsPath, body{"name": "Operators", "color": "#00fFaA"}).Want(200).Into(&second)
	require.Equal(t, group{ID: second.ID, Name: "Operators", Color: "#00fFaA", SortOrder: 3}, second)
	require.Equal(t, []string{"Administrator", "Operators", "Operators", "Default"}, groupNames(listGroups(t, s.Admin)))

	s.Admin.Patch(groupPath(first.ID, ""), body{"sortOrder": 2147483647}).Want(200)
	var third group
	s.Admin.Post(groupsPath, body{"name": "Last"}).Want(200).Into(&third)
	require.Equal(t, 2147483647, third.SortOrder)
	require.Equal(t, []string{"Administrator", "Operators", "Operators", "Last", "Default"}, groupNames(listGroups(t, s.Admin)))
}

func TestCreateRefusesBadGroups(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	s.Admin.Post(groupsPath, body{}).WantError(400, "name is required")
	s.Admin.Post(groupsPath, body{"name": "   "}).WantError(400, "name is not allowed to be empty")
	s.Admin.Post(groupsPath, body{"name": strings.Repeat("n", 51)}).WantError(400, "name length must be less than or equal to 50 characters long")
	s.Admin.Post(groupsPath, body{"name": 7}).WantError(400, "name must be a string")
	s.Admin.Post(groupsPath, body{"name": "n", "color": "red"}).WantError(400, "color fails to match the required pattern")
	s.Admin.Post(groupsPath, body{"name": "n", "color": nil}).WantError(400, "color must be a string")
	s.Admin.Post(groupsPath, body{"name": "n", "isAdmin": true}).WantError(400, "isAdmin is not allowed")
	s.Admin.Post(groupsPath, body{"name": " " + strings.Repeat("ñ", 50) + " "}).Want(200)
	require.Len(t, listGroups(t, s.Admin), 3)
}

func TestGroupOrderPlacesTheGroupsThatItNames(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	a, b, c := newGroup(t, s, "a", body{}), newGroup(t, s, "b", body{}), newGroup(t, s, "c", body{})
	var groups []group
	s.Admin.Put(groupsPath+"/order", body{"order": []int64{c, defaultGroup, 999, c, administrators, a, c}}).Want(200).Into(&groups)
	require.Equal(t, listGroups(t, s.Admin), groups)
	orders := map[int64]int{}
	for _, r := range groups {
		orders[r.ID] = r.SortOrder
	}
	require.Equal(t, map[int64]int{administrators: 0, defaultGroup: 1, c: 1, a: 2, b: 3}, orders)
	require.Equal(t, []string{"Administrator", "c", "a", "b", "Default"}, groupNames(groups))

	s.Admin.Put(groupsPath+"/order", body{"order": []int64{}}).Want(200).Into(&groups)
	require.Equal(t, listGroups(t, s.Admin), groups)
	s.Admin.Put(groupsPath+"/order", body{}).WantError(400, "order is required")
	s.Admin.Put(groupsPath+"/order", body{"order": []int64{0}}).WantError(400, "order[0] must be a positive number")
	s.Admin.Put(groupsPath+"/order", body{"order": []any{"x"}}).WantError(400, "order[0] must be a number")
	s.Admin.Put(groupsPath+"/order", body{"order": a}).WantError(400, "order must be an array")
	s.Admin.Put(groupsPath+"/order", body{"order": []any{"3"}}).Want(200)
}

func TestShowOneGroupWithItsMembers(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id := newGroup(t, s, "Operators", body{"settings.ai": "allow", "connect.ssh": "deny"}, s.Stranger, s.Colleague)
	s.Exec(t, `insert into group_permissions values ($1, 'gone.with.a.version', 'allow'), ($1, 'org.manage', 'allow')`, id)
	shown := getGroup(t, s, id)
	require.Equal(t, "Operators", shown.Name)
	require.False(t, shown.IsSystem)
	require.Equal(t, map[string]string{"settings.ai": "allow", "connect.ssh": "deny"}, shown.Permissions)
	require.Len(t, shown.Members, 2)
	require.Equal(t, "colleague", shown.Members[0].Username)
	require.Equal(t, s.Stranger.AccountID, shown.Members[1].ID)
	require.Equal(t, 2, listGroups(t, s.Admin)[1].MemberCount)

	require.Empty(t, getGroup(t, s, defaultGroup).Members, "everybody has it, nobody was given it")
	s.Admin.Get(groupPath(999, "")).WantError(404, groupNotFound)
	s.Admin.Get(groupsPath+"/1x").WantError(400, "Invalid group ID")
}

func TestUpdateGroupChangesWhatIsGiven(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id := newGroup(t, s, "Operators", body{})
	var changed group
	s.Admin.Patch(groupPath(id, ""), body{"name": " Night shift "}).Want(200).Into(&changed)
	require.Equal(t, group{ID: id, Name: "Night shift", Color: "#314BD3", SortOrder: 2}, changed)
	s.Admin.Patch(groupPath(id, ""), body{"color": "#ffffff", "sortOrder": "0"}).Want(200).Into(&changed)
	require.Equal(t, group{ID: id, Name: "Night shift", Color: "#ffffff"}, changed)
	var same group
	s.Admin.Patch(groupPath(id, ""), body{}).Want(200).Into(&same)
	require.Equal(t, changed, same)

	s.Admin.Patch(groupPath(id, ""), body{"name": " "}).WantError(400, "name is not allowed to be empty")
	s.Admin.Patch(groupPath(id, ""), body{"color": "#fff"}).WantError(400, "color fails to match the required pattern")
	s.Admin.Patch(groupPath(id, ""), body{"sortOrder": -1}).WantError(400, "sortOrder must be greater than or equal to 0")
	s.Admin.Patch(groupPath(id, ""), body{"sortOrder": 1.5}).WantError(400, "sortOrder must be an integer")
	s.Admin.Patch(groupPath(id, ""), body{"isDefault": true}).WantError(400, "isDefault is not allowed")
	s.Admin.Patch(groupPath(999, ""), body{"name": "n"}).WantError(404, groupNotFound)
	for _, builtIn := range []int64{administrators, defaultGroup} {
		s.Admin.Patch(groupPath(builtIn, ""), body{"sortOrder": 9}).WantError(400, "Built-in groups cannot be modified")
	}
}

func TestDeleteGroupTakesPermissionsAndMembershipsAlong(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id := newGroup(t, s, "Operators", body{"settings.ai": "allow"}, s.Stranger)
	require.JSONEq(t, `{"success": true}`, string(s.Admin.Delete(groupPath(id, "")).Want(200).Body))
	s.Admin.Get(groupPath(id, "")).WantError(404, groupNotFound)
	s.Admin.Delete(groupPath(id, "")).WantError(404, groupNotFound)
	var left int
	s.Scan(t, &left, `select (select count(*) from group_members where group_id = $1) + (select count(*) from group_permissions where group_id = $1)`, id)
	require.Zero(t, left)
	for _, builtIn := range []int64{administrators, defaultGroup} {
		s.Admin.Delete(groupPath(builtIn, "")).WantError(400, "Built-in groups cannot be deleted")
	}
}

func TestGroupPermissionsHaveThreeValues(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id := newGroup(t, s, "Operators", body{"settings.ai": "allow", "connect.ssh": "deny", "files.view": "allow"})
	var changed group
	s.Admin.Put(groupPath(id, "/permissions"), change(body{
		"settings.ai": "deny", "connect.ssh": "neutral", "users.view": "allow", "audit.view": "neutral",
		"org.manage": "allow", "no.such": "deny", "*": "allow",
	})).Want(200).Into(&changed)
	require.Equal(t, map[string]string{"settings.ai": "deny", "users.view": "allow", "files.view": "allow"}, changed.Permissions)
	require.Equal(t, getGroup(t, s, id), changed)
	var strays int
	s.Scan(t, &strays, `select count(*) from group_permissions where permission in ('org.manage', 'no.such', '*')`)
	require.Zero(t, strays)

	path := groupPath(id, "/permissions")
	s.Admin.Put(path, body{}).WantError(400, "permissions is required")
	s.Admin.Put(path, change(body{"files.view": "maybe"})).WantError(400, "permissions.files.view must be one of [allow, deny, neutral]")
	s.Admin.Put(path, change(body{"no.such": nil})).WantError(400, "permissions.no.such must be one of [allow, deny, neutral]")
	s.Admin.Put(path, body{"permissions": []string{}}).Want(400)
	s.Admin.Put(path, change(body{})).Want(200)
	require.Equal(t, changed, getGroup(t, s, id))
	s.Admin.Put(groupPath(999, "/permissions"), change(body{})).WantError(404, groupNotFound)
	s.Admin.Put(groupPath(administrators, "/permissions"), change(body{})).WantError(400, "The administrator group already grants every permission")
	s.Admin.Put(groupPath(defaultGroup, "/permissions"), change(body{"files.view": "neutral"})).Want(200)
	s.Stranger.Get("/api/account/me").Want(200)
}
