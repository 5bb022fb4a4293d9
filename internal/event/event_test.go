package event_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/testdb"
)

// subscribed runs a bus and returns what it delivers once it listens.
func subscribed(t *testing.T, bus *event.Bus, buffer int) <-chan event.Change {
	t.Helper()
	changes := bus.Subscribe(t.Context(), buffer)
	done := make(chan struct{})
	t.Cleanup(func() { <-done })
	go func() { bus.Run(t.Context()); close(done) }()
	require.Equal(t, event.Change{Missed: true}, next(t, changes), "each connection begins with an unknown past")
	return changes
}

func next(t *testing.T, changes <-chan event.Change) event.Change {
	t.Helper()
	select {
	case change, open := <-changes:
		require.True(t, open)
		return change
	case <-time.After(10 * time.Second):
		require.Fail(t, "no change arrives")
		return event.Change{}
	}
}

func newBus(pool *pgxpool.Pool) *event.Bus { return event.NewBus(pool, slog.New(slog.DiscardHandler)) }

func TestChangesReachEveryServerInOrder(t *testing.T) {
	t.Parallel()
	pool := testdb.New(t)
	publisher := newBus(pool)
	one, other := subscribed(t, publisher, 10), subscribed(t, newBus(pool), 10)

	first := event.Change{Topics: []event.Topic{event.Entries}, Accounts: []int64{1}, Organizations: []int64{2}}
	second := event.Change{EndedSessions: []int64{3}}
	start := time.Now()
	publisher.Publish(first)
	publisher.Publish(second)
	for _, changes := range []<-chan event.Change{one, other} {
		require.Equal(t, first, next(t, changes))
		require.Equal(t, second, next(t, changes))
	}
	require.Less(t, time.Since(start), time.Second)
}

func TestBurstSaysTheSameOnce(t *testing.T) {
	t.Parallel()
	bus := newBus(testdb.New(t))
	changes := subscribed(t, bus, 1000)
	for range 500 {
		bus.Publish(event.Change{Topics: []event.Topic{event.Snippets}, Accounts: []int64{1}})
	}
	require.NoError(t, bus.Flush(t.Context()))
	last := event.Change{EndedSessions: []int64{1}}
	bus.Publish(last)
	next(t, changes)
	require.Equal(t, last, next(t, changes))
}

func TestChangeOfThousandsArrivesWhole(t *testing.T) {
	t.Parallel()
	bus := newBus(testdb.New(t))
	changes := subscribed(t, bus, 100)
	sent := event.Change{Topics: []event.Topic{event.Entries, event.Identities, event.Snippets, event.Connections, event.LiveSessions}}
	for i := range int64(2_000) {
		const large = 1<<63 - 1 // as many digits as an id can have
		sent.Accounts = append(sent.Accounts, large-i)
		sent.Organizations = append(sent.Organizations, large-i)
		sent.EndedSessions = append(sent.EndedSessions, large-i)
	}
	bus.Publish(sent)

	got := event.Change{Topics: sent.Topics}
	for len(got.EndedSessions) < len(sent.EndedSessions) {
		part := next(t, changes)
		require.False(t, part.Missed)
		if part.EndedSessions == nil {
			require.Equal(t, sent.Topics, part.Topics)
		}
		got.Accounts = append(got.Accounts, part.Accounts...)
		got.Organizations = append(got.Organizations, part.Organizations...)
		got.EndedSessions = append(got.EndedSessions, part.EndedSessions...)
	}
	require.Equal(t, sent, got)
}

func TestSubscriberThatFallsBehindIsTold(t *testing.T) {
	t.Parallel()
	bus := newBus(testdb.New(t))
	slow, quick := bus.Subscribe(t.Context(), 2), subscribed(t, bus, 10)
	for id := range int64(4) {
		bus.Publish(event.Change{Accounts: []int64{id}})
	}
	for id := range int64(4) {
		require.Equal(t, []int64{id}, next(t, quick).Accounts)
	}
	require.Equal(t, event.Change{Missed: true}, next(t, slow))
}

func TestLostConnectionIsTold(t *testing.T) {
	t.Parallel()
	pool := testdb.New(t)
	bus := newBus(pool)
	changes := subscribed(t, bus, 10)
	_, err := pool.Exec(t.Context(), `select pg_terminate_backend(pid) from pg_stat_activity
		where datname = current_database() and application_name = 'nexterm events'`)
	require.NoError(t, err)
	require.Equal(t, event.Change{Missed: true}, next(t, changes))

	bus.Publish(event.Change{Accounts: []int64{1}})
	require.Equal(t, []int64{1}, next(t, changes).Accounts)
}

func TestNotificationOfAnotherVersionCountsAsMissed(t *testing.T) {
	t.Parallel()
	pool := testdb.New(t)
	changes := subscribed(t, newBus(pool), 10)
	_, err := pool.Exec(t.Context(), `select pg_notify('nexterm', 'something else')`)
	require.NoError(t, err)
	require.Equal(t, event.Change{Missed: true}, next(t, changes))
}

// occupied is a bus whose only connection is taken until release is called.
func occupied(t *testing.T) (bus *event.Bus, changes <-chan event.Change, release func()) {
	t.Helper()
	listening := testdb.New(t)
	config := listening.Config()
	config.MaxConns = 1
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	taken, err := pool.Acquire(t.Context())
	require.NoError(t, err)
	return newBus(pool), subscribed(t, newBus(listening), 10), taken.Release
}

func TestWhatCannotBeSentIsSentLater(t *testing.T) {
	t.Parallel()
	bus, changes, release := occupied(t)
	bus.Publish(event.Change{Accounts: []int64{1}})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Error(t, bus.Flush(ctx))
	release()
	require.Equal(t, []int64{1}, next(t, changes).Accounts)
}

func TestTooMuchThatCannotBeSentCountsAsMissed(t *testing.T) {
	t.Parallel()
	bus, changes, release := occupied(t)
	for id := range int64(30_000) {
		bus.Publish(event.Change{Accounts: []int64{id}})
	}
	release()
	for !next(t, changes).Missed {
	}
}

func TestFlushWaitsForNothing(t *testing.T) {
	t.Parallel()
	require.NoError(t, newBus(testdb.New(t)).Flush(t.Context()))
}
