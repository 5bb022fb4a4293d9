// Package ratelimit owns counting attempts in PostgreSQL, so that a limit holds
// over all servers of a deployment. It does not know what is attempted.
package ratelimit

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/fail"
)

// Limit allows each subject a number of attempts in a fixed window, which begins
// with the first one.
type Limit struct {
	// Name is the counter. Limits of one name count together.
	Name    string
	Max     int
	Window  time.Duration
	Message string
}

// Standing is where a subject stands after an attempt.
type Standing struct {
	limit       Limit
	refused     bool
	hits        int
	secondsLeft int
}

// Count counts an attempt of a subject, a network or an account, unless the
// window is used up.
func (l Limit) Count(ctx context.Context, q *db.Queries, subject string) (Standing, error) {
	row, err := q.CountAttempt(ctx, db.CountAttemptParams{
		Limiter: l.Name, Subject: subject, WindowSeconds: int32(l.Window / time.Second), Most: int32(l.Max),
	})
	if !errors.Is(err, pgx.ErrNoRows) {
		return Standing{limit: l, hits: int(row.Hits), secondsLeft: int(row.SecondsLeft)}, err
	}
	left, err := q.GetWindow(ctx, db.GetWindowParams{Limiter: l.Name, Subject: subject})
	return Standing{limit: l, refused: true, hits: l.Max, secondsLeft: int(left)}, fail.OnNoRows(err, nil)
}

// HandBack takes one attempt off the count.
func (l Limit) HandBack(ctx context.Context, q *db.Queries, subject string) error {
	return q.ForgiveAttempt(ctx, db.ForgiveAttemptParams{Limiter: l.Name, Subject: subject})
}

// Reset forgets all attempts of a subject.
func (l Limit) Reset(ctx context.Context, q *db.Queries, subject string) error {
	return q.DeleteAttempts(ctx, db.DeleteAttemptsParams{Limiter: l.Name, Subject: subject})
}

// Remaining is how many attempts the window has left.
func (s Standing) Remaining() int { return max(0, s.limit.Max-s.hits) }

// Header tells the client where it stands (draft-ietf-httpapi-ratelimit-headers,
// version 6).
func (s Standing) Header() map[string]string {
	limit := strconv.Itoa(s.limit.Max)
	return map[string]string{
		"RateLimit-Policy":    limit + ";w=" + strconv.Itoa(int(s.limit.Window/time.Second)),
		"RateLimit-Limit":     limit,
		"RateLimit-Remaining": strconv.Itoa(s.Remaining()),
		"RateLimit-Reset":     strconv.Itoa(s.secondsLeft),
	}
}

// Refusal is the answer to an attempt beyond the limit, nil within it.
func (s Standing) Refusal() error {
	if !s.refused {
		return nil
	}
	header := s.Header()
	header["Retry-After"] = header["RateLimit-Reset"]
	return fail.TooManyRequests(s.limit.Message, header)
}
