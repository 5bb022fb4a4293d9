package nexterm

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/http"
	"net/url"
	"time"

	"github.com/coder/websocket"
)

// The lists that [Client.Watch] brings.
const (
	StateEntries      = "ENTRIES"
	StateIdentities   = "IDENTITIES"
	StateSnippets     = "SNIPPETS"
	StateConnections  = "CONNECTIONS"
	StateLiveSessions = "LIVE_SESSIONS"
)

// StateUpdate is a list as it is now. Type says which of the fields is set.
type StateUpdate struct {
	Type string
	// Entries are the tree that Entries.Tree answers, Identities and Snippets what
	// their List does.
	Entries    []EntryNode
	Identities []Identity
	Snippets   []Snippet
	// Data is every list as it came.
	Data json.RawMessage
}

// silence is how long a connection may be without the server's pings, which come every
// 30 seconds, before it counts as lost.
const silence = 75 * time.Second

// Close codes of the server.
const (
	tokenMissing websocket.StatusCode = 4001
	tokenInvalid websocket.StatusCode = 4003
	sessionEnded websocket.StatusCode = 4010
)

// Watch follows what the account sees: all lists at first, then each again when it
// changes. Connections that break off are opened again, and all lists come anew. It
// ends with an error, which matches [ErrUnauthorized] when the session has ended, or
// the context's error when that has. API keys cannot watch.
func (c *Client) Watch(ctx context.Context) iter.Seq2[StateUpdate, error] {
	return func(yield func(StateUpdate, error) bool) {
		for attempt := 0; ; attempt++ {
			stopped := false
			err := c.watch(ctx, func(update StateUpdate) bool {
				attempt = 0
				stopped = !yield(update, nil)
				return !stopped
			})
			if stopped {
				return
			}
			if err.permanent || attempt >= c.retries || !sleep(ctx, pause(attempt)) {
				yield(StateUpdate{}, err)
				return
			}
		}
	}
}

// watch is one connection; it ends without an error only when receive says so.
func (c *Client) watch(ctx context.Context, receive func(StateUpdate) bool) *Error {
	failed := &Error{Operation: "Watch"}
	alive, cancel := context.WithCancel(ctx)
	defer cancel()
	timer := time.AfterFunc(silence, cancel)
	defer timer.Stop()
	conn, status, err := c.dial(alive, "/api/ws/state", url.Values{}, websocket.DialOptions{
		OnPingReceived: func(context.Context, []byte) bool { return timer.Reset(silence) },
	})
	if err != nil {
		failed = failed.noSocket(ctx, status, err)
		switch kind := kinds[failed.Status]; {
		case failed.Status == 0:
		case errors.Is(kind, ErrUnavailable):
			failed.kind = kind
		default:
			failed.permanent = true
		}
		return failed
	}
	defer func() { _ = conn.CloseNow() }()
	conn.SetReadLimit(maxAnswer)
	for {
		_, message, err := conn.Read(alive)
		if err != nil {
			return failed.closed(ctx, err)
		}
		timer.Reset(silence)
		var update StateUpdate
		if err := update.decode(message); err != nil {
			failed.permanent = true
			return failed.because(ErrUnexpected, "a message is not of the form that the contract says", withoutText(err))
		}
		// The code that the server closes with says it again.
		if update.Type == "LOGOUT" {
			continue
		}
		if !receive(update) {
			_ = conn.Close(websocket.StatusNormalClosure, "")
			return nil
		}
	}
}

// dial opens a WebSocket of the client's session. Without one, the status is that of the
// answer, 0 if there was none.
func (c *Client) dial(ctx context.Context, path string, query url.Values, options websocket.DialOptions) (*websocket.Conn, int, error) {
	query.Set("sessionToken", string(c.authorize()))
	address := c.base
	address.Path += path
	address.RawQuery = query.Encode()
	options.HTTPClient, options.HTTPHeader = c.http, http.Header{"User-Agent": {c.userAgent}}
	//nolint:bodyclose // the library closes it
	conn, response, err := websocket.Dial(ctx, address.String(), &options)
	if err != nil && response != nil {
		return nil, response.StatusCode, err
	}
	return conn, 0, err
}

// noSocket is for a WebSocket that could not be opened.
func (e *Error) noSocket(ctx context.Context, status int, err error) *Error {
	if status == 0 || ctx.Err() != nil {
		return e.unreachable(ctx, err)
	}
	e.Status = status
	return e.because(ErrUnexpected, "the answer is no WebSocket; is there a proxy in between?", nil)
}

func (u *StateUpdate) decode(message []byte) error {
	var frame struct {
		Type string          `json:"type"`
		Data json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(message, &frame); err != nil {
		return err
	}
	u.Type, u.Data = frame.Type, frame.Data
	switch u.Type {
	case StateEntries:
		return json.Unmarshal(u.Data, &u.Entries)
	case StateIdentities:
		return json.Unmarshal(u.Data, &u.Identities)
	case StateSnippets:
		return json.Unmarshal(u.Data, &u.Snippets)
	}
	return nil
}

// closed says why a connection has ended.
func (e *Error) closed(ctx context.Context, err error) *Error {
	if ctx.Err() != nil {
		return e.because(ctx.Err(), "the feed was given up", nil)
	}
	var closing websocket.CloseError
	if !errors.As(err, &closing) {
		return e.because(ErrUnavailable, "the connection broke off", nil)
	}
	switch closing.Code {
	case tokenMissing, tokenInvalid, sessionEnded:
		e.permanent = true
		return e.because(ErrUnauthorized, closing.Reason, nil)
	case websocket.StatusPolicyViolation:
		return e.because(ErrTooManyRequests, closing.Reason, nil)
	}
	return e.because(ErrUnavailable, closing.Reason, nil)
}
