// Package openapi_test holds the contract against the rules that it is written by.
package openapi_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/gen"
	"github.com/nexterm-go/nexterm/internal/permission"
)

func load(t testing.TB) *openapi3.T {
	t.Helper()
	document, err := openapi3.NewLoader().LoadFromData(gen.Contract)
	require.NoError(t, err)
	return document
}

func TestContractKeepsItsRules(t *testing.T) {
	t.Parallel()
	for _, broken := range check(load(t)) {
		t.Error(broken)
	}
}

// Every rule is broken once, and has to say where.
func TestRulesNoticeWhatBreaksThem(t *testing.T) {
	t.Parallel()
	text := openapi3.NewStringSchema()
	inline := func() *openapi3.SchemaRef { return openapi3.NewObjectSchema().WithProperty("x", text).NewRef() }
	for place, breaks := range map[string]func(*openapi3.T){
		"openapi: ": func(d *openapi3.T) { d.OpenAPI = "3.1.0" },
		"GET /api/identity/list: operationId list_identities": func(d *openapi3.T) { get(d).OperationID = "list_identities" },
		"operationId getMe is used twice":                     func(d *openapi3.T) { get(d).OperationID = "getMe" },
		"GET /api/identity/list: tags":                        func(d *openapi3.T) { get(d).Tags = append(get(d).Tags, "session") },
		"GET /api/identity/list: tag other":                   func(d *openapi3.T) { get(d).Tags = []string{"other"} },
		"GET /api/identity/list: summary":                     func(d *openapi3.T) { get(d).Summary = "" },
		"GET /api/identity/list: description":                 func(d *openapi3.T) { get(d).Description = " " },
		"GET /api/identity/list: security is missing":         func(d *openapi3.T) { get(d).Security = nil },
		"GET /api/identity/list: security accepts nothing":    func(d *openapi3.T) { get(d).Security = &openapi3.SecurityRequirements{{"apiKeyToken": {}}} },
		"GET /api/identity/list: for sessions only, but":      func(d *openapi3.T) { get(d).Security = &openapi3.SecurityRequirements{{"sessionToken": {}}} },
		"GET /api/identity/list: status 403 is missing":       func(d *openapi3.T) { get(d).Extensions["x-not-impersonated"] = true },
		"GET /api/identity/list: x-permission public":         func(d *openapi3.T) { get(d).Extensions["x-permission"] = "public" },
		"GET /api/identity/list: x-permission is missing":     func(d *openapi3.T) { delete(get(d).Extensions, "x-permission") },
		"GET /api/identity/list: x-permission users.nothing":  func(d *openapi3.T) { get(d).Extensions["x-permission"] = []any{"users.view", "users.nothing"} },
		"GET /api/identity/list: x-permission org.manage":     func(d *openapi3.T) { get(d).Extensions["x-permission"] = "org.manage" },
		"GET /api/identity/list: no security, but":            func(d *openapi3.T) { get(d).Security = &openapi3.SecurityRequirements{} },
		"GET /api/identity/list: status 503 is missing":       func(d *openapi3.T) { get(d).Responses.Delete("503") },
		"GET /api/identity/list: status 400 is missing":       func(d *openapi3.T) { get(d).Responses.Delete("400") },
		"GET /api/identity/list: status 401 is missing":       func(d *openapi3.T) { get(d).Responses.Delete("401") },
		"POST /api/auth/device/create: status 401 is missing": func(d *openapi3.T) { d.Paths.Value("/api/auth/device/create").Post.Responses.Delete("401") },
		"PUT /api/identity: status 413 is missing":            func(d *openapi3.T) { put(d).Responses.Delete("413") },
		"PUT /api/identity: status 429 is missing":            func(d *openapi3.T) { put(d).Responses.Delete("429") },
		"GET /api/entry/list: status 429 is missing":          func(d *openapi3.T) { d.Paths.Value("/api/entry/list").Get.Responses.Delete("429") },
		"PUT /api/identity: status 415 is missing":            func(d *openapi3.T) { put(d).Responses.Delete("415") },
		"GET /api/identity/list: no success":                  func(d *openapi3.T) { get(d).Responses.Delete("200") },
		"GET /api/identity/list 200: no body":                 func(d *openapi3.T) { success(d).Content = nil },
		"GET /api/identity/list 200: an inline object":        func(d *openapi3.T) { success(d).Content.Get("application/json").Schema = inline() },
		"GET /api/identity/list 503: is not":                  func(d *openapi3.T) { get(d).Responses.Value("503").Ref = "" },
		"GET /api/identity/list default":                      func(d *openapi3.T) { get(d).Responses.Set("default", get(d).Responses.Value("503")) },
		"GET /api/auth/oidc/callback 302: no Location":        func(d *openapi3.T) { delete(callback(d).Headers, "Location") },
		"PUT /api/identity: a WebSocket begins with a GET":    func(d *openapi3.T) { put(d).Extensions["x-websocket"] = true },
		"PUT /api/identity: requestBody schema has no name":   func(d *openapi3.T) { body(d).Schema.Ref = "" },
		"PUT /api/identity: requestBody is required":          func(d *openapi3.T) { put(d).RequestBody.Value.Required = false },
		"schemas/NewIdentity.inner: nullable without a type": func(d *openapi3.T) {
			schema(d, "NewIdentity").Properties["inner"] = (&openapi3.Schema{Nullable: true}).NewRef()
		},
		"schemas/NewIdentity: additionalProperties":             func(d *openapi3.T) { schema(d, "NewIdentity").AdditionalProperties = openapi3.AdditionalProperties{} },
		"schemas/NewIdentity: no example":                       func(d *openapi3.T) { schema(d, "NewIdentity").Example = nil },
		"schemas/NewIdentity: the example":                      func(d *openapi3.T) { schema(d, "NewIdentity").Example = map[string]any{"name": "x"} },
		"schemas/NewIdentity.name: a text without a limit":      func(d *openapi3.T) { schema(d, "NewIdentity").Properties["name"].Value.MaxLength = nil },
		"schemas/NewIdentity.inner: an inline object":           func(d *openapi3.T) { schema(d, "NewIdentity").Properties["inner"] = inline() },
		"schemas/Identity: no example":                          func(d *openapi3.T) { schema(d, "Identity").Example = nil },
		"schemas/Identity: the example":                         func(d *openapi3.T) { schema(d, "Identity").Example = map[string]any{"id": "x"} },
		"schemas/Identity: required names nothing":              func(d *openapi3.T) { schema(d, "Identity").Required = []string{"nothing"} },
		"schemas/Lonely: nothing refers to it":                  func(d *openapi3.T) { d.Components.Schemas["Lonely"] = text.NewRef() },
		"/api/identity/{identityId}: x-message":                 func(d *openapi3.T) { delete(identityID(d).Extensions, "x-message") },
		"/api/identity/{identityId}: identityId is no id":       func(d *openapi3.T) { identityID(d).Schema.Value.Min = nil },
		"tag identity: x-alias /api/identity: /api/identity is": func(d *openapi3.T) { alias(d, "/api/identity", "/api/identity") },
		"tag identity: x-alias /api/nothing":                    func(d *openapi3.T) { alias(d, "/api/nothing", "/api/nothings") },
		"tag identity: x-alias /api/identity/list":              func(d *openapi3.T) { alias(d, "/api/identity/list", "/api/identities/list") },
		"tag identity: x-alias /api/sessions is used twice":     func(d *openapi3.T) { alias(d, "/api/identity", "/api/sessions") },
		"GET /api/identity/list: parameter search":              func(d *openapi3.T) { add(d, openapi3.NewQueryParameter("search")) },
		"GET /api/identity/list: parameter X-Tab is a text":     func(d *openapi3.T) { add(d, openapi3.NewHeaderParameter("X-Tab")) },
		"GET /api/identity/list: parameter tab is in the":       func(d *openapi3.T) { add(d, openapi3.NewCookieParameter("tab")) },
	} {
		document := load(t)
		breaks(document)
		broken := check(document)
		assert.Contains(t, strings.Join(broken, "\n"), place)
	}
}

