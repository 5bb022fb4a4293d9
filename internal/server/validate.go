package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/nexterm-go/nexterm/gen"
)

// Check holds the texts of an object against a schema that the contract names,
// by the rules and in the words that the guard has for bodies.
func Check(schema string, object map[string]any) error {
	contract, err := openapi3.NewLoader().LoadFromData(gen.OpenAPI)
	if err != nil {
		return fmt.Errorf("read the contract: %w", err)
	}
	rules := contract.Components.Schemas[schema]
	if rules == nil {
		return fmt.Errorf("the contract has no schema %s", schema)
	}
	for name, value := range object {
		if text, ok := value.(string); ok && (!utf8.ValidString(text) || strings.Contains(text, "\x00")) {
			return fmt.Errorf("%s is not text", name)
		}
	}
	if message := violation(rules.Value, coerce(rules.Value, object), ""); message != "" {
		return errors.New(message)
	}
	return nil
}

// coerce turns numeric text into numbers where the schema wants a number, and
// whole numbers into int64, and takes surrounding white space off texts marked
// x-trim. What does not fit stays as it is, for violation to name. The value is
// changed in place.
func coerce(schema *openapi3.Schema, value any) any {
	switch v := value.(type) {
	case map[string]any:
		for name, member := range v {
			if property := propertySchema(schema, name); property != nil {
				v[name] = coerce(property, member)
			}
		}
	case []any:
		if schema.Items != nil {
			for i := range v {
				v[i] = coerce(schema.Items.Value, v[i])
			}
		}
	case json.Number:
		for _, alternative := range schema.OneOf {
			if isNumeric(alternative.Value) {
				return number(alternative.Value, v)
			}
		}
		return number(schema, v)
	case string:
		if isNumeric(schema) && jsonNumber(v) {
			return number(schema, json.Number(v))
		}
		if trim, _ := schema.Extensions["x-trim"].(bool); trim {
			return strings.TrimSpace(v)
		}
	}
	return value
}

// The library's own check encodes every item, before it looks at any.
func init() {
	openapi3.RegisterArrayUniqueItemsChecker(func(items []any) bool {
		for i, item := range items {
			if slices.ContainsFunc(items[:i], func(earlier any) bool { return reflect.DeepEqual(item, earlier) }) {
				return false
			}
		}
		return true
	})
}

func isNumeric(schema *openapi3.Schema) bool {
	return schema.Type.Is(openapi3.TypeInteger) || schema.Type.Is(openapi3.TypeNumber)
}

func jsonNumber(text string) bool {
	return json.Valid([]byte(text)) && strings.Trim(text, "0123456789+-.eE") == "" && text == strings.TrimSpace(text)
}

// unfit is a number that an integer member cannot hold. Being no JSON type, it
// violates every schema.
type unfit string

// number makes an int64 of whole numbers in range, however they are written
// (3, 3.0, 3e0), where the schema wants an integer.
func number(schema *openapi3.Schema, n json.Number) any {
	if !schema.Type.Is(openapi3.TypeInteger) {
		return n
	}
	if i, err := n.Int64(); err == nil {
		return i
	}
	// A huge exponent would cost time and memory, and no id has one.
	at := strings.IndexAny(string(n), "eE")
	if len(n) > 32 || at >= 0 && len(strings.TrimLeft(string(n[at+1:]), "+-0")) > 2 {
		return unfit(n)
	}
	if r, ok := new(big.Rat).SetString(string(n)); ok && r.IsInt() && r.Num().IsInt64() {
		return r.Num().Int64()
	}
	return unfit(n)
}

// coerceText reads a query parameter's text as its schema wants it.
func coerceText(schema *openapi3.Schema, text, label string) (value any, message string) {
	switch {
	case isNumeric(schema):
		if !jsonNumber(text) {
			return nil, label + " must be a number"
		}
		return number(schema, json.Number(text)), ""
	case schema.Type.Is(openapi3.TypeBoolean):
		if text != "true" && text != "false" {
			return nil, label + " must be a boolean"
		}
		return text == "true", ""
	}
	return text, ""
}

