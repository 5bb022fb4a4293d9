package server

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// limited serves with a limit of connections and returns the address.
func limited(t *testing.T, most int, trust string, log io.Writer) string {
	t.Helper()
	proxies, err := ParseProxyTrust(trust)
	require.NoError(t, err)
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Listener = LimitConnections(s.Listener, most, proxies, slog.New(slog.NewTextHandler(log, nil)))
	s.Start()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// answered asks over a connection of its own, which stays open.
func answered(t *testing.T, address string) (conn net.Conn, ok bool) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	n, _ := conn.Read(make([]byte, 1))
	return conn, n == 1
}

func TestConnectionsOfOneNetworkAreLimited(t *testing.T) {
	t.Parallel()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	require.NoError(t, err)
	defer func() { _ = log.Close() }()
	address := limited(t, 3, "", log)
	var first net.Conn
	for i := range 3 {
		conn, ok := answered(t, address)
		require.True(t, ok, i)
		first = conn
	}
	for range 5 {
		_, ok := answered(t, address)
		require.False(t, ok)
	}
	logged, err := os.ReadFile(log.Name())
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(logged), "a network has too many connections"), "the log is not flooded")
	require.NoError(t, first.Close())
	require.Eventually(t, func() bool { _, ok := answered(t, address); return ok }, 5*time.Second, 10*time.Millisecond)
	for limit, trust := range map[int]string{0: "", 1: "loopback"} {
		address := limited(t, limit, trust, io.Discard)
		for range 5 {
			_, ok := answered(t, address)
			require.True(t, ok)
		}
	}
}

// exhausted is a listener without file descriptors.
type exhausted struct{ net.Listener }

func (exhausted) Accept() (net.Conn, error) {
	return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
}

func TestADeafServerSaysSo(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	listener := LimitConnections(exhausted{}, 0, ProxyTrust{}, slog.New(slog.NewTextHandler(&log, nil)))
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() {
			_, err := listener.Accept()
			if !errors.Is(err, syscall.EMFILE) {
				t.Error(err)
			}
		})
	}
	group.Wait()
	require.Equal(t, 1, strings.Count(log.String(), "level=WARN msg=\"connections cannot be accepted\""))
}
