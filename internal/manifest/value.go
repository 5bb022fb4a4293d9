package manifest

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

// maxDigits is the longest number that the server keeps digit by digit.
const maxDigits = 40

// values is an object as the API has it.
type values map[string]any

func (v *values) UnmarshalYAML(node *yaml.Node) error {
	object, _ := valueOf(node).(map[string]any)
	*v = object
	return nil
}

// valueOf is a checked node as JSON has it. Numbers keep their digits.
func valueOf(node *yaml.Node) any {
	switch node.Kind {
	case yaml.MappingNode:
		object := make(map[string]any, len(node.Content)/2)
		for i := 0; i < len(node.Content); i += 2 {
			object[node.Content[i].Value] = valueOf(node.Content[i+1])
		}
		return object
	case yaml.SequenceNode:
		list := make([]any, len(node.Content))
		for i, child := range node.Content {
			list[i] = valueOf(child)
		}
		return list
	}
	switch node.Tag {
	case "!!null":
		return nil
	case "!!bool":
		return node.Value == "true" || node.Value == "True" || node.Value == "TRUE"
	case "!!int", "!!float":
		if number, valid := numberOf(node); valid {
			return number
		}
	}
	return node.Value
}

// numberOf is a number plainly, as the server writes it. There are none for .inf and .nan.
func numberOf(node *yaml.Node) (json.Number, bool) {
	if _, err := strconv.ParseFloat(node.Value, 64); err == nil && json.Valid([]byte(node.Value)) {
		return plain(json.Number(node.Value)), true
	}
	var integer int64 // also in YAML's other notations
	if node.Decode(&integer) == nil {
		return json.Number(strconv.FormatInt(integer, 10)), true
	}
	var double float64
	if err := node.Decode(&double); err != nil || math.IsInf(double, 0) || math.IsNaN(double) {
		return "", false
	}
	return json.Number(strconv.FormatFloat(double, 'f', -1, 64)), true
}

// plain has one spelling for each number: integers keep all their digits, others are
// the double that they stand for.
func plain(n json.Number) json.Number {
	if len(n) <= maxDigits && strings.Trim(string(n), "-0123456789") == "" && n != "-0" {
		return n
	}
	double, err := n.Float64()
	if err != nil {
		return n
	}
	return json.Number(strconv.FormatFloat(double, 'f', -1, 64))
}

// normal is a value in the form in which two are compared: by its JSON, its numbers
// plain.
func normal(value any) any {
	encoded, err := json.Marshal(value)
	if err != nil {
		panic(err) // it came from JSON, or from what is like it
	}
	decoder := json.NewDecoder(bytes.NewReader(encoded))
	decoder.UseNumber()
	var decoded any
	if err := decoder.Decode(&decoded); err != nil {
		panic(err)
	}
	return plainly(decoded)
}

func plainly(value any) any {
	switch value := value.(type) {
	case json.Number:
		return plain(value)
	case []any:
		for i := range value {
			value[i] = plainly(value[i])
		}
	case map[string]any:
		for key := range value {
			value[key] = plainly(value[key])
		}
	}
	return value
}

func same(a, b any) bool { return reflect.DeepEqual(normal(a), normal(b)) }

// settings is a configuration without jump hosts, as the SDK sends and reads it, which
// leaves out empty texts.
func settings(config any) values {
	encoded, err := json.Marshal(config)
	if err != nil {
		panic(err)
	}
	var typed nexterm.EntryConfig
	if err := json.Unmarshal(encoded, &typed); err != nil {
		return nil // of another type than the schema has, and told there
	}
	typed.JumpHosts = nil
	object, _ := normal(typed).(map[string]any)
	return object
}

// depth is how deeply a value is nested.
func depth(value any) int {
	deepest := 0
	switch value := value.(type) {
	case []any:
		for _, child := range value {
			deepest = max(deepest, depth(child))
		}
	case map[string]any:
		for _, child := range value {
			deepest = max(deepest, depth(child))
		}
	default:
		return 0
	}
	return deepest + 1
}
