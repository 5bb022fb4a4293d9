package access_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

// manager starts a server on which Owner manages permissions without being an
// administrator; it holds settings.ai besides what everybody holds.
func manager(t *testing.T) (*testserver.Server, *testserver.Client) {
	t.Helper()
	s := testserver.New(t)
	s.Grant(t, s.Owner, "permissions.manage", "settings.ai")
	return s, s.Owner
}

// allRights is all that decides who may do what.
func allRights(t *testing.T, s *testserver.Server) (text string) {
	t.Helper()
	s.Scan(t, &text, `select jsonb_build_array(
		(select jsonb_agg(g order by g.id) from permission_groups g),
		(select jsonb_agg(m order by m.group_id, m.account_id) from group_members m),
		(select jsonb_agg(p order by p.group_id, p.permission) from group_permissions p),
		(select jsonb_agg(o order by o.account_id, o.permission) from account_permissions o))::text`)
	return text
}

// wantBeyond expects a refusal that has left everything as it was.
func wantBeyond(t *testing.T, s *testserver.Server, request func() *testserver.Response) {
	t.Helper()
	before := allRights(t, s)
	request().WantError(403, beyondOwn)
	require.Equal(t, before, allRights(t, s))
}

func TestManagersGrantWhatTheyHold(t *testing.T) {
	t.Parallel()
	s, m := manager(t)
	id := m.Post(groupsPath, body{"name": "AI"}).Want(200).ID()
	m.Put(groupPath(id, "/permissions"), change(body{"settings.ai": "allow", "permissions.manage": "allow", "settings.backup": "deny"})).Want(200)
	m.Post(groupPath(id, "/members"), body{"accountId": s.Stranger.AccountID}).Want(200)
	require.True(t, holds(t, s.Stranger, "settings.ai"))
	m.Put(user(s.Colleague, "/permissions"), change(body{"settings.ai": "allow", "users.view": "deny"})).Want(200)
	m.Put(user(s.Colleague, "/groups"), body{"groupIds": []int64{id}}).Want(200)
	m.Put(groupsPath+"/order", body{"order": []int64{id}}).Want(200)
	m.Patch(groupPath(id, ""), body{"name": "Models", "sortOrder": 7}).Want(200)
	m.Delete(groupPath(id, "/members/%d", s.Stranger.AccountID)).Want(200)
	m.Delete(groupPath(id, "")).Want(200)
}

func TestManagersTakeWhatTheyDoNotHold(t *testing.T) {
	t.Parallel()
	s, m := manager(t)
	id := newGroup(t, s, "Backup", body{"settings.backup": "allow", "users.view": "allow"}, s.Stranger)
	s.Grant(t, s.Stranger, "settings.engines")
	m.Put(user(s.Stranger, "/permissions"), change(body{"settings.engines": "neutral"})).Want(200)
	m.Put(groupPath(id, "/permissions"), change(body{"users.view": "neutral"})).Want(200)
	m.Put(user(s.Stranger, "/groups"), body{"groupIds": []int64{}}).Want(200)
	m.Delete(groupPath(id, "")).Want(200)
	require.False(t, holds(t, s.Stranger, "settings.backup"))
}

func TestNobodyAllowsBeyondTheirOwn(t *testing.T) {
	t.Parallel()
	s, m := manager(t)
	member := newGroup(t, s, "Members", body{}, s.Stranger)
	empty := newGroup(t, s, "Empty", body{})
	allow := change(body{"users.view": "allow"})
	wantBeyond(t, s, func() *testserver.Response { return m.Put(groupPath(member, "/permissions"), allow) })
	wantBeyond(t, s, func() *testserver.Response { return m.Put(groupPath(defaultGroup, "/permissions"), allow) })
	wantBeyond(t, s, func() *testserver.Response { return m.Put(user(s.Stranger, "/permissions"), allow) })
	wantBeyond(t, s, func() *testserver.Response { return m.Put(user(m, "/permissions"), allow) })
	wantBeyond(t, s, func() *testserver.Response {
		return m.Put(groupPath(member, "/permissions"), change(body{"settings.ai": "allow", "users.view": "allow"}))
	})
	// Nobody gains by a group without members, until somebody is to become one.
	m.Put(groupPath(empty, "/permissions"), allow).Want(200)
	wantBeyond(t, s, func() *testserver.Response {
		return m.Post(groupPath(empty, "/members"), body{"accountId": s.Stranger.AccountID})
	})
	wantBeyond(t, s, func() *testserver.Response {
		return m.Put(user(m, "/groups"), body{"groupIds": []int64{empty}})
	})
	s.Admin.Put(groupPath(member, "/permissions"), allow).Want(200)
}

