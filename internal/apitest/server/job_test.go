package server_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/app"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/contentsource"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/outbound"
	"github.com/nexterm-go/nexterm/internal/server"
	"github.com/nexterm-go/nexterm/internal/testserver"
)

// newShelf is an index source that counts its visitors.
func newShelf(t *testing.T) (url string, visits *atomic.Int64) {
	t.Helper()
	visits = &atomic.Int64{}
	listener := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/NTINDEX" {
			visits.Add(1)
			_, _ = fmt.Fprintln(w, "dark.theme.css@x")
			return
		}
		http.NotFound(w, r)
	}))
	t.Cleanup(listener.Close)
	return listener.URL, visits
}

// disableDefault keeps tests from asking the Internet.
func disableDefault(t *testing.T, s *testserver.Server) {
	t.Helper()
	s.Exec(t, `insert into sources (name, url, is_default, enabled) values ('Official', 'https://source.nexterm.dev', true, false)`)
}

// startJobs runs one more server, its jobs included, and tells which jobs end.
func startJobs(t *testing.T, s *testserver.Server, delay time.Duration, changes ...func(*server.Options)) <-chan *river.Event {
	t.Helper()
	networks, err := outbound.ParseNetworks("127.0.0.1")
	require.NoError(t, err)
	options := server.Options{Pool: s.Pool, Vault: s.Vault, Outbound: outbound.New(networks), Log: slog.New(slog.DiscardHandler)}
	for _, change := range changes {
		change(&options)
	}
	a, err := app.New(app.Options{Options: options, JobDelay: delay})
	require.NoError(t, err)
	ended, _ := a.Jobs.Subscribe(river.EventKindJobCompleted, river.EventKindJobFailed, river.EventKindJobCancelled)
	testserver.Run(t, a)
	return ended
}

// awaitJob returns the next job of a kind that has ended; it must have succeeded.
func awaitJob(t *testing.T, kind string, ended ...<-chan *river.Event) {
	t.Helper()
	either := make(chan *river.Event, 16)
	for _, events := range ended {
		go func() {
			for event := range events {
				either <- event
			}
		}()
	}
	for {
		select {
		case event := <-either:
			require.Equal(t, river.EventKindJobCompleted, event.Kind, "%v", event.Job.Errors)
			if event.Job.Kind == kind {
				return
			}
		case <-time.After(30 * time.Second):
			t.Fatal("no job of kind", kind, "has ended")
		}
	}
}

func TestSyncAllIsDoneInTheBackground(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	url, visits := newShelf(t)
	disableDefault(t, s)
	s.Exec(t, `insert into sources (name, url) values ('Source', $1)`, url)
	s.Exec(t, `insert into sources (name, url, enabled) values ('Disabled', 'http://127.0.0.1:1', false)`)
	for range 3 {
		require.Equal(t, "Sync initiated for all sources", s.Admin.Post("/api/sources/sync-all", nil).Want(200).Message())
	}
	var waiting int
	s.Scan(t, &waiting, `select count(*) from river_job`)
	require.Equal(t, 1, waiting, "one that waits does for all")

	ended := startJobs(t, s, time.Hour)
	awaitJob(t, "source_sync", ended)
	require.EqualValues(t, 1, visits.Load())
	var statuses []string
	s.Scan(t, &statuses, `select array_agg(coalesce(last_sync_status, 'never') order by name) from sources where not is_default`)
	require.Equal(t, []string{"never", "success"}, statuses)
}

func TestTwoServersSynchronizeOnce(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	url, visits := newShelf(t)
	disableDefault(t, s)
	s.Exec(t, `insert into sources (name, url) values ('Source', $1)`, url)
	one := startJobs(t, s, 0)
	two := startJobs(t, s, 0)
	awaitJob(t, "source_sync", one, two)
	require.EqualValues(t, 1, visits.Load())
	var jobs int
	s.Scan(t, &jobs, `select count(*) from river_job where kind = 'source_sync_all'`)
	require.Equal(t, 1, jobs)
}

// The unfinished job of a server that was killed keeps its source from being
// synchronized no longer than any job may take.
func TestAJobOfAKilledServerIsGivenUp(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	disableDefault(t, s)
	s.Exec(t, `insert into river_job (kind, queue, args, state, attempt, max_attempts, attempted_at)
		select 'source_sync', 'source', '{}', 'running', 1, 1, now() - age::interval
		from unnest(array ['4 minutes', '6 minutes']) as age`)
	startJobs(t, s, time.Hour)
	require.Eventually(t, func() bool {
		var states string
		s.Scan(t, &states, `select string_agg(state::text, ' ' order by attempted_at) from river_job where kind = 'source_sync'`)
		return states == "discarded running"
	}, 20*time.Second, 50*time.Millisecond)
}

// unswept counts the rows of the tables that are swept, by who they are of.
func unswept(t *testing.T, s *testserver.Server) (rows string) {
	t.Helper()
	s.Scan(t, &rows, `select string_agg(name, ' ' order by name) from (
		select 'window ' || subject as name from rate_limits
		union all select 'challenge ' || origin from passkey_challenges
		union all select 'code ' || code from device_codes
		union all select 'login ' || convert_from(code_verifier, 'UTF8') from oidc_logins
		union all select 'session ' || user_agent from sessions where impersonator_id is not null) as kept`)
	return rows
}

