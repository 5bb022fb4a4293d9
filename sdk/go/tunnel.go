package nexterm

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/url"
	"strconv"

	"github.com/coder/websocket"
)

// TunnelOptions say more of a tunnel. The zero value is the usual.
type TunnelOptions struct {
	// IdentityID is the identity to log in with, 0 for the entry's own.
	IdentityID int64
	// Reason is why, for organizations that want to know.
	Reason string
}

// Close codes of tunnels, by what they are about.
var tunnelKinds = map[websocket.StatusCode]error{
	websocket.StatusPolicyViolation: ErrBadRequest, websocket.StatusGoingAway: ErrUnavailable, websocket.StatusTryAgainLater: ErrTooManyRequests,
	4001: ErrBadRequest, 4002: ErrBadRequest, 4003: ErrUnauthorized, 4004: ErrUnavailable, 4005: ErrNotFound, 4006: ErrBadRequest,
	4008: ErrBadRequest, sessionEnded: ErrUnauthorized, 4403: ErrForbidden,
}

// Tunnel opens a TCP connection from the host of an SSH entry to an address as that host
// sees it; an empty host is the entry's own. It is not opened again when it breaks off,
// and closing it ends both directions. The context is for opening it alone. API keys
// cannot open tunnels.
func (c *Client) Tunnel(ctx context.Context, entryID int64, host string, port int, options ...TunnelOptions) (net.Conn, error) {
	failed := &Error{Operation: "Tunnel"}
	query := url.Values{"entryId": {strconv.FormatInt(entryID, 10)}, "remotePort": {strconv.Itoa(port)}}
	o := first(options)
	for name, value := range map[string]string{"remoteHost": host, "identityId": positive(o.IdentityID), "connectionReason": o.Reason} {
		if value != "" {
			query.Set(name, value)
		}
	}
	conn, status, err := c.dial(ctx, "/api/ws/tunnel", query, websocket.DialOptions{})
	if err != nil {
		return nil, failed.noSocket(ctx, status, err)
	}
	refused := func(kind error, message string) (net.Conn, error) {
		_ = conn.CloseNow()
		return nil, failed.because(kind, message, nil)
	}
	_, message, err := conn.Read(ctx)
	var ready struct{ Type string }
	var closing websocket.CloseError
	switch {
	case err == nil && json.Unmarshal(message, &ready) == nil && ready.Type == "ready":
		conn.SetReadLimit(maxFrame)
		return tunnel{websocket.NetConn(context.Background(), conn, websocket.MessageBinary)}, nil
	case err == nil:
		return refused(ErrUnexpected, "the first message is not of the form that the contract says")
	case errors.As(err, &closing) && tunnelKinds[closing.Code] != nil:
		return refused(tunnelKinds[closing.Code], closing.Reason)
	case ctx.Err() != nil:
		return refused(ctx.Err(), "the tunnel was given up")
	}
	return refused(ErrUnavailable, "the connection broke off")
}

// maxFrame is the most that either side sends at a time, in bytes.
const maxFrame = 1 << 20

// tunnel sends no frame that is too long.
type tunnel struct{ net.Conn }

func (t tunnel) Write(data []byte) (written int, err error) {
	for len(data) > 0 && err == nil {
		var n int
		n, err = t.Conn.Write(data[:min(len(data), maxFrame)])
		written, data = written+n, data[n:]
	}
	return written, err
}

// positive is an id as a parameter, empty if there is none.
func positive(id int64) string {
	if id == 0 {
		return ""
	}
	return strconv.FormatInt(id, 10)
}
