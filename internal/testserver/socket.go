package testserver

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/contract"
)

// patience is how long a test waits for a message that has to come.
const patience = 10 * time.Second

// Socket is an open WebSocket.
type Socket struct {
	*websocket.Conn
	t testing.TB
}

// Message is one message of the state socket.
type Message struct {
	Type string
	Data json.RawMessage
}

// Socket opens a WebSocket with the caller's token in the query, if there is one.
func (c *Client) Socket(path string) *Socket {
	c.t.Helper()
	return c.SocketBy(http.DefaultClient, path)
}

// SocketBy is Socket over connections of the test's own making, for subprotocols if any.
func (c *Client) SocketBy(client *http.Client, path string, subprotocols ...string) *Socket {
	c.t.Helper()
	target, err := url.Parse(c.url + path)
	require.NoError(c.t, err)
	if c.Token != "" {
		query := target.Query()
		query.Set("sessionToken", c.Token)
		target.RawQuery = query.Encode()
	}
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	conn, answer, err := websocket.Dial(ctx, target.String(), &websocket.DialOptions{HTTPClient: client, HTTPHeader: c.header, Subprotocols: subprotocols}) //nolint:bodyclose // it has none after an upgrade
	require.NoError(c.t, err)
	if operation := contract.Find(answer.Request); operation != nil {
		Record(c.t, operation.OperationID, answer.StatusCode, true)
	}
	conn.SetReadLimit(-1)
	c.t.Cleanup(func() { _ = conn.CloseNow() })
	return &Socket{conn, c.t}
}

// Next waits for the next message.
func (s *Socket) Next() Message {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	kind, frame, err := s.Read(ctx)
	require.NoError(s.t, err)
	require.Equal(s.t, websocket.MessageText, kind)
	var m Message
	require.NoError(s.t, json.Unmarshal(frame, &m), "%s", frame)
	return m
}

// Send sends a text message.
func (s *Socket) Send(message string) {
	s.t.Helper()
	require.NoError(s.t, s.Write(s.t.Context(), websocket.MessageText, []byte(message)))
}

// WantClose reads until the server closes the socket with this code and reason.
func (s *Socket) WantClose(code websocket.StatusCode, reason string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	for {
		_, _, err := s.Read(ctx)
		if err == nil {
			continue
		}
		var closed websocket.CloseError
		require.True(s.t, errors.As(err, &closed), "the socket ended with %v", err)
		require.Equal(s.t, websocket.CloseError{Code: code, Reason: reason}, closed)
		return
	}
}
