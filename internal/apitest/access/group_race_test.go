package access_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

// rounds repeats a race so that the requests meet in different places.
const rounds = 6

// ways in which one administrator ends the rights of another.
func ways(by, target *testserver.Client) map[string]func() *testserver.Response {
	return map[string]func() *testserver.Response{
		"remove": func() *testserver.Response {
			return by.Delete(groupPath(administrators, "/members/%d", target.AccountID))
		},
		"replace": func() *testserver.Response {
			return by.Put(user(target, "/groups"), body{"groupIds": []int64{}})
		},
		"delete": func() *testserver.Response {
			return by.Delete(fmt.Sprintf("/api/users/%d", target.AccountID))
		},
	}
}

func TestTwoAdministratorsNeverEndEachOther(t *testing.T) {
	t.Parallel()
	for one := range ways(nil, nil) {
		for other := range ways(nil, nil) {
			t.Run(one+" and "+other, func(t *testing.T) {
				t.Parallel()
				s := testserver.New(t)
				for round := range rounds {
					rival := s.NewAccount(t, fmt.Sprintf("rival%d", round))
					s.Promote(t, rival)
					statuses := testserver.AtOnce(ways(s.Admin, rival)[one], ways(rival, s.Admin)[other])
					require.Equal(t, 1, s.Count(t, "administrators"), statuses)
					if statuses[0] == 200 {
						require.Contains(t, []int{401, 403}, statuses[1], "it has lost its rights before it acts")
						continue
					}
					require.Equal(t, 200, statuses[1])
					require.Contains(t, []int{401, 403}, statuses[0])
					s.Admin = rival
				}
			})
		}
	}
}

func TestAdministratorsWhoResignAtOnceLeaveOne(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	for round := range rounds {
		s.Promote(t, s.Admin)
		second, third := s.NewAccount(t, fmt.Sprintf("second%d", round)), s.NewAccount(t, fmt.Sprintf("third%d", round))
		s.Promote(t, second)
		s.Promote(t, third)
		statuses := testserver.AtOnce(ways(s.Admin, s.Admin)["remove"], ways(second, second)["replace"], ways(third, third)["delete"])
		require.ElementsMatch(t, []int{200, 200, 400}, statuses)
		require.Equal(t, 1, s.Count(t, "administrators"))
		s.Exec(t, `delete from group_members where account_id <> $1`, s.Admin.AccountID)
	}
}

func TestRemovingSomebodyFromAGroupWhoIsBeingDeleted(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id := newGroup(t, s, "Operators", body{})
	for round := range rounds {
		target := s.NewAccount(t, fmt.Sprintf("target%d", round))
		s.Admin.Post(groupPath(id, "/members"), body{"accountId": target.AccountID}).Want(200)
		statuses := testserver.AtOnce(
			ways(s.Admin, target)["delete"],
			func() *testserver.Response { return s.Admin.Delete(groupPath(id, "/members/%d", target.AccountID)) },
			func() *testserver.Response {
				return s.Admin.Post(groupPath(id, "/members"), body{"accountId": target.AccountID})
			},
			func() *testserver.Response {
				return s.Admin.Put(user(target, "/permissions"), change(body{"files.view": "deny"}))
			},
		)
		require.Equal(t, 200, statuses[0])
		for _, status := range statuses[1:] {
			require.Contains(t, []int{200, 404}, status)
		}
		require.Zero(t, s.Count(t, "group_members where account_id = $1", target.AccountID))
	}
}

func TestAddingToAGroupThatIsBeingDeleted(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	for range rounds {
		id := newGroup(t, s, "Operators", body{})
		statuses := testserver.AtOnce(
			func() *testserver.Response { return s.Admin.Delete(groupPath(id, "")) },
			func() *testserver.Response {
				return s.Admin.Post(groupPath(id, "/members"), body{"accountId": s.Stranger.AccountID})
			},
			func() *testserver.Response {
				return s.Admin.Put(groupPath(id, "/permissions"), change(body{"files.view": "deny"}))
			},
		)
		require.Equal(t, 200, statuses[0])
		require.Contains(t, []int{200, 404}, statuses[1])
		require.Contains(t, []int{200, 404}, statuses[2])
		require.True(t, holds(t, s.Stranger, "files.view"))
	}
}

