package access_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

// another is one more session of an account.
func another(t *testing.T, s *testserver.Server, c *testserver.Client) *testserver.Client {
	t.Helper()
	var login struct{ Token string }
	s.Anonymous.Post("/api/auth/login", body{"username": c.Username, "password": testserver.Password}).Want(200).Into(&login)
	return s.Anonymous.With("Authorization", "Bearer "+login.Token)
}

func TestAllOtherSessionsEnd(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(s *testserver.Server) *testserver.Response{
		"by their account": func(s *testserver.Server) *testserver.Response { return s.Colleague.Delete("/api/sessions") },
		"with the password": func(s *testserver.Server) *testserver.Response {
			return s.Colleague.Patch("/api/account/password", body{"password": "another", "revokeSessions": true})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := testserver.New(t)
			s.Grant(t, s.Colleague, "users.view", "users.impersonate")
			by, as := opened(t, s, impersonate(s.Admin, s.Colleague)), opened(t, s, impersonate(s.Colleague, s.Stranger))
			second, key := another(t, s, s.Colleague), s.NewAPIKey(t, s.Colleague)
			end(s).Want(200)
			for _, ended := range []*testserver.Client{by, as, second} {
				ended.Get("/api/account/me").WantError(401, tokenInvalid)
			}
			for _, stays := range []*testserver.Client{s.Colleague, key, s.Stranger, s.Admin} {
				stays.Get("/api/account/me").Want(200)
			}
			require.Len(t, s.Audits(t, "session.delete"), 1)
			require.Len(t, s.Audits(t, "impersonation.end"), 2)
		})
	}
}

func TestAllSessionsEndForAnAPIKeyAndForAnAdministrator(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	require.Equal(t, "All other sessions have been successfully destroyed", s.NewAPIKey(t, s.Owner).Delete("/api/session").Want(200).Message())
	s.Owner.Get("/api/account/me").WantError(401, tokenInvalid)
	path := userPath(s.Stranger.AccountID) + "/password"
	s.Admin.Patch(path, body{"password": "another", "revokeSessions": false}).Want(200)
	s.Stranger.Get("/api/account/me").Want(200)
	s.Admin.Patch(path, body{"password": "another", "revokeSessions": true}).Want(200)
	s.Stranger.Get("/api/account/me").WantError(401, tokenInvalid)
	s.Admin.Patch(path, body{"password": "another", "revokeSessions": "yes"}).WantError(400, "revokeSessions must be a boolean")
}

// Whoever is signing in with the old password is not left over.
func TestASignInDoesNotOutlastItsPassword(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	tx, err := s.Pool.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
	var pid int
	require.NoError(t, tx.QueryRow(t.Context(), `select pg_backend_pid() from accounts where id = $1 for update`, s.Owner.AccountID).Scan(&pid))
	_, err = tx.Exec(t.Context(), `update accounts set password_hash = (select password_hash from accounts where id = $1) || ' ' where id = $1`, s.Owner.AccountID)
	require.NoError(t, err)
	answer := make(chan *testserver.Response)
	go func() {
		answer <- s.Anonymous.Post("/api/auth/login", body{"username": "owner", "password": testserver.Password})
	}()
	require.Eventually(t, func() bool {
		return s.Count(t, "pg_stat_activity where $1 = any(pg_blocking_pids(pid))", pid) == 1
	}, 10*time.Second, 5*time.Millisecond)
	require.NoError(t, tx.Commit(t.Context()))
	(<-answer).WantError(401, "Username or password incorrect")
}
