package ws

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTokensComeWithTime(t *testing.T) {
	t.Parallel()
	var c Conn
	now := time.Now()
	for range burst {
		require.True(t, c.take(now))
	}
	require.False(t, c.take(now))
	require.False(t, c.take(now.Add(time.Second/rate/2)))
	for range 100 {
		now = now.Add(time.Second / rate)
		require.True(t, c.take(now), "one at a time is never too much")
	}
	require.False(t, c.take(now))
}
