package server

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/nexterm-go/nexterm/internal/fail"
)

// defaultTimeout is how long an operation may take, waiting for its turn and for
// the database included, unless its x-timeout says otherwise.
const defaultTimeout = 10 * time.Second

var errTooSlow = &fail.Error{
	Status: http.StatusServiceUnavailable, Message: "The request took too long. Please try again later.",
}

// deadline ends an operation that takes too long, wherever it is. PostgreSQL's own
// limits do not hold while PostgreSQL does not answer.
func (s *server) deadline(timeout time.Duration) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			request := c.Request()
			if w, is := c.Response().Writer.(*hurrying); is && timeout > AnswerTime {
				w.end = time.Now().Add(timeout + AnswerTime)
			}
			ctx, cancel := context.WithCancelCause(request.Context())
			defer cancel(nil)
			timer := time.AfterFunc(timeout, func() { cancel(errTooSlow) })
			defer timer.Stop()
			// How quickly a client sends its body is its own affair, and net/http's.
			c.Get(routedKey).(*routed).bodyComes = func() func() {
				timer.Stop()
				return func() { timer.Reset(timeout) }
			}
			c.SetRequest(request.WithContext(ctx))
			err := next(c)
			// Who writes the error sees whether the client is gone, not this.
			c.SetRequest(request)
			var named *fail.Error
			if err == nil || errors.As(err, &named) || !errors.Is(context.Cause(ctx), errTooSlow) {
				return err
			}
			s.log.WarnContext(ctx, "request took too long", "error", err)
			return errTooSlow
		}
	}
}
