package server

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"
	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/nexterm-go/nexterm/internal/asset"
)

const (
	// compressedFrom is the length from which compression pays, in bytes.
	compressedFrom = 1 << 10
	// taggedUpTo bounds what is held of an answer until it is known whole, in bytes.
	taggedUpTo = 1 << 20
)

// heads routes HEAD wherever it routes GET. The HTTP server leaves the bodies out.
type heads struct{ *echo.Echo }

func (h heads) GET(path string, handler echo.HandlerFunc, before ...echo.MiddlewareFunc) *echo.Route {
	h.HEAD(path, handler, before...)
	return h.Echo.GET(path, handler, before...)
}

// The best speed takes a third of the time of the default for half as much again in bytes.
var zip = middleware.GzipWithConfig(middleware.GzipConfig{Level: gzip.BestSpeed, MinLength: compressedFrom})

// transfer compresses answers when asked to, and sends none again that the client
// has. It is for what is read: answers that hand out a secret are neither
// compressed, since their length would tell of it, nor told apart by a hash.
func transfer(next echo.HandlerFunc) echo.HandlerFunc {
	next = zip(tagged(next))
	return func(c echo.Context) error {
		header, coding := c.Request().Header, ""
		// The middleware takes any mention of gzip for a wish.
		if asset.Accepts(strings.Join(header.Values(echo.HeaderAcceptEncoding), ","), "gzip") {
			coding = "gzip"
		}
		header.Set(echo.HeaderAcceptEncoding, coding)
		return next(c)
	}
}

// tagged gives answers a weak entity tag, which is the same with and without
// compression, and answers 304 to those who know it (RFC 9110, section 13.1.2).
func tagged(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Response()
		h := &holding{ResponseWriter: r.Writer, held: buffers.Get().(*bytes.Buffer)}
		defer putBack(h.held)
		r.Writer = h
		defer func() {
			r.Writer = h.ResponseWriter
			// What fails before anything is out can still be answered with an error.
			r.Committed = h.passing
		}()
		if err := next(c); err != nil || h.passing || h.status == 0 {
			return err
		}
		header := r.Header()
		if h.status == http.StatusOK {
			etag := fmt.Sprintf(`W/"%x-%x"`, h.held.Len(), xxhash.Sum64(h.held.Bytes()))
			header.Set("ETag", etag)
			if knows(c.Request().Header.Values("If-None-Match"), etag) {
				header.Del(echo.HeaderContentType)
				r.Status, h.status = http.StatusNotModified, http.StatusNotModified
				h.held.Reset()
				return h.pass()
			}
		}
		header.Set(echo.HeaderContentLength, strconv.Itoa(h.held.Len()))
		return h.pass()
	}
}

// knows reads If-None-Match. A foreign tag may be torn at its commas: no part of
// it is one of ours.
func knows(values []string, etag string) bool {
	for known := range strings.SplitSeq(strings.Join(values, ","), ",") {
		known = strings.TrimSpace(known)
		if known == "*" || strings.TrimPrefix(known, "W/") == strings.TrimPrefix(etag, "W/") {
			return true
		}
	}
	return false
}

// holding keeps an answer back until it is whole, too long to keep, or flushed.
type holding struct {
	http.ResponseWriter
	held    *bytes.Buffer
	status  int
	passing bool
}

func (h *holding) WriteHeader(status int) { h.status = status }

func (h *holding) Write(text []byte) (int, error) {
	if !h.passing && h.held.Len()+len(text) <= taggedUpTo {
		return h.held.Write(text)
	}
	if err := h.pass(); err != nil {
		return 0, err
	}
	return h.ResponseWriter.Write(text)
}

// pass lets out what is held. The compression copies what it gets first, so that
// is short.
func (h *holding) pass() error {
	if !h.passing {
		h.passing = true
		h.ResponseWriter.WriteHeader(h.status)
		if h.held.Len() > compressedFrom {
			if _, err := h.ResponseWriter.Write(h.held.Next(compressedFrom)); err != nil {
				return err
			}
		}
	}
	_, err := h.held.WriteTo(h.ResponseWriter)
	return err
}

// FlushError and Unwrap are for http.ResponseController.
func (h *holding) FlushError() error {
	if err := h.pass(); err != nil {
		return err
	}
	return http.NewResponseController(h.ResponseWriter).Flush()
}

func (h *holding) Unwrap() http.ResponseWriter { return h.ResponseWriter }
