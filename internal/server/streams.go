package server

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
)

// longest is for what has no end of its own.
const longest = 365 * 24 * time.Hour

// streams lets a request last as long as parts of its body come and parts of its answer
// are read, each in time.
func (s *server) streams(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r, request := c.Get(routedKey).(*routed), c.Request()
		r.stream, r.bodyComes = true, func() func() { return func() {} }
		c.Response().Writer.(*hurrying).end = time.Now().Add(longest)
		reading := http.NewResponseController(c.Response().Writer)
		// The HTTP server's own limit would end the request while it is answered. Without
		// deadlines, as in a test's recorder, nothing waits either.
		_ = reading.SetReadDeadline(time.Time{})
		if request.Body != nil && request.Body != http.NoBody {
			request.Body = &arriving{request.Body, reading, s.patience}
		}
		if request.Method != http.MethodHead {
			return next(c)
		}
		c.Response().Writer = &bodiless{ResponseWriter: c.Response().Writer}
		err := next(c)
		if errors.Is(err, errBodiless) {
			return nil
		}
		return err
	}
}

// arriving is a body whose parts have to come in time.
type arriving struct {
	io.ReadCloser
	reading  *http.ResponseController
	patience time.Duration
}

func (a *arriving) Read(p []byte) (int, error) {
	_ = a.reading.SetReadDeadline(time.Now().Add(a.patience))
	n, err := a.ReadCloser.Read(p)
	if err != nil {
		_ = a.reading.SetReadDeadline(time.Time{})
	}
	return n, err
}

var errBodiless = errors.New("the answer to HEAD has no body")

// bodiless ends the answer to HEAD where its body would begin: nobody has to fetch it.
type bodiless struct {
	http.ResponseWriter
	failed bool
}

func (b *bodiless) WriteHeader(status int) {
	b.failed = status >= http.StatusBadRequest
	b.ResponseWriter.WriteHeader(status)
}

func (b *bodiless) Write(text []byte) (int, error) {
	if b.failed {
		return b.ResponseWriter.Write(text)
	}
	return 0, errBodiless
}

// Unwrap is for http.ResponseController.
func (b *bodiless) Unwrap() http.ResponseWriter { return b.ResponseWriter }
