package access_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/server"
	"github.com/nexterm-go/nexterm/internal/testserver"
)

func TestLoginOpensASessionAndLogoutEndsIt(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	answer := s.Anonymous.With("User-Agent", "test/1.0").
		Post("/api/auth/login", body{"username": "owner", "password": testserver.Password}).Want(200)
	var login struct {
		Token, Message string
		TotpRequired   bool
	}
	answer.Into(&login)
	require.Regexp(t, `^[0-9a-f]{96}$`, login.Token)
	require.Equal(t, login.Token, answer.Header.Get("Authorization"))
	require.Equal(t, "Your session got successfully created", login.Message)
	require.False(t, login.TotpRequired)

	c := s.Anonymous.With("Authorization", "bearer "+login.Token)
	var list []body
	c.Get("/api/sessions/list").Want(200).Into(&list)
	require.Len(t, list, 2)
	require.Equal(t, []any{true, "127.0.0.1", "test/1.0"}, []any{list[0]["current"], list[0]["ip"], list[0]["userAgent"]})
	require.Equal(t, false, list[1]["current"])

	answer = s.Anonymous.Post("/api/auth/logout", body{"token": strings.ToUpper(login.Token)}).Want(200)
	require.Equal(t, "Your session got deleted successfully", answer.Message())
	c.Get("/api/account/me").WantError(401, "The provided token is not valid")
	s.Anonymous.Post("/api/auth/logout", body{"token": login.Token}).WantError(401, "Your session token is invalid")
}

func TestSignInsAreLoggedWithTheirAccount(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	logged := func(status int, password string, account int64) {
		s.Anonymous.Post("/api/auth/login", body{"username": "owner", "password": password}).Want(status)
		line := fmt.Sprintf(`"operation":"login","status":%d,"account":%d,"ip":"127.0.0.1"`, status, account)
		require.Eventually(t, func() bool { return strings.Contains(s.Log.String(), line) }, 10*time.Second, time.Millisecond)
	}
	logged(200, testserver.Password, s.Owner.AccountID)
	logged(401, "wrong", 0)
}

func TestLoginSaysNothingAboutWhichNamesExist(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	const refused = "Username or password incorrect"
	s.Anonymous.Post("/api/auth/login", body{"username": "owner", "password": "wrong"}).WantError(401, refused)
	s.Anonymous.Post("/api/auth/login", body{"username": "nobody", "password": "wrong"}).WantError(401, refused)
}

func TestLoginIsRefusedWhileNoPasswordMethodIsEnabled(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	s.Exec(t, `update auth_providers set enabled = false where is_internal`)
	s.Anonymous.Post("/api/auth/login", body{"username": "owner", "password": testserver.Password}).
		WantError(403, "No login method is enabled")
}

func TestSessionRemembersItsClient(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	login := func(agent string) {
		s.Anonymous.With("User-Agent", agent).
			Post("/api/auth/login", body{"username": "stranger", "password": testserver.Password}).Want(200)
	}
	var stored string
	login(strings.Repeat("é", 300))
	s.Scan(t, &stored, `select user_agent from sessions order by id desc limit 1`)
	require.Equal(t, strings.Repeat("é", 255), stored)
	login("")
	s.Scan(t, &stored, `select user_agent from sessions order by id desc limit 1`)
	require.Equal(t, "None", stored)
}

func TestActivityIsWrittenOnceAMinute(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	activity := func() (text string) {
		s.Scan(t, &text, `select last_activity::text from sessions where account_id = $1`, s.Owner.AccountID)
		return text
	}
	before := activity()
	s.Owner.Get("/api/account/me").Want(200)
	require.Equal(t, before, activity())
	s.Exec(t, `update sessions set last_activity = now() - interval '2 minutes', ip = '192.0.2.1'`)
	before = activity()
	s.Owner.Get("/api/account/me").Want(200)
	require.NotEqual(t, before, activity())
	var ip string
	s.Scan(t, &ip, `select ip from sessions where account_id = $1`, s.Owner.AccountID)
	require.Equal(t, "127.0.0.1", ip)
}

func TestSessionsThatNobodyUsesEnd(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	limited := testserver.Serve(t, s.Pool, s.Vault, func(o *server.Options) { o.SessionIdleDays = 30 })
	idle := func(interval string) { s.Exec(t, `update sessions set last_activity = now() - $1::interval`, interval) }
	idle("29 days")
	s.Owner.On(limited).Get("/api/account/me").Want(200)
	idle("31 days")
	s.NewAPIKey(t, s.Owner).On(limited).Get("/api/account/me").Want(200)
	s.Owner.On(limited).Get("/api/account/me").WantError(401, tokenInvalid)
	s.Owner.Get("/api/account/me").Want(200)
	s.Owner.On(limited).Get("/api/account/me").Want(200)
}

func TestSessionListShowsTheLatestActivityFirst(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	s.Exec(t, `insert into sessions (account_id, token_hash, ip, user_agent, last_activity, created_at) values
		($1, sha256('a'), 'a', 'a', now() + interval '1 minute', '2026-01-30 08:15:00+00'),
		($1, sha256('b'), 'b', 'b', '2026-01-31 12:00:00+00', '2026-01-30 08:15:00+00')`, s.Owner.AccountID)
	var list []struct {
		IP, LastActivity, CreatedAt string
		Current                     bool
	}
	s.Owner.Get("/api/session/list").Want(200).Into(&list)
	require.Len(t, list, 3)
	require.Equal(t, []any{"a", "b"}, []any{list[0].IP, list[2].IP})
	require.True(t, list[1].Current)
	require.Equal(t, "2026-01-31T12:00:00.000Z", list[2].LastActivity)
	require.Equal(t, "2026-01-30T08:15:00.000Z", list[2].CreatedAt)

	s.NewAPIKey(t, s.Owner).Get("/api/session/list").Want(200).Into(&list)
	for _, session := range list {
		require.False(t, session.Current, "an API key has no session")
	}
}

func TestRevokeOnlyOnesOwnSessions(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	session := func(c *testserver.Client) (path string) {
		var id int64
		s.Scan(t, &id, `select id from sessions where account_id = $1`, c.AccountID)
		return fmt.Sprintf("/api/sessions/%d", id)
	}
	own := session(s.Owner)
	s.Stranger.Delete(own).WantError(404, "The provided session does not exist")
	s.Admin.Delete(own).WantError(404, "The provided session does not exist")
	s.Owner.Delete("/api/session/x").WantError(400, "Invalid session ID")
	require.Equal(t, "The session has been successfully destroyed", s.Owner.Delete(own).Want(200).Message())
	s.Owner.Get("/api/account/me").WantError(401, "The provided token is not valid")
}
