package nexterm

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// What an [Error] is about, for [errors.Is].
var (
	ErrBadRequest      = errors.New("bad request")
	ErrUnauthorized    = errors.New("unauthorized")
	ErrForbidden       = errors.New("forbidden")
	ErrNotFound        = errors.New("not found")
	ErrConflict        = errors.New("conflict")
	ErrTooManyRequests = errors.New("too many requests")
	// ErrUnavailable: the server cannot be reached, or cannot serve for now.
	ErrUnavailable = errors.New("unavailable")
	// ErrUnexpected: what answers does not speak this API, as a proxy's page or a
	// redirect, or breaks off.
	ErrUnexpected = errors.New("unexpected answer")
)

// Error is what every call fails with. It never has a secret in it.
type Error struct {
	// Operation is the method that failed, such as Entries.Create.
	Operation string
	// Status is the answer's, 0 without an answer.
	Status int
	// Message says what is wrong, for people.
	Message string
	// RequestID finds the request in the server's log, if it got there.
	RequestID string
	// RetryAfter is how long the server wants to be left alone, 0 if it does not say.
	RetryAfter time.Duration

	kind, cause error
	// connected: something may have been sent. broken: the answer was lost on the way.
	// permanent: another attempt would fail as well.
	connected, broken, permanent bool
}

func (e *Error) Error() string {
	var text strings.Builder
	text.WriteString("nexterm: ")
	if e.Operation != "" {
		text.WriteString(e.Operation + ": ")
	}
	if e.Status != 0 {
		fmt.Fprintf(&text, "%d ", e.Status)
	}
	text.WriteString(e.Message)
	if e.cause != nil {
		text.WriteString(": " + e.cause.Error())
	}
	if e.RequestID != "" {
		text.WriteString(" (request " + e.RequestID + ")")
	}
	return text.String()
}

// Unwrap gives [errors.Is] and [errors.As] what the error is about and what it comes
// from.
func (e *Error) Unwrap() []error {
	var all []error
	for _, err := range []error{e.kind, e.cause} {
		if err != nil {
			all = append(all, err)
		}
	}
	return all
}

func (e *Error) because(kind error, message string, cause error) *Error {
	e.kind, e.Message, e.cause = kind, message, cause
	return e
}

// unreachable is for requests that got no answer.
func (e *Error) unreachable(ctx context.Context, err error) *Error {
	if ctx.Err() != nil {
		return e.because(ctx.Err(), "the call was given up", nil)
	}
	// The text of url.Error has the address in it, and that may have a token.
	var address *url.Error
	if errors.As(err, &address) {
		err = address.Err
	}
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &certificate):
		e.permanent = true
		return e.because(ErrUnavailable, "the server's certificate is not to be trusted", err)
	case errors.As(err, &record), strings.Contains(err.Error(), "gave HTTP response to HTTPS client"):
		e.permanent = true
		return e.because(ErrUnexpected, "the server does not speak TLS; its address may begin with http://", err)
	}
	// It has taken its time already.
	var network net.Error
	e.permanent = errors.As(err, &network) && network.Timeout()
	return e.because(ErrUnavailable, "the server does not answer", err)
}

var kinds = map[int]error{
	http.StatusBadRequest: ErrBadRequest, http.StatusRequestEntityTooLarge: ErrBadRequest, http.StatusUnsupportedMediaType: ErrBadRequest,
	http.StatusUnauthorized: ErrUnauthorized, http.StatusForbidden: ErrForbidden, http.StatusNotFound: ErrNotFound,
	http.StatusConflict: ErrConflict, http.StatusTooManyRequests: ErrTooManyRequests,
	http.StatusBadGateway: ErrUnavailable, http.StatusServiceUnavailable: ErrUnavailable, http.StatusGatewayTimeout: ErrUnavailable,
}

// refused is for failures that the server tells.
func (e *Error) refused(response *http.Response, answer []byte) *Error {
	var failure struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(answer, &failure) != nil || failure.Message == "" {
		return e.foreign(response)
	}
	return e.because(kinds[e.Status], failure.Message, nil)
}

// foreign is for failures that something in between tells.
func (e *Error) foreign(response *http.Response) *Error {
	kind := kinds[e.Status]
	if !errors.Is(kind, ErrUnavailable) {
		kind = ErrUnexpected
	}
	return e.because(kind, http.StatusText(e.Status)+", and the answer is "+kindOf(response)+"; is there a proxy in between?", nil)
}
