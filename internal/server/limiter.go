package server

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/fail"
)

// limiter allows a number of failed attempts for each network in a fixed
// window, which begins with the first one. Attempts are counted in PostgreSQL,
// so that the limit holds over all servers.
type limiter struct {
	name    string
	limit   int
	window  time.Duration
	message string
}

// limiters are those that the contract names in x-rate-limit.
func limiters(loginLimit int) map[string]limiter {
	return map[string]limiter{
		"login": {
			name: "login", limit: loginLimit, window: 15 * time.Minute,
			message: "Too many authentication attempts. Please try again later.",
		},
	}
}

// limit counts the request before anything of it is read, tells the client
// where it stands, and hands back what ended well.
func (s *server) limit(l limiter) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			ctx := c.Request().Context()
			subject := network(caller.ClientFrom(ctx).IP)
			attempt, err := s.queries.CountAttempt(ctx, db.CountAttemptParams{
				Limiter: l.name, Subject: subject, WindowSeconds: int32(l.window / time.Second),
			})
			if err != nil {
				return err
			}
			header := c.Response().Header()
			reset := strconv.Itoa(int(attempt.SecondsLeft))
			remaining := max(0, l.limit-int(attempt.Hits))
			header.Set("RateLimit-Policy", strconv.Itoa(l.limit)+";w="+strconv.Itoa(int(l.window/time.Second)))
			header.Set("RateLimit-Limit", strconv.Itoa(l.limit))
			header.Set("RateLimit-Remaining", strconv.Itoa(remaining))
			header.Set("RateLimit-Reset", reset)
			if int(attempt.Hits) > l.limit {
				header.Set("Retry-After", reset)
				return fail.TooManyRequests(l.message)
			}
			c.Response().Before(func() {
				if c.Response().Status >= http.StatusMultipleChoices {
					return
				}
				// The client may be gone by now; the attempt is handed back all the same.
				if err := s.queries.ForgiveAttempt(context.WithoutCancel(ctx), db.ForgiveAttemptParams{Limiter: l.name, Subject: subject}); err != nil {
					s.log.WarnContext(ctx, "forgive attempt", "limiter", l.name, "error", err)
					return
				}
				header.Set("RateLimit-Remaining", strconv.Itoa(min(l.limit, remaining+1)))
			})
			return next(c)
		}
	}
}
