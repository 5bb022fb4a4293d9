package server

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
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
	id     string
	method string
	// route is the path as the contract writes it.
	route  string
	public bool
	// optional operations are public, but know callers with a valid credential.
	optional bool
	// sessionOnly is the refusal of API keys, empty where they are accepted.
	sessionOnly string
	// queryToken names the query parameter that carries the credential, if one does.
	queryToken  string
	permissions []permission.Name
	path        []*openapi3.Parameter
	query       []*openapi3.Parameter
	header      []*openapi3.Parameter
	// closedQuery refuses query parameters that the contract does not name.
	closedQuery bool
	// body is the schema of a JSON body; rawBody marks another one.
	body      *openapi3.Schema
	rawBody   bool
	bodyLimit int64
	// tooLarge is the refusal of bodies over the limit.
	tooLarge string
	limiter  string
	// transferred answers are compressed and not sent again without need.
	transferred bool
	// websocket operations go on as a WebSocket; their failures are close codes.
	websocket bool
}

// describedElsewhere are headers that OpenAPI says by other means, and ignores as
// parameters.
var describedElsewhere = []string{echo.HeaderAccept, echo.HeaderAuthorization, echo.HeaderContentType}

// readOperations reads all that the contract has.
func readOperations(contract *openapi3.T) ([]operation, error) {
	var all []operation
	for route, item := range contract.Paths.Map() {
		for method, op := range item.Operations() {
			o, err := newOperation(contract, item, op)
			if err != nil {
				return nil, fmt.Errorf("contract: %w", err)
			}
			o.route, o.method = route, method
			o.transferred = op.Responses.Value("304") != nil
			all = append(all, o)
		}
	}
	return all, nil
}

func newOperation(contract *openapi3.T, item *openapi3.PathItem, op *openapi3.Operation) (operation, error) {
	o := operation{id: op.OperationID, bodyLimit: defaultBodyLimit, websocket: op.Extensions["x-websocket"] == true}
	if err := o.readSecurity(contract, op); err != nil {
		return o, err
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
		case openapi3.ParameterInHeader:
			if slices.Contains(describedElsewhere, http.CanonicalHeaderKey(ref.Value.Name)) {
				return o, fmt.Errorf("%s has the header %s as a parameter", o.id, ref.Value.Name)
			}
			o.header = append(o.header, ref.Value)
		default:
			return o, fmt.Errorf("%s has a parameter in the %s", o.id, ref.Value.In)
		}
	}
	if limit, set := op.Extensions["x-body-limit"].(float64); set {
		o.bodyLimit = int64(limit)
	}
	o.tooLarge = fmt.Sprintf("The request body is larger than %d bytes", o.bodyLimit)
	if op.RequestBody != nil {
		content := op.RequestBody.Value.Content
		switch {
		case content.Get(echo.MIMEApplicationJSON) != nil:
			o.body = content.Get(echo.MIMEApplicationJSON).Schema.Value
		case content.Get(echo.MIMEOctetStream) != nil:
			o.rawBody = true
		default:
			return o, fmt.Errorf("%s takes neither JSON nor bytes", o.id)
		}
		if message, set := op.RequestBody.Value.Extensions["x-message"].(string); set {
			o.tooLarge = message
		}
	}
	o.limiter, _ = op.Extensions["x-rate-limit"].(string)
	o.closedQuery = op.Extensions["x-closed-query"] == true
	if o.websocket && (o.public || o.queryToken == "") {
		return o, fmt.Errorf("%s is a WebSocket and takes no token in the query", o.id)
	}
	if o.websocket && (op.RequestBody != nil || o.limiter != "") {
		return o, fmt.Errorf("%s is a WebSocket and has a body or a limiter", o.id)
	}
	return o, nil
}

// readSecurity reads which credentials the operation accepts. One that accepts
// session tokens only says how it refuses API keys in x-session-only.
func (o *operation) readSecurity(contract *openapi3.T, op *openapi3.Operation) error {
	if op.Security == nil {
		return fmt.Errorf("%s declares no security", o.id)
	}
	o.public, o.sessionOnly = true, "API keys cannot manage account credentials"
	if message, set := op.Extensions["x-session-only"].(string); set {
		o.sessionOnly = message
	}
	for _, requirement := range *op.Security {
		if len(requirement) == 0 {
			o.optional = true
		}
		for name := range requirement {
			o.public = false
			if name == "apiKeyToken" {
				o.sessionOnly = ""
			}
			if scheme := contract.Components.SecuritySchemes[name].Value; scheme.In == openapi3.ParameterInQuery {
				o.queryToken = scheme.Name
			}
		}
	}
	o.public = o.public || o.optional
	return nil
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

// guard admits requests to an operation.
func (s *server) guard(o operation) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if err := s.admit(o, c); err != nil {
				return err
			}
			return next(c)
		}
	}
}

// admit holds a request against its operation: credential, permission, parameters
// and body, in this order, each from the contract.
func (s *server) admit(o operation, c echo.Context) error {
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
	if err := o.checkHeader(c); err != nil {
		return err
	}
	return o.checkBody(c)
}

// validated carries a body that was read, checked and coerced, so that the
// generated code binds exactly that value (see runtime.BindJSONValue).
type validated struct {
	io.ReadCloser
	value any
}

func (v validated) ValidatedValue() any { return v.value }

func (o operation) checkBody(c echo.Context) error {
	if o.body == nil && !o.rawBody {
		return nil
	}
	r := c.Request()
	data, err := io.ReadAll(http.MaxBytesReader(c.Response(), r.Body, o.bodyLimit))
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return fail.TooLarge(o.tooLarge)
		}
		return fail.BadRequest("The request body could not be read")
	}
	if o.rawBody {
		r.Body = io.NopCloser(bytes.NewReader(data))
		return nil
	}
	value := any(map[string]any{})
	if len(data) > 0 {
		media, parameters, err := mime.ParseMediaType(r.Header.Get(echo.HeaderContentType))
		if err != nil || media != echo.MIMEApplicationJSON {
			return fail.UnsupportedMediaType("The request body must be application/json")
		}
		if charset, named := parameters["charset"]; named && !strings.EqualFold(charset, "utf-8") {
			return fail.UnsupportedMediaType("The request body must be in UTF-8")
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
	members, _ := value.(map[string]any)
	names := slices.DeleteFunc(propertyOrder(o.body), func(name string) bool { _, given := members[name]; return !given })
	c.SetRequest(r.WithContext(caller.WithMembers(r.Context(), names)))
	return nil
}
