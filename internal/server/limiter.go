package server

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/ratelimit"
)

// limiter is a limit for each network.
type limiter struct {
	ratelimit.Limit
	// failuresOnly limiters hand back what ended well.
	failuresOnly bool
	// anonymousOnly limiters neither count nor tell callers with a credential.
	anonymousOnly bool
}

// limiters are those that the contract names in x-rate-limit.
func limiters(loginLimit, deviceLimit int) map[string]limiter {
	login := ratelimit.Limit{
		Name: "login", Max: loginLimit, Window: 15 * time.Minute,
		Message: "Too many authentication attempts. Please try again later.",
	}
	device := ratelimit.Limit{
		Name: "device", Max: deviceLimit, Window: time.Hour,
		Message: "Too many requests. Please try again later.",
	}
	// Beginning proves nothing, so it always counts: an office behind one address
	// begins more often than it fails.
	begin := ratelimit.Limit{Name: "begin", Max: 5 * loginLimit, Window: login.Window, Message: login.Message}
	return map[string]limiter{
		"login":  {Limit: login, failuresOnly: true},
		"begin":  {Limit: begin},
		"device": {Limit: device, anonymousOnly: true},
	}
}

// limit counts the request before anything of it is read, and tells the client
// where it stands.
func (s *server) limit(l limiter) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			ctx := c.Request().Context()
			if l.anonymousOnly && caller.Optional(ctx) != nil {
				return next(c)
			}
			subject := caller.ClientFrom(ctx).Network()
			standing, err := l.Count(ctx, s.queries, subject)
			if err != nil {
				return err
			}
			header := c.Response().Header()
			for name, value := range standing.Header() {
				header.Set(name, value)
			}
			if err := standing.Refusal(); err != nil {
				return err
			}
			if !l.failuresOnly {
				return next(c)
			}
			ctx = ratelimit.With(ctx, &ratelimit.Attempt{Limit: l.Limit, Subject: subject})
			c.SetRequest(c.Request().WithContext(ctx))
			c.Response().Before(func() {
				if c.Response().Status >= http.StatusMultipleChoices {
					return
				}
				// The client may be gone by now; the attempt is handed back all the same.
				if err := ratelimit.HandBack(context.WithoutCancel(ctx), s.queries); err != nil {
					s.log.WarnContext(ctx, "hand back an attempt", "limiter", l.Name, "error", err)
					return
				}
				header.Set("RateLimit-Remaining", strconv.Itoa(min(l.Max, standing.Remaining()+1)))
			})
			return next(c)
		}
	}
}
