package server

import (
	"cmp"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/labstack/echo/v4"

	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/live"
)

var errNotAvailable = fail.ServiceUnavailable("Connection not available")

// passOn has the server that holds the connection in the path or the query answer. Whether the
// caller may know of it is for that server to say, as of any other; what is not known
// is answered here.
func (s *server) passOn(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		ctx := c.Request().Context()
		id, err := uuid.Parse(cmp.Or(c.Param("id"), c.QueryParam("sessionId")))
		if err != nil || caller.ClientFrom(ctx).PassedOn {
			return next(c)
		}
		row, err := s.queries.GetConnectionFate(ctx, id)
		if errors.Is(err, pgx.ErrNoRows) {
			return next(c)
		}
		if err != nil {
			return err
		}
		if row.NodeID == s.live.Node || row.State != "connecting" && row.State != "active" {
			return next(c)
		}
		address, err := s.live.Elsewhere(ctx, row.NodeID)
		if err != nil {
			return err
		}
		target, err := url.Parse(address)
		if err != nil || address == "" {
			return errNotAvailable
		}
		header, err := s.live.Pass(ctx, c.Request().URL.RawQuery)
		if err != nil {
			return err
		}
		var failed error
		proxy := &httputil.ReverseProxy{
			Transport: live.Nodes,
			Rewrite: func(r *httputil.ProxyRequest) {
				r.SetURL(target)
				r.Out.Host = r.In.Host
				r.Out.Header.Set(live.PassedOn, header)
			},
			ModifyResponse: func(r *http.Response) error {
				// They are the other server's.
				for name := range r.Header {
					c.Response().Header().Del(name)
				}
				return nil
			},
			ErrorHandler: func(_ http.ResponseWriter, _ *http.Request, err error) { failed = err },
			ErrorLog:     slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		}
		proxy.ServeHTTP(c.Response(), c.Request())
		if failed != nil {
			s.log.WarnContext(ctx, "pass a request on", "to", target.Host, "error", failed)
			return errNotAvailable
		}
		return nil
	}
}
