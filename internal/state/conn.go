package state

import (
	"net"
	"strings"
	"time"

	"github.com/coder/websocket"
)

const (
	// closeTimeout is how long a peer has to read the rest and say goodbye.
	closeTimeout = 5 * time.Second
	// maxReason is what a close frame holds, in bytes (RFC 6455, section 5.5).
	maxReason = 123
)

// Conn is an accepted WebSocket and the connection below it.
type Conn struct {
	*websocket.Conn
	Net net.Conn
}

// End closes the connection with a code and a reason and waits until it is
// closed. A reason that is too long is cut.
func (c *Conn) End(code websocket.StatusCode, reason string) {
	if len(reason) > maxReason {
		reason = strings.ToValidUTF8(reason[:maxReason], "")
	}
	c.hurry()
	// An error only says that the peer was faster.
	_ = c.Close(code, reason)
}

// hurry bounds everything that still happens on the connection. The library's
// own limit does not hold while it skips the rest of a large frame.
func (c *Conn) hurry() {
	_ = c.Net.SetDeadline(time.Now().Add(closeTimeout))
}
