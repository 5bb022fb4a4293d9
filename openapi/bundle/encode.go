package main

import (
	"bytes"
	"encoding/json"
	"fmt"

	"go.yaml.in/yaml/v3"
)

// encode writes YAML as JSON, in the order in which it is written.
func encode(out *bytes.Buffer, node *yaml.Node) error {
	switch node.Kind {
	case yaml.MappingNode:
		out.WriteByte('{')
		for i := 0; i < len(node.Content); i += 2 {
			if i > 0 {
				out.WriteByte(',')
			}
			name, err := json.Marshal(node.Content[i].Value)
			if err != nil {
				return err
			}
			out.Write(name)
			out.WriteByte(':')
			if err := encode(out, node.Content[i+1]); err != nil {
				return err
			}
		}
		out.WriteByte('}')
		return nil
	case yaml.SequenceNode:
		out.WriteByte('[')
		for i, item := range node.Content {
			if i > 0 {
				out.WriteByte(',')
			}
			if err := encode(out, item); err != nil {
				return err
			}
		}
		out.WriteByte(']')
		return nil
	case yaml.ScalarNode:
		var value any
		if err := node.Decode(&value); err != nil {
			return err
		}
		text := json.NewEncoder(out)
		text.SetEscapeHTML(false)
		return text.Encode(value)
	default:
		return fmt.Errorf("line %d: anchors and aliases are not part of the contract's YAML", node.Line)
	}
}
