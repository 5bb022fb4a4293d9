package ratelimit

import (
	"context"

	"github.com/nexterm-go/nexterm/gen/db"
)

// Attempt is one that counts only if it fails.
type Attempt struct {
	Limit   Limit
	Subject string
	// HandedBack tells that it does not count any more.
	HandedBack bool
}

type attemptKey struct{}

// With stores the attempt that a request is.
func With(ctx context.Context, a *Attempt) context.Context {
	return context.WithValue(ctx, attemptKey{}, a)
}

// HandBack takes the attempt that the request is off the count, if it is one,
// with the statements of a change that proves it right.
func HandBack(ctx context.Context, q *db.Queries) error {
	a, counted := ctx.Value(attemptKey{}).(*Attempt)
	if !counted || a.HandedBack {
		return nil
	}
	a.HandedBack = true
	return a.Limit.HandBack(ctx, q, a.Subject)
}
