package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/nexterm-go/nexterm/openapi/sdk"
)

// Type is a Go type of a named schema: an object, an enum or a union.
type Type struct {
	Name, Doc string
	Embedded  []string
	Fields    []Field
	Enum      []Value
	// Open objects keep the members that the contract does not name.
	Open bool
	// Tag is the property by which a union's variants differ.
	Tag      string
	Variants []Variant
}

type Field struct{ Name, Type, Tag, Doc string }

type Value struct{ Name, Text string }

type Variant struct {
	Name, Type string
	Tags       []string
}

type generator struct {
	schemas openapi3.Schemas
	// taken and given are the named schemas below request bodies and below answers, with
	// the methods that name them directly.
	taken, given map[string][]string
}

func newGenerator(document *openapi3.T, services []sdk.Service) *generator {
	g := &generator{schemas: document.Components.Schemas, taken: map[string][]string{}, given: map[string][]string{}}
	for _, service := range services {
		for _, operation := range service.Operations {
			method := pascal(service.Name) + "." + pascal(operation.Name)
			g.reach(g.taken, sdk.Body(operation.Contract), method)
			if answers := sdk.Answers(operation.Contract); len(answers) > 0 && !sdk.Confirms(answers[0].Value) {
				g.reach(g.given, answers[0], method)
			}
		}
	}
	return g
}

// reach notes the named schemas below a schema.
func (g *generator) reach(found map[string][]string, ref *openapi3.SchemaRef, method string) {
	if ref == nil {
		return
	}
	if name := sdk.SchemaName(ref); name != "" {
		users, known := found[name]
		if found[name] = users; method != "" {
			found[name] = append(users, method)
		}
		if known {
			return
		}
		method = ""
	}
	s := ref.Value
	g.reach(found, s.Items, method)
	g.reach(found, s.AdditionalProperties.Schema, "")
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		g.reach(found, s.Properties[name], "")
	}
	for _, part := range slices.Concat(s.OneOf, s.AllOf) {
		g.reach(found, part, "")
	}
}

func (g *generator) types() []Type {
	names := map[string]bool{}
	for _, found := range []map[string][]string{g.taken, g.given} {
		for name := range found {
			names[name] = true
		}
	}
	var types []Type
	for _, name := range slices.Sorted(maps.Keys(names)) {
		s := g.schemas[name].Value
		t := Type{Name: g.typeName(name), Doc: g.doc(name, s)}
		switch {
		case s.Type.Is("object") && len(s.Properties) > 0:
			t.Fields, t.Open = g.fields(name, s), s.AdditionalProperties.Has != nil && *s.AdditionalProperties.Has
		case len(s.AllOf) > 0:
			for _, part := range s.AllOf {
				t.Embedded = append(t.Embedded, g.goType("", part))
			}
		case s.Discriminator != nil:
			t.Tag, t.Variants = s.Discriminator.PropertyName, g.variants(name, s)
		case s.Type.Is("string") && len(s.Enum) > 0:
			for _, value := range s.Enum {
				t.Enum = append(t.Enum, Value{t.Name + pascal(value.(string)), value.(string)})
			}
		default:
			continue
		}
		types = append(types, t)
	}
	return types
}

// doc says which methods a type is for, and what the contract says of it.
func (g *generator) doc(name string, s *openapi3.Schema) string {
	var uses []string
	for role, methods := range map[string][]string{"body": g.taken[name], "answer": g.given[name]} {
		slices.Sort(methods)
		if methods = slices.Compact(methods); len(methods) > 0 && len(methods) < 4 {
			uses = append(uses, fmt.Sprintf("the %s of %s", role, strings.Join(methods, ", ")))
		}
	}
	slices.Sort(uses)
	if len(uses) == 0 {
		return s.Description
	}
	return fmt.Sprintf("%s is %s.\n%s", g.typeName(name), strings.Join(uses, " and "), s.Description)
}

