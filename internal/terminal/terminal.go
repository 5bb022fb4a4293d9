// Package terminal owns what commands have to do with a terminal: questions, bars of
// progress, and text that it shows instead of obeying. It does not own what is said.
package terminal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"

	"golang.org/x/term"
	"golang.org/x/text/width"
)

// ErrNone is for questions that there is nobody to answer.
var ErrNone = errors.New("there is no terminal to ask at")

// Is says whether a stream is a terminal.
func Is(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// Secret asks for something that is not shown while it is typed.
func Secret(ctx context.Context, out io.Writer, prompt string) (string, error) {
	return ask(ctx, out, prompt, func() (string, error) {
		defer fmt.Fprintln(out)
		secret, err := term.ReadPassword(int(os.Stdin.Fd()))
		return string(secret), err
	})
}

// Confirm asks a question, to which all but a yes is a no.
func Confirm(ctx context.Context, out io.Writer, question string) (bool, error) {
	answer, err := ask(ctx, out, question+" [y/N] ", func() (string, error) { return Line(os.Stdin) })
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes", err
}

// Line reads a line and not a byte more, so that somebody else can read on.
func Line(in io.Reader) (string, error) {
	var line []byte
	for next := make([]byte, 1); ; {
		n, err := in.Read(next)
		switch {
		case n == 1 && next[0] == '\n', errors.Is(err, io.EOF) && len(line) > 0:
			return strings.TrimSuffix(string(line), "\r"), nil
		case err != nil:
			return "", err
		case len(line) == maxLine:
			return "", errors.New("the line is too long")
		}
		line = append(line, next[:n]...)
	}
}

// maxLine is longer than any password.
const maxLine = 4096

// ask waits for an answer, or for the end of the context.
func ask(ctx context.Context, out io.Writer, prompt string, read func() (string, error)) (string, error) {
	if !Is(os.Stdin) {
		return "", ErrNone
	}
	before, err := term.GetState(int(os.Stdin.Fd()))
	if err != nil {
		return "", err
	}
	type answer struct {
		text string
		err  error
	}
	given := make(chan answer, 1)
	fmt.Fprint(out, prompt)
	go func() {
		text, err := read()
		given <- answer{text, err}
	}()
	select {
	case a := <-given:
		return a.text, a.err
	case <-ctx.Done():
		// Whoever interrupts gets a terminal back that shows what is typed.
		fmt.Fprintln(out)
		return "", errors.Join(ctx.Err(), term.Restore(int(os.Stdin.Fd()), before))
	}
}

// Clean makes one line of text that a terminal shows and does not obey.
func Clean(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}

// CleanLines is [Clean] for text of several lines.
func CleanLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = Clean(line)
	}
	return strings.Join(lines, "\n")
}

// Width is how many columns of a terminal a clean line takes.
func Width(line string) (columns int) {
	for _, r := range line {
		columns += columnsOf(r)
	}
	return columns
}

// Cut is as much of the beginning of a clean line as fits into so many columns.
func Cut(line string, columns int) string {
	for i, r := range line {
		if columns -= columnsOf(r); columns < 0 {
			return line[:i]
		}
	}
	return line
}

func columnsOf(r rune) int {
	switch kind := width.LookupRune(r).Kind(); {
	case unicode.Is(unicode.Mn, r):
		return 0
	case kind == width.EastAsianWide, kind == width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// Progress returns what draws a bar over itself, and leaves it at the end. Where there
// is no terminal, it draws nothing.
func Progress(stream io.Writer) func(done, all int64) {
	if !Is(stream) {
		return func(int64, int64) {}
	}
	return func(done, all int64) {
		const length = 40
		full := int(length * done / max(all, 1))
		fmt.Fprintf(stream, "\r[%s%s] %d of %d", strings.Repeat("#", full), strings.Repeat(" ", length-full), done, all)
		if done == all {
			fmt.Fprintln(stream)
		}
	}
}

// Raw hands what is typed over as it is, until it is restored.
func Raw() (restore func(), err error) {
	before, err := term.MakeRaw(int(os.Stdin.Fd()))
	if err != nil {
		return nil, err
	}
	return func() { _ = term.Restore(int(os.Stdin.Fd()), before) }, nil
}

// Size is how many characters the terminal has, 0 if that cannot be told.
func Size() (columns, rows int) {
	columns, rows, _ = term.GetSize(int(os.Stdin.Fd()))
	return columns, rows
}