func propertySchema(schema *openapi3.Schema, name string) *openapi3.Schema {
	if ref := schema.Properties[name]; ref != nil {
		return ref.Value
	}
	if schema.AdditionalProperties.Schema != nil {
		return schema.AdditionalProperties.Schema.Value
	}
	return nil
}

// violation names the first violated rule, in the order in which the contract
// lists an object's members, then unknown members, then the rules on the object
// as a whole; empty when the value is valid. Labels are member names, nested
// ones dotted.
func violation(schema *openapi3.Schema, value any, label string) string {
	// The first failure is enough: those that say more carry the value, many times over.
	if schema.VisitJSON(value, openapi3.FailFast()) == nil {
		return ""
	}
	if message, set := schema.Extensions["x-message"].(string); set && label != "" {
		return message
	}
	switch v := value.(type) {
	case map[string]any:
		if schema.Type.Is(openapi3.TypeObject) {
			return objectViolation(schema, v, label)
		}
	case []any:
		if schema.Type.Is(openapi3.TypeArray) {
			for i, item := range v {
				if message := violation(schema.Items.Value, item, fmt.Sprintf("%s[%d]", label, i)); message != "" {
					return message
				}
			}
		}
	}
	return leafViolation(schema, value, label)
}

func objectViolation(schema *openapi3.Schema, object map[string]any, label string) string {
	missing, together := schema.Extensions["x-required-message"].(string)
	for _, name := range propertyOrder(schema) {
		member, given := object[name]
		required := slices.Contains(schema.Required, name)
		if required && together && (!given || member == "") {
			return missing
		}
		if !given {
			if required {
				return join(label, name) + " is required"
			}
			continue
		}
		if message := violation(schema.Properties[name].Value, member, join(label, name)); message != "" {
			return message
		}
	}
	names := make([]string, 0, len(object))
	for name := range object {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if schema.Properties[name] != nil {
			continue
		}
		additional := propertySchema(schema, name)
		if additional == nil && schema.AdditionalProperties.Has != nil && *schema.AdditionalProperties.Has {
			continue
		}
		if additional == nil {
			return join(label, clip(name)) + " is not allowed"
		}
		if message := violation(additional, object[name], join(label, clip(name))); message != "" {
			return message
		}
	}
	if uint64(len(object)) < schema.MinProps {
		if message, set := schema.Extensions["x-message"].(string); set {
			return message
		}
		return fmt.Sprintf("value must contain at least one of [%s]", strings.Join(propertyOrder(schema), ", "))
	}
	return leafViolation(schema, object, label)
}

func join(label, name string) string {
	if label == "" {
		return name
	}
	return label + "." + name
}

// clip keeps a client's own member name from filling the answer.
func clip(name string) string {
	const most = 64
	if runes := []rune(name); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return name
}

// propertyOrder is the order in which people wrote the members; JSON readers
// forget it, so the bundler records it.
func propertyOrder(schema *openapi3.Schema) []string {
	recorded, _ := schema.Extensions["x-property-order"].([]any)
	names := make([]string, len(recorded))
	for i, name := range recorded {
		names[i] = name.(string)
	}
	return names
}

