package testserver

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
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
	Path      string
	t         testing.TB
	operation *contract.Operation
}

// Read reads a message. The code of a socket that is closed has to be one of the contract's.
func (s *Socket) Read(ctx context.Context) (websocket.MessageType, []byte, error) {
	kind, frame, err := s.Conn.Read(ctx)
	if code := websocket.CloseStatus(err); code != -1 && s.operation != nil {
		listed := slices.Contains(s.operation.CloseCodes(), strconv.Itoa(int(code)))
		if !listed {
			s.t.Errorf("%s closed with %d outside the contract", s.operation.OperationID, code)
		}
		Record(s.t, s.operation.OperationID, int(code), listed)
	}
	return kind, frame, err
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
	require.NoError(c.t, err, path)
	operation := contract.Find(answer.Request)
	if operation != nil {
		Record(c.t, operation.OperationID, answer.StatusCode, true)
	}
	conn.SetReadLimit(-1)
	c.t.Cleanup(func() { _ = conn.CloseNow() })
	return &Socket{conn, path, c.t, operation}
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
	require.Equal(s.t, websocket.CloseError{Code: code, Reason: reason}, s.WaitClosed(patience), s.Path)
}

// WaitClosed reads until the server closes the socket, and says how.
func (s *Socket) WaitClosed(within time.Duration) (closed websocket.CloseError) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), within)
	defer cancel()
	var err error
	for err == nil {
		_, _, err = s.Read(ctx)
	}
	require.True(s.t, errors.As(err, &closed), "%s ended with %v", s.Path, err)
	return closed
}
