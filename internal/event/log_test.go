package event_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/testdb"
)

// patience is how long a test waits for an event that has to come.
const patience = 20 * time.Second

func newLog(pool *pgxpool.Pool) *event.Log {
	return event.NewLog(pool, slog.New(slog.DiscardHandler))
}

// follow returns the resources of the events that a reader sees, from now on.
func follow(t *testing.T, log *event.Log) <-chan int64 {
	t.Helper()
	seen, ready, done := make(chan int64, 10_000), make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(func() { cancel(); <-done })
	go func() {
		defer close(done)
		log.Follow(ctx, func(events []event.Committed, missed bool) {
			if missed {
				close(ready)
			}
			for _, e := range events {
				seen <- e.ResourceID
			}
		})
	}()
	<-ready
	return seen
}

func listen(t *testing.T, log *event.Log, pool *pgxpool.Pool) {
	t.Helper()
	done := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(func() { cancel(); <-done })
	go func() { log.Run(ctx, pool); close(done) }()
}

// write adds an event in a transaction that the caller ends.
func write(t *testing.T, tx pgx.Tx, resource int64) {
	t.Helper()
	_, err := tx.Exec(t.Context(), `insert into events (actor, action, scope, resource_id) values ('system', 'tag.create', 0, $1)`, resource)
	require.NoError(t, err)
}

func begin(t *testing.T, pool *pgxpool.Pool) pgx.Tx {
	t.Helper()
	tx, err := pool.Begin(t.Context())
	require.NoError(t, err)
	return tx
}

func next(t *testing.T, seen <-chan int64) int64 {
	t.Helper()
	select {
	case resource := <-seen:
		return resource
	case <-time.After(patience):
		require.Fail(t, "no event arrives")
		return 0
	}
}

func TestAYoungerCommitWaitsForItsElders(t *testing.T) {
	t.Parallel()
	pool := testdb.New(t)
	log := newLog(pool)
	listen(t, log, pool)
	one, other := follow(t, log), follow(t, newLog(pool))

	elder, younger, youngest := begin(t, pool), begin(t, pool), begin(t, pool)
	write(t, elder, 1)
	write(t, younger, 2)
	write(t, youngest, 3)
	write(t, elder, 4)
	require.NoError(t, youngest.Commit(t.Context()))
	require.NoError(t, younger.Commit(t.Context()))
	log.Announce()
	select {
	case resource := <-one:
		require.Fail(t, "an event overtakes its elders", resource)
	case <-time.After(300 * time.Millisecond):
	}
	require.NoError(t, elder.Commit(t.Context()))
	log.Announce()
	for _, seen := range []<-chan int64{one, other} {
		for _, want := range []int64{1, 4, 2, 3} {
			require.Equal(t, want, next(t, seen))
		}
	}
}

func TestAnElderThatIsRolledBackHoldsNothingBack(t *testing.T) {
	t.Parallel()
	pool := testdb.New(t)
	log := newLog(pool)
	listen(t, log, pool)
	seen := follow(t, log)
	elder, younger := begin(t, pool), begin(t, pool)
	write(t, elder, 1)
	write(t, younger, 2)
	require.NoError(t, younger.Commit(t.Context()))
	log.Announce()
	require.NoError(t, elder.Rollback(t.Context()))
	require.EqualValues(t, 2, next(t, seen))
}

// Whatever the order of commits is, all readers see every event once, and in the
// same order.
func TestAllReadersSeeOneOrder(t *testing.T) {
	t.Parallel()
	const writers, each = 8, 40
	pool := testdb.New(t)
	logs := []*event.Log{newLog(pool), newLog(pool), newLog(pool)}
	var readers []<-chan int64
	for _, log := range logs {
		listen(t, log, pool)
		readers = append(readers, follow(t, log))
	}
	var writing sync.WaitGroup
	for writer := range int64(writers) {
		writing.Go(func() {
			for i := range int64(each) {
				tx := begin(t, pool)
				resource := (writer*each + i) * 2
				write(t, tx, resource)
				time.Sleep(time.Duration(rand.IntN(10)) * time.Millisecond)
				write(t, tx, resource+1)
				if i%5 == 4 {
					if err := tx.Rollback(t.Context()); err != nil {
						t.Error(err)
					}
					continue
				}
				if err := tx.Commit(t.Context()); err != nil {
					t.Error(err)
				}
				logs[writer%3].Announce()
			}
		})
	}
	writing.Wait()
	var first []int64
	for i, seen := range readers {
		var order []int64
		once := map[int64]bool{}
		for range writers * each * 2 * 4 / 5 {
			resource := next(t, seen)
			require.False(t, once[resource], "%d comes twice", resource)
			once[resource] = true
			order = append(order, resource)
		}
		require.Empty(t, seen)
		if i == 0 {
			first = order
		}
		require.Equal(t, first, order)
	}
}

