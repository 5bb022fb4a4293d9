package server_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/app"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/server"
	"github.com/nexterm-go/nexterm/internal/testserver"
)

const sessionEnded = websocket.StatusCode(4010)

// wantLogout expects the farewell, and nothing but that, before the end.
func wantLogout(t *testing.T, socket *testserver.Socket) {
	t.Helper()
	message := socket.Next()
	require.Equal(t, "LOGOUT", message.Type)
	require.JSONEq(t, `{"reason": "session_invalidated"}`, string(message.Data))
	socket.WantClose(sessionEnded, "Session invalidated")
}

// signInAgain signs in once more and returns the same account with the new session.
func signInAgain(t *testing.T, s *testserver.Server, c *testserver.Client) *testserver.Client {
	t.Helper()
	var login struct{ Token string }
	s.Anonymous.Post("/api/auth/login", object{"username": c.Username, "password": testserver.Password}).Want(200).Into(&login)
	second := *c
	second.Token = login.Token
	return &second
}

func TestCredentialsThatOpenNothing(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	const missing, invalid = websocket.StatusCode(4001), websocket.StatusCode(4003)
	s.Anonymous.Socket(statePath).WantClose(missing, "Missing sessionToken")
	s.Anonymous.Socket(statePath+"&sessionToken=").WantClose(missing, "Missing sessionToken")
	s.Anonymous.Socket("/api/ws/state").WantClose(missing, "Missing sessionToken")
	for _, token := range []string{"null", "x", strings.Repeat("0", 96), strings.Repeat("f", 9000), "%00", "%ff", s.Owner.Token[:95]} {
		s.Anonymous.Socket(statePath+"&sessionToken="+token).WantClose(invalid, "Invalid session")
	}
	s.NewAPIKey(t, s.Owner).Socket(statePath).WantClose(invalid, "Invalid session")
	s.Owner.Delete(sessionPath(t, s, s.Owner)).Want(200)
	s.Owner.Socket(statePath).WantClose(invalid, "Invalid session")
	s.Exec(t, `delete from accounts where id = $1`, s.Stranger.AccountID)
	s.Stranger.Socket(statePath).WantClose(invalid, "Invalid session")
}

func TestParameterThatDoesNotFitIsACloseCode(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	long := strings.Repeat("x", 255)
	fiveLists(t, s.Owner.Socket("/api/ws/state?tabId="+long))
	s.Owner.Socket("/api/ws/state?tabId="+long+"x").
		WantClose(websocket.StatusPolicyViolation, "tabId length must be less than or equal to 255 characters long")
	s.Owner.Socket("/api/ws/state?tabId=a&tabId=b").WantClose(websocket.StatusPolicyViolation, "tabId must be given once")
	logged(t, s, `"operation":"openStateSocket","status":101,"account":`+fmt.Sprint(s.Owner.AccountID)+`,"ip":"127.0.0.1","close":1008`)
}

func TestDatabaseAwayIsACloseCode(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	away, err := pgxpool.New(t.Context(), "host=/nowhere dbname=none")
	require.NoError(t, err)
	broken, err := app.New(app.Options{Options: server.Options{Pool: away, Vault: s.Vault, Log: slog.New(slog.DiscardHandler)}})
	require.NoError(t, err)
	listener := httptest.NewServer(broken.Server)
	t.Cleanup(listener.Close)
	s.Owner.On(&testserver.Server{URL: listener.URL}).Socket(statePath).WantClose(websocket.StatusTryAgainLater, "The database is not available. Please try again later.")
}

func TestLogoutEndsTheSessionsSockets(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	other := testserver.Serve(t, s.Pool, s.Vault)
	second := signInAgain(t, s, s.Owner)
	here, there, stays := openState(t, s.Owner), openState(t, s.Owner.On(other)), openState(t, second)

	s.Anonymous.Post("/api/auth/logout", object{"token": s.Owner.Token}).Want(200)
	wantLogout(t, here)
	wantLogout(t, there)
	stays.Send(`{"action": "refresh", "type": "SNIPPETS"}`)
	require.Equal(t, "SNIPPETS", stays.Next().Type)
}

