package connection_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

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
	key := newIdentity(s.Owner, testssh.Password)
	failing(newEntry(s.Owner, testssh.Refusing(t), nil, key), 1, "Connection refused")
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