func get(d *openapi3.T) *openapi3.Operation { return d.Paths.Value("/api/identity/list").Get }
func put(d *openapi3.T) *openapi3.Operation { return d.Paths.Value("/api/identity").Put }
func body(d *openapi3.T) *openapi3.MediaType {
	return put(d).RequestBody.Value.Content.Get("application/json")
}
func success(d *openapi3.T) *openapi3.Response { return get(d).Responses.Value("200").Value }
func callback(d *openapi3.T) *openapi3.Response {
	return d.Paths.Value("/api/auth/oidc/callback").Get.Responses.Value("302").Value
}
func schema(d *openapi3.T, name string) *openapi3.Schema { return d.Components.Schemas[name].Value }
func identityID(d *openapi3.T) *openapi3.Parameter {
	return d.Paths.Value("/api/identity/{identityId}").Parameters[0].Value
}
func alias(d *openapi3.T, group, plural string) {
	d.Tags.Get("identity").Extensions["x-alias"] = map[string]any{group: plural}
}
func add(d *openapi3.T, parameter *openapi3.Parameter) {
	get(d).Parameters = append(get(d).Parameters, &openapi3.ParameterRef{Value: parameter.WithSchema(openapi3.NewStringSchema())})
}

// checker collects what breaks a rule, each with its place.
type checker struct {
	document *openapi3.T
	broken   []string
	// used are the named schemas that something refers to.
	used map[string]bool
}

