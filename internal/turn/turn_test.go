package turn

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestEachKeyHasItsTurns(t *testing.T) {
	t.Parallel()
	lines := Lines[string]{Most: 2}
	var running, most atomic.Int32
	var working sync.WaitGroup
	for range 20 {
		working.Go(func() {
			leave, err := lines.Enter(t.Context(), "a")
			require.NoError(t, err)
			defer leave()
			now := running.Add(1)
			for seen := most.Load(); now > seen && !most.CompareAndSwap(seen, now); seen = most.Load() {
			}
			time.Sleep(time.Millisecond)
			running.Add(-1)
		})
	}
	working.Wait()
	require.Equal(t, int32(2), most.Load())

	for range 2 {
		leave, err := lines.Enter(t.Context(), "a")
		require.NoError(t, err)
		defer leave()
	}
	leave, err := lines.Enter(t.Context(), "b")
	require.NoError(t, err, "another key does not wait")
	leave()
	gone, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err = lines.Enter(gone, "a")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Len(t, lines.lines, 1, "nothing is kept of those who are gone")
}
