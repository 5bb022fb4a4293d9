package cli

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/nexterm-go/nexterm/internal/terminal"
)

// printable gives a command the flags that say how it prints.
func printable(command *cobra.Command) *cobra.Command {
	command.Flags().Bool("json", false, "print JSON, as the API has it")
	command.Flags().Bool("yaml", false, "print YAML")
	return command
}

func format(cmd *cobra.Command) (string, error) {
	asJSON, _ := cmd.Flags().GetBool("json")
	asYAML, _ := cmd.Flags().GetBool("yaml")
	switch {
	case asJSON && asYAML:
		return "", usage("--json and --yaml exclude each other")
	case asJSON:
		return "json", nil
	case asYAML:
		return "yaml", nil
	}
	return "table", nil
}

// print prints a value as JSON or YAML, whichever is asked for, or else the rows of a
// table, of which the first is its head.
func (s *session) print(value any, rows [][]string) error {
	switch s.format {
	case "json":
		return s.printJSON(value, "  ")
	case "yaml":
		node, err := asYAML(value)
		if err != nil {
			return err
		}
		text, err := yaml.Marshal(node)
		if err != nil {
			return err
		}
		_, err = io.WriteString(s.OutOrStdout(), escaped(string(text)))
		return err
	}
	lines := table(rows, 0, colourful(s.OutOrStdout()))
	_, err := io.WriteString(s.OutOrStdout(), strings.Join(lines, "\n")+"\n")
	return err
}

// printJSON prints a value on one line, or on several with an indent.
func (s *session) printJSON(value any, indent string) error {
	encoded, err := encode(value)
	if err != nil {
		return err
	}
	var lines bytes.Buffer
	if indent == "" {
		lines.Write(encoded)
	} else if err := json.Indent(&lines, encoded, "", indent); err != nil {
		return err
	}
	lines.WriteByte('\n')
	_, err = lines.WriteTo(s.OutOrStdout())
	return err
}

// encode is a value's JSON as the API has it, but for characters that a terminal obeys.
func encode(value any) ([]byte, error) {
	var text bytes.Buffer
	out := json.NewEncoder(&text)
	out.SetEscapeHTML(false)
	if err := out.Encode(value); err != nil {
		return nil, err
	}
	return shortTime.ReplaceAllFunc(bytes.TrimSpace([]byte(escaped(text.String()))), func(member []byte) []byte {
		whole, fraction, _ := strings.Cut(strings.TrimSuffix(string(member), `Z"`), ".")
		return []byte(whole + "." + fraction + "000"[len(fraction):] + `Z"`)
	}), nil
}

// shortTime is a time of the API's without the zeros at its end, which Go leaves out and
// whoever sorts texts needs.
var shortTime = regexp.MustCompile(`"(?:\w+At|timestamp|firstSeen|lastSeen|lastChecked|lastActivity)":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d\d?)?Z"`)

// escaped is JSON or YAML of the same value without characters that a terminal obeys,
// some of which both may have as they are.
func escaped(text string) string {
	var out strings.Builder
	for _, r := range text {
		if isHidden(r) {
			fmt.Fprintf(&out, `\u%04x`, r)
		} else {
			out.WriteRune(r)
		}
	}
	return out.String()
}

// isHidden is for characters of texts that are not seen, but for the ends of lines.
func isHidden(r rune) bool {
	return r != '\n' && r != '\t' && !unicode.IsPrint(r) && r <= 0xffff
}

// asYAML goes by a value's JSON: what the SDK leaves out there, and how it calls
// things, holds for YAML too.
func asYAML(value any) (*yaml.Node, error) {
	encoded, err := encode(value)
	if err != nil {
		return nil, err
	}
	var node yaml.Node
	if err := yaml.Unmarshal(encoded, &node); err != nil {
		return nil, err
	}
	block(&node)
	return node.Content[0], nil
}

// block has what was JSON printed in lines, as people write YAML.
func block(node *yaml.Node) {
	node.Style = 0
	if node.Tag == "!!str" {
		// Whatever a text looks like, it stays one; and it keeps its lines.
		node.SetString(node.Value)
		if strings.ContainsFunc(node.Value, isHidden) {
			node.Style = yaml.DoubleQuotedStyle // where they can be written as escapes
		}
	}
	for _, child := range node.Content {
		block(child)
	}
}

// colours are those of words that say how something is.
var colours = map[string]string{"online": "\x1b[32m", "offline": "\x1b[31m", "error": "\x1b[31m", "success": "\x1b[32m", "pending": "\x1b[33m"}

const (
	bold  = "\x1b[1m"
	plain = "\x1b[0m"
)

// colourful says whether colours are wanted: on terminals, unless NO_COLOR is set
// (https://no-color.org).
func colourful(out io.Writer) bool {
	return terminal.Is(out) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// table makes lines of rows, the cells of a column below each other, and cuts them at a
// number of columns of the terminal, if that is not 0.
func table(rows [][]string, columns int, colour bool) []string {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			row[i] = terminal.Clean(cell)
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], terminal.Width(row[i]))
		}
	}
	lines := make([]string, len(rows))
	for y, row := range rows {
		var line strings.Builder
		left := cmp.Or(columns, math.MaxInt)
		for x, cell := range row {
			before, after, gap := "", "", ""
			switch {
			case !colour || left == 0:
			case y == 0:
				before, after = bold, plain
			case rows[0][x] == "STATUS" && colours[cell] != "":
				before, after = colours[cell], plain
			}
			if x < len(row)-1 {
				gap = strings.Repeat(" ", widths[x]-terminal.Width(cell)+2)
			}
			line.WriteString(before + terminal.Cut(cell, left) + after)
			left = max(left-terminal.Width(cell), 0)
			line.WriteString(terminal.Cut(gap, left))
			left = max(left-len(gap), 0)
		}
		lines[y] = line.String()
	}
	return lines
}
