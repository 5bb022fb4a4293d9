package monitoring_test

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"golang.org/x/crypto/ssh"

	"github.com/nexterm-go/nexterm/internal/app"
	"github.com/nexterm-go/nexterm/internal/server"
	"github.com/nexterm-go/nexterm/internal/testserver"
	"github.com/nexterm-go/nexterm/internal/testssh"
)

// traced has the spans of all servers of this package, because what the product
// traces with asks for a provider once.
var traced = sync.OnceValue(func() *tracetest.InMemoryExporter {
	spans := tracetest.NewInMemoryExporter()
	otel.SetTracerProvider(trace.NewTracerProvider(trace.WithSyncer(spans)))
	return spans
})

// slow is a host that takes a second for a command.
func slow(t *testing.T) int {
	t.Helper()
	return testssh.Start(t, &testssh.Server{Run: func(string, ssh.Channel) int {
		time.Sleep(time.Second)
		return 0
	}}).Port()
}

// A database that restarts in the middle of a cycle costs what was under way, and no
// host waits for longer than two intervals and a bit.
func TestCyclesGoOnWhenTheDatabaseRestarts(t *testing.T) {
	t.Parallel()
	const interval = 5 * time.Second
	s := testserver.New(t)
	hurry(t, s, int(interval.Seconds()))
	password := newIdentity(s.Owner, body{"type": "password", "username": "root", "password": testssh.Password})
	first := newServer(s.Owner, slow(t), nil, password)
	copies(t, s, first, 19)
	work(t, s)
	// The one connection that outlives it.
	conn, err := pgx.Connect(t.Context(), s.Pool.Config().ConnString())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	cycle := func() (number, handed int) {
		require.NoError(t, conn.QueryRow(t.Context(), `select number, handed from monitoring_cycles where service = 'metrics'`).Scan(&number, &handed))
		return number, handed
	}
	for range 2 {
		var before int
		require.Eventually(t, func() bool {
			number, handed := cycle()
			before = number
			return number > 1 && handed >= 5 && handed < 20
		}, patience, pause)
		_, err := conn.Exec(t.Context(), `select pg_terminate_backend(pid) from pg_stat_activity
			where datname = current_database() and pid <> pg_backend_pid()`)
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			number, _ := cycle()
			return number >= before+2
		}, patience, pause)
	}
	var sampled int
	var longest float64
	require.NoError(t, conn.QueryRow(t.Context(), `select count(distinct entry_id) from monitoring_samples where status = 'online'`).Scan(&sampled))
	require.Equal(t, 20, sampled)
	require.NoError(t, conn.QueryRow(t.Context(), `with gaps as (
			select extract(epoch from coalesce(lead(timestamp) over (partition by entry_id order by timestamp), now()) - timestamp) as seconds
			from monitoring_samples)
		select max(seconds)::float8 from gaps`).Scan(&longest))
	require.Less(t, longest, (2*interval + late).Seconds())
}

// A server that stops in the middle of a cycle keeps nobody waiting, and what it has
// not heard to the end says nothing about a host.
func TestAServerStopsInTheMiddleOfACycle(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	s.Exec(t, `update monitoring_settings set batch_size = 4, status_checker_enabled = false`)
	password := newIdentity(s.Owner, body{"type": "password", "username": "root", "password": testssh.Password})
	good, bad := newServer(s.Owner, testssh.Start(t, &testssh.Server{}).Port(), nil, password), newServer(s.Owner, silent(t), nil, password)
	a, err := app.New(app.Options{
		Options: server.Options{Pool: s.Pool, Vault: s.Vault, Log: slog.New(slog.NewTextHandler(s.Log, nil))}, JobDelay: time.Hour,
	})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- a.Run(ctx, func(ctx context.Context) error { <-ctx.Done(); return nil }) }()
	require.Eventually(t, func() bool { return samples(t, s, good) == 1 }, patience, pause)
	stop()
	begun := time.Now()
	require.NoError(t, <-ended)
	require.Less(t, time.Since(begun), 10*time.Second)
	var lanes int
	s.Scan(t, &lanes, `select count(*) from monitoring_lanes`)
	require.Zero(t, lanes)
	require.Zero(t, samples(t, s, bad))
	require.NotContains(t, s.Log.String(), "level=ERROR")
}

