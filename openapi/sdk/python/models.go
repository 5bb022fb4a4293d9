package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/nexterm-go/nexterm/openapi/sdk"
)

// Model is a Python type of a named schema. What is answered is a dataclass. What
// is a part of a body is a dict with the contract's own keys, also where it is
// answered, so that it can be changed and sent back.
type Model struct {
	Name, Doc string
	// Values are an enum's, Variants a union's, as Python writes them.
	Values, Variants string
	Dict             bool
	Bases            string
	Fields           []Field
}

// Field is a member of a model, or an argument of a method.
type Field struct {
	Name, JSON, Type, Default, Doc string
}

type generator struct {
	schemas openapi3.Schemas
	// sent are the objects inside of bodies, answered what is in answers. A body
	// itself is the arguments of its method.
	sent, answered map[string]bool
}

func newGenerator(schemas openapi3.Schemas, services []sdk.Service) *generator {
	g := &generator{schemas, map[string]bool{}, map[string]bool{}}
	for _, service := range services {
		for _, operation := range service.Operations {
			if body := sdk.Body(operation.Contract); body != nil {
				g.below(g.sent, body.Value)
			}
			for _, answer := range sdk.Answers(operation.Contract) {
				if !sdk.Confirms(answer.Value) {
					g.reach(g.answered, answer)
				}
			}
		}
	}
	return g
}

// reach notes the named schemas below a schema.
func (g *generator) reach(found map[string]bool, ref *openapi3.SchemaRef) {
	if ref == nil {
		return
	}
	if name := sdk.SchemaName(ref); name != "" {
		if found[name] {
			return
		}
		found[name] = true
	}
	g.below(found, ref.Value)
}

func (g *generator) below(found map[string]bool, s *openapi3.Schema) {
	g.reach(found, s.Items)
	g.reach(found, s.AdditionalProperties.Schema)
	for _, property := range s.Properties {
		g.reach(found, property)
	}
	for _, part := range slices.Concat(s.OneOf, s.AnyOf, s.AllOf) {
		g.reach(found, part)
	}
}

// models has the types that others are made of first.
func (g *generator) models() []Model {
	var enums, dicts, objects, derived, unions []Model
	for _, name := range slices.Sorted(maps.Keys(g.schemas)) {
		if !g.sent[name] && !g.answered[name] {
			continue
		}
		s := g.schemas[name].Value
		m := Model{Name: g.typeName(name), Doc: s.Description, Dict: g.sent[name]}
		switch {
		case s.Discriminator != nil:
			m.Variants = g.join(s.OneOf)
			unions = append(unions, m)
		case len(s.AllOf) > 0:
			m.Bases = g.join(s.AllOf)
			derived = append(derived, m)
		case len(s.Enum) > 0:
			m.Values = literals(s.Enum)
			enums = append(enums, m)
		case len(s.Properties) == 0:
		case m.Dict:
			m.Fields = g.members(s)
			dicts = append(dicts, m)
		default:
			m.Fields = g.fields(s)
			objects = append(objects, m)
		}
	}
	return slices.Concat(enums, dicts, objects, derived, unions)
}

func (g *generator) members(s *openapi3.Schema) []Field {
	var fields []Field
	for _, name := range sdk.Properties(s) {
		property := s.Properties[name]
		field := Field{Name: name, Type: g.pyType("", property), Doc: property.Value.Description}
		if slices.Contains(s.Required, name) {
			field.Type = "Required[" + field.Type + "]"
		}
		fields = append(fields, field)
	}
	return fields
}

// fields are a dataclass's. Where the contract's name is not the field's in
// camelCase, it is noted.
func (g *generator) fields(s *openapi3.Schema) []Field {
	var fields []Field
	for _, name := range sdk.Properties(s) {
		property := s.Properties[name]
		field := Field{Name: snake(name), Type: g.pyType("", property), Doc: property.Value.Description}
		var options []string
		if !slices.Contains(s.Required, name) {
			field.Type, field.Default = optional(field.Type), "None"
			options = append(options, "default=None")
		}
		if sdk.Secret(name, property.Value) {
			options = append(options, "repr=False")
		}
		if sdk.Camel(strings.Split(field.Name, "_")) != name {
			options = append(options, fmt.Sprintf(`metadata={"json": %q}`, name))
		}
		if text := strings.Join(options, ", "); text != "" && text != "default=None" {
			field.Default = "field(" + text + ")"
		}
		fields = append(fields, field)
	}
	return fields
}

// pyType is the annotation for a schema; module is where named ones are.
func (g *generator) pyType(module string, ref *openapi3.SchemaRef) string {
	s := ref.Value
	name := g.plain(module, s)
	if schema := sdk.SchemaName(ref); schema != "" && (len(s.Properties)+len(s.Enum)+len(s.AllOf) > 0 || s.Discriminator != nil) {
		name = module + g.typeName(schema)
	}
	if s.Nullable {
		return optional(name)
	}
	return name
}

func (g *generator) plain(module string, s *openapi3.Schema) string {
	switch {
	case len(s.Enum) > 0:
		return "Literal[" + literals(s.Enum) + "]"
	case len(s.OneOf)+len(s.AnyOf) > 0:
		var parts []string
		null := ""
		for _, part := range slices.Concat(s.OneOf, s.AnyOf) {
			name, nullable := strings.CutSuffix(g.pyType(module, part), " | None")
			if nullable {
				null = " | None"
			}
			parts = append(parts, name)
		}
		return strings.Join(parts, " | ") + null
	case s.Type.Is("string") && s.Format == "date-time":
		return "datetime"
	case s.Type.Is("string") && s.Format == "binary":
		return "bytes"
	case s.Type.Is("string"):
		return "str"
	case s.Type.Is("boolean"):
		return "bool"
	case s.Type.Is("integer"):
		return "int"
	case s.Type.Is("number"):
		return "float"
	case s.Type.Is("array"):
		return "List[" + g.pyType(module, s.Items) + "]"
	case s.AdditionalProperties.Schema != nil:
		return "Dict[str, " + g.pyType(module, s.AdditionalProperties.Schema) + "]"
	}
	return "Dict[str, Any]"
}

func (g *generator) join(refs []*openapi3.SchemaRef) string {
	var names []string
	for _, ref := range refs {
		names = append(names, g.pyType("", ref))
	}
	return strings.Join(names, ", ")
}

func optional(name string) string {
	if strings.HasSuffix(name, " | None") {
		return name
	}
	return name + " | None"
}

func literals(values []any) string {
	var texts []string
	for _, value := range values {
		texts = append(texts, strconv.Quote(value.(string)))
	}
	return strings.Join(texts, ", ")
}

func (g *generator) typeName(schema string) string {
	name, _ := g.schemas[schema].Value.Extensions["x-sdk-name"].(string)
	return cmp.Or(name, schema)
}
