package change_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
)

// connections is how many changes there can be at a time.
func connections(t *testing.T, pool *pgxpool.Pool) (most int64) {
	t.Helper()
	require.NoError(t, pool.QueryRow(t.Context(), `select current_setting('max_connections')::bigint`).Scan(&most))
	return most
}

func addIdentity(ctx context.Context, owner int64) func(*change.Tx) error {
	return func(tx *change.Tx) error {
		_, err := tx.CreateIdentity(ctx, db.CreateIdentityParams{Scope: owner, Name: "x", Type: "password"})
		return errors.Join(err, tx.Within(ctx, caller.Owner(owner), change.Identities))
	}
}

// Changes wait for another one of the same owner only where both may not fit.
func TestChangesWaitNearTheLimit(t *testing.T) {
	t.Parallel()
	changes, pool := newChanges(t)
	id, ctx := account(t, pool, "ada")
	limit := connections(t, pool) + 2
	changes.Limits = change.Limits{change.Identities: limit}
	// uncommitted is a change that has found room.
	uncommitted := func() pgx.Tx {
		tx, err := pool.Begin(ctx)
		require.NoError(t, err)
		t.Cleanup(func() { _ = tx.Rollback(context.Background()) })
		_, err = tx.Exec(ctx, `insert into identities (account_id, name, type) values ($1, 'x', 'password')`, id)
		require.NoError(t, err)
		_, err = tx.Exec(ctx, `select check_limits($1, '{identities}', array[$2::bigint])`, id, limit)
		require.NoError(t, err)
		return tx
	}
	first := uncommitted()
	soon, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	require.NoError(t, changes.Do(soon, change.Touch{}, addIdentity(soon, id)), "it does not wait")

	require.NoError(t, first.Commit(ctx))

	near, ended := uncommitted(), make(chan error)
	go func() { ended <- changes.Do(ctx, change.Touch{}, addIdentity(ctx, id)) }()
	require.Eventually(t, func() (waits bool) {
		require.NoError(t, pool.QueryRow(ctx, `select exists (select from pg_locks where locktype = 'advisory' and not granted
			and database = (select oid from pg_database where datname = current_database()))`).Scan(&waits))
		return waits
	}, patience, pause)
	require.NoError(t, near.Commit(ctx))
	require.NoError(t, <-ended)
}

// A limit holds for those that pass from where none waits to where all do.
func TestNoMoreThanTheLimit(t *testing.T) {
	t.Parallel()
	const more = 40
	changes, pool := newChanges(t)
	id, ctx := account(t, pool, "ada")
	limit := connections(t, pool) + more/2
	changes.Limits = change.Limits{change.Identities: limit}
	var made atomic.Int64
	var group sync.WaitGroup
	for range limit + more {
		group.Go(func() {
			if changes.Do(ctx, change.Touch{}, addIdentity(ctx, id)) == nil {
				made.Add(1)
			}
		})
	}
	group.Wait()
	var kept int64
	require.NoError(t, pool.QueryRow(ctx, `select count(*) from identities`).Scan(&kept))
	require.Equal(t, [2]int64{limit, limit}, [2]int64{made.Load(), kept})
}
