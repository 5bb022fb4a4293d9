package nexterm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"

	"github.com/coder/websocket"
)

// Terminal is a terminal on a host, of a connection that Connections.Create has opened.
// What the host prints is read from it, until [io.EOF] when the connection has ended, and
// what is typed is written to it.
type Terminal struct {
	conn   *websocket.Conn
	ask    func(ctx context.Context, question string) (string, error)
	ctx    context.Context
	cancel context.CancelFunc
	rest   []byte
}

// terminalKinds are what the close codes of terminals are about.
var terminalKinds = map[websocket.StatusCode]error{
	websocket.StatusPolicyViolation: ErrTooManyRequests, websocket.StatusTryAgainLater: ErrTooManyRequests,
	tokenMissing: ErrUnauthorized, tokenInvalid: ErrUnauthorized, sessionEnded: ErrUnauthorized,
	4005: ErrForbidden, 4007: ErrNotFound, 4009: ErrBadRequest,
}

// Terminal shows a connection. The host's questions, such as one for a password or a code,
// are put to ask, whose error ends the terminal; while it is nil, the question waits until
// the server gives up. The context is for opening it alone. API keys cannot open terminals.
func (c *Client) Terminal(ctx context.Context, connectionID string, ask func(ctx context.Context, question string) (string, error)) (*Terminal, error) {
	conn, status, err := c.dial(ctx, "/api/ws/term", url.Values{"sessionId": {connectionID}}, websocket.DialOptions{})
	if err != nil {
		return nil, (&Error{Operation: "Terminal"}).noSocket(ctx, status, err)
	}
	conn.SetReadLimit(maxFrame)
	t := &Terminal{conn: conn, ask: ask}
	t.ctx, t.cancel = context.WithCancel(context.WithoutCancel(ctx))
	return t, nil
}

// Read reads what the host prints, and puts its questions.
func (t *Terminal) Read(into []byte) (int, error) {
	for len(t.rest) == 0 {
		_, frame, err := t.conn.Read(t.ctx)
		if err != nil {
			return 0, terminalEnd(err)
		}
		if len(frame) == 0 || frame[0] != '\x02' {
			t.rest = frame
			continue
		}
		if t.ask == nil {
			continue
		}
		answer, err := t.ask(t.ctx, string(frame[1:]))
		if err != nil {
			return 0, err
		}
		if err := t.send("\x03" + answer); err != nil {
			return 0, err
		}
	}
	n := copy(into, t.rest)
	t.rest = t.rest[n:]
	return n, nil
}

func terminalEnd(err error) error {
	var closing websocket.CloseError
	failed := &Error{Operation: "Terminal"}
	switch {
	case !errors.As(err, &closing):
		return failed.because(ErrUnavailable, "the connection broke off", nil)
	case closing.Code == websocket.StatusNormalClosure:
		return io.EOF
	case terminalKinds[closing.Code] != nil:
		return failed.because(terminalKinds[closing.Code], closing.Reason, nil)
	}
	return failed.because(ErrUnavailable, closing.Reason, nil)
}

// Write types.
func (t *Terminal) Write(input []byte) (int, error) {
	for at := 0; at < len(input); {
		next := input[at:min(len(input), at+maxFrame/2)]
		if next[0] == '\x01' {
			next = next[:1] // with more behind it, it could be a size
		}
		if err := t.send(string(next)); err != nil {
			return at, err
		}
		at += len(next)
	}
	return len(input), nil
}

// Resize tells the host the size of the terminal, in characters.
func (t *Terminal) Resize(columns, rows int) error {
	return t.send(fmt.Sprintf("\x01%d,%d", columns, rows))
}

func (t *Terminal) send(frame string) error {
	if err := t.conn.Write(t.ctx, websocket.MessageBinary, []byte(frame)); err != nil {
		return (&Error{Operation: "Terminal"}).because(ErrUnavailable, "the connection broke off", nil)
	}
	return nil
}

// Close stops showing the connection, which goes on; Connections.Delete ends it.
func (t *Terminal) Close() error {
	t.cancel()
	return t.conn.CloseNow()
}
