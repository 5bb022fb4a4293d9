package access_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

const (
	adminAccountsOnly = "Only administrators can manage administrator accounts"
)

type listedSession struct {
	IP, UserAgent string
	Current       bool
}

func impersonate(c, target *testserver.Client) *testserver.Response {
	return c.Post(userPath(target.AccountID)+"/login", nil)
}

// opened is the client of the session in an answer.
func opened(t *testing.T, s *testserver.Server, r *testserver.Response) *testserver.Client {
	t.Helper()
	var answer struct{ Message, Token string }
	r.Want(200).Into(&answer)
	require.Equal(t, "Session got successfully created", answer.Message)
	require.Empty(t, r.Header.Get("Authorization"), "the token is in the body only")
	require.Equal(t, "no-store", r.Header.Get("Cache-Control"))
	return s.Anonymous.With("Authorization", "Bearer "+answer.Token)
}

func TestImpersonationOpensASessionThatTheAccountSees(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	as := opened(t, s, impersonate(s.Admin.With("User-Agent", "NextermMobile/1.2"), s.Owner))

	var sessions []listedSession
	s.Owner.Get("/api/session/list").Want(200).Into(&sessions)
	require.Contains(t, sessions, listedSession{IP: "Admin", UserAgent: "NextermMobile/1.2"})

	var me struct {
		Username string
		IsAdmin  bool
	}
	as.Get("/api/account/me").Want(200).Into(&me)
	require.Equal(t, "owner", me.Username)
	require.False(t, me.IsAdmin)
	sessions = nil
	as.Get("/api/session/list").Want(200).Into(&sessions)
	require.Contains(t, sessions, listedSession{IP: "127.0.0.1", UserAgent: "NextermMobile/1.2", Current: true}, "its first request tells the address")
}

func TestImpersonationIsLogged(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	impersonate(s.Admin, s.Owner).Want(200)
	var line string
	for l := range strings.Lines(s.Log.String()) {
		if strings.Contains(l, "session opened for another account") {
			line = l
		}
	}
	require.Contains(t, line, `"account":1,"target":2`)
}

func TestImpersonationKeepsWhatFitsOfTheUserAgent(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	impersonate(s.Admin.With("User-Agent", strings.Repeat("x", 300)), s.Owner).Want(200)
	impersonate(s.Admin.With("User-Agent", ""), s.Owner).Want(200)
	require.Equal(t, 1, s.Count(t, "sessions where ip is null and impersonator_id = $1 and user_agent = repeat('x', 255)", s.Admin.AccountID))
	require.Equal(t, 1, s.Count(t, "sessions where ip is null and impersonator_id = $1 and user_agent = 'None'", s.Admin.AccountID))
}

func TestImpersonationDoesNotAskForTOTP(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	s.Exec(t, `update accounts set totp_enabled = true where id = $1`, s.Owner.AccountID)
	opened(t, s, impersonate(s.Admin, s.Owner)).Get("/api/account/me").Want(200)
}

func TestImpersonationRefuses(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	impersonate(s.NewAPIKey(t, s.Admin), s.Owner).WantError(403, "API keys cannot manage account credentials")
	s.Admin.Post("/api/users/987654/login", nil).WantError(404, "The provided account does not exist")
	s.Admin.Post("/api/users/0/login", nil).WantError(400, "Invalid account ID")

	impersonate(s.Owner, s.Stranger).WantError(403, "Forbidden")
	s.Grant(t, s.Owner, "users.impersonate")
	impersonate(s.Owner, s.Stranger).WantError(403, "Forbidden")
	s.Grant(t, s.Colleague, "users.view", "users.manage")
	impersonate(s.Colleague, s.Stranger).WantError(403, "Forbidden")
	require.Zero(t, s.Count(t, "sessions where ip = 'Admin'"))
}

func TestImpersonationGivesNothingBeyondTheCallersOwn(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	s.Grant(t, s.Owner, "users.view", "users.impersonate")
	impersonate(s.Owner, s.Stranger).Want(200)
	impersonate(s.Owner, s.Owner).Want(200)
	impersonate(s.Owner, s.Admin).WantError(403, adminAccountsOnly)

	strong := addGroup(t, s, "Backup", 3, s.Stranger)
	s.Exec(t, `insert into group_permissions values ($1, 'settings.backup', 'allow')`, strong)
	impersonate(s.Owner, s.Stranger).WantError(403, beyondOwn)
	s.Grant(t, s.Owner, "settings.backup")
	impersonate(s.Owner, s.Stranger).Want(200)

	s.Promote(t, s.Stranger)
	impersonate(s.Owner, s.Stranger).WantError(403, adminAccountsOnly)
	impersonate(s.Admin, s.Stranger).Want(200)
}

func TestADemotedAdministratorWhoWaitsActsAsNobody(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	s.Promote(t, s.Owner)
	tx, err := s.Pool.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
	_, err = tx.Exec(t.Context(), `select pg_advisory_xact_lock(hashtextextended('nexterm.permissions', 0))`)
	require.NoError(t, err)
	var pid int
	require.NoError(t, tx.QueryRow(t.Context(), `select pg_backend_pid()`).Scan(&pid))
	answers := make(chan *testserver.Response, 2)
	go func() { answers <- impersonate(s.Owner, s.Admin) }()
	go func() { answers <- s.Owner.Delete(userPath(s.Admin.AccountID)) }()
	require.Eventually(t, func() bool {
		return s.Count(t, "pg_stat_activity where $1 = any(pg_blocking_pids(pid))", pid) == 2
	}, 10*time.Second, 5*time.Millisecond)
	_, err = tx.Exec(t.Context(), `delete from group_members where account_id = $1`, s.Owner.AccountID)
	require.NoError(t, err)
	require.NoError(t, tx.Commit(t.Context()))
	(<-answers).WantError(403, "Forbidden")
	(<-answers).WantError(403, "Forbidden")
}