// What is gone, moved or set otherwise while hosts are asked is no failure of the
// cycle, and leaves nothing behind.
func TestChangesInTheMiddleOfACycle(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	hurry(t, s, 4)
	password := newIdentity(s.Owner, body{"type": "password", "username": "root", "password": testssh.Password})
	shared := s.Owner.Put("/api/identity", body{
		"name": "Login", "type": "password", "username": "root", "password": testssh.Password, "organizationId": s.Organization,
	}).Want(200).ID()
	host := slow(t)
	stays, deleted := newServer(s.Owner, host, nil, password), newServer(s.Owner, host, nil, password)
	organizations := s.Owner.Put("/api/entry", body{
		"name": "shared", "organizationId": s.Organization, "identities": []int64{shared},
		"config": body{"protocol": "ssh", "ip": "127.0.0.1", "port": host, "monitoringEnabled": true},
	}).Want(200).ID()
	work(t, s)
	require.Eventually(t, func() bool { return samples(t, s, stays) > 0 && samples(t, s, organizations) > 0 }, patience, pause)
	before := samples(t, s, stays)
	require.Eventually(t, func() bool {
		var busy bool
		s.Scan(t, &busy, `select handed = 3 and exists (select from monitoring_lanes where service = 'metrics')
			and started_at > now() - interval '700 milliseconds' from monitoring_cycles where service = 'metrics'`)
		return busy
	}, patience, 5*time.Millisecond)
	s.Owner.Delete(fmt.Sprintf("/api/entry/%d", deleted)).Want(200)
	s.Owner.Delete(fmt.Sprintf("/api/organizations/%d", s.Organization)).Want(200)
	s.Admin.Patch("/api/monitoring/settings/global", body{"batchSize": 50}).Want(200)
	require.Eventually(t, func() bool { return samples(t, s, stays) >= before+3 }, patience, pause)
	var left int
	s.Scan(t, &left, `select count(*) from monitoring_snapshots where entry_id in ($1, $2)`, deleted, organizations)
	require.Zero(t, left)
	require.NotContains(t, s.Log.String(), "level=ERROR")
	var failed int
	s.Scan(t, &failed, `select count(*) from river_job where kind = 'probe_lane' and errors is not null`)
	require.Zero(t, failed)
}

// What hosts print, and what they are signed in to with, is where it belongs alone.
func TestSecretsStayWhereTheyBelong(t *testing.T) {
	t.Parallel()
	const canary = "c4nary-s3cret"
	spans := traced()
	s := testserver.New(t)
	hurry(t, s, 2)
	halves := regexp.MustCompile(`m=(\w+);m=\$\{m\}(\w+)`)
	host := testssh.Start(t, &testssh.Server{Run: func(command string, c ssh.Channel) int {
		marker := strings.Join(halves.FindStringSubmatch(command)[1:], "")
		_, _ = fmt.Fprintf(c, "\n%[1]s processes\nUSER PID %%CPU %%MEM VSZ RSS TTY STAT START TIME COMMAND\n"+
			"root 1 99 0.1 1 1 ? S 11:02 0:04 mysql --password=%[2]s\n\n%[1]s kernel\n%[2]s\n\n%[1]s end\n", marker, canary)
		return 0
	}})
	good := newIdentity(s.Owner, body{"type": "password", "username": "root", "password": testssh.Password})
	wrong := newIdentity(s.Owner, body{"type": "password", "username": "root", "password": canary})
	garbled := newIdentity(s.Owner, body{"type": "ssh", "username": "root", "sshKey": canary, "passphrase": canary})
	id := newServer(s.Owner, host.Port(), nil, good)
	refused, unread := newServer(s.Owner, host.Port(), nil, wrong), newServer(s.Owner, host.Port(), nil, garbled)
	work(t, s)
	seen := await(t, s.Owner, id, func(seen target) bool { return len(seen.Monitoring.ProcessList) == 1 })
	require.Contains(t, seen.Monitoring.ProcessList[0]["command"], canary)
	require.Equal(t, "offline: SSH authentication failed", message(t, s.Owner, refused))
	require.Equal(t, "error: The private key could not be read", message(t, s.Owner, unread))
	elsewhere := s.Log.String() + string(s.Anonymous.Get("/metrics").Want(200).Body)
	for _, table := range []string{"events", "audit_logs", "river_job", "monitoring_samples", "host_keys", "monitoring_batches"} {
		var text string
		s.Scan(t, &text, `select coalesce(string_agg(t::text, ' '), '') from `+table+` t`)
		elsewhere += text
	}
	var trail string
	require.Eventually(t, func() bool {
		trail = fmt.Sprintf("%+v", spans.GetSpans())
		return strings.Contains(trail, "probe metrics") && strings.Contains(trail, "probe status")
	}, patience, pause)
	require.False(t, strings.Contains(trail, canary))
	require.NotContains(t, elsewhere, canary)
	require.NotContains(t, elsewhere, testssh.Password)
}
