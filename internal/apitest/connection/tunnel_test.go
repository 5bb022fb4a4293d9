package connection_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
	xssh "golang.org/x/crypto/ssh"

	"github.com/nexterm-go/nexterm/internal/app"
	"github.com/nexterm-go/nexterm/internal/server"
	"github.com/nexterm-go/nexterm/internal/testserver"
	"github.com/nexterm-go/nexterm/internal/testssh"
)

// tunnelPath is where a tunnel begins; what is not given is left out.
func tunnelPath(entryID int64, port int, more ...string) string {
	query := url.Values{"entryId": {strconv.FormatInt(entryID, 10)}, "remotePort": {strconv.Itoa(port)}}
	for i := 0; i < len(more); i += 2 {
		query.Set(more[i], more[i+1])
	}
	return "/api/ws/tunnel?" + query.Encode()
}

// tunnel is an open one.
func tunnel(c *testserver.Client, entryID int64, port int, more ...string) *testserver.Socket {
	socket := c.Socket(tunnelPath(entryID, port, more...))
	return ready(socket)
}

func ready(socket *testserver.Socket) *testserver.Socket {
	if socket.Next().Type != "ready" {
		panic("the first message is another one")
	}
	return socket
}

// listening plays a service on 127.0.0.1.
func listening(t *testing.T, serve func(net.Conn)) int {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var serving sync.WaitGroup
	t.Cleanup(serving.Wait)
	t.Cleanup(func() { _ = listener.Close() })
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer conn.Close()
				serve(conn)
			})
		}
	})
	return listener.Addr().(*net.TCPAddr).Port
}

func echoed(conn net.Conn) { _, _ = io.Copy(conn, conn) }

func TestTunnelsCarryWhateverIsSent(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id, identity := openSSH(t, s.Owner, nil)
	port := listening(t, echoed)
	socket := tunnel(s.Owner, id, port, "identityId", fmt.Sprint(identity), "remoteHost", "localhost")

	// What looks like a ping in binary is none.
	ping := []byte(`{"type":"ping"}`)
	require.NoError(t, socket.Write(t.Context(), websocket.MessageBinary, ping))
	kind, back, err := socket.Read(t.Context())
	require.NoError(t, err)
	require.Equal(t, websocket.MessageBinary, kind)
	require.Equal(t, ping, back)
	socket.Send(string(ping))
	require.Equal(t, "pong", socket.Next().Type)
	socket.Send("text")
	_, back, err = socket.Read(t.Context())
	require.NoError(t, err)
	require.Equal(t, "text", string(back))

	sent := make([]byte, 20<<20)
	_, _ = rand.Read(sent)
	go func() {
		for rest := sent; len(rest) > 0; rest = rest[min(len(rest), 1<<20):] {
			if socket.Write(t.Context(), websocket.MessageBinary, rest[:min(len(rest), 1<<20)]) != nil {
				return
			}
		}
	}()
	var got bytes.Buffer
	for got.Len() < len(sent) {
		kind, part, err := socket.Read(t.Context())
		require.NoError(t, err)
		require.Equal(t, websocket.MessageBinary, kind)
		require.LessOrEqual(t, len(part), 32<<10)
		got.Write(part)
	}
	require.True(t, bytes.Equal(sent, got.Bytes()))
	require.NoError(t, socket.Write(t.Context(), websocket.MessageBinary, make([]byte, 1<<20+1)))
	socket.WantClose(websocket.StatusMessageTooBig, "read limited at 1048577 bytes")
}

func TestTunnelsEndWithEitherSide(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id, _ := openSSH(t, s.Owner, nil)
	farewell := listening(t, func(conn net.Conn) { _, _ = io.WriteString(conn, strings.Repeat("goodbye ", 100_000)) })
	socket := tunnel(s.Owner, id, farewell)
	var got int
	for got < 800_000 {
		_, part, err := socket.Read(t.Context())
		require.NoError(t, err)
		got += len(part)
	}
	socket.WantClose(websocket.StatusNormalClosure, "Tunnel closed")

	ended := make(chan bool, 1)
	waiting := listening(t, func(conn net.Conn) {
		_, _ = io.Copy(io.Discard, conn)
		ended <- true
	})
	socket = tunnel(s.Owner, id, waiting)
	require.NoError(t, socket.Close(websocket.StatusNormalClosure, ""))
	<-ended
	_ = tunnel(s.Owner, id, waiting).CloseNow()
	<-ended
}