func (g *generator) fields(schema string, s *openapi3.Schema) []Field {
	_, taken := g.taken[schema]
	var fields []Field
	for _, name := range sdk.Properties(s) {
		property, required := s.Properties[name], slices.Contains(s.Required, name)
		field := Field{Name: pascal(name), Type: g.goType(name, property), Tag: name}
		// A type that has a name says for itself what it is.
		if sdk.SchemaName(property) == "" {
			field.Doc = property.Value.Description + oneOf(property.Value.Enum)
		}
		if !required {
			field.Tag += ",omitzero"
		}
		field.Type = wrap(field.Type, property.Value, required, taken)
		fields = append(fields, field)
	}
	return fields
}

// oneOf lists the values that a text may have; the audit log has too many to list.
func oneOf(values []any) string {
	if len(values) < 2 || len(values) > 10 {
		return ""
	}
	return "\nOne of " + strings.ReplaceAll(strings.Trim(fmt.Sprintf("%q", values), "[]"), " ", ", ") + "."
}

// wrap makes room for what a plain Go value cannot say: null, and absence where
// the zero value means something else.
func wrap(goType string, s *openapi3.Schema, required, taken bool) string {
	threeState, _ := s.Extensions["x-go-type"].(string)
	switch {
	case strings.HasPrefix(threeState, "nullable."):
		return "Optional[" + goType + "]"
	case s.Type.Is("array") && required && taken:
		// A nil slice would be null.
		return strings.Replace(goType, "[]", "List[", 1) + "]"
	case s.Type.Is("array"), goType == "any", strings.HasPrefix(goType, "map["):
		return goType
	case s.Type.Is("object"):
		if !required || s.Nullable {
			return "*" + goType
		}
		return goType
	case !taken && s.Nullable, taken && !required && !zeroIsAbsent(s):
		return "Optional[" + goType + "]"
	}
	return goType
}

// zeroIsAbsent: what a body means without the property is what the zero value would
// mean, or the zero value would be refused.
func zeroIsAbsent(s *openapi3.Schema) bool {
	var zero any
	switch {
	case s.Type.Is("boolean"):
		return s.Default == false
	case s.Type.Is("string"):
		zero = ""
	case s.Type.Is("integer"), s.Type.Is("number"):
		zero = 0.0
	default:
		return true
	}
	return s.Nullable || s.VisitJSON(zero) != nil
}

func (g *generator) variants(name string, s *openapi3.Schema) []Variant {
	nameWords := words(name)
	suffix := capital(nameWords[len(nameWords)-1])
	tags := map[string][]string{}
	for tag, ref := range s.Discriminator.Mapping {
		variant := g.typeName(ref.Ref[strings.LastIndex(ref.Ref, "/")+1:])
		tags[variant] = append(tags[variant], tag)
	}
	var variants []Variant
	for _, part := range s.OneOf {
		variant := g.typeName(sdk.SchemaName(part))
		slices.Sort(tags[variant])
		variants = append(variants, Variant{strings.TrimSuffix(variant, suffix), variant, tags[variant]})
	}
	return variants
}

// goType is the Go type of a schema; name is the property's, if it is one's.
func (g *generator) goType(name string, ref *openapi3.SchemaRef) string {
	s := ref.Value
	switch named := sdk.SchemaName(ref); {
	case sdk.Secret(name, s):
		return "Secret"
	case named != "" && (len(s.Properties) > 0 || len(s.AllOf) > 0 || s.Discriminator != nil || len(s.Enum) > 0):
		return g.typeName(named)
	case s.Type.Is("string") && s.Format == "date-time":
		return "time.Time"
	case s.Type.Is("string"):
		return "string"
	case s.Type.Is("boolean"):
		return "bool"
	case s.Type.Is("integer") && s.Format == "int64":
		return "int64"
	case s.Type.Is("integer"):
		return "int"
	case s.Type.Is("number"):
		return "float64"
	case s.Type.Is("array"):
		return "[]" + g.goType("", s.Items)
	case s.AdditionalProperties.Schema != nil:
		return "map[string]" + g.goType("", s.AdditionalProperties.Schema)
	case s.Type.Is("object"):
		return "map[string]any"
	}
	return "any"
}

func (g *generator) typeName(schema string) string {
	name, _ := g.schemas[schema].Value.Extensions["x-sdk-name"].(string)
	return pascal(cmp.Or(name, schema))
}
