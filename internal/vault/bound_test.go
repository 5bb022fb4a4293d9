package vault

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Hashes leave processors to others, who has left does not wait for a turn, and
// nobody makes the others wait for long.
// Not parallel: it takes every turn of the process.
func TestHashesAreBounded(t *testing.T) {
	require.LessOrEqual(t, cap(hashing), max(1, runtime.GOMAXPROCS(0)/2))
	require.LessOrEqual(t, cap(hashing), 4)
	for range cap(hashing) {
		require.NoError(t, enter(t.Context()))
	}
	gone, leaveNow := context.WithCancel(t.Context())
	leaveNow()
	_, err := HashPassword(gone, 0, "secret")
	require.ErrorIs(t, err, context.Canceled)
	_, err = VerifyPassword(gone, "secret", "")
	require.ErrorIs(t, err, context.Canceled)

	hashed := make(chan error)
	go func() {
		_, err := HashPassword(t.Context(), 0, "secret")
		hashed <- err
	}()
	select {
	case err := <-hashed:
		t.Fatal("did not wait for its turn", err)
	default:
	}
	require.Eventually(t, func() bool { return waiting.Load() == 1 }, time.Second, time.Millisecond)

	var queue sync.WaitGroup
	waiters, leaveQueue := context.WithCancel(t.Context())
	for range maxWaiting - 1 {
		queue.Go(func() { require.ErrorIs(t, enter(waiters), context.Canceled) })
	}
	require.Eventually(t, func() bool { return waiting.Load() == maxWaiting }, time.Second, time.Millisecond)
	_, err = VerifyPassword(t.Context(), "secret", "")
	require.Equal(t, errBusy, err, "the queue is full")
	leaveQueue()
	queue.Wait()

	// However many of one account there are, two are in the queue.
	for range 8 {
		queue.Go(func() {
			_, err := HashPassword(t.Context(), 7, "secret")
			require.NoError(t, err)
		})
	}
	require.Eventually(t, func() bool { return waiting.Load() == 3 }, time.Second, time.Millisecond)
	time.Sleep(20 * time.Millisecond)
	require.Equal(t, int32(3), waiting.Load())

	leave()
	require.NoError(t, <-hashed)
	queue.Wait()
	for range cap(hashing) - 1 {
		leave()
	}
	require.Empty(t, hashing, "every turn is given back")
}