func check(document *openapi3.T) []string {
	c := &checker{document: document, used: map[string]bool{}}
	if document.OpenAPI != "3.0.3" {
		c.say("openapi: %s is not 3.0.3", document.OpenAPI)
	}
	seen := map[string]bool{}
	for _, path := range document.Paths.InMatchingOrder() {
		item := document.Paths.Value(path)
		for method, op := range item.Operations() {
			place := method + " " + path
			if seen[op.OperationID] {
				c.say("%s: operationId %s is used twice", place, op.OperationID)
			}
			seen[op.OperationID] = true
			c.operation(place, op)
			c.parameters(place, path, slices.Concat(item.Parameters, op.Parameters))
		}
	}
	for _, response := range document.Components.Responses {
		for _, content := range response.Value.Content {
			c.used[schemaName(content.Schema)] = true
		}
	}
	c.aliases()
	for _, name := range slices.Sorted(maps.Keys(document.Components.Schemas)) {
		place := "schemas/" + name
		c.inner(place, document.Components.Schemas[name].Value)
	}
	for name := range document.Components.Schemas {
		if !c.used[name] {
			c.say("schemas/%s: nothing refers to it", name)
		}
	}
	slices.Sort(c.broken)
	return slices.Compact(c.broken)
}

func (c *checker) say(format string, args ...any) {
	c.broken = append(c.broken, fmt.Sprintf(format, args...))
}

var camelCase = regexp.MustCompile(`^[a-z]+([A-Z][a-z0-9]*)*$`)

func (c *checker) operation(place string, op *openapi3.Operation) {
	if !camelCase.MatchString(op.OperationID) {
		c.say("%s: operationId %s is not camelCase", place, op.OperationID)
	}
	switch {
	case len(op.Tags) != 1:
		c.say("%s: tags are not exactly one", place)
	case c.document.Tags.Get(op.Tags[0]) == nil:
		c.say("%s: tag %s is not declared", place, op.Tags[0])
	}
	if strings.TrimSpace(op.Summary) == "" {
		c.say("%s: summary is missing", place)
	}
	if strings.TrimSpace(op.Description) == "" {
		c.say("%s: description is missing", place)
	}
	c.access(place, op)
	c.event(place, op)
	c.requestBody(place, op)
	c.responses(place, op)
}

