package probe

import (
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/testdb"
)

func TestWhenCyclesStart(t *testing.T) {
	t.Parallel()
	epoch := time.Unix(0, 0)
	second := func(n float64) time.Time { return time.Unix(1_000_000, 0).Add(time.Duration(n * float64(time.Second))) }
	at := func(n float64) *time.Time { s := second(n); return &s }
	for name, c := range map[string]struct {
		now       float64
		slot, end *time.Time
		lease     time.Time
		off       bool
		want      step
		slotAfter float64
	}{
		"at first":                        {now: 100, lease: epoch, want: start, slotAfter: 100},
		"before it is due":                {now: 109, slot: at(100), end: at(101), lease: epoch, want: wait},
		"when it is due":                  {now: 110, slot: at(100), end: at(101), lease: epoch, want: start, slotAfter: 110},
		"a bit late":                      {now: 111, slot: at(100), end: at(101), lease: epoch, want: start, slotAfter: 110},
		"after all servers were down":     {now: 155, slot: at(100), end: at(101), lease: epoch, want: start, slotAfter: 150},
		"while one is running":            {now: 111, slot: at(100), end: at(100), lease: second(113), want: wait},
		"while one goes on":               {now: 115, slot: at(100), end: at(100), lease: second(117), want: skip, slotAfter: 110},
		"after one was too long":          {now: 113, slot: at(100), end: at(112), lease: epoch, want: skip, slotAfter: 110},
		"after one was a bit too long":    {now: 111, slot: at(100), end: at(110.9), lease: epoch, want: start, slotAfter: 110},
		"after one was far too long":      {now: 133, slot: at(100), end: at(132), lease: epoch, want: skip, slotAfter: 130},
		"after a server has died":         {now: 111, slot: at(100), end: at(100), lease: second(110.5), want: start, slotAfter: 110},
		"a server has died just now":      {now: 105, slot: at(100), end: at(100), lease: second(104), want: wait},
		"off":                             {now: 200, lease: epoch, off: true, want: wait},
		"switched off":                    {now: 101, slot: at(100), end: at(100), lease: second(103), off: true, want: forget},
		"switched on again in one":        {now: 102, end: at(100), lease: second(104), want: wait},
		"switched on again after a death": {now: 105, end: at(100), lease: second(104), want: start, slotAfter: 105},
	} {
		var state cycle
		state.ReadAt, state.SlotAt, state.EndedAt, state.LeasedUntil = second(c.now), c.slot, c.end, c.lease
		state.Enabled, state.Seconds = !c.off, 10
		require.Equal(t, c.want, state.next(), name)
		if c.want == start || c.want == skip {
			require.Equal(t, second(c.slotAfter), state.slot(), name)
		}
	}
}

// plan makes owners with so many targets that took so long the last time, and
// returns how many of each owner's are in the cycle.
func plan(t *testing.T, budget time.Duration, owners ...[]int) (counts []int, order []string) {
	t.Helper()
	return planIn(t, testdb.New(t), budget, owners...)
}

func planIn(t *testing.T, pool *pgxpool.Pool, budget time.Duration, owners ...[]int) (counts []int, order []string) {
	t.Helper()
	for i, took := range owners {
		_, err := pool.Exec(t.Context(), `with owner as (
				insert into accounts (username, first_name, last_name, password_hash) values ('owner-' || $1::int, '', '', '') returning id),
			entry as (
				insert into entries (account_id, type, name, rank)
				select id, 'server', 'owner-' || $1::int || '/' || n - 1, n - 1 from owner, generate_series(1, cardinality($2::int[])) n returning id, rank)
			insert into entry_checks (entry_id, checked_at, took_ms)
			select id, now() - rank::int * interval '1 second', took
			from entry join unnest($2::int[]) with ordinality t (took, n) on n = rank + 1 where took >= 0`, i, took)
		require.NoError(t, err)
	}
	planned, err := db.New(pool).PlanCycle(t.Context(), db.PlanCycleParams{
		Service: "status", SlowMs: 1000, NewMs: 1000, BudgetMs: budget.Milliseconds(),
	})
	require.NoError(t, err)
	order = names(t, pool)
	require.Len(t, order, int(planned.Total))
	counts = make([]int, len(owners))
	for _, name := range order {
		var owner, entry int
		_, err := fmt.Sscanf(name, "owner-%d/%d", &owner, &entry)
		require.NoError(t, err)
		counts[owner]++
	}
	return counts, order
}

