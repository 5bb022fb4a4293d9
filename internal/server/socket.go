package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/labstack/echo/v4"

	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/ws"
)

// admitTimeout is how long a new socket may wait for the guard.
const admitTimeout = 10 * time.Second

// sockets are the WebSockets that are being served. They outlive their requests,
// which is why the HTTP server does not know of them.
type sockets struct {
	// stopping ends when the server stops.
	stopping context.Context
	stop     context.CancelFunc

	mu   sync.Mutex
	open sync.WaitGroup
}

func newSockets() *sockets {
	s := &sockets{}
	s.stopping, s.stop = context.WithCancel(context.Background())
	return s
}

// add counts a socket in, unless the server stops.
func (s *sockets) add() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping.Err() != nil {
		return false
	}
	s.open.Add(1)
	return true
}

// drain stops all sockets and waits for them.
func (s *sockets) drain() {
	s.mu.Lock()
	s.stop()
	s.mu.Unlock()
	s.open.Wait()
}

// socketContext has the values of a request, and ends when the server stops.
type socketContext struct {
	context.Context
	request context.Context
}

func (c socketContext) Value(key any) any {
	if value := c.request.Value(key); value != nil {
		return value
	}
	return c.Context.Value(key)
}

// registerSockets gives every operation that is a WebSocket its handler. What
// stands before it is the same as before other operations, but for the guard.
func (s *server) registerSockets(e *echo.Echo, all []operation, before map[string][]echo.MiddlewareFunc, handlers map[string]ws.Handler) error {
	left := maps.Clone(handlers)
	for _, o := range all {
		if !o.websocket {
			continue
		}
		handler := left[o.id]
		if handler == nil {
			return fmt.Errorf("contract: the WebSocket %s has no handler", o.id)
		}
		delete(left, o.id)
		e.Add(o.method, echoRoute(o.route), s.serveSocket(o, handler), before[o.id]...)
	}
	if len(left) > 0 {
		return fmt.Errorf("contract: there is no WebSocket %s to handle", slices.Sorted(maps.Keys(left)))
	}
	return nil
}

// serveSocket upgrades before the guard decides: browsers cannot read the answer
// to a failed upgrade, but they can read a close code.
func (s *server) serveSocket(o operation, handler ws.Handler) echo.HandlerFunc {
	admit := s.recoverPanics(func(c echo.Context) error {
		if err := s.authenticate(o, c); err != nil {
			return err
		}
		return o.check(c)
	})
	return func(c echo.Context) error {
		conn, err := upgrade(c)
		if err != nil {
			return err
		}
		r, request := c.Get(routedKey).(*routed), c.Request()
		waiting, cancel := context.WithTimeout(request.Context(), admitTimeout)
		defer cancel()
		c.SetRequest(request.WithContext(waiting))
		if err := admit(c); err != nil {
			code, reason := s.closing(err, c)
			r.closeCode = code
			r.socket = func() { conn.End(code, reason) }
			return nil
		}
		who, parameters := caller.Optional(c.Request().Context()), o.parameters(c)
		// For whoever passes the socket on to another server.
		parameters[o.queryToken] = c.QueryParam(o.queryToken)
		if !s.sockets.add() {
			r.closeCode = ws.GoingAway
			r.socket = func() { conn.End(ws.GoingAway, ws.ShuttingDown) }
			return nil
		}
		ctx := socketContext{s.sockets.stopping, context.WithoutCancel(caller.With(request.Context(), who))}
		r.socket = func() {
			defer s.sockets.open.Done()
			defer func() { _ = conn.CloseNow() }()
			defer func() {
				if r := recover(); r != nil {
					s.logPanic(ctx, r)
					conn.End(ws.InternalError, errInternal.Message)
				}
			}()
			handler(ctx, conn, who, parameters)
		}
		return nil
	}
}

// closing puts a failure into a close code.
func (s *server) closing(err error, c echo.Context) (websocket.StatusCode, string) {
	failure := s.failure(err, c)
	switch {
	case errors.Is(err, errNoSocketToken), errors.Is(err, errNoConnectionToken):
		return ws.TokenMissing, failure.Message
	case failure.Status == http.StatusUnauthorized:
		return ws.TokenInvalid, failure.Message
	case failure.Status == http.StatusBadRequest, failure.Status == http.StatusForbidden:
		return ws.PolicyViolation, failure.Message
	case failure.Status == http.StatusServiceUnavailable:
		return ws.TryAgainLater, failure.Message
	}
	return ws.InternalError, failure.Message
}
