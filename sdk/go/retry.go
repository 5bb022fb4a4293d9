package nexterm

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

const (
	// firstPause is doubled with each attempt.
	firstPause = 100 * time.Millisecond
	maxPause   = 5 * time.Second
	// patience is the longest Retry-After that is waited for; the caller decides about more.
	patience = 30 * time.Second
)

// again decides whether a call is repeated, and after which pause. What changes
// something is repeated only when it certainly has not been done: nothing was sent,
// or the server has turned it away.
func (c *Client) again(ctx context.Context, op call, err *Error, attempt int) (time.Duration, bool) {
	if attempt >= c.retries || ctx.Err() != nil || err.permanent || err.RetryAfter > patience {
		return 0, false
	}
	switch {
	case err.Status == http.StatusTooManyRequests:
	case err.Status == 0 && !err.connected && errors.Is(err, ErrUnavailable):
	case op.method == http.MethodGet && (err.broken || errors.Is(err, ErrUnavailable)):
	default:
		return 0, false
	}
	return max(pause(attempt), err.RetryAfter), true
}

// pause is random, so that clients that failed together do not come back together.
func pause(attempt int) time.Duration {
	longest := min(firstPause<<min(attempt, 10), maxPause)
	return longest/2 + rand.N(longest/2) //nolint:gosec // it is to spread, not to be secret
}

// retryAfter reads seconds, or a time (RFC 9110, section 10.2.3).
func retryAfter(header string) time.Duration {
	if seconds, err := strconv.Atoi(header); err == nil {
		return time.Duration(max(seconds, 0)) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(time.Until(at), 0)
	}
	return 0
}

// sleep reports whether the time has passed before the context ended.
func sleep(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