// A right that everybody gets but those who are there already would be a new
// account away.
func TestTheDefaultGroupGrantsToWhoeverComesNext(t *testing.T) {
	t.Parallel()
	s, m := manager(t)
	denied := change(body{"settings.backup": "deny"})
	for _, c := range []*testserver.Client{m, s.Colleague, s.Stranger} {
		s.Admin.Put(user(c, "/permissions"), denied).Want(200)
	}
	wantBeyond(t, s, func() *testserver.Response {
		return m.Put(groupPath(defaultGroup, "/permissions"), change(body{"settings.backup": "allow"}))
	})
	s.Admin.Put(groupPath(defaultGroup, "/permissions"), change(body{"settings.backup": "allow"})).Want(200)
	m.Put(groupPath(defaultGroup, "/permissions"), change(body{"settings.backup": "allow", "settings.ai": "allow"})).Want(200)
}

func TestRemovingADenialIsAGrant(t *testing.T) {
	t.Parallel()
	s, m := manager(t)
	low := newGroup(t, s, "low", body{"settings.backup": "allow"}, s.Stranger)
	high := newGroup(t, s, "high", body{"settings.backup": "deny"}, s.Stranger)
	s.Admin.Put(groupsPath+"/order", body{"order": []int64{high, low}}).Want(200)
	s.Admin.Put(user(s.Colleague, "/permissions"), change(body{"settings.backup": "deny"})).Want(200)
	s.Admin.Post(groupPath(low, "/members"), body{"accountId": s.Colleague.AccountID}).Want(200)

	wantBeyond(t, s, func() *testserver.Response {
		return m.Put(groupPath(high, "/permissions"), change(body{"settings.backup": "neutral"}))
	})
	wantBeyond(t, s, func() *testserver.Response {
		return m.Put(user(s.Colleague, "/permissions"), change(body{"settings.backup": "neutral"}))
	})
	wantBeyond(t, s, func() *testserver.Response { return m.Delete(groupPath(high, "/members/%d", s.Stranger.AccountID)) })
	wantBeyond(t, s, func() *testserver.Response {
		return m.Put(user(s.Stranger, "/groups"), body{"groupIds": []int64{low}})
	})
	wantBeyond(t, s, func() *testserver.Response { return m.Delete(groupPath(high, "")) })
	wantBeyond(t, s, func() *testserver.Response { return m.Put(groupsPath+"/order", body{"order": []int64{low, high}}) })
	wantBeyond(t, s, func() *testserver.Response { return m.Patch(groupPath(high, ""), body{"sortOrder": 9}) })
	wantBeyond(t, s, func() *testserver.Response { return m.Patch(groupPath(low, ""), body{"sortOrder": 0}) })
	m.Delete(groupPath(low, "")).Want(200)
	m.Delete(groupPath(high, "")).Want(200)
}

func TestWhatEverybodyHoldsIsNoRightToGrantForWhoIsDeniedIt(t *testing.T) {
	t.Parallel()
	s, m := manager(t)
	s.Admin.Put(user(m, "/permissions"), change(body{"connect.ssh": "deny"})).Want(200)
	s.Admin.Put(user(s.Stranger, "/permissions"), change(body{"connect.ssh": "deny", "connect.rdp": "deny"})).Want(200)
	wantBeyond(t, s, func() *testserver.Response {
		return m.Put(user(s.Stranger, "/permissions"), change(body{"connect.ssh": "neutral"}))
	})
	wantBeyond(t, s, func() *testserver.Response {
		return m.Put(user(m, "/permissions"), change(body{"connect.ssh": "neutral"}))
	})
	m.Put(user(s.Stranger, "/permissions"), change(body{"connect.rdp": "neutral"})).Want(200)
}

