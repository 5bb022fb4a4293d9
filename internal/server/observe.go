package server

import (
	"context"
	"crypto/rand"
	"log/slog"
	"time"

	"github.com/coder/websocket"
	"github.com/labstack/echo/v4"

	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/live"
)

// routed collects what the inner layers learn about a request for its log line.
type routed struct {
	operation string
	account   int64
	// bodyComes stops the operation's time until what it returns is called.
	bodyComes func() func()
	// socket is what a request that became a WebSocket goes on with. It outlives
	// the request, whose memory and deep stack an idle socket has no use for.
	socket func()
	// stream requests are about files, whose clients read errors in a member of their own.
	stream bool
	// closeCode is what the server ends a socket with instead of serving it.
	closeCode websocket.StatusCode
}

const routedKey = "nexterm.routed"

// observe surrounds every request: it names it, knows its peer, answers its
// errors, counts it and logs one line about it, which names whom it has signed
// in. Query strings are not logged, because tokens travel in some.
func (s *server) observe(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		start := time.Now()
		requestID := rand.Text()
		client := s.trust.client(c.Request())
		if ip, is := s.live.Passed(c.Request().Header.Get(live.PassedOn), c.Request().URL.RawQuery); is {
			client.IP, client.PassedOn = ip, true
		}
		r := &routed{}
		c.Set(routedKey, r)
		ctx := withRequestID(caller.WithClient(c.Request().Context(), client), requestID)
		ctx = caller.WithSignIn(ctx, func(accountID int64) { r.account = accountID })
		ctx, span := s.startSpan(ctx, c.Request())
		c.SetRequest(c.Request().WithContext(ctx))
		c.Response().Writer = &hurrying{c.Response().Writer, s.patience, start.Add(AnswerTime)}
		header := c.Response().Header()
		header.Set(echo.HeaderXRequestID, requestID)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Cache-Control", "no-store")
		if c.Request().TLS != nil {
			header.Set(echo.HeaderStrictTransportSecurity, "max-age=31536000")
		}

		if err := s.recoverPanics(next)(c); err != nil {
			s.writeError(err, c)
		}
		endSpan(span, r, c.Request().Method, c.Response().Status, client.IP)

		line := []slog.Attr{
			slog.String("method", c.Request().Method),
			slog.String("path", c.Request().URL.Path),
			slog.String("operation", r.operation),
			slog.Int("status", c.Response().Status),
			slog.Int64("account", r.account),
			slog.String("ip", client.IP),
		}
		if r.socket == nil {
			took := time.Since(start)
			level := slog.LevelInfo
			if c.Path() == healthPath || c.Path() == readyPath {
				level = slog.LevelDebug // asked for every few seconds, by nobody
			}
			s.metrics.observe(r.operation, c.Request().Method, c.Response().Status, took)
			s.log.LogAttrs(ctx, level, "request", append(line, slog.Duration("took", took))...)
			return nil
		}
		if r.closeCode != 0 {
			line = append(line, slog.Int("close", int(r.closeCode)))
		}
		ctx = context.WithoutCancel(ctx)
		go func() {
			r.socket()
			// No metric: how long it was open says nothing about how fast it was served.
			s.log.LogAttrs(ctx, slog.LevelInfo, "request", append(line, slog.Duration("took", time.Since(start)))...)
		}()
		return nil
	}
}

// named tells observe which operation the request has reached.
func (s *server) named(operation string) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			c.Get(routedKey).(*routed).operation = operation
			return next(c)
		}
	}
}
