package probe

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/testdb"
)

// Hosts that come and go with each cycle do not fill the disk with events.
func TestFlappingHostsAreToldTogether(t *testing.T) {
	t.Parallel()
	pool := testdb.New(t)
	ctx := caller.WithActor(t.Context(), caller.ByJob)
	var ids []int64
	require.NoError(t, pool.QueryRow(ctx, `with owner as (
			insert into accounts (username, first_name, last_name, password_hash) values ('ada', '', '', '') returning id),
		entry as (insert into entries (account_id, type, name, rank)
			select id, 'server', 'web', n from owner, generate_series(1, 50) n returning id)
		select array_agg(id) from entry`).Scan(&ids))
	changes := change.New(pool, event.NewLog(pool, slog.New(slog.DiscardHandler)))
	c := checker{New(db.New(pool), changes, nil, nil, nil, nil)}
	c.news.burst = 60
	var found []finding
	for i, status := range []string{online, offline, online, offline, online} {
		found = found[:0]
		for _, id := range ids {
			found = append(found, finding{entryID: id, result: status, ended: time.Now()})
		}
		require.NoError(t, changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error { return c.store(ctx, tx, found) }))
		var told, together, changed int
		require.NoError(t, pool.QueryRow(ctx, `select count(*) filter (where action in ('entry.online', 'entry.offline')),
			count(*) filter (where action = 'entry.statuses' and lists = '{ENTRIES}'), (select count(*) from entries where status = $1) from events`, status).
			Scan(&told, &together, &changed))
		require.Equal(t, 50, changed, "what is shown is true")
		if i == 0 {
			require.Equal(t, []int{50, 0}, []int{told, together})
			continue
		}
		require.InDelta(t, 60, told, 20)
		require.InDelta(t, 1, together, 3)
		require.Positive(t, together)
	}
}