func TestDeletedSessionEndsItsSockets(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	other := testserver.Serve(t, s.Pool, s.Vault)
	second := signInAgain(t, s, s.Owner)
	gone, stays := openState(t, second.On(other)), openState(t, s.Owner)
	s.Stranger.Delete(sessionPath(t, s, s.Owner)).Want(404)
	s.Owner.Delete(sessionPath(t, s, s.Owner)).Want(200)
	wantLogout(t, gone)
	createPersonal(s.Owner, "Own")
	require.Equal(t, []string{"Own"}, nextIdentities(t, stays))
}

// A server may end between a commit and its announcement.
func TestSessionWhoseEndNobodyAnnouncesEndsItsSockets(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	socket := openState(t, s.Owner)
	s.Exec(t, `with ended as (delete from sessions where account_id = $1 returning id)
		insert into events (actor, action, scope, ended_sessions) select 'system', 'session.delete', $1, array [id] from ended`, s.Owner.AccountID)
	wantLogout(t, socket)
}

func TestDeletedAccountEndsItsSockets(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	other := testserver.Serve(t, s.Pool, s.Vault)
	socket := openState(t, s.Stranger.On(other))
	s.Admin.Delete(fmt.Sprintf("/api/users/%d", s.Stranger.AccountID)).Want(200)
	wantLogout(t, socket)
}

func TestAccountThatWentUnheardEndsItsSockets(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	socket := openState(t, s.Stranger)
	s.Exec(t, `delete from accounts where id = $1`, s.Stranger.AccountID)
	tell(t, s, event.Event{Action: event.EntryUpdate, Owner: caller.Account(s.Stranger.AccountID)})
	wantLogout(t, socket)
}

func TestLargeMessageEndsTheSocket(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	socket := openState(t, s.Owner)
	socket.Send(strings.Repeat("x", 64<<10+1))
	socket.WantClose(websocket.StatusMessageTooBig, "read limited at 65537 bytes")
}

// A frame may announce more than ever comes; that must not hold the socket.
func TestAnnouncedSizeDoesNotHoldTheSocket(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	_, err = fmt.Fprintf(conn, "GET %s&sessionToken=%s HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n%s", statePath, s.Owner.Token,
		// The client does not wait for the answer before it sends the head of its first frame.
		"\x81\xff\x00\x00\x01\x00\x00\x00\x00\x00\x01\x02\x03\x04")
	require.NoError(t, err)
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusSwitchingProtocols, answer.StatusCode)
	_, err = conn.Write(make([]byte, 64<<10+1))
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, conn)
	require.NoError(t, err, "the server closes the connection")
}

func TestSlowReaderIsClosed(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, func(o *server.Options) { o.WriteTimeout = 100 * time.Millisecond })
	s.Exec(t, `insert into identities (account_id, name, type)
		select $1, repeat('é', 250), 'password' from generate_series(1, 20000)`, s.Owner.AccountID)
	small := &http.Client{Transport: &http.Transport{DialContext: (&net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 64<<10) })
	}}).DialContext}}
	socket := s.Owner.SocketBy(small, statePath)
	quick := s.Colleague.Socket(statePath)
	fiveLists(t, quick)
	const reason = "Messages are not read fast enough"
	logged(t, s, reason)
	// What was begun still arrives when the client reads on at last.
	socket.WantClose(websocket.StatusPolicyViolation, reason)
	createPersonal(s.Colleague, "Own")
	require.Equal(t, []string{"Own"}, nextIdentities(t, quick), "others are not held up")
}

