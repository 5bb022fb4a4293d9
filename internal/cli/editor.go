package cli

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/nexterm-go/nexterm/internal/terminal"
)

const editorHelp = `# Change what is to change, save and leave. Fields that are taken out stay as they are,
# but for those in config, which is replaced as a whole. An empty file changes nothing.
`

// editText has a thing changed in an editor until the change is accepted, or the text
// is given back as it was. A text that is not accepted is kept.
func (s *session) editText(item any, fields []field, change func(document) error) error {
	before, err := decoded[document](item)
	if err != nil {
		return err
	}
	original, err := s.editable(item, fields)
	if err != nil {
		return err
	}
	file, err := os.CreateTemp("", "nexterm-*.yaml") // of mode 0600
	if err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	kept := fmt.Errorf("; the text is kept in %s", file.Name())
	var failure error
	for shown := append([]byte(editorHelp), original...); ; {
		if err := s.open(file.Name(), shown); err != nil {
			return errors.Join(err, os.Remove(file.Name()))
		}
		edited, err := os.ReadFile(file.Name())
		if err != nil {
			return err
		}
		content := uncommented(edited)
		switch {
		case len(bytes.TrimSpace(content)) == 0, failure == nil && bytes.Equal(content, original):
			fmt.Fprintln(s.ErrOrStderr(), "Nothing is changed.")
			return os.Remove(file.Name())
		case failure != nil && bytes.Equal(edited, shown):
			return fmt.Errorf("%w%w", failure, kept)
		}
		d, err := s.changes(content, before, fields)
		if err == nil && len(d) > 0 {
			err = change(d)
		}
		switch {
		case err == nil:
			return os.Remove(file.Name())
		case s.Context().Err() != nil:
			fmt.Fprintf(s.ErrOrStderr(), "The text is kept in %s.\n", file.Name())
			return err
		}
		failure = err
		reason := "# " + strings.ReplaceAll(terminal.CleanLines(tell(err)), "\n", "\n# ") + "\n"
		shown = slices.Concat([]byte(reason), []byte(editorHelp), content)
	}
}

// open opens an editor on a file with this content.
func (s *session) open(file string, content []byte) error {
	if err := os.WriteFile(file, content, 0o600); err != nil {
		return err
	}
	editor := cmp.Or(os.Getenv("VISUAL"), os.Getenv("EDITOR"))
	switch {
	case editor != "":
	case terminal.Is(s.InOrStdin()):
		editor = "vi"
	default:
		return usage("there is no terminal for an editor: flags say what is to change")
	}
	defer s.leaveInterrupts()()
	// By the shell, as editors come with arguments, and in its place.
	program := exec.CommandContext(context.WithoutCancel(s.Context()), "sh", "-c", "exec "+editor+` "$1"`, "sh", file)
	program.Stdin, program.Stdout, program.Stderr = s.InOrStdin(), s.OutOrStdout(), s.ErrOrStderr()
	if err := program.Run(); err != nil {
		return fmt.Errorf("the editor %q: %w", editor, err)
	}
	return nil
}

// leaveInterrupts leaves Ctrl-C, which reaches every program of a terminal, to the program
// that is started next; the function that it returns has it end this command again. It is
// caught and not ignored, as programs inherit what is ignored.
func (s *session) leaveInterrupts() (restore func()) {
	signal.Ignore(os.Interrupt) // takes it from the command's context
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, os.Interrupt)
	return func() {
		ctx, stop := signal.NotifyContext(s.Context(), os.Interrupt)
		context.AfterFunc(ctx, stop) // a second one ends the process at once
		signal.Stop(caught)
		s.SetContext(ctx)
	}
}

// editable is the text of the fields that can be changed, with names for ids.
func (s *session) editable(item any, fields []field) ([]byte, error) {
	whole, err := asYAML(item)
	if err != nil {
		return nil, err
	}
	out := &yaml.Node{Kind: yaml.MappingNode}
	for _, f := range fields {
		top, _, _ := strings.Cut(f.name, ".")
		if value := member(whole, top); value != nil && member(out, top) == nil {
			out.Content = append(out.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: top}, value)
		}
	}
	for _, f := range fields {
		if f.of == nil {
			continue
		}
		things, err := f.of.things(s)
		if err != nil {
			return nil, err
		}
		value := out
		for name := range strings.SplitSeq(f.name, ".") {
			value = member(value, name)
		}
		labels := make(map[int64]string, len(things))
		for i, all := range calls(things) {
			labels[things[i].id] = all[max(len(all)-2, 0)]
		}
		relabel(value, labels)
	}
	text, err := yaml.Marshal(out)
	return []byte(escaped(string(text))), err
}

// member is the value of a key, or nil.
func member(mapping *yaml.Node, key string) *yaml.Node {
	if mapping == nil || mapping.Kind != yaml.MappingNode {
		return nil
	}
	for pair := range slices.Chunk(mapping.Content, 2) {
		if pair[0].Value == key {
			return pair[1]
		}
	}
	return nil
}

// relabel puts names in the place of the ids in a value.
func relabel(value *yaml.Node, labels map[int64]string) {
	if value == nil {
		return
	}
	var id int64
	if value.Tag == "!!int" && value.Decode(&id) == nil && labels[id] != value.Value && labels[id] != "" {
		value.SetString(labels[id])
	}
	for _, child := range value.Content {
		relabel(child, labels)
	}
}

// changes are the fields in a text that are other than before.
func (s *session) changes(content []byte, before document, fields []field) (document, error) {
	var node yaml.Node
	var edited document
	err := yaml.Unmarshal(content, &node)
	if err == nil {
		untimed(&node)
		err = node.Decode(&edited)
	}
	if err != nil {
		return nil, usage("%w", err)
	}
	for _, f := range fields {
		if f.of == nil {
			continue
		}
		in, name := edited, f.name
		if key, inConfig := strings.CutPrefix(name, "config."); inConfig {
			in, _ = edited["config"].(document)
			name = key
		}
		if err := s.identify(in, name, f.of); err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
	}
	// As JSON has it, so that both can be compared.
	if edited, err = decoded[document](edited); err != nil {
		return nil, err
	}
	for key, value := range edited {
		known := slices.ContainsFunc(fields, func(f field) bool { return f.name == key || strings.HasPrefix(f.name, key+".") })
		old, has := before[key]
		switch {
		case !known || !has:
			return nil, usage("%q is no field that can be changed here", key)
		case reflect.DeepEqual(old, value):
			delete(edited, key)
		}
	}
	return edited, nil
}

// untimed has what looks like a time be a text, as nothing that can be changed is one.
func untimed(node *yaml.Node) {
	if node.Tag == "!!timestamp" {
		node.Tag = "!!str"
	}
	for _, child := range node.Content {
		untimed(child)
	}
}

// identify puts ids in the place of the names that a field has.
func (s *session) identify(in document, name string, of *reference) (err error) {
	switch value := in[name].(type) {
	case string:
		in[name], err = of.id(s, value)
	case []any:
		texts := make([]string, len(value))
		for i, each := range value {
			texts[i] = fmt.Sprint(each)
		}
		in[name], err = s.ids(of, texts)
	}
	return err
}

// uncommented is a text without the comments at its beginning.
func uncommented(text []byte) []byte {
	for bytes.HasPrefix(text, []byte("#")) {
		_, text, _ = bytes.Cut(text, []byte("\n"))
	}
	return text
}
