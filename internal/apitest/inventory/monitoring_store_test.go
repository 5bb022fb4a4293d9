package inventory_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/testserver"
)

func TestSamplesAreStoredTogether(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	web, mail, gone, busy := newTarget(s.Owner, "web", nil), newTarget(s.Owner, "mail", nil), newTarget(s.Owner, "gone", nil), newTarget(s.Owner, "busy", nil)
	s.Owner.Delete(entryPath(gone)).Want(200)
	held, err := s.Pool.Begin(t.Context())
	require.NoError(t, err)
	_, err = held.Exec(t.Context(), `select from entries where id = $1 for update`, busy)
	require.NoError(t, err)

	// Deleted entries and those that are being changed do not hold up the others.
	began := time.Now()
	store(t, s, collected(mail, time.Minute, nil), failed(busy, 0), failed(gone, 0), failed(web, 0), collected(web, time.Minute, body{
		"process_list": []body{{"user": "<&>", "command": "\x00\u2028"}},
	}))
	require.Less(t, time.Since(began), 5*time.Second)
	require.NoError(t, held.Rollback(t.Context()))
	var samples, snapshots, raw string
	s.Scan(t, &samples, `select string_agg(concat_ws(' ', entry_id = $1, status, processes), ', ' order by entry_id, timestamp) from monitoring_samples`, web)
	require.Equal(t, "t online 213, t offline, f online 213", samples)
	s.Scan(t, &snapshots, `select string_agg(concat_ws(' ', entry_id = $1, status, took_ms, boot_id, cpu_total, cpu_idle), ', ' order by entry_id)
		from monitoring_snapshots`, web)
	require.Equal(t, "t offline 30000, f online 150 boot 1000 900", snapshots)
	store(t, s, collected(web, 0, body{"process_list": []body{{"user": "<&>", "command": "\x00\u2028"}}}))
	s.Scan(t, &raw, `select process_list::text from monitoring_snapshots where entry_id = $1`, web)
	require.Equal(t, `[{"command":"\ufffd\u2028","user":"\u003c\u0026\u003e"}]`, raw, "as it is written")

	store(t, s, failed(web, 0))
	s.Scan(t, &snapshots, `select concat_ws(' ', status, took_ms, boot_id, cpu_total, cpu_idle, memory_total) from monitoring_snapshots where entry_id = $1`, web)
	require.Equal(t, "offline 30000 boot 1000 900 8326750208", snapshots, "what is kept of the newest that was collected")
	s.Owner.Delete(entryPath(web)).Want(200)
	require.Zero(t, s.Count(t, `monitoring_snapshots where entry_id = $1`, web))
}

func TestChecksAreStoredTogether(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	web, shared, gone := newEntry(s.Owner, "web", nil), newEntry(s.Owner, "shared", body{"organizationId": s.Organization}), newEntry(s.Owner, "gone", nil)
	s.Owner.Delete(entryPath(gone)).Want(200)
	online := "online"
	both := func(statuses ...string) []db.StoreChecksRow {
		t.Helper()
		changed, err := db.New(s.Pool).StoreChecks(t.Context(), db.StoreChecksParams{
			EntryIds: []int64{shared, gone, web}, Ages: []int64{3000, 2000, 1000}, Took: []int32{1, 2, 3}, Statuses: statuses,
		})
		require.NoError(t, err)
		return changed
	}
	owner, organization := s.Owner.AccountID, -s.Organization
	require.Equal(t, []db.StoreChecksRow{
		{ID: web, Scope: owner, Name: "web", Status: "online"}, {ID: shared, Scope: organization, Name: "shared", Status: "offline"},
	}, both("offline", "online", "online"))
	require.Equal(t, []db.StoreChecksRow{{ID: shared, Scope: organization, Name: "shared", Before: new("offline"), Status: "online"}},
		both("online", "online", "online"))
	require.Empty(t, both("online", "online", "online"))
	require.Equal(t, []db.StoreChecksRow{{ID: web, Scope: owner, Name: "web", Before: &online, Status: "offline"}}, both("", "", "offline"))
	require.Equal(t, "online", getEntry(s.Owner, shared)["status"], "what cannot be told stays")
	var took string
	s.Scan(t, &took, `select string_agg(concat_ws(' ', took_ms, round(extract(epoch from now() - checked_at) / 10)), ', ' order by entry_id) from entry_checks`)
	require.Equal(t, "3 0, 1 0", took)

	held, err := s.Pool.Begin(t.Context())
	require.NoError(t, err)
	_, err = held.Exec(t.Context(), `select from entries where id = $1 for update`, web)
	require.NoError(t, err)
	require.Len(t, both("offline", "offline", "online"), 1, "whoever changes an entry is not waited for")
	require.NoError(t, held.Rollback(t.Context()))
}

// A cycle that ends after the checker was switched off does not grey out what
// nobody would bring back.
func TestChecksAfterTheCheckerIsOffChangeNothing(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	web := newEntry(s.Owner, "web", nil)
	s.Exec(t, `update entries set status = 'online'`)
	off, err := s.Pool.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = off.Rollback(context.WithoutCancel(t.Context())) }()
	var pid int
	require.NoError(t, off.QueryRow(t.Context(), `update monitoring_settings set status_checker_enabled = false returning pg_backend_pid()`).Scan(&pid))
	changed := make(chan []db.StoreChecksRow)
	go func() { changed <- check(t, s, web, 0, "offline") }()
	require.Eventually(t, func() bool {
		return s.Count(t, "pg_stat_activity where $1 = any(pg_blocking_pids(pid))", pid) == 1
	}, 10*time.Second, 5*time.Millisecond)
	require.NoError(t, off.Commit(t.Context()))
	require.Empty(t, <-changed)
	require.Equal(t, "online", getEntry(s.Owner, web)["status"])
}

// What does not fit into memory comes in pages, which nobody notices.
func TestManyTargets(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id := newTarget(s.Owner, "first", nil)
	s.Exec(t, `insert into entries (account_id, type, name, rank, config)
		select account_id, type, 'target ' || n, rank + n, config from entries, generate_series(1, 1300) n where id = $1`, id)
	for _, left := range []int{1301, 1000, 500, 1, 0} {
		s.Exec(t, `delete from entries where id in (select id from entries where account_id = $1 order by id desc offset $2)`, s.Owner.AccountID, left)
		ids := []float64{}
		for _, target := range targets(s.Owner) {
			ids = append(ids, target["id"].(float64))
		}
		require.True(t, slices.IsSorted(ids))
		require.Len(t, slices.Compact(ids), left)
	}
}
