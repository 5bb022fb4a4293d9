package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/nexterm-go/nexterm/openapi/sdk"
)

// Service is a Python class with the methods of a tag.
type Service struct {
	Name, Class, Doc string
	Methods          []Method
}

type Method struct {
	Arguments
	Name, Summary, Doc, Route string
	// Result is nothing where the answer only confirms, Union what the runtime is told
	// of it where it is one of several.
	Result, Union string
	// Call are the arguments of what sends it.
	Call  string
	Pages *Pages
}

// Pages walk a paged list with the method that reads a page of it.
type Pages struct {
	Arguments
	Name, Item, Items string
	Cursor            bool
}

// Arguments of a method: ids of the path and bytes by their place, members of the
// body and the query by their names.
type Arguments struct {
	Placed, Named []Field
}

// Parameters is how a method declares them, one in a line where they are many.
func (a Arguments) Parameters() string {
	all := []string{"self"}
	for _, field := range a.Placed {
		all = append(all, field.Name+": "+field.Type)
	}
	if len(a.Named) > 0 {
		all = append(all, "*")
	}
	for _, field := range a.Named {
		text := field.Name + ": " + field.Type
		if field.Default != "" {
			text += " = " + field.Default
		}
		all = append(all, text)
	}
	if line := strings.Join(all, ", "); len(line) < 90 {
		return line
	}
	return "\n        " + strings.Join(all, ",\n        ") + ",\n    "
}

// Hints are what the contract says of them.
func (a Arguments) Hints() string {
	var hints []string
	for _, field := range a.Named {
		if field.Doc != "" {
			hints = append(hints, field.Name+": "+strings.TrimSpace(field.Doc))
		}
	}
	return strings.Join(hints, "\n\n")
}

func (g *generator) services(services []sdk.Service) []Service {
	var out []Service
	for _, service := range services {
		s := Service{Name: snake(service.Name), Class: strings.ToUpper(service.Name[:1]) + service.Name[1:] + "Service", Doc: service.Description}
		for _, operation := range service.Operations {
			s.Methods = append(s.Methods, g.method(s.Name, operation))
		}
		slices.SortFunc(s.Methods, func(a, b Method) int { return strings.Compare(a.Name, b.Name) })
		out = append(out, s)
	}
	return out
}

func (g *generator) method(service string, operation sdk.Operation) Method {
	op := operation.Contract
	m := Method{
		Name: snake(operation.Name), Summary: strings.TrimRight(op.Summary, ".?") + ".", Doc: op.Description,
		Route: fmt.Sprintf("%s %s, operation %s.", operation.Method, operation.Path, operation.ID),
	}
	path := fmt.Sprintf("%q", operation.Path)
	for _, p := range operation.Parameters {
		if p.In != openapi3.ParameterInPath {
			break
		}
		m.Placed = append(m.Placed, Field{Name: snake(p.Name), Type: g.pyType("models.", p.Schema)})
		path = strings.Replace(path, "{"+p.Name+"}", "{segment("+snake(p.Name)+")}", 1)
	}
	if len(m.Placed) > 0 {
		path = "f" + path
	}
	m.Call = fmt.Sprintf("%q, %q, %s", service+"."+m.Name, operation.Method, path)
	switch body := sdk.Body(op); {
	case body != nil && len(body.Value.Properties) > 0:
		m.Named = g.arguments(body.Value)
		m.Call += ", body=" + dict(m.Named)
	case body == nil && op.RequestBody != nil:
		m.Placed = append(m.Placed, Field{Name: "data", Type: "bytes"})
		m.Call += ", body=data"
	}
	if query := g.query(operation); len(query) > 0 {
		m.Named = append(m.Named, query...)
		m.Call += ", query=" + dict(query)
	}
	if security := *op.Security; len(security) == 1 && security[0]["queryToken"] != nil {
		m.Call += ", token_in_query=True"
	}
	m.Result, m.Union = g.answer(op)
	if operation.Pages != nil {
		page := sdk.Answers(op)[0].Value
		item := g.pyType("models.", page.Properties[operation.Pages.Items].Value.Items)
		m.Pages = &Pages{Name: snake(operation.Pages.Name), Item: item, Items: snake(operation.Pages.Items), Cursor: operation.Pages.Cursor}
		// Where in the list a page begins is the iterator's own business.
		m.Pages.Named = slices.DeleteFunc(slices.Clone(m.Named), func(f Field) bool { return f.Name == "cursor" || f.Name == "offset" })
	}
	return m
}

// arguments are the members of a body. What may be left out is, and null is None.
func (g *generator) arguments(s *openapi3.Schema) []Field {
	var fields []Field
	for _, name := range sdk.Properties(s) {
		property := s.Properties[name]
		fields = append(fields, g.argument(name, property, slices.Contains(s.Required, name), property.Value.Description))
	}
	return fields
}

func (g *generator) query(operation sdk.Operation) []Field {
	var fields []Field
	for _, p := range operation.Parameters {
		if p.In == "query" {
			fields = append(fields, g.argument(p.Name, p.Schema, p.Required, p.Description))
		}
	}
	return fields
}

func (g *generator) argument(name string, ref *openapi3.SchemaRef, required bool, doc string) Field {
	field := Field{Name: snake(name), JSON: name, Type: g.pyType("models.", ref), Doc: doc}
	if !required {
		field.Type, field.Default = field.Type+" | Omit", "OMIT"
	}
	return field
}

// answer is what a method returns.
func (g *generator) answer(op *openapi3.Operation) (result, union string) {
	answers := sdk.Answers(op)
	var names []string
	for _, ref := range answers {
		names = append(names, g.pyType("models.", ref))
	}
	switch {
	case len(answers) == 0:
		return "bytes", ""
	case len(answers) > 1:
		return strings.Join(names, " | "), "Union[" + strings.Join(names, ", ") + "]"
	case sdk.Confirms(answers[0].Value):
		return "", ""
	}
	return names[0], ""
}

func dict(fields []Field) string {
	var members []string
	for _, field := range fields {
		members = append(members, fmt.Sprintf("%q: %s", field.JSON, field.Name))
	}
	return "{" + strings.Join(members, ", ") + "}"
}