// isPublic: no credential is needed, although one may be welcome.
func isPublic(op *openapi3.Operation) bool {
	return len(*op.Security) == 0 || slices.ContainsFunc(*op.Security, func(r openapi3.SecurityRequirement) bool { return len(r) == 0 })
}

// access: security is written down, and agrees with x-permission.
func (c *checker) access(place string, op *openapi3.Operation) {
	if op.Security == nil {
		c.say("%s: security is missing", place)
		return
	}
	public := isPublic(op)
	accepted := []string{"sessionToken", "queryToken"}
	if op.Extensions["x-websocket"] == true {
		accepted = []string{"socketToken"}
		if !strings.HasPrefix(place, "GET ") {
			c.say("%s: a WebSocket begins with a GET", place)
		}
	}
	if !public && !slices.ContainsFunc(*op.Security, func(r openapi3.SecurityRequirement) bool {
		return slices.ContainsFunc(accepted, func(name string) bool { return r[name] != nil })
	}) {
		c.say("%s: security accepts nothing with a session", place)
	}
	// What keeps API keys out is about credentials, which stay the account's own.
	if !public && len(*op.Security) == 1 && (*op.Security)[0]["sessionToken"] != nil && op.Extensions["x-not-impersonated"] != true {
		c.say("%s: for sessions only, but not x-not-impersonated", place)
	}
	var names []any
	switch value := op.Extensions["x-permission"].(type) {
	case nil:
		c.say("%s: x-permission is missing", place)
		return
	case []any:
		names = value
	default:
		names = []any{value}
	}
	for _, name := range names {
		text, _ := name.(string)
		special := (text == "public" || text == "by-row") && len(names) == 1
		if !special && !permission.Known(permission.Name(text), permission.System) {
			c.say("%s: x-permission %v is no system permission", place, name)
		}
		if (text == "public") != public {
			if public {
				c.say("%s: no security, but x-permission %s", place, text)
			} else {
				c.say("%s: x-permission public, but there is security", place)
			}
		}
	}
}

func (c *checker) requestBody(place string, op *openapi3.Operation) {
	if op.RequestBody == nil {
		return
	}
	for kind, content := range op.RequestBody.Value.Content {
		if kind != "application/json" {
			continue
		}
		name := schemaName(content.Schema)
		if name == "" {
			c.say("%s: requestBody schema has no name", place)
			continue
		}
		c.used[name] = true
		if !op.RequestBody.Value.Required && content.Schema.Value.VisitJSON(map[string]any{}) != nil {
			c.say("%s: requestBody is required, because {} is not valid", place)
		}
		c.example("schemas/"+name, content.Schema.Value)
		c.bounded("schemas/"+name, content.Schema.Value, map[*openapi3.Schema]bool{})
	}
}

// bounded: objects refuse unknown members, texts have an end.
func (c *checker) bounded(place string, s *openapi3.Schema, seen map[*openapi3.Schema]bool) {
	if seen[s] {
		return
	}
	seen[s] = true
	switch {
	case s.Type.Is("object"):
		closed := s.AdditionalProperties.Has != nil && !*s.AdditionalProperties.Has
		isMap := len(s.Properties) == 0 && (s.AdditionalProperties.Schema != nil || s.AdditionalProperties.Has != nil && s.MaxProps != nil)
		// An exception is written down; the contract grants two.
		if !closed && !isMap && s.Extensions["x-unknown-keys"] == nil {
			c.say("%s: additionalProperties is not false", place)
		}
		for name, property := range s.Properties {
			c.bounded(place+"."+name, property.Value, seen)
		}
		if more := s.AdditionalProperties.Schema; more != nil {
			c.bounded(place+".*", more.Value, seen)
		}
	case s.Type.Is("array"):
		c.bounded(place+"[]", s.Items.Value, seen)
	case s.Type.Is("string"):
		// Where a text may fill the body, the body's own limit is the end of it.
		if s.MaxLength == nil && len(s.Enum) == 0 && s.Pattern == "" && (s.Format == "" || s.Format == "password") && s.Extensions["x-bounded-by"] != "body" {
			c.say("%s: a text without a limit", place)
		}
	}
	for _, part := range slices.Concat(s.OneOf, s.AnyOf, s.AllOf) {
		c.bounded(place, part.Value, seen)
	}
}

