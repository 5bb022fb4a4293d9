package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/nexterm-go/nexterm/openapi/sdk"
)

// Service is a Go type with the methods of a tag.
type Service struct {
	Name, Doc string
	Methods   []Method
}

type Method struct {
	Name, Summary, Doc, Route string
	// Arguments and Result are Go; Call is what the client sends.
	Arguments, Result, Call string
	Query                   *Query
	Pages                   *Pages
}

// Query are the parameters in the query of an operation.
type Query struct {
	Type   string
	Fields []Field
}

// Pages walk a paged list with the method that reads a page of it.
type Pages struct {
	Name, Item, Items string
	Cursor            bool
}

func (g *generator) services(services []sdk.Service) []Service {
	var out []Service
	for _, service := range services {
		s := Service{Name: pascal(service.Name), Doc: service.Description}
		for _, operation := range service.Operations {
			s.Methods = append(s.Methods, g.method(s.Name, operation))
		}
		slices.SortFunc(s.Methods, func(a, b Method) int { return strings.Compare(a.Name, b.Name) })
		out = append(out, s)
	}
	return out
}

func (g *generator) method(service string, operation sdk.Operation) Method {
	m := Method{
		Name: pascal(operation.Name), Doc: operation.Contract.Description,
		Route: fmt.Sprintf("%s %s, operation %s.", operation.Method, operation.Path, operation.ID),
	}
	m.Summary = summary(m.Name, operation.Contract.Summary)
	arguments, format, values := []string{"ctx context.Context"}, operation.Path, ""
	for _, p := range operation.Parameters {
		if p.In != openapi3.ParameterInPath {
			break
		}
		kind, verb, value := "int64", "%d", camel(p.Name)
		if p.Schema.Value.Type.Is("string") {
			kind, verb, value = "string", "%s", "url.PathEscape("+value+")"
		}
		arguments = append(arguments, camel(p.Name)+" "+kind)
		format = strings.Replace(format, "{"+p.Name+"}", verb, 1)
		values += ", " + value
	}
	path := fmt.Sprintf("%q", operation.Path)
	if values != "" {
		path = fmt.Sprintf("fmt.Sprintf(%q%s)", format, values)
	}
	call := fmt.Sprintf("call{name: %q, method: %q, path: %s", service+"."+m.Name, operation.Method, path)
	if body := sdk.Body(operation.Contract); body != nil {
		arguments = append(arguments, "body "+g.goType("", body))
		call += ", body: body"
	} else if operation.Contract.RequestBody != nil {
		arguments = append(arguments, "data []byte")
		call += ", body: data"
	}
	if m.Query = g.query(operation); m.Query != nil {
		arguments = append(arguments, "query ..."+m.Query.Type)
		call += ", query: first(query).values()"
	}
	if !slices.ContainsFunc(*operation.Contract.Security, func(r openapi3.SecurityRequirement) bool { return r["queryToken"] == nil }) && len(*operation.Contract.Security) > 0 {
		call += ", tokenInQuery: true"
	}
	if seconds := sdk.Patience(operation.Contract); seconds > 0 {
		call += fmt.Sprintf(", seconds: %d", seconds)
	}
	m.Arguments, m.Call = strings.Join(arguments, ", "), call+"}"
	answers := sdk.Answers(operation.Contract)
	switch {
	case len(answers) == 0:
		m.Result = "[]byte"
	case sdk.Confirms(answers[0].Value):
	default:
		m.Result = g.goType("", answers[0])
		if len(answers[0].Value.Properties) > 0 {
			m.Result = "*" + m.Result
		}
	}
	if operation.Pages != nil {
		items := answers[0].Value.Properties[operation.Pages.Items]
		m.Pages = &Pages{pascal(operation.Pages.Name), g.goType("", items.Value.Items), pascal(operation.Pages.Items), operation.Pages.Cursor}
	}
	return m
}

// summary begins with the method's name, as Go's comments do.
func summary(name, text string) string {
	if text = strings.TrimSuffix(text, "?") + "."; strings.HasPrefix(text, name+" ") {
		return text
	}
	return name + ": " + strings.ToLower(text[:1]) + text[1:]
}

func (g *generator) query(operation sdk.Operation) *Query {
	query := &Query{Type: pascal(operation.ID) + "Query"}
	for _, parameter := range operation.Parameters {
		if parameter.In == "query" {
			query.Fields = append(query.Fields, Field{
				Name: pascal(parameter.Name), Type: g.goType("", parameter.Schema), Tag: parameter.Name, Doc: parameter.Description,
			})
		}
	}
	if len(query.Fields) == 0 {
		return nil
	}
	return query
}
