package access_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/testserver"
)

const errLastAdmin = "You cannot delete the last administrator account"

// ownerOf is the account that owns an organization, 0 for none.
func ownerOf(t *testing.T, s *testserver.Server, organization int64) int64 {
	t.Helper()
	var id int64
	s.Scan(t, &id, `select coalesce(max(account_id), 0) from organization_members where organization_id = $1 and role = 'owner'`, organization)
	return id
}

func TestDeleteTakesAllThatTheAccountOwns(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	target := s.Stranger
	shared := s.NewOrganization(t, s.Owner, target)
	s.NewAPIKey(t, target)
	s.Grant(t, target, "users.view")
	addGroup(t, s, "Operators", 3, target)
	s.Exec(t, `insert into organization_member_permissions values ($1, $2, 'org.audit.view', 'allow')`, shared, target.AccountID)
	s.Invite(t, target)
	target.Put("/api/identity", body{"name": "Personal", "type": "password", "password": "secret"}).Want(200)
	contributed := target.Put("/api/identity", body{"name": "Shared", "type": "password", "password": "secret", "organizationId": shared}).Want(200).ID()

	require.Equal(t, "Account got successfully deleted", s.Admin.Delete(userPath(target.AccountID)).Want(200).Message())

	for _, owned := range []string{"sessions", "api_keys", "account_permissions", "group_members", "organization_members", "organization_member_permissions", "identities"} {
		require.Zero(t, s.Count(t, owned+" where account_id = $1", target.AccountID), owned)
	}
	require.Equal(t, 1, s.Count(t, "identities where id = $1", contributed), "an organization keeps what members gave it")
	require.Equal(t, 1, s.Count(t, "credentials"))
	require.Equal(t, 1, s.Count(t, "audit_logs where account_id = $1", target.AccountID), "the trail stays")
	require.Equal(t, s.Owner.AccountID, ownerOf(t, s, shared))
	target.Get("/api/account/me").WantError(401, "The provided token is not valid")
	s.Admin.Delete(userPath(target.AccountID)).WantError(404, "The provided account does not exist")
}

func TestDeleteUserRefuses(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	s.Admin.Delete("/api/users/987654").WantError(404, "The provided account does not exist")
	s.Admin.Delete("/api/users/1x").WantError(400, "Invalid account ID")
	s.Admin.Delete(userPath(s.Admin.AccountID)).WantError(400, errLastAdmin)

	s.Grant(t, s.Owner, "users.view", "users.manage")
	s.Owner.Delete(userPath(s.Admin.AccountID)).WantError(403, adminAccountsOnly)
	s.Promote(t, s.Colleague)
	s.Owner.Delete(userPath(s.Colleague.AccountID)).WantError(403, adminAccountsOnly)
	s.Admin.Get("/api/account/me").Want(200)
	s.Colleague.Get("/api/account/me").Want(200)
}

func TestDeleteUserIsForManagersAndOneself(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	s.Grant(t, s.Owner, "users.view", "users.manage")
	s.Grant(t, s.Colleague, "settings.backup")
	s.Owner.Delete(userPath(s.Colleague.AccountID)).Want(200)
	s.Owner.Delete(userPath(s.Owner.AccountID)).Want(200)
	s.Owner.Get("/api/account/me").Want(401)

	s.Promote(t, s.Stranger)
	s.Admin.Delete(userPath(s.Admin.AccountID)).Want(200)
	s.Stranger.Delete(userPath(s.Stranger.AccountID)).WantError(400, errLastAdmin)
}