func TestOtherDatabasesHoldNothingBack(t *testing.T) {
	t.Parallel()
	pool, elsewhere := testdb.New(t), testdb.New(t)
	log := newLog(pool)
	listen(t, log, pool)
	seen := follow(t, log)
	tx := begin(t, elsewhere)
	_, err := tx.Exec(t.Context(), `select pg_current_xact_id()`)
	require.NoError(t, err)
	own := begin(t, pool)
	write(t, own, 1)
	require.NoError(t, own.Commit(t.Context()))
	log.Announce()
	require.EqualValues(t, 1, next(t, seen))
	require.NoError(t, tx.Rollback(t.Context()))
}

// A server may end between a commit and its announcement.
func TestWhatNobodyAnnouncesIsFound(t *testing.T) {
	t.Parallel()
	pool := testdb.New(t)
	log := newLog(pool)
	listen(t, log, pool)
	seen := follow(t, log)
	time.Sleep(100 * time.Millisecond)
	tx := begin(t, pool)
	write(t, tx, 1)
	require.NoError(t, tx.Commit(t.Context()))
	require.EqualValues(t, 1, next(t, seen))
}

func TestPagesAreReadToTheEnd(t *testing.T) {
	t.Parallel()
	pool := testdb.New(t)
	log := newLog(pool)
	listen(t, log, pool)
	seen := follow(t, log)
	tx := begin(t, pool)
	_, err := tx.Exec(t.Context(), `insert into events (actor, action, scope, resource_id) select 'system', 'tag.create', 0, n from generate_series(1, 2500) n`)
	require.NoError(t, err)
	require.NoError(t, tx.Commit(t.Context()))
	log.Announce()
	for want := range int64(2500) {
		require.Equal(t, want+1, next(t, seen))
	}
}

func TestALostConnectionLosesNothing(t *testing.T) {
	t.Parallel()
	pool := testdb.New(t)
	log := newLog(pool)
	listen(t, log, pool)
	seen := follow(t, log)
	for resource := range int64(3) {
		_, err := pool.Exec(t.Context(), `select pg_terminate_backend(pid) from pg_stat_activity
			where datname = current_database() and application_name = 'nexterm events'`)
		require.NoError(t, err)
		tx := begin(t, pool)
		write(t, tx, resource)
		require.NoError(t, tx.Commit(t.Context()))
		log.Announce()
		require.Equal(t, resource, next(t, seen))
	}
}

func TestAFlushDoesNotWait(t *testing.T) {
	t.Parallel()
	pool := testdb.New(t)
	conn, err := pgx.ConnectConfig(t.Context(), pool.Config().ConnConfig)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	_, err = conn.Exec(t.Context(), "listen nexterm")
	require.NoError(t, err)
	log := newLog(pool)
	for range 100 {
		log.Announce()
	}
	log.Flush(t.Context())
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	notification, err := conn.WaitForNotification(ctx)
	require.NoError(t, err)
	require.Empty(t, notification.Payload, "it says no more than that there is news")
	log.Flush(t.Context())
	quiet, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = conn.WaitForNotification(quiet)
	require.Error(t, err, "a burst is announced once")
}

func TestEventsCarryWhoDidWhat(t *testing.T) {
	t.Parallel()
	pool := testdb.New(t)
	log := newLog(pool)
	listen(t, log, pool)
	seen := make(chan event.Committed, 1)
	ready := make(chan struct{})
	done := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(func() { cancel(); <-done })
	go func() {
		defer close(done)
		log.Follow(ctx, func(events []event.Committed, missed bool) {
			if missed {
				close(ready)
			}
			for _, e := range events {
				seen <- e
			}
		})
	}()
	<-ready
	_, err := pool.Exec(t.Context(), `insert into events (actor, account_id, session_id, impersonator_id, action, scope, resource, resource_id,
			details, lists, accounts, account_lists, ended_sessions)
		values ('impersonation', 1, 2, 3, 'entry.update', -4, 'entry', 5, '{"name": "web"}', '{ENTRIES}', '{6,7}', '{SNIPPETS}', '{8}')`)
	require.NoError(t, err)
	log.Announce()
	e := <-seen
	require.NotZero(t, e.Transaction)
	require.WithinDuration(t, time.Now(), e.Timestamp, time.Minute)
	require.Equal(t, "impersonation 1 2 0 3 entry.update -4 5 map[name:web] [ENTRIES] [6 7] [SNIPPETS] [8]",
		fmt.Sprintf("%v %v %v %v %v %v %v %v %v %v %v %v %v", e.Actor, e.AccountID, e.SessionID, e.APIKeyID, e.ImpersonatorID,
			e.Action, e.Owner, e.ResourceID, e.Details, e.Lists, e.Accounts, e.AccountLists, e.EndedSessions))
}
