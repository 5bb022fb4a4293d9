package server_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A server without its database says so, and does not fill the disk with it.
func TestAnOutageIsLoggedNowAndThen(t *testing.T) {
	t.Parallel()
	direct, behind, p := behindProxy(t)
	owner := direct.Owner.On(behind)
	socket := owner.Socket("/api/ws/state")
	socket.Next()
	direct.Owner.Put("/api/identity", object{"name": "Before", "type": "ssh"}).Want(200)
	time.Sleep(60 * time.Millisecond) // heard of, and its lists are about to be read
	p.cut()
	before := behind.Log.String()
	time.Sleep(8 * time.Second)
	lines := strings.Count(behind.Log.String()[len(before):], `"level":"WARN"`)
	require.Positive(t, lines)
	require.LessOrEqual(t, lines, 16)
}