var shared = map[string]string{
	"304": "NotModified", "400": "BadRequest", "401": "Unauthorized", "403": "Forbidden", "404": "NotFound", "409": "Conflict",
	"413": "PayloadTooLarge", "415": "UnsupportedMediaType", "416": "RangeNotSatisfiable", "426": "UpgradeRequired", "429": "TooManyRequests", "500": "InternalServerError", "502": "BadGateway", "503": "ServiceUnavailable",
}

func (c *checker) responses(place string, op *openapi3.Operation) {
	needed := []string{}
	switch {
	case op.Extensions["x-websocket"] == true: // its other failures are close codes
		needed = append(needed, "101", "400", "426")
	case op.Security != nil && !isPublic(op):
		needed = append(needed, "400", "401", "503")
	case op.Security != nil && len(*op.Security) > 0: // an account that is known may go before the answer
		needed = append(needed, "401")
	}
	if op.RequestBody != nil {
		needed = append(needed, "400", "413", "503")
		if op.RequestBody.Value.Content.Get("application/json") != nil {
			needed = append(needed, "415")
		}
	}
	if names, _ := op.Extensions["x-permission"].(string); permission.Known(permission.Name(names), permission.System) {
		needed = append(needed, "403")
	}
	if op.Extensions["x-not-impersonated"] != nil {
		needed = append(needed, "403")
	}
	takesTurns := op.Security != nil && !isPublic(op) && op.Extensions["x-stream"] != true && (!strings.HasPrefix(place, "GET ") || op.Extensions["x-large"] == true)
	if op.Extensions["x-rate-limit"] != nil || takesTurns {
		needed = append(needed, "429", "503")
	}
	for _, status := range needed {
		if op.Responses.Value(status) == nil {
			c.say("%s: status %s is missing", place, status)
		}
	}
	succeeds := false
	for status, response := range op.Responses.Map() {
		at := place + " " + status
		switch {
		case strings.HasPrefix(status, "2"):
			succeeds = true
			c.success(at, response.Value)
		case status == "101": // another protocol follows
			succeeds = true
		case status == "302": // a browser is sent on
			succeeds = true
			if location := response.Value.Headers["Location"]; location == nil || !location.Value.Required {
				c.say("%s: no Location", at)
			}
		case response.Ref != "#/components/responses/"+shared[status] || shared[status] == "":
			c.say("%s: is not the shared answer", at)
		}
	}
	if !succeeds {
		c.say("%s: no success", place)
	}
}

func (c *checker) success(place string, response *openapi3.Response) {
	if len(response.Content) == 0 {
		c.say("%s: no body", place)
	}
	for kind, content := range response.Content {
		if kind != "application/json" {
			continue
		}
		ref := content.Schema
		for schemaName(ref) == "" && ref.Value.Items != nil {
			ref = ref.Value.Items
		}
		switch name := schemaName(ref); {
		case name != "":
			c.used[name] = true
			c.example("schemas/"+name, ref.Value)
		case ref.Value.Type.Is("object") || ref.Value.Type == nil:
			c.say("%s: an inline object", place)
		}
		if content.Example != nil {
			if err := content.Schema.Value.VisitJSON(content.Example); err != nil {
				c.say("%s: the example is not valid: %v", place, err)
			}
		}
	}
}

func (c *checker) example(place string, s *openapi3.Schema) {
	if s.Example == nil {
		c.say("%s: no example", place)
		return
	}
	if err := s.VisitJSON(s.Example, openapi3.EnableFormatValidation()); err != nil {
		c.say("%s: the example is not valid: %v", place, err)
	}
}

