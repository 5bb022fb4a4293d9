package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// encode writes a file. Its nodes are made here: the library's own way to them goes
// through text, in which it writes some texts so that it cannot read them back.
func (f *File) encode() ([]byte, error) {
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(nodeOf(reflect.ValueOf(f))); err != nil {
		return nil, err
	}
	if err := encoder.Close(); err != nil {
		return nil, err
	}
	// What is not seen stands in double quotes only, where it can be escaped: the library
	// leaves some of it to terminals.
	var shown bytes.Buffer
	for _, r := range out.String() {
		if hidden(r) {
			fmt.Fprintf(&shown, `\U%08X`, r)
		} else {
			shown.WriteRune(r)
		}
	}
	return shown.Bytes(), nil
}

func hidden(r rune) bool { return !unicode.IsPrint(r) && r != '\n' && r != '\t' }

// bare is what stands for itself as something simpler.
type bare interface{ bare() any }

func (i item[T]) bare() any { return i.it }

func (r reference) bare() any {
	if !r.elsewhere {
		return r.Name
	}
	type plain reference
	return plain(r)
}

func nodeOf(v reflect.Value) *yaml.Node {
	if !v.IsValid() {
		return scalar("!!null", "null")
	}
	switch value := v.Interface().(type) {
	case bare:
		return nodeOf(reflect.ValueOf(value.bare()))
	case json.Number:
		number := scalar("", string(value))
		number.Tag = number.ShortTag() // which is a float's for the largest integers
		return number
	case string:
		return textNode(value)
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		return nodeOf(v.Elem())
	case reflect.Bool:
		return scalar("!!bool", fmt.Sprint(v.Bool()))
	case reflect.Int:
		return scalar("!!int", fmt.Sprint(v.Int()))
	case reflect.Slice:
		node := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for i := range v.Len() {
			node.Content = append(node.Content, nodeOf(v.Index(i)))
		}
		return node
	case reflect.Map:
		node := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		keys := map[string]reflect.Value{}
		for key, value := range v.Seq2() {
			keys[key.String()] = value
		}
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			node.Content = append(node.Content, textNode(key), nodeOf(keys[key]))
		}
		return node
	}
	return fieldsOf(v)
}

// fieldsOf is a struct, as its yaml tags have it.
func fieldsOf(v reflect.Value) *yaml.Node {
	node := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	for i := range v.NumField() {
		name, option, tagged := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		switch field := v.Field(i); {
		case option == "inline":
			node.Content = append(node.Content, fieldsOf(field).Content...)
		case !tagged && name == "", option == "omitempty" && (field.IsZero() || field.Kind() == reflect.Slice && field.Len() == 0):
		default:
			node.Content = append(node.Content, textNode(name), nodeOf(field))
		}
	}
	return node
}

func scalar(tag, value string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: value}
}

// textNode writes texts of several lines as such where they can be read back so, and
// escapes what is not to be seen.
func textNode(text string) *yaml.Node {
	node := scalar("!!str", text)
	switch lines := strings.Contains(text, "\n"); {
	case strings.ContainsFunc(text, hidden), text == "<<", strings.Contains(text, "\t") && !lines, lines && !readable(text):
		node.Style = yaml.DoubleQuotedStyle
	case lines:
		node.Style = yaml.LiteralStyle
	}
	return node
}

// readable texts come back as they are from literal style, whatever the reader.
func readable(text string) bool {
	if strings.HasPrefix(text, " ") || strings.HasPrefix(text, "\n") || strings.HasPrefix(text, "\t") || strings.HasSuffix(text, "\n\n") {
		return false
	}
	for line := range strings.SplitSeq(text, "\n") {
		if line != strings.TrimRight(line, " \t") {
			return false
		}
	}
	return true
}
