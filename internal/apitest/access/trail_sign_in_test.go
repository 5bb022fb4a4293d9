package access_test

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

func TestSignInsAreInTheLogOfTheAccount(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	var session struct{ Token string }
	s.Anonymous.With("User-Agent", "Browser/1.0").Post("/api/auth/login", body{"username": "owner", "password": testserver.Password}).Want(200).Into(&session)
	s.Anonymous.Post("/api/auth/logout", body{"token": session.Token}).Want(200)
	require.Equal(t, []string{
		"session.create session by owner on owner from 127.0.0.1", "session.delete session by owner on owner from 127.0.0.1",
	}, trail(t, s, s.Owner, ""))
	require.Empty(t, trail(t, s, s.Admin, ""))
	require.Empty(t, trail(t, s, s.Stranger, ""))
}

// However often somebody guesses, on whatever server, the log of the account has
// one row for each network and minute.
func TestRefusedSignInsAreOneRowForANetworkAndAMinute(t *testing.T) {
	t.Parallel()
	trust := testserver.TrustProxies(t, "1")
	s := testserver.New(t, trust)
	servers := []*testserver.Server{s, testserver.Serve(t, s.Pool, s.Vault, trust)}
	refuse := func(i int, address, username string) *testserver.Response {
		return servers[i%2].Anonymous.With("X-Forwarded-For", address).Post("/api/auth/login", body{"username": username, "password": "wrong"})
	}
	var atOnce []func() *testserver.Response
	for i := range 4 {
		atOnce = append(atOnce, func() *testserver.Response { return refuse(i, "2001:db8::1", "owner") })
	}
	require.Equal(t, []int{401, 401, 401, 401}, testserver.AtOnce(atOnce...))
	const refused = "session.refuse system on owner from "
	want := []string{refused + "2001:db8::1"}
	require.Equal(t, want, trail(t, s, s.Owner, ""))
	for i, next := range []struct {
		address string
		own     bool
	}{{"2001:db8::2", false}, {"2001:db8:0:1::1", true}, {"2001:db8:0:1::2", false}, {"192.0.2.1", true}, {"192.0.2.1", false}, {"192.0.2.2", true}} {
		refuse(i, next.address, "owner").Want(401)
		if next.own {
			want = append(want, refused+next.address)
		}
		require.Equal(t, want, trail(t, s, s.Owner, ""), next.address)
	}
	// Another account has rows of its own, and another minute too.
	refuse(0, "192.0.2.1", "stranger").Want(401)
	require.Equal(t, []string{"session.refuse system on stranger from 192.0.2.1"}, trail(t, s, s.Stranger, ""))
	s.Exec(t, `update rate_limits set window_ends_at = now() where limiter = 'refusal'`)
	refuse(1, "192.0.2.1", "owner").Want(401)
	require.Equal(t, append(want, refused+"192.0.2.1"), trail(t, s, s.Owner, ""))
	require.Empty(t, trail(t, s, s.Admin, ""))

	// Nobody's name is nobody's business but a reader's of events.
	kept := s.Count(t, "audit_logs")
	for i := range 3 {
		refuse(i, "192.0.2.1", "nobody").Want(401)
	}
	require.Equal(t, kept, s.Count(t, "audit_logs"))
	require.Equal(t, 1, s.Count(t, "events where action = 'session.refuse_unknown'"))
	require.Zero(t, s.Count(t, "events where details::text like '%nobody%'"), "it may be a password in the wrong field")
}

// The one reading request that tells of something: the way back from a provider.
func TestSignInsThroughAProviderTellOfThemselves(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	told := func(finish func()) (actions string) {
		t.Helper()
		var last int64
		s.Scan(t, &last, `select coalesce(max(id), 0) from events`)
		finish()
		s.Scan(t, &actions, `select coalesce(string_agg(action, ' ' order by id), '') from events where id > $1`, last)
		return actions
	}
	signIn := func() {
		token, message := s.finish(s.begin())
		require.Empty(t, message)
		c := s.Anonymous.With("Authorization", "Bearer "+token)
		require.NotEmpty(t, trail(t, s.Server, c, "action=session.create"))
	}
	require.Equal(t, "account.create session.create", told(signIn))
	require.Equal(t, "session.create", told(signIn))
	require.Empty(t, told(func() { s.wantRefusal(url.Values{"state": {"x"}, "code": {"x"}}, refusedState) }))
	var logs []string
	s.Scan(t, &logs, `select array_agg(concat_ws(' ', action, actor, account_id = subject_id, details ->> 'method') order by id) from audit_logs
		where action in ('account.create', 'session.create')`)
	require.Equal(t, "session.create session t oidc", logs[len(logs)-1])
}
