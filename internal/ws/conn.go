// Package ws owns WebSockets from their upgrade on: the connection, how it ends,
// and what serves it. It does not accept connections; the server does.
package ws

import (
	"net"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// Close codes, all that the server and its handlers send (RFC 6455, section 7.4).
// Those from 4000 on are the API's own.
const (
	GoingAway       = websocket.StatusGoingAway
	ProtocolError   = websocket.StatusProtocolError
	PolicyViolation = websocket.StatusPolicyViolation
	InternalError   = websocket.StatusInternalError
	TryAgainLater   = websocket.StatusTryAgainLater

	TokenMissing websocket.StatusCode = 4001
	TokenInvalid websocket.StatusCode = 4003
	SessionEnded websocket.StatusCode = 4010
)

// ShuttingDown is the reason that goes with GoingAway.
const ShuttingDown = "The server is shutting down"

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
	c.Hurry()
	// An error only says that the peer was faster.
	_ = c.Close(code, reason)
}

// Hurry bounds everything that still happens on the connection. The library's
// own limit does not hold while it skips the rest of a large frame.
func (c *Conn) Hurry() {
	_ = c.Net.SetDeadline(time.Now().Add(closeTimeout))
}
