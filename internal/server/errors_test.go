package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/fail"
)

// Failures are encoded by the quick library too, and keep their bytes.
func TestFailuresAreEncodedLikeTheStandardLibrary(t *testing.T) {
	t.Parallel()
	for want, failure := range map[string]*fail.Error{
		`{"code":404,"message":"Tag not found"}`: {Status: 404, Message: "Tag not found"},
		`{"code":401,"message":"TOTP","serverTime":"2026-01-31T12:00:00.000Z"}`: {
			Status: 401, Message: "TOTP", ServerTime: "2026-01-31T12:00:00.000Z",
		},
		`{"code":400,"message":"\u003ca href=\"x\"\u003e\u0026'\u2028\u0000\ufffd\u003c/a\u003e"}`: {Status: 400, Message: "<a href=\"x\">&'\u2028\x00\xff</a>"},
	} {
		standard, err := json.Marshal(errorBody{failure.Status, failure.Message, failure.ServerTime, ""})
		require.NoError(t, err)
		require.Equal(t, want, string(standard))
		answer, _ := failing(t, func(echo.Context) error { return failure })
		require.Equal(t, want, answer.Body.String())
	}
}

// failing serves one path whose handler fails in a chosen way.
func failing(t *testing.T, handler echo.HandlerFunc) (*httptest.ResponseRecorder, string) {
	t.Helper()
	var log bytes.Buffer
	s := &server{log: slog.New(NewLogHandler(slog.NewJSONHandler(&log, nil))), metrics: newMetrics(nil)}
	e := echo.New()
	e.HTTPErrorHandler = s.writeError
	e.Pre(s.observe)
	e.GET("/fails", handler)
	recorder := httptest.NewRecorder()
	e.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/fails", nil))
	return recorder, log.String()
}

func TestErrorShapes(t *testing.T) {
	t.Parallel()
	postgres := func(code string) error {
		return fmt.Errorf("query: %w", &pgconn.PgError{Code: code, Message: "detail"})
	}
	violated := func(constraint string) error {
		return fmt.Errorf("query: %w", &pgconn.PgError{Code: "23503", ConstraintName: constraint})
	}
	expired, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	_, dialing := pgconn.Connect(expired, "host=127.0.0.1 sslmode=disable")
	const away = "The database is not available. Please try again later."
	for name, c := range map[string]struct {
		err     error
		status  int
		message string
	}{
		"named":               {fail.NotFound("Identity does not exist"), 404, "Identity does not exist"},
		"wrapped":             {fmt.Errorf("in a transaction: %w", fail.Conflict("Taken")), 409, "Taken"},
		"unexpected":          {errors.New("select secret from accounts"), 500, "Internal server error"},
		"not routed":          {echo.ErrNotFound, 404, "There is nothing at this path"},
		"method":              {echo.ErrMethodNotAllowed, 405, "This path does not support the method GET"},
		"binding":             {echo.NewHTTPError(400, "error unmarshaling 'x' text as *int64"), 400, "The request is malformed"},
		"other of the router": {echo.NewHTTPError(500, "details"), 500, "Internal server error"},
		"not storable":        {postgres("22021"), 400, "The request contains characters that cannot be stored"},
		"not storable json":   {postgres("22P05"), 400, "The request contains characters that cannot be stored"},
		"connection":          {postgres("08006"), 503, away},
		"too many":            {postgres("53300"), 503, away},
		"shutdown":            {postgres("57P01"), 503, away},
		"starting":            {postgres("57P03"), 503, away},
		"serialization":       {postgres("40001"), 503, away},
		"deadlock":            {postgres("40P01"), 503, away},
		"constraint":          {postgres("23514"), 500, "Internal server error"},
		"caller gone":         {violated("tags_account_exists"), 401, "The account associated to the token is not registered"},
		"creator gone":        {violated("scripts_creator_exists"), 401, "The account associated to the token is not registered"},
		"other key":           {violated("entries_folder_exists"), 500, "Internal server error"},
		"syntax":              {postgres("42601"), 500, "Internal server error"},
		"no code":             {postgres(""), 500, "Internal server error"},
		"refused":             {&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, 503, away},
		"closed":              {fmt.Errorf("read: %w", net.ErrClosed), 503, away},
		"cut":                 {fmt.Errorf("read: %w", io.ErrUnexpectedEOF), 503, away},
		"lock timeout":        {postgres("55P03"), 503, errTaken.Message},
		"statement timeout":   {postgres("57014"), 503, errTooSlow.Message},
		"timeout":             {context.DeadlineExceeded, 503, errTooSlow.Message},
		"connect timeout":     {dialing, 503, away},
	} {
		recorder, log := failing(t, func(echo.Context) error { return c.err })
		require.Equal(t, c.status, recorder.Code, name)
		require.JSONEq(t, fmt.Sprintf(`{"code":%d,"message":%q}`, c.status, c.message), recorder.Body.String(), name)
		require.Equal(t, "application/json; charset=utf-8", recorder.Header().Get("Content-Type"), name)
		require.Equal(t, c.status == 500, bytes.Contains([]byte(log), []byte(`"level":"ERROR"`)), "%s: %s", name, log)
	}
}

func TestPanics(t *testing.T) {
	t.Parallel()
	for _, value := range []any{"secret detail", errors.New("secret detail"), nil} {
		recorder, log := failing(t, func(echo.Context) error { panic(value) })
		require.Equal(t, 500, recorder.Code)
		require.JSONEq(t, `{"code":500,"message":"Internal server error"}`, recorder.Body.String())
		require.Contains(t, log, "errors_test.go", "the stack tells where")
		require.Contains(t, log, `"request_id":"`+recorder.Header().Get("X-Request-Id"))
	}
	require.PanicsWithValue(t, http.ErrAbortHandler, func() {
		failing(t, func(echo.Context) error { panic(http.ErrAbortHandler) })
	}, "net/http handles that itself")
}

// An answer that has begun cannot become another one.
func TestFailureAfterTheAnswer(t *testing.T) {
	t.Parallel()
	recorder, log := failing(t, func(c echo.Context) error {
		_ = c.String(200, "begun")
		return errors.New("too late")
	})
	require.Equal(t, 200, recorder.Code)
	require.Equal(t, "begun", recorder.Body.String())
	require.Contains(t, log, "too late")
}

// A failure while an answer is held back is answered like any other.
func TestFailureBeforeTheAnswerIsOut(t *testing.T) {
	t.Parallel()
	for _, fails := range []func() error{func() error { return errDatabaseAway }, func() error { panic("secret detail") }} {
		recorder, _ := failing(t, transfer(func(c echo.Context) error {
			require.NoError(t, c.JSON(http.StatusOK, map[string]any{"half": true}))
			return fails()
		}))
		require.GreaterOrEqual(t, recorder.Code, 500)
		require.NotContains(t, recorder.Body.String(), "half")
		require.Contains(t, recorder.Body.String(), fmt.Sprintf(`"code":%d`, recorder.Code))
		require.Empty(t, recorder.Header().Get("ETag"))
	}
}