func TestDeletePassesOrganizationsToTheEarliestActiveMember(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	invited, late, early, second := s.NewAccount(t, "invited"), s.NewAccount(t, "late"), s.NewAccount(t, "early"), s.NewAccount(t, "second")
	organization := s.NewOrganization(t, s.Stranger, invited, late, early, second)
	joined := func(c *testserver.Client, status, at string) {
		s.Exec(t, `update organization_members set status = $3, created_at = $4::timestamptz where organization_id = $1 and account_id = $2`,
			organization, c.AccountID, status, at)
	}
	joined(invited, "pending", "2026-01-01Z")
	joined(early, "active", "2026-01-02Z")
	joined(second, "active", "2026-01-02Z")
	joined(late, "active", "2026-01-03Z")
	s.Exec(t, `insert into organization_member_permissions values ($1, $2, 'identities.manage', 'deny')`, organization, early.AccountID)

	s.Admin.Delete(userPath(s.Stranger.AccountID)).Want(200)
	require.Equal(t, early.AccountID, ownerOf(t, s, organization))
	early.Put("/api/identity", body{"name": "Shared", "type": "password", "organizationId": organization}).Want(200)
	require.Equal(t, 4, s.Count(t, "organization_members where organization_id = $1", organization))

	s.Admin.Delete(userPath(early.AccountID)).Want(200)
	require.Equal(t, second.AccountID, ownerOf(t, s, organization))
	require.Equal(t, s.Owner.AccountID, ownerOf(t, s, s.Organization), "other organizations stay as they are")
}

func TestDeleteTakesOrganizationsWithoutAnotherActiveMember(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	alone := s.NewOrganization(t, s.Stranger, s.Colleague)
	s.Exec(t, `update organization_members set status = 'pending' where organization_id = $1 and account_id = $2`, alone, s.Colleague.AccountID)
	s.Stranger.Put("/api/identity", body{"name": "Shared", "type": "both", "password": "secret", "organizationId": alone}).Want(200)

	s.Admin.Delete(userPath(s.Stranger.AccountID)).Want(200)
	require.Zero(t, s.Count(t, "organizations where id = $1", alone))
	require.Zero(t, s.Count(t, "organization_members where organization_id = $1", alone))
	require.Zero(t, s.Count(t, "identities"))
	require.Zero(t, s.Count(t, "credentials"))
	require.Equal(t, 2, s.Count(t, "audit_logs where organization_id = $1", alone), "the identity and the deletion")
	require.Equal(t, 1, s.Count(t, "organizations"))
}

func TestTwoAdministratorsWhoDeleteEachOtherLeaveOne(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	for round := range 5 {
		other := s.NewAccount(t, fmt.Sprintf("rival%d", round))
		s.Promote(t, other)
		admins := []*testserver.Client{s.Admin, other}
		statuses := make([]int, 2)
		var group sync.WaitGroup
		for i, c := range admins {
			group.Go(func() { statuses[i] = c.Delete(userPath(admins[1-i].AccountID)).Status })
		}
		group.Wait()
		require.Equal(t, 1, s.Count(t, "administrators"))
		deleted := 1
		if statuses[1] == 200 {
			deleted, s.Admin = 0, other
		}
		require.Equal(t, 200, statuses[1-deleted])
		// Whoever comes second is the last one, or is gone already.
		require.Contains(t, []int{400, 401}, statuses[deleted])
	}
}

func TestAllMembersDeletedAtOnceLeaveNoOrganizationWithoutOwner(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	var members []*testserver.Client
	for i := range 6 {
		members = append(members, s.NewAccount(t, fmt.Sprintf("member%d", i)))
	}
	organization := s.NewOrganization(t, members[0], members[1:]...)
	statuses := make([]int, 5)
	var group sync.WaitGroup
	for i := range statuses {
		group.Go(func() { statuses[i] = s.Admin.Delete(userPath(members[i].AccountID)).Status })
	}
	group.Wait()
	require.Equal(t, []int{200, 200, 200, 200, 200}, statuses)
	require.Equal(t, members[5].AccountID, ownerOf(t, s, organization))
	s.Admin.Delete(userPath(members[5].AccountID)).Want(200)
	require.Zero(t, s.Count(t, "organizations where id = $1", organization))
}

// during deletes an account while a change of somebody else is not yet committed.
func during(t *testing.T, s *testserver.Server, target *testserver.Client, change string, args ...any) {
	t.Helper()
	tx, err := s.Pool.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
	_, err = tx.Exec(t.Context(), change, args...)
	require.NoError(t, err)
	var pid int
	require.NoError(t, tx.QueryRow(t.Context(), `select pg_backend_pid()`).Scan(&pid))

	answered := make(chan *testserver.Response, 1)
	go func() { answered <- s.Admin.Delete(userPath(target.AccountID)) }()
	require.Eventually(t, func() bool {
		return s.Count(t, "pg_stat_activity where $1 = any(pg_blocking_pids(pid))", pid) == 1
	}, 10*time.Second, 5*time.Millisecond)
	require.NoError(t, tx.Commit(t.Context()))
	(<-answered).Want(200)
}

