package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	// MaxBytes is the largest file. A thousand entries are a fifth of a megabyte.
	MaxBytes = 16 << 20
	// maxDepth is more than the deepest configuration needs.
	maxDepth = 48
	// maxKeys is more than anything has, because looking for keys takes its time.
	maxKeys = 1000
	// maxItems and maxNodes are more than what the server lets one owner have, and all.
	maxItems = 50_000
	maxNodes = 1_000_000
)

// Document is a file that has been read, with its problems so far. It is planned with
// them as well, so that all problems are told at once.
type Document struct {
	file     File
	problems Problems
	// nodes is how many there are in the file.
	nodes int
}

// Parse reads a file. It fails where there is nothing to go on with.
func Parse(name string, content []byte) (*Document, error) {
	d := &Document{problems: Problems{File: name}}
	root := d.read(content)
	if err := d.problems.err(); err != nil {
		return nil, err
	}
	d.validate(root)
	// Values of other types than the schema has are told already, and left out.
	var wrong *yaml.TypeError
	if err := root.Decode(&d.file); err != nil && !errors.As(err, &wrong) {
		d.problems.add(0, "%s", err.Error())
	}
	d.check()
	return d, nil
}

// read is the one document of the file, with nothing in it that JSON does not have.
func (d *Document) read(content []byte) *yaml.Node {
	p := &d.problems
	if len(content) > MaxBytes {
		p.add(0, "the file is larger than %d MiB", MaxBytes>>20)
		return nil
	}
	if i := bytes.IndexByte(content, 0); i >= 0 {
		p.add(1+bytes.Count(content[:i], []byte("\n")), "the file has a NUL in it: it is no text")
		return nil
	}
	// Nothing begins without one of these, and reading all of it takes the longest.
	beginnings := 0
	for _, mark := range []string{",", "\n", "[", "{"} {
		beginnings += bytes.Count(content, []byte(mark))
	}
	if beginnings > 2*maxNodes {
		p.add(0, "the file has more in it than anybody can have")
		return nil
	}
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	var document, further yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		p.add(0, "the file is empty")
		return nil
	case err != nil:
		d.syntax(err)
		return nil
	}
	switch err := decoder.Decode(&further); {
	case err == nil:
		p.add(further.Line, "a second document begins here: a file has one")
	case !errors.Is(err, io.EOF):
		d.syntax(err)
	}
	root := document.Content[0]
	if root.Kind != yaml.MappingNode {
		p.add(root.Line, "the file is not a list of keys: it begins with version: 1")
		return nil
	}
	d.walk(root, 0)
	return root
}

// syntax tells where the file is no YAML. The parser's own words say the line.
func (d *Document) syntax(err error) {
	text, line := strings.TrimPrefix(err.Error(), "yaml: "), 0
	if rest, found := strings.CutPrefix(text, "line "); found {
		if number, reason, found := strings.Cut(rest, ": "); found {
			if n, err := strconv.Atoi(number); err == nil {
				text, line = reason, n
			}
		}
	}
	d.problems.add(line, "not YAML: %s", text)
}

// walk refuses what makes a file mean other than what stands in it.
func (d *Document) walk(node *yaml.Node, level int) {
	p := &d.problems
	if d.nodes++; d.nodes > maxNodes || len(node.Content) > maxItems && node.Kind == yaml.SequenceNode {
		p.add(node.Line, "more of this than anybody can have")
		return
	}
	if level > maxDepth {
		p.add(node.Line, "nested more than %d levels deep", maxDepth)
		return
	}
	if node.Kind == yaml.AliasNode || node.Anchor != "" {
		p.add(node.Line, "anchors and aliases (& and *) are not understood")
		return
	}
	switch node.Tag {
	case "!!map", "!!seq", "!!str", "!!int", "!!float", "!!bool", "!!null":
	case "!!timestamp":
		if node.Style&yaml.TaggedStyle == 0 {
			node.Tag = "!!str"
		}
	}
	if node.Style&yaml.TaggedStyle != 0 || node.Tag == "!!merge" {
		p.add(node.Line, "tags and merges (%s) are not understood", node.Tag)
		return
	}
	switch node.Kind {
	case yaml.ScalarNode:
		if strings.ContainsRune(node.Value, 0) {
			p.add(node.Line, "a NUL is in this text")
		}
		if _, valid := numberOf(node); !valid && (node.Tag == "!!int" || node.Tag == "!!float") {
			p.add(node.Line, "%s is no number that can be kept", node.Value)
		}
	case yaml.MappingNode:
		if len(node.Content)/2 > maxKeys {
			p.add(node.Line, "more than %d keys in one place", maxKeys)
			return
		}
		lines := map[string]int{}
		for i := 0; i < len(node.Content); i += 2 {
			key := node.Content[i]
			if key.Kind != yaml.ScalarNode {
				p.add(key.Line, "a key has to be a text")
				return
			}
			if first, twice := lines[key.Value]; twice {
				p.add(key.Line, "the key %s stands at line %d already", key.Value, first)
			}
			lines[key.Value] = key.Line
			d.walk(key, level+1)
			d.walk(node.Content[i+1], level+1)
		}
	case yaml.SequenceNode:
		for _, child := range node.Content {
			d.walk(child, level+1)
		}
	}
}

// at is the node at a place in the document, as far as there is one, and how the last
// step is called.
func at(node *yaml.Node, place []string) *yaml.Node {
	for _, step := range place {
		next := node
		switch node.Kind {
		case yaml.MappingNode:
			for i := 0; i < len(node.Content); i += 2 {
				if node.Content[i].Value == step {
					next = node.Content[i+1]
				}
			}
		case yaml.SequenceNode:
			if i, err := strconv.Atoi(step); err == nil && i < len(node.Content) {
				next = node.Content[i]
			}
		}
		node = next
	}
	return node
}

// called is the last key on the way to a place, such as config.port.
func called(place []string) string {
	var keys []string
	for _, step := range place {
		if _, err := strconv.Atoi(step); err == nil {
			keys = nil
			continue
		}
		keys = append(keys, step)
	}
	if len(keys) > 0 {
		return strings.Join(keys, ".")
	}
	if len(place) > 1 {
		return fmt.Sprint("an item of ", place[len(place)-2])
	}
	return "the file"
}
