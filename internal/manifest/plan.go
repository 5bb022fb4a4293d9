package manifest

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
)

// phase orders changes: those of one are done before the next begins.
type phase int

const (
	founding phase = iota // organizations
	making                // what entries refer to, and what refers to nothing
	adding                // entries
	changing              // entries, which may refer to new ones
	removing
	emptying // folders, from the innermost
	granting // groups, which may take rights from the caller
)

// change is one line of a plan, and how it is brought about.
type change struct {
	// sign is +, ~ or -, and 0 for what belongs to another change.
	sign        byte
	kind, name  string
	fields      []field
	phase       phase
	after       []*change
	permissions []string
	place       *place
	run         func(context.Context) error

	done   chan struct{}
	failed bool
}

// field is what a change makes of a part.
type field struct{ name, before, after string }

// Plan is what there is to do.
type Plan struct {
	changes []*change
	// notes are what the caller should know, and can do nothing about here.
	notes []string
}

// Empty reports whether the server is what the file says.
func (p *Plan) Empty() bool { return len(p.changes) == 0 }

// Size is how many changes there are.
func (p *Plan) Size() int { return len(p.changes) }

var colors = map[byte]string{'+': "\x1b[32m", '~': "\x1b[33m", '-': "\x1b[31m"}

// Print writes the plan for people.
func (p *Plan) Print(w io.Writer, color bool) error {
	var text strings.Builder
	var owner *place
	counts := map[byte]int{}
	for _, c := range p.inOrder() {
		if c.place != owner {
			owner = c.place
			fmt.Fprintf(&text, "%s%s:\n", show(owner.name), owner.ownedBy())
		}
		counts[c.sign]++
		sign := string(c.sign)
		if color {
			sign = colors[c.sign] + sign + "\x1b[0m"
		}
		fmt.Fprintf(&text, "  %s %s %s", sign, c.kind, show(c.name))
		c.printFields(&text)
	}
	for _, note := range p.notes {
		fmt.Fprintf(&text, "note: %s\n", note)
	}
	if p.Empty() {
		text.WriteString("Nothing to change.\n")
	} else {
		fmt.Fprintf(&text, "%d to create, %d to change, %d to remove.\n", counts['+'], counts['~'], counts['-'])
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// inOrder is owner by owner.
func (p *Plan) inOrder() []*change {
	visible := slices.DeleteFunc(slices.Clone(p.changes), func(c *change) bool { return c.sign == 0 })
	slices.SortStableFunc(visible, func(a, b *change) int { return a.place.rank - b.place.rank })
	return visible
}

func (c *change) printFields(text *strings.Builder) {
	if c.sign != '~' {
		var parts []string
		for _, f := range c.fields {
			parts = append(parts, f.name+" "+brief(f.after))
		}
		if len(parts) > 0 {
			text.WriteString(": " + strings.Join(parts, ", "))
		}
		text.WriteString("\n")
		return
	}
	text.WriteString("\n")
	for _, f := range c.fields {
		if strings.Contains(f.before, "\n") || strings.Contains(f.after, "\n") {
			fmt.Fprintf(text, "      %s:\n", show(f.name))
			printLines(text, f.before, f.after)
			continue
		}
		fmt.Fprintf(text, "      %s: %s -> %s\n", show(f.name), orNone(f.before), orNone(f.after))
	}
}

func orNone(value string) string {
	if value == "" {
		return "none"
	}
	return show(value)
}

// brief is a value on one line.
func brief(value string) string {
	if lines := strings.Count(strings.TrimSuffix(value, "\n"), "\n") + 1; lines > 1 {
		return fmt.Sprintf("(%d lines)", lines)
	}
	return show(strings.TrimSuffix(value, "\n"))
}

// printLines shows the lines between what two texts begin and end with alike.
func printLines(text *strings.Builder, before, after string) {
	old, young := strings.Split(before, "\n"), strings.Split(after, "\n")
	start := 0
	for start < min(len(old), len(young)) && old[start] == young[start] {
		start++
	}
	end := 0
	for end < min(len(old), len(young))-start && old[len(old)-1-end] == young[len(young)-1-end] {
		end++
	}
	fmt.Fprintf(text, "        line %d:\n", start+1)
	for _, side := range []struct {
		sign  string
		lines []string
	}{{"-", old[start : len(old)-end]}, {"+", young[start : len(young)-end]}} {
		for i, line := range side.lines {
			if i == shown {
				fmt.Fprintf(text, "        %s and %d lines more\n", side.sign, len(side.lines)-shown)
				break
			}
			if line != "" {
				line = show(line)
			}
			fmt.Fprintf(text, "        %s %s\n", side.sign, line)
		}
	}
}