// dialed opens the feed with a client that hears of pings and answers as it is told.
func dialed(t *testing.T, url string, c *testserver.Client, pinged func() (answer bool)) *websocket.Conn {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), url+statePath+"&sessionToken="+c.Token, &websocket.DialOptions{
		OnPingReceived: func(context.Context, []byte) bool { return pinged() },
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.CloseNow() })
	return conn
}

func TestUnansweredPingsEndTheSocket(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, func(o *server.Options) { o.PingInterval = 100 * time.Millisecond })
	pings := 0
	conn := dialed(t, s.URL, s.Owner, func() bool { pings++; return false })
	for {
		if _, _, err := conn.Read(t.Context()); err != nil {
			require.Equal(t, websocket.StatusPolicyViolation, websocket.CloseStatus(err))
			require.Equal(t, 2, pings)
			return
		}
	}
}

// The limits of HTTP requests do not hold for sockets, however long they are open.
func TestAnsweredPingsKeepTheSocket(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	const interval = 50 * time.Millisecond
	a, err := app.New(app.Options{Options: server.Options{
		Pool: s.Pool, Vault: s.Vault, Log: slog.New(slog.DiscardHandler), PingInterval: interval,
	}})
	require.NoError(t, err)
	listener := httptest.NewUnstartedServer(a.Server)
	listener.Config.ReadTimeout, listener.Config.WriteTimeout = 3*interval, 3*interval
	listener.Start()
	t.Cleanup(listener.Close)

	pings := make(chan struct{}, 1000)
	conn := dialed(t, listener.URL, s.Owner, func() bool { pings <- struct{}{}; return true })
	ended := make(chan error, 1)
	go func() {
		for {
			if _, _, err := conn.Read(t.Context()); err != nil {
				ended <- err
				return
			}
		}
	}()
	for range 10 {
		select {
		case <-pings:
		case err := <-ended:
			require.NoError(t, err)
		}
	}
}

func TestStoppingServerSaysGoodbye(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	ended := make(chan error, 1)
	t.Run("a server that stops", func(t *testing.T) {
		stopping := testserver.Serve(t, s.Pool, s.Vault)
		socket := openState(t, s.Owner.On(stopping))
		go func() {
			_, _, err := socket.Read(context.Background())
			ended <- err
		}()
	})
	var closed websocket.CloseError
	require.ErrorAs(t, <-ended, &closed)
	require.Equal(t, websocket.CloseError{Code: websocket.StatusGoingAway, Reason: "The server is shutting down"}, closed)
}

func TestRequestsThatAreNoUpgrade(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	for _, path := range []string{statePath, "/api/ws/term", "/api/ws/sftp", "/api/ws/guac", "/api/ws/tunnel"} {
		s.Anonymous.Get(path).WantError(426, "This path speaks WebSocket only")
		s.Anonymous.With("Connection", "Upgrade").With("Upgrade", "websocket").Get(path).
			WantError(400, "The WebSocket handshake is malformed")
		s.Anonymous.Post(path, nil).WantError(405, "This path does not support the method POST")
	}
}

func TestSocketsAreLoggedAtTheirEndAndCounted(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	socket := openState(t, s.Owner)
	require.Contains(t, metricsOf(s), "nexterm_state_sockets 1")
	require.NotContains(t, s.Log.String(), "openStateSocket")
	require.NoError(t, socket.Close(websocket.StatusNormalClosure, ""))
	logged(t, s, `"operation":"openStateSocket","status":101,`)
	require.Contains(t, metricsOf(s), "nexterm_state_sockets 0")
	require.NotContains(t, metricsOf(s), `operation="openStateSocket"`)
	require.NotContains(t, s.Log.String(), s.Owner.Token)
}

func metricsOf(s *testserver.Server) string { return string(s.Anonymous.Get("/metrics").Body) }

// logged waits until the server has logged a text.
func logged(t *testing.T, s *testserver.Server, text string) {
	t.Helper()
	require.Eventually(t, func() bool { return strings.Contains(s.Log.String(), text) }, 30*time.Second, 5*time.Millisecond)
}
