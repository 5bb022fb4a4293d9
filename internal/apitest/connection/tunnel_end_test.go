package connection_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
	xssh "golang.org/x/crypto/ssh"

	"github.com/nexterm-go/nexterm/internal/app"
	"github.com/nexterm-go/nexterm/internal/outbound"
	"github.com/nexterm-go/nexterm/internal/server"
	"github.com/nexterm-go/nexterm/internal/testserver"
	"github.com/nexterm-go/nexterm/internal/testssh"
)

// denying is one more server of a database, which dials nothing in these networks.
func denying(t *testing.T, s *testserver.Server, networks string, changes ...func(*server.Options)) *testserver.Server {
	t.Helper()
	deny, err := outbound.ParseNetworks(networks)
	require.NoError(t, err)
	options := app.Options{
		Options:    server.Options{Pool: s.Pool, Vault: s.Vault, Log: slog.New(slog.NewTextHandler(s.Log, nil))},
		InsertOnly: true, Deny: deny,
	}
	for _, change := range changes {
		change(&options.Options)
	}
	a, err := app.New(options)
	require.NoError(t, err)
	listener := httptest.NewServer(a.Server)
	t.Cleanup(listener.Close)
	testserver.Run(t, a)
	return &testserver.Server{URL: listener.URL}
}

func TestTunnelsEndWithTheRightToThem(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	host := testssh.Start(t, &testssh.Server{})
	port := listening(t, echoed)
	id := shared(s.Owner, s.Organization, host.Port())
	other := shared(s.Owner, s.Organization, host.Port())
	const lost = "You don't have permission to create tunnels for this server"

	socket := tunnel(s.Colleague, id, port)
	s.Owner.Put(fmt.Sprintf("/api/organization/%d/members/%d/permissions", s.Organization, s.Colleague.AccountID),
		object{"permissions": object{"connect.tunnel": "deny"}}).Want(200)
	socket.WantClose(4403, lost)

	socket = tunnel(s.Owner, other, port)
	stays := tunnel(s.Owner, id, port)
	s.Owner.Delete(fmt.Sprintf("/api/entry/%d", other)).Want(200)
	socket.WantClose(4403, lost)
	require.NoError(t, stays.Write(t.Context(), websocket.MessageBinary, []byte("x")))
	_, _, err := stays.Read(t.Context())
	require.NoError(t, err)
	s.Owner.Post("/api/auth/logout", object{"token": s.Owner.Token}).Want(200)
	stays.WantClose(4010, "Session invalidated")
}

func TestTunnelsWaitForThoseWhoDoNotRead(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, func(o *server.Options) { o.PingInterval = 500 * time.Millisecond })
	var poured atomic.Int64
	flood := listening(t, func(conn net.Conn) {
		for part := make([]byte, 64<<10); poured.Load() < 200<<20; {
			n, err := conn.Write(part)
			poured.Add(int64(n))
			if err != nil {
				return
			}
		}
	})
	id, _ := openSSH(t, s.Owner, nil)
	socket := tunnel(s.Owner, id, flood)
	settled := int64(-1)
	require.Eventually(t, func() bool {
		before := settled
		settled = poured.Load()
		return settled > 0 && settled == before
	}, patience, 2*time.Second)
	require.Less(t, settled, int64(64<<20), "what the systems' buffers and the channel's window hold")
	for got := 0; got < 100<<20; {
		_, part, err := socket.Read(t.Context())
		require.NoError(t, err, "whoever waits is not hung up on")
		got += len(part)
	}

	release := make(chan bool)
	var taken atomic.Int64
	idle := listening(t, func(conn net.Conn) {
		<-release
		n, _ := io.Copy(io.Discard, conn)
		taken.Add(n)
	})
	socket = tunnel(s.Owner, id, idle)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	var written int64
	for ctx.Err() == nil {
		if socket.Write(ctx, websocket.MessageBinary, make([]byte, 64<<10)) == nil {
			written += 64 << 10
		}
	}
	require.Less(t, written, int64(64<<20))
	close(release)
	_ = socket.CloseNow()
}

