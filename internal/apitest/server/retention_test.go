package server_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/app"
	"github.com/nexterm-go/nexterm/internal/server"
	"github.com/nexterm-go/nexterm/internal/testserver"
)

// keepAuditLogs runs a server that keeps the audit log for some days, until it
// has swept.
func keepAuditLogs(t *testing.T, s *testserver.Server, days int) {
	t.Helper()
	a, err := app.New(app.Options{
		Options:            server.Options{Pool: s.Pool, Vault: s.Vault, Log: slog.New(slog.DiscardHandler)},
		AuditRetentionDays: days,
	})
	require.NoError(t, err)
	ended, _ := a.Jobs.Subscribe(river.EventKindJobCompleted, river.EventKindJobFailed, river.EventKindJobCancelled)
	testserver.Run(t, a)
	awaitJob(t, "sweep_expired", ended)
}

func TestAuditRowsLieInMonths(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	disableDefault(t, s)
	keepAuditLogs(t, s, 0)
	var month, from string
	s.Scan(t, &month, `select to_char(now() at time zone 'UTC', '"audit_logs_"YYYY_MM')`)
	months := func() int {
		return s.Count(t, `pg_class where relkind = 'r' and relispartition and relname like 'audit_logs_2%'`)
	}
	require.Equal(t, 3, months())

	s.Exec(t, `insert into audit_logs (action, timestamp) values ('planted', now()), ('planted', now() - interval '5 years')`)
	s.Scan(t, &from, `select string_agg(tableoid::regclass::text, ' ' order by timestamp) from audit_logs where action = 'planted'`)
	require.Equal(t, "audit_logs_rest "+month, from)
	s.Exec(t, `select make_partitions('audit_logs', '1 month', now() - interval '5 years', now())`)
	require.Equal(t, 2, s.Count(t, `audit_logs where action = 'planted'`), "a month whose rows lie in the rest stays there")
	require.Equal(t, 3+5*12-1, months())
}

func TestAuditRowsAreKeptForSomeDays(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	disableDefault(t, s)
	s.Exec(t, `insert into audit_logs (action, timestamp) select 'in the rest', now() - interval '10 years' from generate_series(1, 12000)`)
	s.Exec(t, `select make_partitions('audit_logs', '1 month', now() - interval '1 year', now())`)
	s.Exec(t, `insert into audit_logs (action, timestamp) values ('of a month', now() - interval '100 days'),
		('too old', now() - interval '41 days'), ('young enough', now() - interval '39 days'), ('new', now())`)
	keepAuditLogs(t, s, 40)
	var kept string
	s.Scan(t, &kept, `select string_agg(action, ', ' order by timestamp) from audit_logs`)
	require.Equal(t, "young enough, new", kept)
	var oldest time.Time
	s.Scan(t, &oldest, `select min(to_date(right(relname, 7), 'YYYY_MM')) + interval '1 month' from pg_class
		where relkind = 'r' and relispartition and relname like 'audit_logs_2%'`)
	require.WithinRange(t, oldest, time.Now().AddDate(0, 0, -41), time.Now().AddDate(0, 0, -40+32), "months that are over go whole")
}

func TestSamplesLieInHoursAndGoWithThem(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	disableDefault(t, s)
	s.Exec(t, `insert into monitoring_samples (entry_id, timestamp, status) values (1, now() - interval '3 days', 'online')`)
	s.Exec(t, `select make_partitions('monitoring_samples', '3 hours', now() - interval '2 days', now() - interval '20 hours')`)
	s.Exec(t, `insert into monitoring_samples (entry_id, timestamp, status) values (1, now() - interval '28 hours', 'online'),
		(1, now() - interval '23 hours', 'online'), (1, now(), 'online')`)
	keepAuditLogs(t, s, 0)
	var kept, ahead string
	s.Scan(t, &kept, `select string_agg(tableoid::regclass::text, ' ' order by timestamp) from monitoring_samples`)
	require.Regexp(t, `^monitoring_samples_20\d\d_\d\d_\d\d_(00|03|06|09|12|15|18|21) monitoring_samples_rest$`, kept, "a span that the rest has rows of")
	s.Scan(t, &ahead, `select max(relname) from pg_class where relname like 'monitoring_samples_2%' and relkind = 'r'`)
	require.Equal(t, time.Now().UTC().Add(24*time.Hour).Truncate(3*time.Hour).Format("monitoring_samples_2006_01_02_15"), ahead)
}

// A dump reads every table for as long as it takes, and keeps its partitions.
func TestServersStartWhileTablesAreRead(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	disableDefault(t, s)
	reading, err := s.Pool.Begin(t.Context())
	require.NoError(t, err)
	_, err = reading.Exec(t.Context(), `lock table audit_logs, monitoring_samples in access share mode`)
	require.NoError(t, err)
	a, err := app.New(app.Options{Options: server.Options{Pool: s.Pool, Vault: s.Vault, Log: slog.New(slog.DiscardHandler)}, JobDelay: time.Hour})
	require.NoError(t, err)
	testserver.Run(t, a)
	s.Exec(t, `insert into monitoring_samples (entry_id, timestamp, status) values (1, now(), 'online')`)
	require.Equal(t, 1, s.Count(t, `monitoring_samples_rest`))
	require.NoError(t, reading.Rollback(t.Context()))
}
