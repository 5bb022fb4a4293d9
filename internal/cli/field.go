package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/nexterm-go/nexterm/internal/terminal"
)

// document is a body as JSON has it.
type document = map[string]any

// field is something that create and edit can set.
type field struct {
	// name is the contract's, with `config.` before what is in there.
	name  string
	usage string
	takes takes
	// of says whose names stand for the ids that the contract wants.
	of *reference
	// one of these, for completion.
	values []string
	// flag is the name of the flag, where it is not the field's.
	flag string
}

// takes says what comes behind a flag.
type takes int

const (
	text takes = iota
	number
	yesNo
	list
	// wholeFile is the name of a file, or - for the standard input.
	wholeFile
	// secretFile is a file with a secret in it, without the end of its line.
	secretFile
	// secretLine is nothing: the secret is the standard input's first line, or asked for.
	secretLine
)

// flagName is the field's name in kebab case.
func (f field) flagName() string {
	if f.flag != "" {
		return f.flag
	}
	var out strings.Builder
	for i, r := range strings.TrimPrefix(f.name, "config.") {
		if unicode.IsUpper(r) && i > 0 {
			out.WriteByte('-')
		}
		out.WriteRune(unicode.ToLower(r))
	}
	return out.String()
}

func addFlags(command *cobra.Command, fields []field) {
	flags := command.Flags()
	flags.SortFlags = false
	for _, f := range fields {
		name, usage := f.flagName(), f.usage
		if len(f.values) > 0 {
			usage += ": " + strings.Join(f.values, ", ")
		}
		switch f.takes {
		case number:
			flags.Int(name, 0, usage)
		case yesNo, secretLine:
			flags.Bool(name, false, usage)
		case list:
			flags.StringSlice(name, nil, usage)
		default:
			flags.String(name, "", usage)
		}
		switch {
		case f.of != nil:
			completeFlag(command, name, f.of)
		case len(f.values) > 0:
			_ = command.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(f.values, cobra.ShellCompDirectiveNoFileComp))
		}
	}
}

// document has the fields whose flags are given.
func (s *session) document(fields []field) (document, error) {
	d := document{}
	for _, f := range fields {
		if !s.Flags().Changed(f.flagName()) {
			continue
		}
		value, err := s.value(f)
		if err != nil {
			return nil, fmt.Errorf("--%s: %w", f.flagName(), err)
		}
		if key, inConfig := strings.CutPrefix(f.name, "config."); inConfig {
			config, _ := d["config"].(document)
			if config == nil {
				config = document{}
				d["config"] = config
			}
			config[key] = value
			continue
		}
		if _, twice := d[f.name]; twice {
			return nil, usage("the %s is given twice", f.name)
		}
		d[f.name] = value
	}
	return d, nil
}

// value is what a flag says. An empty text takes away what was there.
func (s *session) value(f field) (any, error) {
	flags, name := s.Flags(), f.flagName()
	switch f.takes {
	case number:
		return flags.GetInt(name)
	case yesNo:
		return flags.GetBool(name)
	case list:
		texts, err := flags.GetStringSlice(name)
		if err != nil || f.of == nil {
			return texts, err
		}
		return s.ids(f.of, texts)
	case secretLine:
		return s.secret("Password: ")
	}
	given, err := flags.GetString(name)
	switch {
	case err != nil:
		return nil, err
	case f.takes == wholeFile:
		return s.content(given)
	case f.takes == secretFile:
		content, err := s.content(given)
		return strings.TrimSuffix(strings.TrimSuffix(content, "\n"), "\r"), err
	case given == "":
		return nil, nil
	case f.of != nil:
		return f.of.id(s, given)
	}
	return given, nil
}

func (s *session) ids(of *reference, texts []string) ([]int64, error) {
	ids := make([]int64, len(texts))
	for i, text := range texts {
		id, err := of.id(s, text)
		if err != nil {
			return nil, err
		}
		ids[i] = id
	}
	return ids, nil
}

// secret comes from the standard input, and from a terminal without being shown.
func (s *session) secret(prompt string) (string, error) {
	if terminal.Is(s.InOrStdin()) {
		return terminal.Secret(s.Context(), s.ErrOrStderr(), prompt)
	}
	return terminal.Line(s.InOrStdin())
}

// maxContent is more than the API takes of anything.
const maxContent = 16 << 20

func (s *session) content(name string) (string, error) {
	in := s.InOrStdin()
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return "", err
		}
		defer file.Close()
		in = file
	}
	content, err := io.ReadAll(io.LimitReader(in, maxContent+1))
	if err == nil && len(content) > maxContent {
		err = usage("%s is too large", name)
	}
	return string(content), err
}

// decoded turns a document into what the SDK takes, or what the SDK has into a document.
func decoded[B any](value any) (body B, err error) {
	encoded, err := json.Marshal(value)
	if err != nil {
		return body, err
	}
	err = json.Unmarshal(encoded, &body)
	var mismatch *json.UnmarshalTypeError
	if errors.As(err, &mismatch) {
		err = usage("%s cannot be a %s", mismatch.Field, mismatch.Value)
	}
	return body, err
}

// send calls a method of the SDK with a document as its body.
func send[B, A any](s *session, d document, method func(context.Context, B) (A, error)) (answer A, err error) {
	body, err := decoded[B](d)
	if err != nil {
		return answer, err
	}
	return method(s.Context(), body)
}

// sendTo is [send] to a method that changes the thing of an id.
func sendTo[B any](s *session, id int64, d document, method func(context.Context, int64, B) error) error {
	body, err := decoded[B](d)
	if err != nil {
		return err
	}
	return method(s.Context(), id, body)
}
