package job_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/job"
	"github.com/nexterm-go/nexterm/internal/outbound"
	"github.com/nexterm-go/nexterm/internal/source"
	"github.com/nexterm-go/nexterm/internal/testserver"
)

// shelf is an index source that counts its visitors.
func shelf(t *testing.T) (url string, visits *atomic.Int64) {
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

// start runs the background work of one server and tells which jobs end.
func start(t *testing.T, pool *pgxpool.Pool, delay time.Duration) <-chan *river.Event {
	t.Helper()
	networks, err := outbound.ParseNetworks("127.0.0.1")
	require.NoError(t, err)
	log := slog.New(slog.DiscardHandler)
	client, err := job.Start(t.Context(), job.Options{
		Pool: pool, Outbound: outbound.New(networks), Log: log, Delay: delay,
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		require.NoError(t, client.StopAndCancel(ctx))
	})
	ended, _ := client.Subscribe(river.EventKindJobCompleted, river.EventKindJobFailed, river.EventKindJobCancelled)
	return ended
}

// await returns the next job of a kind that has ended; it must have succeeded.
func await(t *testing.T, kind string, ended ...<-chan *river.Event) {
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
	url, visits := shelf(t)
	disableDefault(t, s)
	s.Exec(t, `insert into sources (name, url) values ('Source', $1)`, url)
	s.Exec(t, `insert into sources (name, url, enabled) values ('Disabled', 'http://127.0.0.1:1', false)`)
	for range 3 {
		require.Equal(t, "Sync initiated for all sources", s.Admin.Post("/api/sources/sync-all", nil).Want(200).Message())
	}
	var waiting int
	s.Scan(t, &waiting, `select count(*) from river_job`)
	require.Equal(t, 1, waiting, "one that waits does for all")

	ended := start(t, s.Pool, time.Hour)
	await(t, "source_sync", ended)
	require.EqualValues(t, 1, visits.Load())
	var statuses []string
	s.Scan(t, &statuses, `select array_agg(coalesce(last_sync_status, 'never') order by name) from sources where not is_default`)
	require.Equal(t, []string{"never", "success"}, statuses)
}

func TestTwoServersSynchronizeOnce(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	url, visits := shelf(t)
	disableDefault(t, s)
	s.Exec(t, `insert into sources (name, url) values ('Source', $1)`, url)
	one := start(t, s.Pool, 0)
	two := start(t, s.Pool, 0)
	await(t, "source_sync", one, two)
	require.EqualValues(t, 1, visits.Load())
	var jobs int
	s.Scan(t, &jobs, `select count(*) from river_job where kind = 'source_sync_all'`)
	require.Equal(t, 1, jobs)
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
				require.NoError(t, source.EnsureDefault(t.Context(), s.Pool))
				var after string
				s.Scan(t, &after, `select string_agg(concat_ws(' ', name, url, is_default::text, enabled::text), ',' order by name) from sources`)
				require.Equal(t, test.after, after)
			}
		})
	}
}
