package backup_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/backup"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/vault"
)

func scheduler(pool *pgxpool.Pool, s backup.Schedule, log *bytes.Buffer) *backup.Scheduler {
	s.Interval, s.Keys = 24*time.Hour, func() (backup.Keys, error) { return keys, nil }
	logger := slog.New(slog.NewTextHandler(log, nil))
	return backup.NewScheduler(s, pool.Config().ConnConfig, change.New(pool, event.NewLog(pool, logger)), version, logger)
}

// last is when the newest backup was made, as Prometheus is told.
func last(t *testing.T, s *backup.Scheduler) float64 {
	t.Helper()
	var shown dto.Metric
	require.NoError(t, s.Collectors()[0].(prometheus.Gauge).Write(&shown))
	return shown.Gauge.GetValue()
}

// called is the name of a backup that was made so long ago.
func called(age time.Duration, of vault.MasterKey) string {
	return "nexterm-" + time.Now().Add(-age).UTC().Format("20060102T150405Z") + "-" + of.Fingerprint() + ".age"
}

func put(t *testing.T, folder string, names ...string) {
	t.Helper()
	for _, name := range names {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), nil, 0o600))
	}
}

func in(t *testing.T, folder string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

func TestABackupIsMadeWhenItIsDue(t *testing.T) {
	t.Parallel()
	pool, folder := world(t), t.TempDir()
	var log bytes.Buffer
	s := scheduler(pool, backup.Schedule{Folder: folder}, &log)
	require.Zero(t, last(t, s))
	for range 2 {
		require.NoError(t, s.Work(caller.WithActor(t.Context(), caller.ByJob), nil))
		require.Len(t, in(t, folder), 1)
	}
	var told string
	require.NoError(t, pool.QueryRow(t.Context(), `select actor || ' ' || (details ->> 'name') from audit_logs where action = 'backup.create'`).Scan(&told))
	require.Equal(t, "job "+folder, told)
	made := in(t, folder)[0]
	_, err := backup.Check(filepath.Join(folder, made), keys)
	require.NoError(t, err)
	require.InDelta(t, time.Now().Unix(), last(t, s), 60)
	for age, more := range map[time.Duration]int{23 * time.Hour: 0, 24 * time.Hour: 1} {
		require.NoError(t, os.Rename(filepath.Join(folder, made), filepath.Join(folder, called(age, master))))
		before := len(in(t, folder))
		again := scheduler(pool, backup.Schedule{Folder: folder}, &log)
		require.InDelta(t, time.Now().Add(-age).Unix(), last(t, again), 60, "it finds what there is")
		require.NoError(t, again.Work(t.Context(), nil))
		require.Len(t, in(t, folder), before+more)
		if more == 1 {
			break
		}
		made = called(age, master)
	}
}

func TestOldBackupsGoAndNothingElse(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	pool := world(t)
	others := []string{called(90*day, vault.MasterKey{9}), "nexterm-20200101T000000Z.age", "nexterm-20200101T000000Z-" + master.Fingerprint() + ".age.old", "notes.txt"}
	for name, test := range map[string]struct {
		schedule backup.Schedule
		left     int // of five, and the new one
	}{
		"all":    {backup.Schedule{}, 6},
		"some":   {backup.Schedule{Keep: 3}, 3},
		"one":    {backup.Schedule{Keep: 1}, 1},
		"recent": {backup.Schedule{KeepDays: 3}, 3},
		"both":   {backup.Schedule{Keep: 2, KeepDays: 3}, 2},
	} {
		folder := t.TempDir()
		put(t, folder, others...)
		directory := filepath.Join(folder, called(80*day, master))
		require.NoError(t, os.Mkdir(directory, 0o700))
		for n := range 5 {
			put(t, folder, called(time.Duration(n+1)*day+time.Hour, master))
		}
		test.schedule.Folder = folder
		require.NoError(t, scheduler(pool, test.schedule, &bytes.Buffer{}).Work(t.Context(), nil))
		left := in(t, folder)
		require.Subset(t, left, others, name)
		require.Len(t, left, len(others)+1+test.left, name)
		require.DirExists(t, directory, name)
	}
}

// However old the last ones are, they stay until there is another one.
func TestAFailureIsSaidAndRemovesNothing(t *testing.T) {
	t.Parallel()
	pool, folder := world(t), t.TempDir()
	put(t, folder, called(90*24*time.Hour, master), called(91*24*time.Hour, master))
	var log bytes.Buffer
	s := scheduler(pool, backup.Schedule{Folder: folder, Keep: 1, KeepDays: 1}, &log)
	exec(t, pool, `update encryption_keysets set fingerprint = 'another'`)
	require.ErrorContains(t, s.Work(t.Context(), nil), "sealed with the master key of fingerprint another")
	require.Len(t, in(t, folder), 2)
	require.Contains(t, log.String(), `level=ERROR msg="the scheduled backup has failed"`)
	require.Less(t, last(t, s), float64(time.Now().Add(-89*24*time.Hour).Unix()))

	require.NoError(t, os.RemoveAll(folder))
	log.Reset()
	require.Error(t, s.Work(t.Context(), nil))
	require.Contains(t, log.String(), "level=ERROR")
}
