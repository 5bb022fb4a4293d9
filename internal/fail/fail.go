// Package fail owns the errors that a client may see: a status and a sentence.
// Everything else that goes wrong stays in the log and reaches the client as a
// plain 500 or 503.
package fail

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Error is an answer outside 2xx. Message is written for people and never
// contains a secret or what somebody else owns.
type Error struct {
	Status  int
	Message string
	// ServerTime tells a client whose code does not fit what time it is here.
	ServerTime string
	// Header goes out with the answer, over what is set already.
	Header map[string]string
}

func (e *Error) Error() string { return e.Message }

// BadRequest is 400: the request itself is wrong.
func BadRequest(message string) error { return &Error{Status: http.StatusBadRequest, Message: message} }

// Unauthorized is 401: the credential does not hold.
func Unauthorized(message string) error {
	return &Error{Status: http.StatusUnauthorized, Message: message}
}

// Forbidden is 403: the caller may see the thing but not do this to it.
func Forbidden(message string) error { return &Error{Status: http.StatusForbidden, Message: message} }

// NotFound is 404: there is no such thing, or the caller may not see it.
func NotFound(message string) error { return &Error{Status: http.StatusNotFound, Message: message} }

// Conflict is 409: the request contradicts what exists.
func Conflict(message string) error { return &Error{Status: http.StatusConflict, Message: message} }

// TooLarge is 413: the body is over its limit.
func TooLarge(message string) error {
	return &Error{Status: http.StatusRequestEntityTooLarge, Message: message}
}

// UnsupportedMediaType is 415: the body has another content type than JSON.
func UnsupportedMediaType(message string) error {
	return &Error{Status: http.StatusUnsupportedMediaType, Message: message}
}

// TooManyRequests is 429: the limit of the window is used up, as the header tells.
func TooManyRequests(message string, header map[string]string) error {
	return &Error{Status: http.StatusTooManyRequests, Message: message, Header: header}
}

// TooManyAtATime is 429 for what there may be only so many of at a time, of whoever has
// waited for its turn as long as a window. It is worth trying again in a second.
func TooManyAtATime(message string, most int, window time.Duration) error {
	limit := strconv.Itoa(most)
	return TooManyRequests(message, map[string]string{
		"RateLimit-Policy": fmt.Sprintf("%s;w=%.0f", limit, window.Seconds()), "RateLimit-Limit": limit,
		"RateLimit-Remaining": "0", "RateLimit-Reset": "1", "Retry-After": "1",
	})
}

// ServiceUnavailable is 503: something that is needed is away for now.
func ServiceUnavailable(message string) error {
	return &Error{Status: http.StatusServiceUnavailable, Message: message}
}

// ErrTooLong refuses lists that memory has no room for.
var ErrTooLong = ServiceUnavailable("The list is too long to be answered")

// Busy is 503 for what is there, but taken: it is worth trying again in a second.
func Busy(message string) *Error {
	return &Error{Status: http.StatusServiceUnavailable, Message: message, Header: map[string]string{"Retry-After": "1"}}
}

// OnNoRows names the failure of a query that found nothing; other errors pass.
func OnNoRows(err, failure error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return failure
	}
	return err
}

// OnConstraint names the failure of a statement that violates the named
// constraint; other errors pass.
func OnConstraint(err error, constraint string, failure error) error {
	var violation *pgconn.PgError
	if errors.As(err, &violation) && violation.ConstraintName == constraint {
		return failure
	}
	return err
}
