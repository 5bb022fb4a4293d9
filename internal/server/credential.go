package server

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/vault"
)

// authenticate admits callers with the credential and the permissions that the
// operation asks for, and everybody to a public one.
func (s *server) authenticate(o operation, c echo.Context) error {
	if o.public && (!o.websocket || c.QueryParam(o.queryToken) == "") {
		return nil
	}
	ctx := c.Request().Context()
	find := s.fromHeader
	if o.queryToken != "" && (!o.headerToken || c.Request().Header.Get(echo.HeaderAuthorization) == "") {
		find = s.fromQuery
	}
	who, err := find(ctx, o, c.Request())
	if err != nil {
		return err
	}
	if o.notImpersonated && who.ImpersonatorID != 0 {
		return errImpersonated
	}
	for _, name := range o.permissions {
		if !who.Holds(name) {
			return fail.Forbidden("Forbidden")
		}
	}
	known(c, who)
	return nil
}

// known puts the caller into the request's context and its log line.
func known(c echo.Context, who *caller.Caller) {
	c.Get(routedKey).(*routed).account = who.AccountID
	c.SetRequest(c.Request().WithContext(caller.With(c.Request().Context(), who)))
}

func (s *server) fromHeader(ctx context.Context, o operation, r *http.Request) (*caller.Caller, error) {
	token, err := bearer(r.Header.Get(echo.HeaderAuthorization))
	if err != nil {
		return nil, err
	}
	who, err := caller.Find(ctx, s.queries, token, s.sessionIdleDays)
	if err == nil && o.sessionOnly != "" && who.SessionID == 0 {
		return nil, fail.Forbidden(o.sessionOnly)
	}
	return who, err
}

var (
	errNoToken       = fail.Unauthorized("Token required")
	errBadToken      = fail.Unauthorized("Invalid token")
	errNoSocketToken = fail.Unauthorized("Missing sessionToken")
	errNoSession     = fail.Unauthorized("Invalid session")
	errMissing       = fail.BadRequest("Missing parameters")
	// Sockets of connections have words of their own.
	errNoConnectionToken  = fail.Unauthorized("You need to provide the token in the 'sessionToken' parameter")
	errBadConnectionToken = fail.Unauthorized("The token is not valid")
	errImpersonated       = fail.Forbidden("Not while acting as another account")
)

// fromQuery reads a session token where clients cannot send headers. API keys do
// not count as used there.
func (s *server) fromQuery(ctx context.Context, o operation, r *http.Request) (*caller.Caller, error) {
	missing, invalid := errNoToken, errBadToken
	switch {
	case o.id == "openStateSocket":
		missing, invalid = errNoSocketToken, errNoSession
	case o.stream:
		missing, invalid = errMissing, errNoSession
	case o.websocket:
		missing, invalid = errNoConnectionToken, errBadConnectionToken
	}
	token := r.URL.Query().Get(o.queryToken)
	if token == "" {
		return nil, missing
	}
	if strings.HasPrefix(token, vault.APIKeyPrefix) {
		return nil, invalid
	}
	who, err := caller.Find(ctx, s.queries, token, s.sessionIdleDays)
	if refused := (*fail.Error)(nil); errors.As(err, &refused) {
		return nil, invalid
	}
	return who, err
}

// identify lets an operation that needs no credential know a caller who has a
// valid one. Every other Authorization header counts as none.
func (s *server) identify(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		token, err := bearer(c.Request().Header.Get(echo.HeaderAuthorization))
		if err != nil {
			return next(c)
		}
		who, err := caller.Find(c.Request().Context(), s.queries, token, s.sessionIdleDays)
		var refused *fail.Error
		switch {
		case err == nil:
			known(c, who)
		case !errors.As(err, &refused):
			return err
		}
		return next(c)
	}
}

// bearer reads the token of an Authorization header (RFC 6750, section 2.1).
// That a missing header is a 400 and not a 401 is the API's documented rule.
func bearer(header string) (string, error) {
	if header == "" {
		return "", fail.BadRequest("You need to provide the 'authorization' header")
	}
	scheme, token, found := strings.Cut(header, " ")
	if !found || !strings.EqualFold(scheme, "Bearer") || token == "" || strings.Contains(token, " ") {
		return "", fail.BadRequest("You need to provide the token in the 'authorization' header")
	}
	return token, nil
}
