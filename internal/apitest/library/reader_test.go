package library_test

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/server"
	"github.com/nexterm-go/nexterm/internal/testserver"
)

// An answer that nobody reads is not held in memory for long.
func TestReadersWhoDoNotReadAreCut(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, func(o *server.Options) { o.WriteTimeout = 300 * time.Millisecond })
	s.Exec(t, `insert into scripts (account_id, name, content)
		select $1, n, repeat('x', 1 << 20) from generate_series(1, 16) n`, s.Owner.AccountID)
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.(*net.TCPConn).SetReadBuffer(4096))
	_, err = fmt.Fprintf(conn, "GET /api/scripts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", s.Owner.Token)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return strings.Contains(s.Log.String(), `"operation":"listScripts"`) }, 5*time.Second, 20*time.Millisecond)
	require.Contains(t, s.Log.String(), "i/o timeout")
}
