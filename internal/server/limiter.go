package server

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/ratelimit"
)

// handBackTime bounds what is done for an attempt after its answer is known.
const handBackTime = 2 * time.Second

// limiter is a limit for each network.
type limiter struct {
	ratelimit.Limit
	// queue is that of a limiter which counts failures only; the others have none.
	queue *ratelimit.Queue
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
		"login":  {Limit: login, queue: ratelimit.NewQueue()},
		"begin":  {Limit: begin},
		"device": {Limit: device, anonymousOnly: true},
		// Links cannot be guessed; this keeps whoever tries from being a burden.
		"share": {Limit: ratelimit.Limit{Name: "share", Max: 60, Window: time.Minute, Message: device.Message}},
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
			standing, end, err := l.count(ctx, s.queries, subject)
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
			if l.queue == nil {
				return next(c)
			}
			ctx = ratelimit.With(ctx, &ratelimit.Attempt{Limit: l.Limit, Subject: subject})
			c.SetRequest(c.Request().WithContext(ctx))
			// Every request is answered, even one that panics.
			c.Response().Before(func() {
				defer end()
				// What the server could not judge is no failure of the client's.
				if status := c.Response().Status; status >= http.StatusMultipleChoices && status < http.StatusInternalServerError {
					return
				}
				// The client may be gone by now; the attempt is handed back all the same.
				handing, cancel := context.WithTimeout(context.WithoutCancel(ctx), handBackTime)
				defer cancel()
				if err := ratelimit.HandBack(handing, s.queries); err != nil {
					s.log.WarnContext(ctx, "hand back an attempt", "limiter", l.Name, "error", err)
					return
				}
				header.Set("RateLimit-Remaining", strconv.Itoa(min(l.Max, standing.Remaining()+1)))
			})
			return next(c)
		}
	}
}

func (l limiter) count(ctx context.Context, q *db.Queries, subject string) (standing ratelimit.Standing, end func(), err error) {
	if l.queue != nil {
		return l.queue.Count(ctx, q, l.Limit, subject)
	}
	standing, err = l.Count(ctx, q, subject)
	return standing, nil, err
}
