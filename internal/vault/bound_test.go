package vault

import (
	"context"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// Hashes leave processors to others, and who has left does not wait for a turn.
// Not parallel: it takes every turn of the process.
func TestHashesAreBounded(t *testing.T) {
	require.LessOrEqual(t, cap(hashing), max(1, runtime.GOMAXPROCS(0)/2))
	require.LessOrEqual(t, cap(hashing), 4)
	for range cap(hashing) {
		require.NoError(t, enter(t.Context()))
	}
	gone, leaveNow := context.WithCancel(t.Context())
	leaveNow()
	_, err := HashPassword(gone, "secret")
	require.ErrorIs(t, err, context.Canceled)
	_, err = VerifyPassword(gone, "secret", "")
	require.ErrorIs(t, err, context.Canceled)

	hashed := make(chan error)
	go func() {
		_, err := HashPassword(t.Context(), "secret")
		hashed <- err
	}()
	select {
	case err := <-hashed:
		t.Fatal("did not wait for its turn", err)
	default:
	}
	leave()
	require.NoError(t, <-hashed)
	for range cap(hashing) - 1 {
		leave()
	}
	require.Empty(t, hashing, "every turn is given back")
}
