package server_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// place is a member somewhere in a request body: its label in messages, its
// schema, and how to write the body with another value there.
type place struct {
	label    string
	schema   *openapi3.Schema
	required bool
	// together is what the object says when any of its required members is missing.
	together string
	path     []any
	root     map[string]any
}

// with writes the body with a value at the place; a json.RawMessage goes in as
// it is, so that it can break what surrounds it.
func (p place) with(value any) string { return encode(put(p.root, p.path, value)) }

// without writes the body without the member.
func (p place) without() string { return encode(put(p.root, p.path, nothing{})) }

type nothing struct{}

// put copies the containers on the way, never the original.
func put(container any, path []any, value any) any {
	if len(path) == 0 {
		return value
	}
	switch c := container.(type) {
	case map[string]any:
		copied := maps.Clone(c)
		name := path[0].(string)
		copied[name] = put(c[name], path[1:], value)
		if copied[name] == any(nothing{}) {
			delete(copied, name)
		}
		return copied
	case []any:
		copied := slices.Clone(c)
		copied[path[0].(int)] = put(c[path[0].(int)], path[1:], value)
		return copied
	}
	panic(fmt.Sprintf("no container at %v", path))
}

// encode is json.Marshal without its checks on json.RawMessage.
func encode(value any) string {
	switch v := value.(type) {
	case json.RawMessage:
		return string(v)
	case map[string]any:
		var members []string
		for _, name := range slices.Sorted(maps.Keys(v)) {
			members = append(members, encode(name)+":"+encode(v[name]))
		}
		return "{" + strings.Join(members, ",") + "}"
	case []any:
		var items []string
		for _, item := range v {
			items = append(items, encode(item))
		}
		return "[" + strings.Join(items, ",") + "]"
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(encoded)
}

// places lists every member that a schema names, nested ones too, in a valid
// body.
func places(schema *openapi3.Schema, root map[string]any) []place {
	var all []place
	var walk func(p place)
	walk = func(p place) {
		if len(p.schema.OneOf) > 0 {
			return // what fits one of several schemas is tested beside its operation
		}
		if len(p.path) > 0 {
			all = append(all, p)
		}
		descend := func(label string, step any, schema *openapi3.Schema, required bool) {
			together, _ := p.schema.Extensions["x-required-message"].(string)
			walk(place{label, schema, required, together, append(slices.Clone(p.path), step), p.root})
		}
		switch {
		case p.schema.Type.Is(openapi3.TypeObject):
			for _, name := range slices.Sorted(maps.Keys(p.schema.Properties)) {
				descend(join(p.label, name), name, p.schema.Properties[name].Value, slices.Contains(p.schema.Required, name))
			}
			if more := p.schema.AdditionalProperties.Schema; more != nil {
				for _, name := range slices.Sorted(maps.Keys(valueAt(p.root, p.path).(map[string]any))) {
					if p.schema.Properties[name] == nil {
						descend(join(p.label, name), name, more.Value, false)
					}
				}
			}
		case p.schema.Type.Is(openapi3.TypeArray):
			descend(p.label+"[0]", 0, p.schema.Items.Value, true)
		}
	}
	complete := fullest(schema, root).(map[string]any)
	walk(place{schema: schema, root: complete})
	return all
}

func valueAt(container any, path []any) any {
	for _, step := range path {
		switch c := container.(type) {
		case map[string]any:
			container = c[step.(string)]
		case []any:
			container = c[step.(int)]
		}
	}
	return container
}

func join(label, name string) string {
	if label == "" {
		return name
	}
	return label + "." + name
}

// fullest completes an example with valid values for what it leaves out, so
// that every place exists.
func fullest(schema *openapi3.Schema, value any) any {
	switch {
	case schema.Type.Is(openapi3.TypeObject):
		object, _ := value.(map[string]any)
		object = maps.Clone(object)
		if object == nil {
			object = map[string]any{}
		}
		for name, property := range schema.Properties {
			object[name] = fullest(property.Value, object[name])
		}
		return object
	case schema.Type.Is(openapi3.TypeArray):
		list, _ := value.([]any)
		if len(list) == 0 {
			list = []any{nil}
		}
		list = slices.Clone(list)
		list[0] = fullest(schema.Items.Value, list[0])
		return list
	case value != nil:
		return value
	case schema.Example != nil:
		return schema.Example
	case len(schema.Enum) > 0:
		return schema.Enum[0]
	case schema.Type.Is(openapi3.TypeString):
		return letters(schema, max(1, int(schema.MinLength)))
	case schema.Type.Is(openapi3.TypeBoolean):
		return true
	case schema.Min != nil:
		return *schema.Min
	}
	return 1
}

// letters is a text of so many characters that fits the pattern, of characters
// that take four bytes where that is allowed.
func letters(schema *openapi3.Schema, count int) string {
	for _, letter := range []string{"𝄞", "é", "a", "1"} {
		text := strings.Repeat(letter, count)
		if len(text) < 64<<10 && fits(schema, text) {
			return text
		}
	}
	return strings.Repeat("a", count)
}

// value is one that a place takes or refuses, and why.
type value struct {
	why   string
	value any
}

// fits reports whether a text fits the schema's pattern, in whose language Go's
// own regular expressions are not.
func fits(schema *openapi3.Schema, text string) bool {
	return (&openapi3.Schema{Pattern: schema.Pattern}).VisitJSON(text) == nil
}

// refused lists values that break a rule of the place's schema.
func (p place) refused() []value {
	s := p.schema
	list := []value{}
	add := func(why string, v any) { list = append(list, value{why, v}) }
	if s.VisitJSON(nil) != nil {
		add("null", nil)
	}
	wrong := map[string]any{
		openapi3.TypeString: "text", openapi3.TypeBoolean: true, openapi3.TypeArray: []any{}, openapi3.TypeObject: map[string]any{},
	}
	if !isNumeric(s) {
		wrong["number"] = 5
	}
	if s.Type == nil { // a text or a number
		delete(wrong, openapi3.TypeString)
		delete(wrong, "number")
	}
	for _, kind := range slices.Sorted(maps.Keys(wrong)) {
		if !s.Type.Is(kind) {
			add(kind+" instead", wrong[kind])
		}
	}
	switch {
	case s.Type.Is(openapi3.TypeBoolean):
		add("text of a boolean", "true")
		add("0", 0)
	case isNumeric(s):
		list = append(list, p.refusedNumbers()...)
	case len(s.Enum) > 0:
		add("not in the enumeration", "never in an enumeration")
		if !slices.Contains(s.Enum, any("")) {
			add("empty", "")
		}
		add("other case", strings.ToUpper(fmt.Sprint(s.Enum[0]))+" ")
	case s.Type.Is(openapi3.TypeString):
		if s.MinLength > 0 {
			add("a character too short", letters(s, int(s.MinLength)-1))
		}
		if s.MaxLength != nil {
			add("a character too long", letters(s, int(*s.MaxLength)+1))
		}
		if text := strings.Repeat("\u00e4", max(1, int(s.MinLength))); !fits(s, text) {
			add("outside the pattern", text)
		}
		if text := strings.Repeat(" ", max(1, int(s.MinLength))); !fits(s, text) {
			add("spaces", text)
		}
	case s.Type.Is(openapi3.TypeArray):
		if s.MinItems > 0 {
			add("an item too few", repeat(p, int(s.MinItems)-1))
		}
		if s.MaxItems != nil && !s.UniqueItems {
			add("an item too many", repeat(p, int(*s.MaxItems)+1))
		}
		if s.UniqueItems {
			add("an item twice", repeat(p, 2))
		}
	}
	return list
}

func (p place) refusedNumbers() []value {
	list := []value{
		{"a number and more", "12abc"}, {"no number", "abc"}, {"a space", " "}, {"spaced text", " 1"},
		{"hexadecimal text", "0x10"}, {"a sign", "+1"}, {"a word", "NaN"}, {"infinity", "Infinity"},
		{"huge", json.RawMessage("1e999")}, {"absurd", json.RawMessage("1e99999999")}, {"absurd text", "1e99999999"},
	}
	if p.schema.Extensions["x-empty"] == nil {
		list = append(list, value{"empty text", ""})
	}
	if p.schema.MultipleOf != nil {
		list = append(list, value{"no multiple", *p.schema.MultipleOf + 1}, value{"text of no multiple", fmt.Sprint(*p.schema.MultipleOf + 1)})
	}
	if p.schema.Type.Is(openapi3.TypeInteger) {
		list = append(list,
			value{"a fraction", 1.5}, value{"text of a fraction", "1.5"},
			value{"over int64", json.RawMessage("9223372036854775808")}, value{"under int64", json.RawMessage("-9223372036854775809")},
			value{"many digits", json.RawMessage(strings.Repeat("9", 3000))}, value{"tiny", json.RawMessage("1e-99999999")})
	}
	if p.schema.Min != nil {
		list = append(list, value{"under the minimum", *p.schema.Min - 1}, value{"text under the minimum", fmt.Sprintf("%.0f", *p.schema.Min-1)})
	}
	if p.schema.Max != nil {
		list = append(list, value{"over the maximum", *p.schema.Max + 1}, value{"text over the maximum", fmt.Sprintf("%.0f", *p.schema.Max+1)})
	}
	return list
}

func repeat(p place, count int) []any {
	return slices.Repeat([]any{valueAt(p.root, append(slices.Clone(p.path), 0))}, count)
}

// taken lists values at the edge of what the place's schema allows.
func (p place) taken() []value {
	s := p.schema
	list := []value{}
	add := func(why string, v any) { list = append(list, value{why, v}) }
	if s.VisitJSON(nil) == nil {
		add("null", nil)
	}
	switch {
	case isNumeric(s):
		for _, edge := range []*float64{s.Min, s.Max} {
			if edge != nil {
				add("the limit", *edge)
				add("the limit as text", fmt.Sprintf("%.0f", *edge))
				add("the limit with a point", json.RawMessage(fmt.Sprintf("%.1f", *edge)))
				add("the limit with an exponent", json.RawMessage(fmt.Sprintf("%.0fe0", *edge)))
			}
		}
		if s.Format == "int64" && s.Max == nil {
			add("the largest", json.RawMessage("9223372036854775807"))
			add("the largest as text", "9223372036854775807")
		}
	case len(s.Enum) > 0:
		for _, member := range s.Enum {
			add("a member", member)
		}
	case s.Type.Is(openapi3.TypeString):
		for why, length := range map[string]*uint64{"the least length": &s.MinLength, "the greatest length": s.MaxLength} {
			if length == nil || *length == 0 {
				continue
			}
			// Some patterns want more than the same letter again and again.
			if text := letters(s, int(*length)); fits(s, text) {
				add(why, text)
			}
		}
	case s.Type.Is(openapi3.TypeBoolean):
		add("true", true)
		add("false", false)
	}
	return list
}

func isNumeric(s *openapi3.Schema) bool {
	return s.Type.Is(openapi3.TypeInteger) || s.Type.Is(openapi3.TypeNumber)
}