func TestDeleteWaitsForAMemberWhoIsLeaving(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	organization := s.NewOrganization(t, s.Stranger, s.Colleague, s.Owner)
	s.Exec(t, `update organization_members set created_at = created_at - interval '1 day' where account_id = $1`, s.Colleague.AccountID)
	during(t, s, s.Stranger, `delete from organization_members where organization_id = $1 and account_id = $2`, organization, s.Colleague.AccountID)
	require.Equal(t, s.Owner.AccountID, ownerOf(t, s, organization))
}

func TestDeleteWaitsForAnOrganizationThatIsBeingFounded(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	during(t, s, s.Stranger, `with founded as (insert into organizations (name) values ('New') returning id)
		insert into organization_members (organization_id, account_id, role, status, invited_by)
		select id, $1, 'owner', 'active', $1 from founded`, s.Stranger.AccountID)
	require.Zero(t, s.Count(t, "organizations where name = 'New'"))
}

func TestDeleteTellsOfEndedSessionsAndNewOwners(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	var session int64
	s.Scan(t, &session, `select id from sessions where account_id = $1`, s.Owner.AccountID)
	next := s.Events(t)
	s.Admin.Delete(userPath(s.Owner.AccountID)).Want(200)
	told := map[event.Action]event.Committed{}
	for range 2 {
		e := next()
		told[e.Action] = e
	}
	require.Equal(t, []int64{session}, told[event.AccountDelete].EndedSessions)
	require.Equal(t, caller.Organization(s.Organization), told[event.OrganizationUpdate].Owner)
	require.Equal(t, []event.List{event.Entries, event.LiveSessions}, told[event.OrganizationUpdate].Lists)
}

// Whatever an account is doing while it is deleted, it only learns that it is gone.
func TestWritesOfAnAccountThatGoesAreNoFault(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	for i := range 10 {
		target := s.NewAccount(t, fmt.Sprint("target", i))
		var writing sync.WaitGroup
		for path, b := range map[string]body{
			"/api/entry":    {"name": "x", "config": body{}},
			"/api/folder":   {"name": "Folder"},
			"/api/tag":      {"name": "x", "color": "#fff"},
			"/api/snippet":  {"name": "x", "command": "x"},
			"/api/identity": {"name": "Identity", "type": "ssh"},
		} {
			writing.Go(func() { require.Contains(t, []int{200, 401}, target.Put(path, b).Status) })
		}
		s.Admin.Delete(fmt.Sprintf("/api/users/%d", target.AccountID)).Want(200)
		writing.Wait()
	}
}

func TestChangesOfATreeWhoseAccountGoesAreNoFault(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	for round := range 10 {
		c := s.NewAccount(t, fmt.Sprint("goes", round))
		folder := c.Put("/api/folder", body{"name": "Folder"}).Want(200).ID()
		entry := c.Put("/api/entry", body{"name": "entry", "config": body{}, "folderId": folder}).Want(200).ID()
		tag := c.Put("/api/tag", body{"name": "Tag", "color": "#fff"}).Want(200).ID()
		statuses := testserver.AtOnce(
			func() *testserver.Response { return s.Admin.Delete(userPath(c.AccountID)) },
			func() *testserver.Response { return c.Post(fmt.Sprintf("/api/entry/%d/duplicate", entry), nil) },
			func() *testserver.Response {
				return c.Post("/api/entry/import/ssh-config", body{"folderId": folder, "servers": []body{{"name": "x", "ip": "x"}}})
			},
			func() *testserver.Response { return c.Put("/api/folder", body{"name": "Inner", "parentId": folder}) },
			func() *testserver.Response {
				return c.Patch(fmt.Sprintf("/api/entry/%d", entry), body{"name": "renamed"})
			},
			func() *testserver.Response { return c.Post(fmt.Sprintf("/api/tag/%d/assign/%d", tag, entry), nil) },
		)
		require.Equal(t, 200, statuses[0])
		for _, status := range statuses[1:] {
			require.Contains(t, []int{200, 401, 404}, status)
		}
	}
}