func names(t *testing.T, pool *pgxpool.Pool) []string {
	t.Helper()
	var order []string
	require.NoError(t, pool.QueryRow(t.Context(), `select coalesce(array_agg(e.name order by b.batch, i.n), '{}')
		from monitoring_batches b, unnest(b.entry_ids) with ordinality i (id, n) join entries e using (id)`).Scan(&order))
	return order
}

func times(n, ms int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = ms
	}
	return all
}

func TestACycleHasEverythingThatFits(t *testing.T) {
	t.Parallel()
	counts, order := plan(t, time.Minute, times(600, 5), append(times(3, 5), 10_000, 5, 10_000, -1, -1))
	require.Equal(t, []int{600, 8}, counts)
	// Those that have waited longest come first, new ones and slow ones last.
	require.Equal(t, []string{"owner-0/599", "owner-1/4", "owner-0/598", "owner-1/2"}, order[:4])
	require.Equal(t, []string{"owner-1/6", "owner-1/7", "owner-1/5", "owner-1/3"}, order[604:])
}

// However many silent hosts an owner has, the others lose none of theirs.
func TestNobodyStarvesOthers(t *testing.T) {
	t.Parallel()
	counts, order := plan(t, 100*time.Second, times(50, 30_000), times(20, 5), append(times(10, 5), 30_000), times(40, 900))
	require.Equal(t, []int{1, 20, 11, 38}, counts)
	require.Equal(t, "owner-0/49", order[len(order)-2])
	require.Equal(t, "owner-2/10", order[len(order)-1])
	counts, _ = plan(t, 10*time.Second, times(50, 30_000), times(50, 30_000))
	require.Equal(t, []int{1, 1}, counts)
	counts, _ = plan(t, 10*time.Second)
	require.Empty(t, counts)
}

// Each target is handed out once, but for those of owners who have spent their share,
// however many these are.
func TestSpentOwnersArePassedOver(t *testing.T) {
	t.Parallel()
	pool := testdb.New(t)
	planIn(t, pool, time.Minute, times(1700, 5), append(times(400, 5), times(5, 2000)...))
	queries := db.New(pool)
	number, err := queries.StartCycle(t.Context(), db.StartCycleParams{
		Service: "status", SlotAt: time.Now(), Total: 2105, Quick: 2100, SpanSecs: 60,
	})
	require.NoError(t, err)
	var spender int64
	require.NoError(t, pool.QueryRow(t.Context(), `select id from accounts where username = 'owner-0'`).Scan(&spender))
	handed, slow, claims := map[int64]int64{}, 0, 0
	for more := true; more; claims++ {
		spent := []int64{}
		if len(handed) >= 100 {
			spent = []int64{spender}
		}
		claimed, err := queries.ClaimTargets(t.Context(), db.ClaimTargetsParams{Service: "status", Number: number, Most: 20, Spent: spent})
		require.NoError(t, err)
		more = false
		for _, c := range claimed {
			more = c.More
			if c.ID > 0 {
				require.NotContains(t, handed, c.ID)
				handed[c.ID] = c.Scope
			}
			if c.Slow {
				slow++
			}
		}
	}
	counts := map[int64]int{}
	for _, owner := range handed {
		counts[owner]++
	}
	require.Equal(t, []int{50, 405}, []int{counts[spender], len(handed) - counts[spender]})
	require.Equal(t, 5, slow)
	require.Less(t, claims, 40)
}
