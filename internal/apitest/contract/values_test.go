package contract_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// generator makes values for schemas: most of them valid, many at a boundary,
// some of another kind altogether.
type generator struct{ *rand.Rand }

// one returns any of the values.
func one[T any](g generator, values ...T) T { return values[g.IntN(len(values))] }

// maxDepth ends schemas that refer to themselves.
const maxDepth = 6

func (g generator) value(s *openapi3.Schema, depth int) any {
	switch {
	case g.IntN(20) == 0:
		return g.wild(depth)
	case s.Example != nil && g.IntN(4) == 0:
		return s.Example
	case len(s.Enum) > 0 && g.IntN(10) > 0:
		return one(g, s.Enum...)
	case s.Nullable && g.IntN(6) == 0, depth > maxDepth:
		return nil
	}
	if parts := slices.Concat(s.OneOf, s.AnyOf); len(parts) > 0 {
		return g.value(one(g, parts...).Value, depth+1)
	}
	if len(s.AllOf) > 0 {
		merged := object{}
		for _, part := range s.AllOf {
			members, _ := g.value(part.Value, depth+1).(object)
			for name, value := range members {
				merged[name] = value
			}
		}
		return merged
	}
	switch {
	case s.Type.Is("object"):
		return g.object(s, depth)
	case s.Type.Is("array"):
		items := make([]any, g.length(s.MinItems, s.MaxItems, 3))
		for i := range items {
			items[i] = g.value(s.Items.Value, depth+1)
		}
		return items
	case s.Type.Is("string"):
		return g.text(s)
	case s.Type.Is("integer"), s.Type.Is("number"):
		return g.number(s)
	case s.Type.Is("boolean"):
		return g.IntN(2) == 0
	}
	return g.wild(depth)
}

func (g generator) object(s *openapi3.Schema, depth int) object {
	members := object{}
	for name, property := range s.Properties {
		required := slices.Contains(s.Required, name)
		if required && g.IntN(20) > 0 || !required && g.IntN(2) == 0 {
			members[name] = g.value(property.Value, depth+1)
		}
	}
	if more := s.AdditionalProperties.Schema; more != nil {
		for range g.length(s.MinProps, s.MaxProps, 3) {
			members[g.text(openapi3.NewStringSchema())] = g.value(more.Value, depth+1)
		}
	}
	if g.IntN(15) == 0 {
		members[one(g, "unknown", "__proto__", "", "id", strings.Repeat("k", 300))] = g.wild(depth)
	}
	return members
}

// length is a size within limits, at one, or just past it.
func (g generator) length(least uint64, most *uint64, usual uint64) int {
	sizes := []uint64{least, least + g.Uint64N(usual+1), least + g.Uint64N(usual+1), least + usual}
	if least > 0 {
		sizes = append(sizes, least-1)
	}
	// Longer ones are the limit of bodies, which has tests of its own.
	if most != nil && *most <= 4096 {
		sizes = append(sizes, *most, *most+1)
	}
	return int(one(g, sizes...))
}

func (g generator) text(s *openapi3.Schema) string {
	if s.Format == "date-time" || s.Format == "date" || g.IntN(12) == 0 {
		return one(g, "2026-01-31T12:00:00.000Z", "2026-01-31", "0000-00-00", "9999-12-31T23:59:59.999+14:00", "-0001-01-01T00:00:00Z",
			"292278-01-01T00:00:00Z", "2026-02-30", "2026-13-01T25:61:61Z")
	}
	alphabet := []rune(one(g, "a", "abcdefghijklmnopqrstuvwxyz0123456789", "0123456789abcdef", "0123456789", " ", "äß€😀", "%_\\'\"",
		"../", "\u0000\u0001\u001f\u007f", "\u202e\u200b\u2028\ufeff\u0301", "<>&;", "\ud7ff\ue000\ufffd\U0010ffff"))
	runes := make([]rune, g.length(s.MinLength, s.MaxLength, 12))
	for i := range runes {
		runes[i] = one(g, alphabet...)
	}
	return string(runes)
}

func (g generator) number(s *openapi3.Schema) any {
	numbers := []any{g.IntN(60), g.IntN(60), 1, 0, -1, math.MaxInt32, math.MaxInt32 + 1, math.MaxInt64, uint64(math.MaxInt64) + 1, 0.5, 1e300, fmt.Sprint(g.IntN(60)), "", "0x10", " 1"}
	for _, limit := range []*float64{s.Min, s.Max} {
		if limit != nil {
			numbers = append(numbers, *limit, *limit, *limit-1, *limit+1, *limit+0.5)
		}
	}
	return one(g, numbers...)
}

// wild is nothing that anybody has asked for.
func (g generator) wild(depth int) any {
	nested := any(nil)
	for range g.IntN(40) {
		nested = one[any](g, []any{nested}, object{"a": nested})
	}
	return one[any](g, nil, true, "", -1, 0.1, math.MaxInt64, strings.Repeat("x", g.IntN(5000)), "\u0000", []any{}, object{}, []any{nil, nil}, nested,
		object{"": object{"": depth}}, "Infinity", "null", "1", "[]", "${jndi:ldap://127.0.0.1/x}", "'; drop table accounts; --", "{{7*7}}")
}

// garble breaks a body as text.
func (g generator) garble(body []byte) []byte {
	switch g.IntN(6) {
	case 0:
		return body[:g.IntN(len(body)+1)]
	case 1:
		return append(body, body...)
	case 2:
		return append([]byte("\ufeff"), body...)
	case 3:
		return []byte(one(g, "", "null", "[]", "{", `{"a":1,"a":2}`, "\xff\xfe{}", `{"name":"\ud800"}`, "1e999", `"`, "{}{}", strings.Repeat("[", 10000), `{"name":1e400}`))
	default:
		broken := slices.Clone(body)
		for range 1 + g.IntN(3) {
			if len(broken) > 0 {
				broken[g.IntN(len(broken))] = byte(g.IntN(256))
			}
		}
		return broken
	}
}
