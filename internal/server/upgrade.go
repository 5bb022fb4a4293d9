package server

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"

	"github.com/coder/websocket"
	"github.com/labstack/echo/v4"

	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/ws"
)

// socketBuffer is the size of a socket's buffers, in bytes. Longer messages pass
// them by.
const socketBuffer = 512

// upgrade turns a request into a WebSocket, or names what it lacks.
func upgrade(c echo.Context) (*ws.Conn, error) {
	u, upgraded := &upgrading{ResponseWriter: c.Response()}, &ws.Conn{}
	conn, err := websocket.Accept(u, c.Request(), &websocket.AcceptOptions{
		// A page of another origin gains nothing: the credential is in the URL that
		// its caller composes, and the browser adds none. Clients that are no
		// browsers send whatever origin they like.
		InsecureSkipVerify: true,
		// Clients of desktops ask for it, and for nothing less.
		Subprotocols:   []string{"guacamole"},
		OnPingReceived: func(context.Context, []byte) bool { return upgraded.Control() },
		OnPongReceived: func(context.Context, []byte) { upgraded.Control() },
	})
	switch {
	case err == nil:
		upgraded.Conn, upgraded.Net = conn, u.conn
		return upgraded, nil
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
