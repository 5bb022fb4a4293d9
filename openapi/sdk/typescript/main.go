// Command typescript writes the services of the TypeScript SDK: a method for each
// operation of the contract. The types that they take and answer are written by
// @hey-api/openapi-ts (sdk/typescript/openapi-ts.config.js), which would name the
// methods and their arguments in its own way.
package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/nexterm-go/nexterm/openapi/sdk"
)

func main() {
	if err := run("gen/contract.json", "sdk/typescript/src/services.gen.ts"); err != nil {
		fmt.Fprintln(os.Stderr, "typescript:", err)
		os.Exit(1)
	}
}

func run(contract, target string) error {
	_, services, err := sdk.Read(contract)
	if err != nil {
		return err
	}
	g := &generator{models: map[string]bool{}}
	var out bytes.Buffer
	if err := templates.ExecuteTemplate(&out, "services", g.services(services)); err != nil {
		return err
	}
	// What is imported is known once all is written.
	models := "import type {\n  " + strings.Join(slices.Sorted(maps.Keys(g.models)), ",\n  ") + ",\n} from './types.gen.js'\n"
	return os.WriteFile(target, bytes.Replace(out.Bytes(), []byte("// models\n"), []byte(models), 1), 0o644)
}

//go:embed typescript.tmpl
var text string

var templates = template.Must(template.New("").Funcs(template.FuncMap{"comment": comment, "quote": quote}).Parse(text))

// Service is a class with the methods of a tag.
type Service struct {
	Name, Class, Doc string
	Methods          []Method
}

type Method struct {
	Name, Doc, Arguments, Result, Call string
	Query                              *Query
	Pages                              *Pages
}

// Query is an interface of the parameters in the query of an operation.
type Query struct {
	Type, Place string
	Fields      []Field
}

type Field struct{ Name, Type, Doc string }

// Pages walk a paged list with the method that reads a page of it.
type Pages struct {
	Name, Item, Items string
	Cursor            bool
}

type generator struct {
	// models are the named types that are used.
	models map[string]bool
}

func (g *generator) services(services []sdk.Service) []Service {
	var out []Service
	for _, service := range services {
		s := Service{Name: service.Name, Class: upper(service.Name) + "Service", Doc: service.Description}
		for _, operation := range service.Operations {
			s.Methods = append(s.Methods, g.method(service.Name, operation))
		}
		slices.SortFunc(s.Methods, func(a, b Method) int { return strings.Compare(a.Name, b.Name) })
		out = append(out, s)
	}
	return out
}

var inPath = regexp.MustCompile(`\{([^}]*)\}`)

func (g *generator) method(service string, operation sdk.Operation) Method {
	op := operation.Contract
	place := service + "." + operation.Name
	m := Method{
		Name:   operation.Name,
		Doc:    comment("  ", op.Summary, op.Description, fmt.Sprintf("`%s %s`, operation %s", operation.Method, operation.Path, operation.ID)),
		Result: g.result(op),
		Query:  g.query(operation, place),
	}
	path, arguments := quote(operation.Path), []string{}
	for _, p := range operation.Parameters {
		if p.In != openapi3.ParameterInPath {
			break
		}
		arguments = append(arguments, p.Name+": "+g.typeOf(p.Schema))
		path = "path`" + inPath.ReplaceAllString(operation.Path, "$${$1}") + "`"
	}
	call := []string{"name: " + quote(place), "method: " + quote(operation.Method), "path: " + path}
	if op.RequestBody != nil {
		argument := "body: "
		if !op.RequestBody.Value.Required {
			argument = "body?: "
		}
		if schema := sdk.Body(op); schema != nil {
			argument += g.typeOf(schema)
		} else {
			argument += "Blob | ArrayBuffer | ArrayBufferView"
		}
		arguments, call = append(arguments, argument), append(call, "body")
	}
	if m.Query != nil {
		arguments, call = append(arguments, "query: "+m.Query.Type+" = {}"), append(call, "query")
	}
	if answers := form(op); answers != "object" {
		call = append(call, "answers: "+quote(answers))
	}
	if media := media(op); media != "" {
		call = append(call, "media: "+quote(media))
	}
	if len(*op.Security) > 0 && !slices.ContainsFunc(*op.Security, func(r openapi3.SecurityRequirement) bool { return r["queryToken"] == nil }) {
		call = append(call, "tokenInQuery: true")
	}
	if seconds := sdk.Patience(op); seconds > 0 {
		call = append(call, fmt.Sprintf("timeout: %d_000", seconds))
	}
	if secrets := secrets(op); len(secrets) > 0 {
		call = append(call, "secrets: ["+strings.Join(secrets, ", ")+"]")
	}
	m.Arguments, m.Call = strings.Join(append(arguments, "options?: CallOptions"), ", "), strings.Join(call, ", ")
	if operation.Pages != nil {
		items := sdk.Answers(op)[0].Value.Properties[operation.Pages.Items]
		m.Pages = &Pages{operation.Pages.Name, g.typeOf(items.Value.Items), operation.Pages.Items, operation.Pages.Cursor}
	}
	return m
}