// inner: every object has a name; required members exist.
func (c *checker) inner(place string, s *openapi3.Schema) {
	for _, name := range s.Required {
		if s.Properties[name] == nil && s.Type.Is("object") {
			c.say("%s: required names %s, which is no property", place, name)
		}
	}
	if s.Nullable && s.Type == nil {
		c.say("%s: nullable without a type", place)
	}
	below := map[string]*openapi3.SchemaRef{}
	for name, property := range s.Properties {
		below[place+"."+name] = property
	}
	if s.Items != nil {
		below[place+"[]"] = s.Items
	}
	if s.AdditionalProperties.Schema != nil {
		below[place+".*"] = s.AdditionalProperties.Schema
	}
	for i, part := range slices.Concat(s.OneOf, s.AnyOf, s.AllOf) {
		below[fmt.Sprintf("%s/%d", place, i)] = part
	}
	for at, ref := range below {
		if name := schemaName(ref); name != "" {
			c.used[name] = true
			continue
		}
		if ref.Value.Type.Is("object") && len(ref.Value.Properties) > 0 {
			c.say("%s: an inline object", at)
		}
		c.inner(at, ref.Value)
	}
}

// parameters: ids in paths say what is wrong with them; texts in queries and
// headers end.
func (c *checker) parameters(place, path string, parameters openapi3.Parameters) {
	for _, ref := range parameters {
		p, s := ref.Value, ref.Value.Schema.Value
		if name := schemaName(p.Schema); name != "" {
			c.used[name] = true
		}
		if strings.TrimSpace(p.Description) == "" {
			c.say("%s: parameter %s has no description", place, p.Name)
		}
		switch p.In {
		case "path":
			named := s.Type.Is("string") && (s.Pattern != "" || s.Format != "")
			if !named && (!s.Type.Is("integer") || s.Format != "int64" || s.Min == nil || *s.Min != 1) {
				c.say("%s: %s is no id (integer, int64, minimum 1)", path, p.Name)
			}
			if message, _ := p.Extensions["x-message"].(string); !strings.HasPrefix(message, "Invalid ") {
				c.say("%s: x-message of %s is missing", path, p.Name)
			}
		case "query", "header":
			if s.Type.Is("string") && s.MaxLength == nil && len(s.Enum) == 0 && s.Format == "" && s.Pattern == "" {
				c.say("%s: parameter %s is a text without a limit", place, p.Name)
			}
		default:
			// The one cookie there is ties a sign-in to its browser.
			if p.Name != "__Host-nexterm-login" {
				c.say("%s: parameter %s is in the %s", place, p.Name, p.In)
			}
		}
	}
}

var group = regexp.MustCompile(`^/api/[a-z-]+$`)

// aliases: from one group of paths to one plural that is no other group.
func (c *checker) aliases() {
	seen := map[any]bool{}
	for _, tag := range c.document.Tags {
		if strings.TrimSpace(tag.Description) == "" {
			c.say("tag %s: description is missing", tag.Name)
		}
		groups, isMap := tag.Extensions["x-alias"].(map[string]any)
		if tag.Extensions["x-alias"] != nil && !isMap {
			c.say("tag %s: x-alias is no map", tag.Name)
		}
		for from, to := range groups {
			plural, _ := to.(string)
			switch {
			case !group.MatchString(from) || !group.MatchString(plural) || from == plural:
				c.say("tag %s: x-alias %s: %v is not the plural of a group such as /api/identity", tag.Name, from, to)
			case !c.hasGroup(from):
				c.say("tag %s: x-alias %s names no path", tag.Name, from)
			case seen[to]:
				c.say("tag %s: x-alias %v is used twice", tag.Name, to)
			}
			seen[to] = true
		}
	}
}

func (c *checker) hasGroup(group string) bool {
	for path := range c.document.Paths.Map() {
		if path == group || strings.HasPrefix(path, group+"/") {
			return true
		}
	}
	return false
}

func schemaName(ref *openapi3.SchemaRef) string {
	name, found := strings.CutPrefix(ref.Ref, "#/components/schemas/")
	if !found {
		return ""
	}
	return name
}