func TestWhatHasExpiredIsSweptOnce(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	disableDefault(t, s)
	for kind, age := range map[string]string{"open": "-1 minute", "ended": "0", "old": "11 minutes"} {
		s.Exec(t, `insert into rate_limits (limiter, subject, hits, window_ends_at) values ('login', $1, 3, now() - $2::interval)`, kind, age)
		s.Exec(t, `insert into passkey_challenges (challenge, kind, origin, rp_id, expires_at)
			values ($1::text::bytea, 'authentication', $1, '', now() - $2::interval)`, kind, age)
		s.Exec(t, `insert into device_codes (code, token_hash, client_type, ip_address, user_agent, authorized_by_account_id, claimed_at, expires_at)
			values ($1, sha256($1::text::bytea), 'web', '', '', $3, now(), now() - $2::interval)`, kind, age, s.Owner.AccountID)
		s.Exec(t, `insert into oidc_logins (state_hash, provider_id, provider_revision, nonce_hash, key_id, code_verifier, expires_at)
			select sha256($1::text::bytea), id, revision, sha256(''), (select id from data_keys), $1::text::bytea, now() - $2::interval from auth_providers`, kind, age)
		s.Exec(t, `insert into sessions (account_id, impersonator_id, token_hash, user_agent, created_at)
			values ($3, $4, sha256($1::text::bytea), $1, now() - '1 hour'::interval - $2::interval)`, kind, age, s.Owner.AccountID, s.Admin.AccountID)
	}
	one, two := startJobs(t, s, 0), startJobs(t, s, 0)
	awaitJob(t, "sweep_expired", one, two)
	require.Equal(t, "challenge open code ended code open login open session open window open", unswept(t, s), "what became of a code can be told for ten minutes")
	var jobs int
	s.Scan(t, &jobs, `select count(*) from river_job where kind = 'sweep_expired'`)
	require.Equal(t, 1, jobs)
}

func TestSocketsHearThatTheirSessionIsSwept(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	disableDefault(t, s)
	idle, stays := openState(t, s.Owner), openState(t, s.Colleague)
	s.Exec(t, `update sessions set last_activity = now() - interval '31 days' where account_id = $1`, s.Owner.AccountID)
	awaitJob(t, "sweep_expired", startJobs(t, s, 0, func(o *server.Options) { o.SessionIdleDays = 30 }))
	wantLogout(t, idle)
	stays.Send(`{"action": "refresh", "type": "SNIPPETS"}`)
	require.Equal(t, "SNIPPETS", stays.Next().Type)
	require.Len(t, s.Audits(t, "session.delete"), 1)
}

// A source that hangs holds up sources, and nothing else.
func TestSweepingDoesNotWaitForSources(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	asked := make(chan struct{}, 100)
	listener := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
	}))
	t.Cleanup(listener.Close)
	disableDefault(t, s)
	s.Exec(t, `insert into sources (name, url) values ('Slow', $1)`, listener.URL)
	s.Admin.Post("/api/sources/sync-all", nil).Want(200)
	ended := startJobs(t, s, time.Hour)
	<-asked
	require.Eventually(t, func() bool {
		due, err := s.Pool.Exec(t.Context(), `update river_job set scheduled_at = now(), state = 'available' where kind = 'sweep_expired'`)
		return err == nil && due.RowsAffected() == 1
	}, 10*time.Second, 10*time.Millisecond)
	awaitJob(t, "sweep_expired", ended)
}

func TestTheDefaultSourceIsEnsured(t *testing.T) {
	t.Parallel()
	const official = "https://source.nexterm.dev"
	for name, test := range map[string]struct{ before, after string }{
		"nothing":           {``, `Official ` + official + ` true true`},
		"as it should be":   {`('Mine', '` + official + `', true, false)`, `Mine ` + official + ` true false`},
		"another URL":       {`('Official', 'https://example.org', true, true)`, `Official ` + official + ` true true`},
		"somebody added it": {`('Mine', '` + official + `', false, true)`, `Mine ` + official + ` true true`},
		"both": {`('Official', 'https://example.org', true, true), ('Mine', '` + official + `', false, true)`,
			`Mine ` + official + ` true true,Official https://example.org false true`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := testserver.NewEmpty(t)
			if test.before != "" {
				s.Exec(t, `insert into sources (name, url, is_default, enabled) values `+test.before)
			}
			for range 2 {
				require.NoError(t, contentsource.EnsureDefault(t.Context(), change.New(s.Pool, event.NewLog(s.Pool, slog.New(slog.DiscardHandler)))))
				var after string
				s.Scan(t, &after, `select string_agg(concat_ws(' ', name, url, is_default::text, enabled::text), ',' order by name) from sources`)
				require.Equal(t, test.after, after)
			}
		})
	}
}
