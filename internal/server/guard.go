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
	"time"

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
	// notImpersonated operations refuse sessions that act as another account.
	notImpersonated bool
	// queryToken names the query parameter that carries the credential, if one does, and
	// headerToken says that a header counts before it.
	queryToken  string
	headerToken bool
	permissions []permission.Name
	path        []*openapi3.Parameter
	query       []*openapi3.Parameter
	header      []*openapi3.Parameter
	cookie      []*openapi3.Parameter
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
	timeout     time.Duration
	// ownTurns operations see to it themselves how many of them an account has.
	ownTurns bool
	// large operations answer all that the caller has of something.
	large bool
	// stream operations take or send what may last for hours: no time but that of each
	// part is theirs, and no turn among an account's writes.
	stream bool
	// form names the field with a form's JSON, where one may come instead of it.
	form string
	// passedOn operations are for the server that holds the connection.
	passedOn bool
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
	o := operation{
		id: op.OperationID, bodyLimit: defaultBodyLimit, timeout: defaultTimeout,
		large: op.Extensions["x-large"] == true, websocket: op.Extensions["x-websocket"] == true,
		ownTurns: op.Extensions["x-own-turns"] == true,
	}
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
			o.cookie = append(o.cookie, ref.Value)
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
	o.stream = op.Extensions["x-stream"] == true
	o.form, _ = op.Extensions["x-form"].(string)
	o.passedOn = op.Extensions["x-passed-on"] == true
	o.notImpersonated = op.Extensions["x-not-impersonated"] == true
	if seconds, set := op.Extensions["x-timeout"].(float64); set {
		o.timeout = time.Duration(seconds) * time.Second
	}
	o.limiter, _ = op.Extensions["x-rate-limit"].(string)
	o.closedQuery = op.Extensions["x-closed-query"] == true
	if o.websocket && (o.public && !o.optional || o.queryToken == "") {
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
			} else {
				o.headerToken = true
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

// guard admits requests to an operation: credential and permission, the caller's
// turn, then what is asked for.
func (s *server) guard(o operation) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if err := s.authenticate(o, c); err != nil {
				return err
			}
			leave, err := s.turns.take(c.Request().Context(), o)
			if err != nil {
				return err
			}
			defer leave()
			if err := o.check(c); err != nil {
				return err
			}
			return next(c)
		}
	}
}

// check holds a request against what the contract says of its operation:
// parameters and body, in this order.
func (o operation) check(c echo.Context) error {
	if err := o.checkPath(c); err != nil {
		return err
	}
	if err := o.checkQuery(c); err != nil {
		return err
	}
	if err := o.checkCookie(c); err != nil {
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

// formField makes an object of the JSON in a field of a form.
func formField(form, name string) (*bytes.Buffer, error) {
	fields, err := parseQuery(form)
	if err != nil {
		return nil, err
	}
	if fields.Get(name) == "" {
		return bytes.NewBufferString("{}"), nil
	}
	return bytes.NewBufferString(`{"` + name + `":` + fields.Get(name) + "}"), nil
}

func (o operation) checkBody(c echo.Context) error {
	if o.body == nil && !o.rawBody || o.rawBody && o.stream {
		return nil
	}
	r := c.Request()
	hasCome := c.Get(routedKey).(*routed).bodyComes()
	// As long as it says it is, so that reading does not copy it over and over.
	read := bytes.NewBuffer(make([]byte, 0, bytes.MinRead+max(0, min(r.ContentLength, o.bodyLimit))))
	_, err := read.ReadFrom(http.MaxBytesReader(c.Response(), r.Body, o.bodyLimit))
	hasCome()
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return fail.TooLarge(o.tooLarge)
		}
		return fail.BadRequest("The request body could not be read")
	}
	if o.rawBody {
		r.Body = io.NopCloser(read)
		return nil
	}
	value := any(map[string]any{})
	if read.Len() > 0 {
		media, parameters, err := mime.ParseMediaType(r.Header.Get(echo.HeaderContentType))
		if o.form != "" && media == echo.MIMEApplicationForm {
			if read, err = formField(read.String(), o.form); err != nil {
				return err
			}
			media = echo.MIMEApplicationJSON
			r.Header.Set(echo.HeaderContentType, media)
		}
		if err != nil || media != echo.MIMEApplicationJSON {
			return fail.UnsupportedMediaType("The request body must be application/json")
		}
		if charset, named := parameters["charset"]; named && !strings.EqualFold(charset, "utf-8") {
			return fail.UnsupportedMediaType("The request body must be in UTF-8")
		}
		if value, err = decodeObject(o.body, read.Bytes()); err != nil {
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