// As clients do when groups and overrides of an account are saved together.
func TestGroupsAndOverridesAreSavedAtOnce(t *testing.T) {
	t.Parallel()
	s, m := manager(t)
	id := newGroup(t, s, "Operators", body{"settings.ai": "allow"})
	for range rounds {
		statuses := testserver.AtOnce(
			func() *testserver.Response {
				return m.Put(user(s.Stranger, "/groups"), body{"groupIds": []int64{id}})
			},
			func() *testserver.Response {
				return m.Put(user(s.Stranger, "/permissions"), change(body{"files.view": "deny"}))
			},
		)
		require.Equal(t, []int{200, 200}, statuses)
		require.True(t, holds(t, s.Stranger, "settings.ai"))
		require.False(t, holds(t, s.Stranger, "files.view"))
		s.Admin.Put(user(s.Stranger, "/groups"), body{"groupIds": []int64{}}).Want(200)
		s.Admin.Put(user(s.Stranger, "/permissions"), change(body{"files.view": "neutral"})).Want(200)
	}
}

// Two changes that are harmless each, but not both: one puts the account into
// the group, the other makes the group strong.
func TestTwoManagersDoNotGrantTogetherWhatNeitherMay(t *testing.T) {
	t.Parallel()
	s, m := manager(t)
	s.Grant(t, s.Colleague, "permissions.manage")
	for range rounds {
		id := newGroup(t, s, "Trap", body{})
		statuses := testserver.AtOnce(
			func() *testserver.Response {
				return m.Put(groupPath(id, "/permissions"), change(body{"settings.backup": "allow"}))
			},
			func() *testserver.Response {
				return s.Colleague.Post(groupPath(id, "/members"), body{"accountId": s.Colleague.AccountID})
			},
		)
		require.ElementsMatch(t, []int{200, 403}, statuses)
		require.False(t, holds(t, s.Colleague, "settings.backup"))
	}
}

// waiting sends a request while somebody else's change holds the lock, which it
// commits once the request waits for it.
func waiting(t *testing.T, s *testserver.Server, request func() *testserver.Response, change string, args ...any) *testserver.Response {
	t.Helper()
	tx, err := s.Pool.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
	var pid int
	require.NoError(t, tx.QueryRow(t.Context(), `select pg_backend_pid()
		from (select pg_advisory_xact_lock(hashtextextended('nexterm.permissions', 0))) as locked`).Scan(&pid))
	answered := make(chan *testserver.Response, 1)
	go func() { answered <- request() }()
	require.Eventually(t, func() bool {
		return s.Count(t, "pg_stat_activity where $1 = any(pg_blocking_pids(pid))", pid) == 1
	}, 10*time.Second, 5*time.Millisecond)
	_, err = tx.Exec(t.Context(), change, args...)
	require.NoError(t, err)
	require.NoError(t, tx.Commit(t.Context()))
	return <-answered
}

func TestWhoLosesItsRightsWhileItWaitsUsesThemNoMore(t *testing.T) {
	t.Parallel()
	s, m := manager(t)
	newGroup(t, s, "Members", body{}, s.Stranger)
	share := func() *testserver.Response {
		return m.Put(user(s.Stranger, "/permissions"), change(body{"settings.ai": "allow"}))
	}
	waiting(t, s, share, `delete from account_permissions where account_id = $1 and permission = 'settings.ai'`, m.AccountID).
		WantError(403, beyondOwn)
	waiting(t, s, share, `delete from account_permissions where account_id = $1 and permission = 'permissions.manage'`, m.AccountID).
		WantError(403, "Forbidden")
	s.Grant(t, m, "permissions.manage", "settings.ai")
	waiting(t, s, share, `delete from accounts where id = $1`, m.AccountID).
		WantError(401, "The account associated to the token is not registered")
	require.False(t, holds(t, s.Stranger, "settings.ai"))

	s.Promote(t, s.Colleague)
	end := func() *testserver.Response {
		return s.Colleague.Delete(groupPath(administrators, "/members/%d", s.Admin.AccountID))
	}
	waiting(t, s, end, `delete from group_members where account_id = $1`, s.Colleague.AccountID).WantError(403, "Forbidden")
}

func TestNewAccountsDoNotStandInTheWay(t *testing.T) {
	t.Parallel()
	s, m := manager(t)
	s.Admin.Put(user(m, "/permissions"), change(body{"connect.ssh": "deny"})).Want(200)
	s.Admin.Put(user(s.Stranger, "/permissions"), change(body{"files.view": "deny"})).Want(200)
	done := make(chan struct{})
	var creating sync.WaitGroup
	creating.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
				_, err := s.Pool.Exec(t.Context(), `insert into accounts (username, first_name, last_name, password_hash) values ($1, '', '', '')`, fmt.Sprint("new", i))
				if err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	for i := range 30 {
		m.Put(user(s.Stranger, "/permissions"), change(body{"files.view": []string{"neutral", "deny"}[i%2]})).Want(200)
	}
	close(done)
	creating.Wait()
}
