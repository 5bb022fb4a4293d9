package access_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/testserver"
)

const (
	notImpersonated = "Not while acting as another account"
	tokenInvalid    = "The provided token is not valid"
)

func TestCredentialsStayTheAccountsOwn(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	as := opened(t, s, impersonate(s.Admin, s.Owner))
	s.Promote(t, s.Owner)
	var code struct{ Code string }
	s.Anonymous.Post("/api/auth/device/create", body{"clientType": "web"}).Want(200).Into(&code)
	for _, r := range []*testserver.Response{
		as.Patch("/api/account/password", body{"password": "another password"}),
		as.Patch(userPath(s.Stranger.AccountID)+"/password", body{"password": "another password"}),
		as.Post(userPath(s.Stranger.AccountID)+"/login", nil),
		as.Get("/api/account/totp/secret"),
		as.Post("/api/account/totp/enable", body{"code": "123456"}),
		as.Post("/api/account/totp/disable", nil),
		as.Get("/api/account/passkeys"),
		as.Post("/api/account/passkeys/register/options", body{}),
		as.Get("/api/account/api-keys"),
		as.Post("/api/account/api-keys", body{"name": "mine"}),
		as.Delete("/api/account/api-keys/1"),
		as.Post("/api/auth/device/authorize", body{"code": code.Code}),
	} {
		r.WantError(403, notImpersonated)
	}
	as.Get("/api/account/me").Want(200)
	s.Owner.Get("/api/account/api-keys").Want(200)
}

func TestImpersonationEndsAfterAnHour(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	as := opened(t, s, impersonate(s.Admin, s.Owner))
	s.Exec(t, `update sessions set created_at = now() - interval '59 minutes' where impersonator_id is not null`)
	as.Get("/api/account/me").Want(200)
	s.Exec(t, `update sessions set created_at = now() - interval '61 minutes'`)
	as.Get("/api/account/me").WantError(401, tokenInvalid)
	s.Owner.Get("/api/account/me").Want(200)
	var sessions []listedSession
	s.Owner.Get("/api/session/list").Want(200).Into(&sessions)
	require.Len(t, sessions, 1)
}

// Whatever takes it away: the session ends with the right to open it.
func TestImpersonationEndsWithTheRight(t *testing.T) {
	t.Parallel()
	for name, withdraw := range map[string]func(s *testserver.Server, group int64) *testserver.Response{
		"the group's grant": func(s *testserver.Server, group int64) *testserver.Response {
			return s.Admin.Put(groupPath(group, "/permissions"), change(body{"users.impersonate": "neutral"}))
		},
		"an override": func(s *testserver.Server, _ int64) *testserver.Response {
			return s.Admin.Put(user(s.Colleague, "/permissions"), change(body{"users.impersonate": "deny"}))
		},
		"the membership": func(s *testserver.Server, group int64) *testserver.Response {
			return s.Admin.Delete(groupPath(group, "/members/%d", s.Colleague.AccountID))
		},
		"what the account may do": func(s *testserver.Server, _ int64) *testserver.Response {
			return s.Admin.Put(user(s.Owner, "/permissions"), change(body{"settings.backup": "allow"}))
		},
		"a promotion": func(s *testserver.Server, _ int64) *testserver.Response {
			return s.Admin.Post(groupPath(administrators, "/members"), body{"accountId": s.Owner.AccountID})
		},
		"the group": func(s *testserver.Server, group int64) *testserver.Response {
			return s.Admin.Delete(groupPath(group, ""))
		},
		"the account": func(s *testserver.Server, _ int64) *testserver.Response {
			return s.Admin.Delete(userPath(s.Colleague.AccountID))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := testserver.New(t)
			group := addGroup(t, s, "Support", 3, s.Colleague)
			s.Exec(t, `insert into group_permissions select $1, unnest(array ['users.view', 'users.impersonate']), 'allow'`, group)
			as := opened(t, s, impersonate(s.Colleague, s.Owner))
			s.Admin.Put(user(s.Owner, "/permissions"), change(body{"files.view": "deny"})).Want(200)
			as.Get("/api/account/me").Want(200)
			next := s.Events(t)
			withdraw(s, group).Want(200)
			as.Get("/api/account/me").WantError(401, tokenInvalid)
			s.Owner.Get("/api/account/me").Want(200)
			ended := next()
			for ended.Action != event.ImpersonationEnd {
				ended = next()
			}
			require.EqualValues(t, s.Owner.AccountID, ended.Owner)
			require.Equal(t, []int64{ended.ResourceID}, ended.EndedSessions)
			require.Equal(t, s.Admin.AccountID, ended.AccountID)
			require.Len(t, s.Audits(t, "impersonation.end"), 1)
		})
	}
}

func TestImpersonatedSocketsHearOfTheEnd(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	s.Grant(t, s.Colleague, "users.view", "users.impersonate")
	var answer struct{ Token string }
	impersonate(s.Colleague, s.Owner).Want(200).Into(&answer)
	as := *s.Owner
	as.Token = answer.Token
	socket := as.Socket("/api/ws/state?tabId=t")
	for range 5 {
		socket.Next()
	}
	began := time.Now()
	s.Admin.Put(user(s.Colleague, "/permissions"), change(body{"users.impersonate": "deny"})).Want(200)
	require.Equal(t, "LOGOUT", socket.Next().Type)
	require.Less(t, time.Since(began), 5*time.Second)
}