func TestTunnelsAreRefused(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	host := testssh.Start(t, &testssh.Server{})
	id := shared(s.Owner, s.Organization, host.Port())
	refused := func(c *testserver.Client, path string, code websocket.StatusCode, reason string) {
		t.Helper()
		c.Socket(path).WantClose(code, reason)
	}
	refused(s.Anonymous, tunnelPath(id, 80), 4001, "You need to provide the token in the 'sessionToken' parameter")
	refused(s.NewAPIKey(t, s.Owner), tunnelPath(id, 80), 4003, "The token is not valid")
	refused(s.Owner, "/api/ws/tunnel?remotePort=80", 4002, "You need to provide the entryId or sessionId")
	for _, c := range []*testserver.Client{s.Stranger, s.Admin} {
		refused(c, tunnelPath(id, 80), 4005, "Entry not found")
	}
	refused(s.Owner, tunnelPath(999, 80), 4005, "Entry not found")
	refused(s.Owner, "/api/ws/tunnel/?entryId=x&remotePort=80", 4005, "Entry not found")
	for _, port := range []string{"", "0", "65536", "-1", "80x"} {
		refused(s.Owner, tunnelPath(id, 0, "remotePort", port), 4001, "Missing or invalid remotePort parameter")
	}
	for _, bad := range []string{"a b", "[::1]", "a\nb", "a/b"} {
		refused(s.Owner, tunnelPath(id, 80, "remoteHost", bad), 4001, "Invalid remoteHost parameter")
	}
	refused(s.Owner, tunnelPath(id, 80, "remoteHost", strings.Repeat("x", 256)), websocket.StatusPolicyViolation, "remoteHost length must be less than or equal to 255 characters long")
	s.OverrideMember(t, s.Colleague, "connect.tunnel", "deny")
	refused(s.Colleague, tunnelPath(id, 0), 4403, "You don't have permission to create tunnels for this server")
	refused(s.Owner, tunnelPath(newEntry(s.Owner, 23, object{"protocol": "telnet"}, []int64{}...), 80), 4002, "Port forwarding is only supported for SSH servers")
	bare := newEntry(s.Owner, host.Port(), nil, []int64{}...)
	refused(s.Owner, tunnelPath(bare, 80), 4006, "Identity not found")
	for _, foreign := range []int64{newIdentity(s.Stranger, testssh.Password), 999} {
		refused(s.Owner, tunnelPath(bare, 80, "identityId", fmt.Sprint(foreign)), 4006, "Identity not found")
	}
	s.Owner.Patch(fmt.Sprintf("/api/audit/organizations/%d/settings", s.Organization), object{"requireConnectionReason": true}).Want(200)
	refused(s.Owner, tunnelPath(id, 80, "connectionReason", " "), 4008, "Connection reason required")
	require.Zero(t, host.Accepted())
	require.Empty(t, s.Audits(t, "entry.ssh_connect"))
	closed := listening(t, echoed)
	_ = tunnel(s.Owner, id, closed, "connectionReason", "INC-42")
}

func TestTunnelsThatCannotBeSetUp(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	failing := func(id int64, port int, why string) {
		t.Helper()
		s.Owner.Socket(tunnelPath(id, port)).WantClose(4004, "Tunnel setup failed: "+why)
	}
	id, _ := openSSH(t, s.Owner, nil)
	failing(id, 1, "Connection refused")
	strict, _ := openSSH(t, s.Owner, nil, "AllowTcpForwarding no")
	failing(strict, 1, "The host does not offer this")
	away := testssh.Start(t, &testssh.Server{})
	away.Close()
	key := newIdentity(s.Owner, testssh.Password)
	failing(newEntry(s.Owner, away.Port(), nil, key), 1, "Connection refused")
	played, _ := played(t, s.Owner, &testssh.Server{}, nil)
	wrong := newIdentity(s.Owner, "wrong")
	s.Owner.Socket(tunnelPath(played, 1, "identityId", fmt.Sprint(wrong))).WantClose(4004, "Tunnel setup failed: Authentication failed")

	// However an address is written.
	denied := s.Owner.On(denying(t, s, "169.254.0.0/16,fe80::/10"))
	for _, host := range []string{
		"169.254.169.254", "0xa9fea9fe", "2852039166", "0251.0376.0251.0376", "169.254.43518", "0xa9.0xfe.0xa9.0xfe", "169.254.169.254.",
		"::ffff:169.254.169.254", "::ffff:a9fe:a9fe", "fe80::1", "fe80::1%eth0", "FE80:0::1",
	} {
		denied.Socket(tunnelPath(id, 80, "remoteHost", host)).WantClose(4004, "Tunnel setup failed: Target address is not allowed")
	}
}

func TestTunnelsShareALogin(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	host := &testssh.Server{}
	id, _ := played(t, s.Owner, host, nil)
	port := listening(t, echoed)
	var working sync.WaitGroup
	for range 20 {
		working.Go(func() {
			for range 50 {
				socket := tunnel(s.Owner, id, port)
				_ = socket.Write(t.Context(), websocket.MessageBinary, []byte("x"))
				_, _, _ = socket.Read(t.Context())
				_ = socket.CloseNow()
			}
		})
	}
	working.Wait()
	require.Equal(t, 1, host.Accepted(), "a thousand connections")
	require.Len(t, s.Audits(t, "entry.ssh_connect"), 1)
	require.Equal(t, object{"purpose": "tunnel", "target": fmt.Sprintf("127.0.0.1:%d", port)}, s.Audits(t, "entry.ssh_connect")[0]["details"])

	// Whatever differs is told of; another server knows what this one has told.
	other := testserver.Serve(t, s.Pool, s.Vault)
	_ = tunnel(s.Owner.On(other), id, port)
	require.Len(t, s.Audits(t, "entry.ssh_connect"), 1)
	_ = tunnel(s.Owner, id, port, "connectionReason", "why")
	_ = tunnel(s.Owner, id, port, "remoteHost", "localhost")
	require.Len(t, s.Audits(t, "entry.ssh_connect"), 3)
}

func TestTunnelsOfAnAccountAreBounded(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	host := &testssh.Server{}
	id, _ := played(t, s.Owner, host, nil)
	port := listening(t, echoed)
	var last *testserver.Socket
	for range 256 {
		last = tunnel(s.Owner, id, port)
	}
	s.Owner.Socket(tunnelPath(id, port)).WantClose(websocket.StatusTryAgainLater, "Too many tunnels")
	require.Equal(t, 4, host.Accepted(), "64 share a login")
	require.NoError(t, last.Close(websocket.StatusNormalClosure, ""))
	require.Eventually(t, func() bool {
		socket := s.Owner.Socket(tunnelPath(id, port))
		_, _, err := socket.Read(t.Context())
		return err == nil
	}, patience, 20*time.Millisecond)
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

func TestPeersThatDoNotAnswerLoseTheirTunnels(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, func(o *server.Options) { o.PingInterval = 20 * time.Millisecond })
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