// What hosts have sent to clients that do not read is in memory.
func TestAnAccountHasSoManyTunnelsThatItDoesNotRead(t *testing.T) {
	t.Parallel()
	const most, more = 64, 4
	s := testserver.New(t)
	var opened, pouring atomic.Int64
	flood := listening(t, func(conn net.Conn) {
		opened.Add(1)
		pouring.Add(1)
		defer pouring.Add(-1)
		for part := make([]byte, 64<<10); ; {
			if _, err := conn.Write(part); err != nil {
				return
			}
		}
	})
	host := testssh.Start(t, &testssh.Server{})
	id := shared(s.Owner, s.Organization, host.Port())
	// The less that their systems hold, the sooner they wait.
	narrow := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err == nil {
			err = conn.(*net.TCPConn).SetReadBuffer(128 << 10)
		}
		return conn, err
	}}}
	open := func(c *testserver.Client) *websocket.Conn {
		conn, _, err := websocket.Dial(t.Context(), s.URL+tunnelPath(id, flood, "sessionToken", c.Token), &websocket.DialOptions{HTTPClient: narrow})
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.CloseNow() })
		conn.SetReadLimit(-1)
		return conn
	}
	others := open(s.Colleague)
	for range most + more {
		open(s.Owner)
	}
	require.Eventually(t, func() bool { return opened.Load() == most+more+1 && pouring.Load() == most+1 }, patience, pause)
	require.Never(t, func() bool { return pouring.Load() <= most }, 2*time.Second, pause)
	for got := 0; got < 16<<20; {
		_, part, err := others.Read(t.Context())
		require.NoError(t, err)
		got += len(part)
	}
}

func TestPeersThatDoNotAnswerLoseTheirTunnels(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, func(o *server.Options) { o.PingInterval = 200 * time.Millisecond })
	id, _ := played(t, s.Owner, &testssh.Server{}, nil)
	conn, _, err := websocket.Dial(t.Context(), s.URL+tunnelPath(id, listening(t, echoed), "sessionToken", s.Owner.Token), &websocket.DialOptions{
		OnPingReceived: func(context.Context, []byte) bool { return false },
	})
	require.NoError(t, err)
	for err == nil {
		_, _, err = conn.Read(t.Context())
	}
	require.Equal(t, websocket.StatusPolicyViolation, websocket.CloseStatus(err))
}

func TestTunnelsBreakWithTheirLogin(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	key, _ := testssh.NewKey(t, xssh.KeyAlgoED25519, "")
	hosts := make(chan net.Conn, 10)
	host := &testssh.Server{HostKeys: []xssh.Signer{key}}
	testssh.Start(t, host)
	// A way to the host that can be cut.
	way := listening(t, func(conn net.Conn) {
		onward, err := new(net.Dialer).DialContext(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", host.Port()))
		if err != nil {
			return
		}
		defer onward.Close()
		hosts <- conn
		go func() { _, _ = io.Copy(conn, onward) }()
		_, _ = io.Copy(onward, conn)
	})
	id := newEntry(s.Owner, way, nil, newIdentity(s.Owner, testssh.Password))
	socket := tunnel(s.Owner, id, listening(t, echoed))
	require.NoError(t, (<-hosts).Close())
	socket.WantClose(4005, "Connection lost")
	_ = tunnel(s.Owner, id, listening(t, echoed))
	require.Len(t, hosts, 1, "the next one dials anew")
}

func TestWhatRunsOnHostsEndsWithTheServer(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id, _ := openSSH(t, s.Owner, nil)
	a, err := app.New(app.Options{
		Options:    server.Options{Pool: s.Pool, Vault: s.Vault, Log: slog.New(slog.NewTextHandler(s.Log, nil))},
		InsertOnly: true,
	})
	require.NoError(t, err)
	listener := httptest.NewServer(a.Server)
	t.Cleanup(listener.Close)
	ctx, stop := context.WithCancel(t.Context())
	answered, ended := make(chan *testserver.Response, 1), make(chan error, 1)
	go func() {
		ended <- a.Run(ctx, func(ctx context.Context) error {
			<-ctx.Done()
			return nil
		})
	}()
	owner := s.Owner.On(&testserver.Server{URL: listener.URL})
	socket := tunnel(owner, id, listening(t, echoed))
	begun := make(chan bool, 1)
	port := listening(t, func(net.Conn) { begun <- true })
	go func() {
		answered <- owner.Post(execPath(id), object{"command": fmt.Sprintf("bash -c 'echo > /dev/tcp/127.0.0.1/%d'; sleep 100", port)})
	}()
	<-begun
	stop()
	socket.WantClose(websocket.StatusGoingAway, "The server is shutting down")
	(<-answered).WantError(503, "The server is shutting down")
	require.NoError(t, <-ended)
}
