package manifest

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

// Problem is something that keeps a file from being applied.
type Problem struct {
	// Line is where it stands in the file; 0 for what stands nowhere.
	Line int
	Text string
}

// Problems are all of a file's, by line.
type Problems struct {
	// File is what the file is called.
	File string
	All  []Problem
}

// shown is how many problems are printed, and most how many are looked for.
const (
	shown = 100
	most  = 1000
)

func (p *Problems) Error() string {
	return fmt.Sprintf("%s cannot be applied, and nothing was:%s", show(p.File), p.Lines())
}

// Lines are the problems, each on a line of its own that begins with the end of the last.
func (p *Problems) Lines() string {
	var text strings.Builder
	for i, problem := range p.All {
		if i == shown {
			fmt.Fprintf(&text, "\n  and %d more", len(p.All)-shown)
			break
		}
		if problem.Line > 0 {
			fmt.Fprintf(&text, "\n  line %d: %s", problem.Line, problem.Text)
		} else {
			fmt.Fprintf(&text, "\n  %s", problem.Text)
		}
	}
	return text.String()
}

// Unwrap says what it is: a bad request, for the exit status.
func (p *Problems) Unwrap() error { return nexterm.ErrBadRequest }

// add is Printf at a line; what %s stands for comes from files and servers, and is
// shown.
func (p *Problems) add(line int, format string, args ...any) {
	for i, arg := range args {
		switch arg := arg.(type) {
		case string:
			args[i] = show(arg)
		case reference:
			args[i] = show(arg.String())
		}
	}
	if len(p.All) < most {
		p.All = append(p.All, Problem{line, fmt.Sprintf(format, args...)})
	}
}

// err is nil where there are no problems.
func (p *Problems) err() error {
	if len(p.All) == 0 {
		return nil
	}
	slices.SortStableFunc(p.All, func(a, b Problem) int { return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Text, b.Text)) })
	p.All = slices.Compact(p.All)
	return p
}

// longest is how much is shown of one text.
const longest = 200

// show makes a text fit for a terminal: what is not to be seen in it is escaped, and
// the empty and the long ones can be told.
func show(text string) string {
	if runes := []rune(text); len(runes) > longest {
		text = string(runes[:longest]) + "..."
	}
	if text == "" || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }) {
		return strconv.Quote(text)
	}
	return text
}