func TestResendingWhatIsSetIsNoGrant(t *testing.T) {
	t.Parallel()
	s, m := manager(t)
	id := newGroup(t, s, "Backup", body{"settings.backup": "allow", "connect.ssh": "deny"}, s.Stranger)
	s.Grant(t, s.Stranger, "settings.engines")
	m.Put(groupPath(id, "/permissions"), change(body{"settings.backup": "allow", "connect.ssh": "deny", "settings.ai": "allow"})).Want(200)
	m.Put(user(s.Stranger, "/permissions"), change(body{"settings.engines": "allow", "files.view": "deny"})).Want(200)
	m.Put(user(s.Stranger, "/groups"), body{"groupIds": []int64{id}}).Want(200)
	m.Post(groupPath(id, "/members"), body{"accountId": s.Stranger.AccountID}).Want(200)
	m.Put(groupsPath+"/order", body{"order": []int64{id}}).Want(200)
	before := allRights(t, s)
	for _, r := range listGroups(t, m)[1:] {
		m.Put(groupPath(r.ID, "/permissions"), body{"permissions": r.Permissions}).Want(200)
	}
	shown := showRights(t, s, s.Stranger)
	m.Put(user(s.Stranger, "/permissions"), body{"permissions": shown.Overrides}).Want(200)
	m.Put(user(s.Stranger, "/groups"), body{"groupIds": shown.GroupIDs}).Want(200)
	require.Equal(t, before, allRights(t, s))
}

func TestOnlyAdministratorsManageAdministrators(t *testing.T) {
	t.Parallel()
	s, m := manager(t)
	before := allRights(t, s)
	admin := groupPath(administrators, "/members/%d", s.Admin.AccountID)
	m.Post(groupPath(administrators, "/members"), body{"accountId": m.AccountID}).WantError(403, adminsOnly)
	m.Post(groupPath(administrators, "/members"), body{"accountId": s.Admin.AccountID}).WantError(403, adminsOnly)
	m.Delete(admin).WantError(403, adminsOnly)
	m.Delete(groupPath(administrators, "/members/%d", s.Stranger.AccountID)).WantError(403, adminsOnly)
	m.Put(user(s.Admin, "/groups"), body{"groupIds": []int64{}}).WantError(403, adminsOnly)
	m.Put(user(s.Admin, "/groups"), body{"groupIds": []int64{administrators}}).WantError(403, adminsOnly)
	m.Put(user(m, "/groups"), body{"groupIds": []int64{administrators}}).WantError(403, adminsOnly)
	require.Equal(t, before, allRights(t, s))

	m.Put(user(s.Admin, "/permissions"), change(body{"settings.backup": "allow"})).Want(200)
	m.Put(groupPath(administrators, "/permissions"), change(body{"settings.backup": "deny"})).
		WantError(400, "The administrator group already grants every permission")
}

func TestSomebodyWhoHoldsEverythingIsNoAdministrator(t *testing.T) {
	t.Parallel()
	s, m := manager(t)
	s.Exec(t, `insert into account_permissions (account_id, permission, value)
		select $1, unnest($2::text[]), 'allow' on conflict (account_id, permission) do nothing`,
		m.AccountID, showRights(t, s, s.Admin).Effective.Permissions)
	s.Grant(t, s.Stranger, "files.view")
	m.Put(user(s.Stranger, "/permissions"), change(body{"settings.backup": "allow"})).Want(200)
	m.Post(groupPath(administrators, "/members"), body{"accountId": m.AccountID}).WantError(403, adminsOnly)
}

func TestRightsFollowAtOnceIntoOrganizations(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	mine := func() []string {
		var list []struct{ Permissions []string }
		s.Colleague.Get("/api/organization").Want(200).Into(&list)
		return list[0].Permissions
	}
	require.Contains(t, mine(), "connect.ssh")
	s.Admin.Put(user(s.Colleague, "/permissions"), change(body{"connect.ssh": "deny"})).Want(200)
	require.NotContains(t, mine(), "connect.ssh")
	s.Admin.Put(user(s.Colleague, "/permissions"), change(body{"organizations.manage_all": "allow"})).Want(200)
	require.Contains(t, mine(), "org.delete")
}
