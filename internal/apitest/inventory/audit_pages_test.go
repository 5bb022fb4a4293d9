package inventory_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

func TestLogsComeInPages(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	// Two trails that overlap, and rows of the same moment.
	var want []int64
	for i := range 60 {
		by := []int64{s.Owner.AccountID, s.Colleague.AccountID}[i%2]
		in := []int64{s.Organization, 0}[i/2%2]
		id := seedLog(t, s, logRow{by: by, in: in, at: fmt.Sprintf("2026-01-15T12:%02d:00Z", i/4)})
		if by == s.Owner.AccountID || in != 0 {
			want = append([]int64{id}, want...)
		}
	}
	for _, next := range map[string]func(int, logPage) []string{
		"offset": func(got int, _ logPage) []string { return []string{"offset", fmt.Sprint(got)} },
		"cursor": func(_ int, p logPage) []string { return []string{"cursor", p.NextCursor} },
	} {
		var got []int64
		for from := []string{}; ; {
			var p logPage
			searchLogs(s.Owner, append(from, "limit", "7")...).Want(200).Into(&p)
			require.EqualValues(t, len(want), p.Total)
			require.False(t, p.TotalIsEstimate)
			for _, log := range p.Logs {
				got = append(got, int64(log["id"].(float64)))
			}
			if p.NextCursor == "" {
				break
			}
			from = next(len(got), p)
		}
		require.Equal(t, want, got)
	}

	var p logPage
	searchLogs(s.Owner).Want(200).Into(&p)
	require.Len(t, p.Logs, min(50, len(want)))
	searchLogs(s.Owner, "offset", "10000", "limit", "1000").Want(200).Into(&p)
	require.Empty(t, p.Logs)
	require.EqualValues(t, len(want), p.Total)
	searchLogs(s.Owner, "cursor", "-99999999999999999_0").Want(200).Into(&p)
	require.Empty(t, p.Logs)
}

// What is written meanwhile shifts no page behind a cursor.
func TestLogsGoOnWhereTheCursorPoints(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	first := seedLog(t, s, logRow{by: s.Owner.AccountID, at: "2026-01-15T12:00:00.000001Z"})
	second := seedLog(t, s, logRow{by: s.Owner.AccountID, at: "2026-01-15T12:00:00.000002Z"})
	var p logPage
	searchLogs(s.Owner, "limit", "1", "action", "identity.*").Want(200).Into(&p)
	require.EqualValues(t, second, p.Logs[0]["id"])
	seedLog(t, s, logRow{by: s.Owner.AccountID})
	searchLogs(s.Owner, "limit", "1", "action", "identity.*", "cursor", p.NextCursor).Want(200).Into(&p)
	require.EqualValues(t, first, p.Logs[0]["id"])
	require.EqualValues(t, 3, p.Total, "the total is the search's, wherever the page begins")
}

func TestLongLogsAreNotCounted(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	s.Exec(t, `insert into audit_logs (account_id, organization_id, action, resource, timestamp)
		select case when n % 2 = 0 then $1::bigint end, $2, case when n % 100 = 0 then 'entry.delete' else 'entry.create' end, 'entry',
		       now() - n * interval '1 minute'
		from generate_series(1, 30000) n`, s.Owner.AccountID, s.Organization)
	s.Exec(t, `analyze audit_logs`)
	var p logPage
	searchLogs(s.Owner, "offset", "10000").Want(200).Into(&p)
	require.Len(t, p.Logs, 50)
	require.True(t, p.TotalIsEstimate)
	require.InDelta(t, 30000, p.Total, 3000)
	searchLogs(s.Owner, "action", "entry.*").Want(200).Into(&p)
	require.True(t, p.TotalIsEstimate)
	require.Greater(t, p.Total, int64(10000))
	searchLogs(s.Owner, "action", "entry.delete").Want(200).Into(&p)
	require.False(t, p.TotalIsEstimate)
	require.EqualValues(t, 300, p.Total)
}
