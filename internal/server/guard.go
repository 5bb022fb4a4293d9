package server

import (
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"

	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/permission"
)

// defaultBodyLimit bounds request bodies, in bytes, unless the operation's
// x-body-limit says otherwise.
const defaultBodyLimit = 100 << 10

// operation is what the guard knows of one operation, read from the contract
// once, at start-up.
type operation struct {
	id          string
	public      bool
	sessionOnly bool
	permissions []permission.Name
	path        []*openapi3.Parameter
	query       []*openapi3.Parameter
	body        *openapi3.Schema
	bodyLimit   int64
	limiter     string
}

func newOperation(item *openapi3.PathItem, op *openapi3.Operation) (operation, error) {
	o := operation{id: op.OperationID, public: true, sessionOnly: true, bodyLimit: defaultBodyLimit}
	if op.Security == nil {
		return o, fmt.Errorf("%s declares no security", o.id)
	}
	for _, requirement := range *op.Security {
		o.public = false
		if _, accepted := requirement["apiKey"]; accepted {
			o.sessionOnly = false
		}
	}
	for _, name := range permissionNames(op) {
		if !permission.Known(name, permission.System) {
			return o, fmt.Errorf("%s names the unknown permission %s", o.id, name)
		}
		o.permissions = append(o.permissions, name)
	}
	for _, ref := range slices.Concat(item.Parameters, op.Parameters) {
		switch ref.Value.In {
		case openapi3.ParameterInPath:
			o.path = append(o.path, ref.Value)
		case openapi3.ParameterInQuery:
			o.query = append(o.query, ref.Value)
		default:
			return o, fmt.Errorf("%s has a parameter in the %s", o.id, ref.Value.In)
		}
	}
	if op.RequestBody != nil {
		content := op.RequestBody.Value.Content.Get(echo.MIMEApplicationJSON)
		if content == nil {
			return o, fmt.Errorf("%s takes another body than JSON", o.id)
		}
		o.body = content.Schema.Value
	}
	if limit, set := op.Extensions["x-body-limit"].(float64); set {
		o.bodyLimit = int64(limit)
	}
	o.limiter, _ = op.Extensions["x-rate-limit"].(string)
	return o, nil
}

// permissionNames reads x-permission: one name or a list of them, public, or
// by-row where the rows decide.
func permissionNames(op *openapi3.Operation) []permission.Name {
	var names []permission.Name
	switch value := op.Extensions["x-permission"].(type) {
	case string:
		if value != "public" && value != "by-row" {
			names = append(names, permission.Name(value))
		}
	case []any:
		for _, name := range value {
			names = append(names, permission.Name(name.(string)))
		}
	}
	return names
}

// guard admits a request to its operation: credential, permission, parameters
// and body, in this order, each from the contract.
func (s *server) guard(o operation) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if !o.public {
				if err := s.authenticate(o, c); err != nil {
					return err
				}
			}
			if err := o.checkPath(c); err != nil {
				return err
			}
			if err := o.checkQuery(c); err != nil {
				return err
			}
			if o.body != nil {
				if err := o.checkBody(c); err != nil {
					return err
				}
			}
			return next(c)
		}
	}
}

func (s *server) authenticate(o operation, c echo.Context) error {
	token, err := bearer(c.Request().Header.Get(echo.HeaderAuthorization))
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	who, err := caller.Find(ctx, s.queries, token)
	if err != nil {
		return err
	}
	if o.sessionOnly && who.SessionID == 0 {
		return fail.Forbidden("API keys cannot manage account credentials")
	}
	for _, name := range o.permissions {
		if !who.Holds(name) {
			return fail.Forbidden("Forbidden")
		}
	}
	c.Get(routedKey).(*routed).account = who.AccountID
	c.SetRequest(c.Request().WithContext(caller.With(ctx, who)))
	return nil
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

// checkPath accepts ids only: decimal, from 1 to the largest int64, no leading
// zero or sign.
func (o operation) checkPath(c echo.Context) error {
	for _, p := range o.path {
		text := c.Param(p.Name)
		id, err := strconv.ParseUint(text, 10, 64)
		if err != nil || id == 0 || id > math.MaxInt64 || text[0] == '0' || text[0] == '+' {
			return fail.BadRequest(parameterMessage(p))
		}
	}
	return nil
}

func parameterMessage(p *openapi3.Parameter) string {
	if message, set := p.Extensions["x-message"].(string); set {
		return message
	}
	return p.Name + " must be a positive number"
}

// checkQuery validates the query parameters that the contract names, takes out
// empty ones, which count as absent, and writes whole numbers plainly, as the
// generated code reads them. Unknown parameters are ignored.
func (o operation) checkQuery(c echo.Context) error {
	if len(o.query) == 0 {
		return nil
	}
	u := c.Request().URL
	values, err := parseQuery(u.RawQuery)
	if err != nil {
		return err
	}
	changed := false
	for _, p := range o.query {
		given := values[p.Name]
		if len(given) > 1 {
			return fail.BadRequest(p.Name + " must be given once")
		}
		if len(given) == 1 && given[0] == "" {
			delete(values, p.Name)
			given, changed = nil, true
		}
		if len(given) == 0 {
			if p.Required {
				return fail.BadRequest(p.Name + " is required")
			}
			continue
		}
		value, message := coerceText(p.Schema.Value, given[0], p.Name)
		if message == "" {
			message = violation(p.Schema.Value, value, p.Name)
		}
		if message != "" {
			return fail.BadRequest(message)
		}
		if whole, ok := value.(int64); ok && strconv.FormatInt(whole, 10) != given[0] {
			values.Set(p.Name, strconv.FormatInt(whole, 10))
			changed = true
		}
	}
	if changed {
		u.RawQuery = values.Encode()
	}
	return nil
}

// validated carries a body that was read, checked and coerced, so that the
// generated code binds exactly that value (see runtime.BindJSONValue).
type validated struct {
	io.ReadCloser
	value any
}

func (v validated) ValidatedValue() any { return v.value }

func (o operation) checkBody(c echo.Context) error {
	r := c.Request()
	data, err := io.ReadAll(http.MaxBytesReader(c.Response(), r.Body, o.bodyLimit))
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return fail.TooLarge(fmt.Sprintf("The request body is larger than %d bytes", o.bodyLimit))
		}
		return fail.BadRequest("The request body could not be read")
	}
	value := any(map[string]any{})
	if len(data) > 0 {
		if media, _, err := mime.ParseMediaType(r.Header.Get(echo.HeaderContentType)); err != nil || media != echo.MIMEApplicationJSON {
			return fail.UnsupportedMediaType("The request body must be application/json")
		}
		if value, err = decodeObject(data); err != nil {
			return err
		}
	}
	value = coerce(o.body, value)
	if message := violation(o.body, value, ""); message != "" {
		return fail.BadRequest(message)
	}
	r.Body = validated{r.Body, value}
	return nil
}
