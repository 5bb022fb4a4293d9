package server

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-json"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/labstack/echo/v4"

	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/fail"
)

// writeError is the only place that writes an answer outside 2xx.
func (s *server) writeError(err error, c echo.Context) {
	if c.Response().Committed {
		// The client has seen another status; more often than not it is gone.
		s.log.WarnContext(c.Request().Context(), "failure after the answer began", "error", err)
		// Nobody takes what has come for all of it.
		_ = http.NewResponseController(c.Response().Writer).SetWriteDeadline(time.Unix(1, 0))
		return
	}
	failure := s.failure(err, c)
	for name, value := range failure.Header {
		c.Response().Header().Set(name, value)
	}
	body := errorBody{Code: failure.Status, Message: failure.Message, ServerTime: failure.ServerTime}
	if r, is := c.Get(routedKey).(*routed); is && r.stream {
		body.Error = failure.Message
	}
	encoded, err := json.Marshal(body)
	if err != nil {
		s.log.ErrorContext(c.Request().Context(), "encode error", "error", err)
		return
	}
	if err := c.Blob(failure.Status, errorContentType, encoded); err != nil {
		s.log.DebugContext(c.Request().Context(), "write error", "error", err)
	}
}

// errorBody is the contract's Error, for which no type is generated.
type errorBody struct {
	Code       int    `json:"code"`
	Message    string `json:"message"`
	ServerTime string `json:"serverTime,omitempty"`
	Error      string `json:"error,omitempty"`
}

// errorContentType names the character set although JSON has only one: the API
// documents it.
const errorContentType = "application/json; charset=utf-8"

// failure turns any error into what the client may see of it.
func (s *server) failure(err error, c echo.Context) *fail.Error {
	if callerIsGone(err) {
		err = caller.ErrGone
	}
	var named *fail.Error
	if errors.As(err, &named) {
		return named
	}
	var routed *echo.HTTPError
	if errors.As(err, &routed) {
		switch routed.Code {
		case http.StatusNotFound:
			return &fail.Error{Status: routed.Code, Message: "There is nothing at this path"}
		case http.StatusMethodNotAllowed:
			return &fail.Error{Status: routed.Code, Message: "This path does not support the method " + c.Request().Method}
		case http.StatusBadRequest:
			// The generated code's own words name Go types.
			return &fail.Error{Status: routed.Code, Message: "The request is malformed"}
		}
	}
	failure := databaseFailure(err)
	if errors.Is(c.Request().Context().Err(), context.Canceled) && (failure != nil || errors.Is(err, context.Canceled)) {
		// Nobody is listening any more; the status is for the log.
		return &fail.Error{Status: statusClientClosedRequest, Message: "The client has closed the connection"}
	}
	if failure != nil {
		s.log.WarnContext(c.Request().Context(), "database", "error", err)
		return failure
	}
	s.log.ErrorContext(c.Request().Context(), "unexpected failure", "error", err)
	return errInternal
}

var (
	errInternal     = &fail.Error{Status: http.StatusInternalServerError, Message: "Internal server error"}
	errDatabaseAway = &fail.Error{
		Status: http.StatusServiceUnavailable, Message: "The database is not available. Please try again later.",
	}
	errLeaving = &fail.Error{Status: http.StatusServiceUnavailable, Message: "The server is stopping"}
)

// errTaken is for what another change holds for longer than is worth the wait with
// a connection.
var errTaken = fail.Busy("Somebody else is changing this. Please try again later.")

// statusClientClosedRequest is nginx's name for a request that nobody waits for.
const statusClientClosedRequest = 499

// databaseFailure recognises what is not the server's fault: a database that is
// away, overloaded or shutting down, and text that PostgreSQL cannot hold; else it
// is nil. It is the one table of SQLSTATE codes, but for callerIsGone's.
func databaseFailure(err error) *fail.Error {
	var connect *pgconn.ConnectError
	var network net.Error
	var state *pgconn.PgError
	switch {
	case errors.As(err, &state):
		switch {
		case state.Code == "22021", state.Code == "22P05":
			return &fail.Error{Status: http.StatusBadRequest, Message: "The request contains characters that cannot be stored"}
		case state.Code == "57014": // its own limit, or somebody has canceled it
			return errTooSlow
		case state.Code == "55P03": // lock_timeout
			return errTaken
		case unavailable(state.Code):
			return errDatabaseAway
		}
	case errors.As(err, &connect):
		return errDatabaseAway
	case errors.Is(err, context.DeadlineExceeded):
		return errTooSlow
	case errors.As(err, &network), pgconn.SafeToRetry(err), errors.Is(err, net.ErrClosed), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return errDatabaseAway
	}
	return nil
}

// callerIsGone recognises a row of an account that somebody deleted after the
// credential was checked. Operations that name another account know of that
// themselves.
func callerIsGone(err error) bool {
	var state *pgconn.PgError
	return errors.As(err, &state) && state.Code == "23503" && namesAccount(state.ConstraintName)
}

// namesAccount reports whether a foreign key refers to accounts, by its name.
func namesAccount(constraint string) bool {
	return slices.ContainsFunc([]string{"_account_exists", "_creator_exists", "_authorizer_exists", "_impersonator_exists"}, func(suffix string) bool {
		return strings.HasSuffix(constraint, suffix)
	})
}

// unavailable are connection exceptions, lack of resources and operator
// intervention, and transactions that lost against another one.
func unavailable(code string) bool {
	return strings.HasPrefix(code, "08") || strings.HasPrefix(code, "53") || strings.HasPrefix(code, "57") ||
		code == "40001" || code == "40P01"
}

// recoverPanics answers 500 for a handler that panics; the stack goes to the log.
func (s *server) recoverPanics(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			r := recover()
			if r == nil {
				return
			}
			if aborted, ok := r.(error); ok && errors.Is(aborted, http.ErrAbortHandler) {
				panic(r)
			}
			s.logPanic(c.Request().Context(), r)
			err = errInternal
		}()
		return next(c)
	}
}

// logPanic logs what a recovered panic was about, and where.
func (s *server) logPanic(ctx context.Context, panicked any) {
	s.log.LogAttrs(ctx, slog.LevelError, "panic", slog.Any("panic", panicked), slog.String("stack", string(debug.Stack())))
}
