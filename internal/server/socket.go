package server

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"
	"github.com/labstack/echo/v4"

	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/state"
	"github.com/nexterm-go/nexterm/internal/vault"
)

// socketAuthTimeout is how long a new socket may wait for who its caller is.
const socketAuthTimeout = 10 * time.Second

// socketBuffer is the size of a socket's buffers, in bytes. Longer messages pass
// them by.
const socketBuffer = 512

// Close codes of the stage that authenticates a socket. Browsers cannot read
// the answer to a failed upgrade, so that every upgrade succeeds.
const (
	closeNoToken websocket.StatusCode = 4001
	closeInvalid websocket.StatusCode = 4003
)

// openStateSocket serves the live feed of what the caller sees.
func (s *server) openStateSocket(c echo.Context) error {
	conn, err := upgrade(c)
	if err != nil {
		return err
	}
	r := c.Get(routedKey).(*routed)
	who, err := s.socketCaller(c.Request().Context(), c.QueryParam("sessionToken"))
	if err != nil {
		code, reason := s.closing(err, c)
		r.socket = func() { conn.End(code, reason) }
		return nil
	}
	r.account = who.AccountID
	r.socket = func() { s.sockets.Serve(conn, who) }
	return nil
}

var (
	errNoToken   = fail.BadRequest("Missing sessionToken")
	errNoSession = fail.Unauthorized("Invalid session")
)

// socketCaller finds who opens a socket. API keys open none.
func (s *server) socketCaller(ctx context.Context, token string) (*caller.Caller, error) {
	if token == "" {
		return nil, errNoToken
	}
	if strings.HasPrefix(token, vault.APIKeyPrefix) {
		return nil, errNoSession
	}
	ctx, cancel := context.WithTimeout(ctx, socketAuthTimeout)
	defer cancel()
	who, err := caller.Find(ctx, s.queries, token)
	if failure := (*fail.Error)(nil); errors.As(err, &failure) {
		err = errNoSession
	}
	return who, err
}

// closing puts a failure into a close code.
func (s *server) closing(err error, c echo.Context) (websocket.StatusCode, string) {
	failure := s.failure(err, c)
	switch failure.Status {
	case http.StatusBadRequest:
		return closeNoToken, failure.Message
	case http.StatusUnauthorized:
		return closeInvalid, failure.Message
	case http.StatusServiceUnavailable:
		return websocket.StatusTryAgainLater, failure.Message
	}
	return websocket.StatusInternalError, failure.Message
}

// upgrade turns a request into a WebSocket, or names what it lacks.
func upgrade(c echo.Context) (*state.Conn, error) {
	u := &upgrading{ResponseWriter: c.Response()}
	conn, err := websocket.Accept(u, c.Request(), &websocket.AcceptOptions{
		// A page of another origin gains nothing: the credential is in the URL that
		// its caller composes, and the browser adds none. Clients that are no
		// browsers send whatever origin they like.
		InsecureSkipVerify: true,
	})
	switch {
	case err == nil:
		return &state.Conn{Conn: conn, Net: u.conn}, nil
	case u.refused == http.StatusUpgradeRequired:
		return nil, &fail.Error{Status: u.refused, Message: "This path speaks WebSocket only"}
	case u.refused != 0:
		return nil, fail.BadRequest("The WebSocket handshake is malformed")
	}
	return nil, err
}

// upgrading keeps the connection below a WebSocket, and keeps the library from
// writing refusals itself.
type upgrading struct {
	http.ResponseWriter
	conn    net.Conn
	refused int
}

func (u *upgrading) WriteHeader(status int) {
	if status != http.StatusSwitchingProtocols {
		u.refused = status
		u.Header().Del(echo.HeaderContentType)
		return
	}
	u.ResponseWriter.WriteHeader(status)
}

func (u *upgrading) Write(text []byte) (int, error) { return len(text), nil }

// Hijack hands over the connection with small buffers: there are many sockets,
// most of them silent. What the client has sent already is kept.
func (u *upgrading) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(u.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	u.conn = conn
	early := rw.Reader.Buffered()
	reader := bufio.NewReaderSize(io.MultiReader(io.LimitReader(rw.Reader, int64(early)), conn), max(early, socketBuffer))
	if _, err := reader.Peek(early); err != nil {
		return nil, nil, err
	}
	return conn, bufio.NewReadWriter(reader, bufio.NewWriterSize(conn, socketBuffer)), nil
}
