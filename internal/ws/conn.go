// Package ws owns WebSockets from their upgrade on: the connection, how it ends,
// and what serves it. It does not accept connections; the server does.
package ws

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
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
	// rate is how many frames a peer may send in a second, burst how many at once.
	rate, burst = 10, 50
	// maxReason is what a close frame holds, in bytes (RFC 6455, section 5.5).
	maxReason = 123
)

// Conn is an accepted WebSocket and the connection below it.
type Conn struct {
	*websocket.Conn
	Net net.Conn

	mu   sync.Mutex
	used float64
	last time.Time
}

var errTooMany = errors.New("too many messages")

// Read reads the next message of a peer that does not send too many.
func (c *Conn) Read(ctx context.Context) (websocket.MessageType, []byte, error) {
	kind, message, err := c.Conn.Read(ctx)
	if err == nil && !c.take(time.Now()) {
		c.End(PolicyViolation, "Too many messages")
		err = errTooMany
	}
	return kind, message, err
}

// Control counts a control frame, which Read does not return. It reports whether
// there is an answer to it.
func (c *Conn) Control() bool {
	if c.take(time.Now()) {
		return true
	}
	go c.End(PolicyViolation, "Too many messages")
	return false
}

// take takes a token out of a bucket that fills with time.
func (c *Conn) take(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.used = max(0, c.used-rate*now.Sub(c.last).Seconds())
	c.last = now
	if c.used > burst-1 {
		return false
	}
	c.used++
	return true
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