func (g *generator) query(operation sdk.Operation, place string) *Query {
	query := &Query{Type: upper(operation.ID) + "Query", Place: place}
	for _, parameter := range operation.Parameters {
		if parameter.In == "query" {
			query.Fields = append(query.Fields, Field{parameter.Name, g.typeOf(parameter.Schema), comment("  ", parameter.Description)})
		}
	}
	if len(query.Fields) == 0 {
		return nil
	}
	return query
}

// result is what a method answers: one of several types, if the status decides.
func (g *generator) result(op *openapi3.Operation) string {
	switch form(op) {
	case "bytes":
		return "Blob"
	case "text":
		return "string"
	case "nothing":
		return "void"
	}
	var types []string
	for _, schema := range sdk.Answers(op) {
		if name := g.typeOf(schema); !slices.Contains(types, name) {
			types = append(types, name)
		}
	}
	return strings.Join(types, " | ")
}

// form is what the client makes of an answer and checks: nothing where it only says
// that it is done, as the status does.
func form(op *openapi3.Operation) string {
	media := media(op)
	switch {
	case strings.HasPrefix(media, "text/"):
		return "text"
	case media != "":
		return "bytes"
	}
	switch schema := sdk.Answers(op)[0].Value; {
	case sdk.Confirms(schema):
		return "nothing"
	case schema.Type.Is("array"):
		return "array"
	case schema.Type.Is("boolean"):
		return "boolean"
	}
	return "object"
}

// media is the type of an answer that is no JSON; of several, plain text, which the
// alphabet has last.
func media(op *openapi3.Operation) string {
	if len(sdk.Answers(op)) > 0 {
		return ""
	}
	types := slices.Sorted(maps.Keys(op.Responses.Value("200").Value.Content))
	return strings.Split(types[len(types)-1], ";")[0]
}

// typeOf knows what answers and parameters are made of: named schemas, arrays of
// them, and plain values.
func (g *generator) typeOf(schema *openapi3.SchemaRef) string {
	if name := sdk.SchemaName(schema); name != "" {
		// As the types' generator is told, too.
		if other, renamed := schema.Value.Extensions["x-sdk-name"].(string); renamed {
			name = other
		}
		g.models[name] = true
		return name
	}
	switch {
	case schema.Value.Type.Is("array"):
		return g.typeOf(schema.Value.Items) + "[]"
	case schema.Value.Type.Is("integer"):
		return "number"
	default:
		return schema.Value.Type.Slice()[0]
	}
}

// secrets are the members of answers that are not to be printed.
func secrets(op *openapi3.Operation) []string {
	var names []string
	for _, schema := range sdk.Answers(op) {
		for _, name := range slices.Sorted(maps.Keys(schema.Value.Properties)) {
			if sdk.Secret(name, schema.Value.Properties[name].Value) {
				names = append(names, quote(name))
			}
		}
	}
	return names
}

func upper(name string) string { return strings.ToUpper(name[:1]) + name[1:] }

func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `\'`) + "'" }

// comment writes paragraphs as one that editors show; nothing for nothing.
func comment(indent string, paragraphs ...string) string {
	var lines []string
	for _, paragraph := range paragraphs {
		if paragraph = strings.TrimSpace(strings.ReplaceAll(paragraph, "*/", "* /")); paragraph == "" {
			continue
		}
		if len(lines) > 0 {
			lines = append(lines, indent+" *")
		}
		for line := range strings.Lines(paragraph) {
			lines = append(lines, strings.TrimRight(indent+" * "+line, " \n"))
		}
	}
	switch len(lines) {
	case 0:
		return ""
	case 1:
		return indent + "/** " + strings.TrimPrefix(lines[0], indent+" * ") + " */\n"
	}
	return indent + "/**\n" + strings.Join(lines, "\n") + "\n" + indent + " */\n"
}