func leafViolation(schema *openapi3.Schema, value any, label string) string {
	if label == "" {
		label = "value"
	}
	if _, number := value.(unfit); number {
		return label + " must be an integer"
	}
	if value == nil {
		return label + " must be " + kind(schema)
	}
	var rule *openapi3.SchemaError
	if err := schema.VisitJSON(value); !errors.As(err, &rule) {
		return label + " is not valid"
	}
	if value == "" && rule.SchemaField != "type" {
		return label + " is not allowed to be empty"
	}
	switch rule.SchemaField {
	case "type":
		return label + " must be " + kind(schema)
	case "enum":
		return fmt.Sprintf("%s must be one of [%s]", label, enumeration(schema))
	case "minLength", "maxLength":
		return label + " length must be " + lengthRule(schema, rule.SchemaField)
	case "pattern":
		return label + " " + patternRule(schema)
	case "minimum":
		if *schema.Min == 1 {
			return label + " must be a positive number"
		}
		return label + " must be greater than or equal to " + plain(*schema.Min)
	case "maximum":
		return label + " must be less than or equal to " + plain(*schema.Max)
	case "minItems":
		return fmt.Sprintf("%s must contain at least %d items", label, schema.MinItems)
	case "maxItems":
		return fmt.Sprintf("%s must contain less than or equal to %d items", label, *schema.MaxItems)
	case "uniqueItems":
		return label + " contains a duplicate value"
	}
	return label + " is not valid"
}

// plain writes a limit without an exponent.
func plain(limit float64) string { return strconv.FormatFloat(limit, 'f', -1, 64) }

func lengthRule(schema *openapi3.Schema, field string) string {
	switch {
	case schema.MaxLength != nil && *schema.MaxLength == schema.MinLength:
		return fmt.Sprintf("%d characters long", schema.MinLength)
	case field == "minLength":
		return fmt.Sprintf("at least %d characters long", schema.MinLength)
	default:
		return fmt.Sprintf("less than or equal to %d characters long", *schema.MaxLength)
	}
}

// patternRule puts the patterns of the contract into words.
func patternRule(schema *openapi3.Schema) string {
	switch schema.Pattern {
	case "^[a-zA-Z0-9]*$":
		return "must only contain alpha-numeric characters"
	case "^[0-9a-fA-F]*$":
		return "must only contain hexadecimal characters"
	case `^[^\s\x00-\x1f\x7f-\xa0\u1680\u2000-\u200F\u2028-\u202F\u205F-\u206F\u3000\uFEFF]*$`:
		return "must not contain white space or control characters"
	case `^[^\x00-\x1f\x7f-\x9f\u061C\u200E\u200F\u2028-\u202E\u2066-\u2069]*[^\s\x00-\x1f\x7f-\xa0\u034F\u061C\u115F\u1160\u1680\u2000-\u200F\u2028-\u202F\u205F-\u206F\u2800\u3000\u3164\uFEFF\uFFA0][^\x00-\x1f\x7f-\x9f\u061C\u200E\u200F\u2028-\u202E\u2066-\u2069]*$`:
		return "must have a visible character, and none that controls how text is shown"
	case "^[Hh][Tt][Tt][Pp][Ss]?://[!-~]+$":
		return "must be a valid uri"
	}
	return "fails to match the required pattern"
}

func kind(schema *openapi3.Schema) string {
	switch {
	case schema.Type.Is(openapi3.TypeString) && len(schema.Enum) > 0:
		return fmt.Sprintf("one of [%s]", enumeration(schema))
	case schema.Type.Is(openapi3.TypeString):
		return "a string"
	case schema.Type.Is(openapi3.TypeBoolean):
		return "a boolean"
	case schema.Type.Is(openapi3.TypeArray):
		return "an array"
	case schema.Type.Is(openapi3.TypeObject):
		return "of type object"
	}
	return "a number"
}

func enumeration(schema *openapi3.Schema) string {
	values := make([]string, len(schema.Enum))
	for i, value := range schema.Enum {
		values[i] = fmt.Sprint(value)
	}
	return strings.Join(values, ", ")
}

// rules holds values against a schema of the contract as the guard does with
// whole bodies, for operations that judge the parts of a body one by one. It
// names the first violation, or nothing.
func rules(contract *openapi3.T, schema string) func(map[string]any) string {
	rule := contract.Components.Schemas[schema].Value
	return func(value map[string]any) string { return violation(rule, coerce(rule, value), "") }
}
