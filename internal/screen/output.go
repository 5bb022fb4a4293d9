// Package screen owns what goes over a terminal's socket and what comes back: how
// output becomes frames, what a late viewer sees of it, which keys are sent how, and
// how people answer questions in it. It has no sockets and no hosts.
package screen

import (
	"bytes"
	"unicode/utf8"
)

// The first byte of a question, and of its answer.
const (
	promptMark = 0x02
	answerMark = 0x03
)

// Output makes frames' content of what a host says: valid UTF-8, without what would
// look like a frame of another kind.
type Output struct {
	// rest is the beginning of a character.
	rest []byte
}

// Next takes bytes as they come. The result is the caller's, and may be empty.
func (o *Output) Next(given []byte) []byte {
	all := given
	if len(o.rest) > 0 {
		all = append(o.rest, given...)
	}
	whole := len(all) - unfinished(all)
	o.rest = append([]byte(nil), all[whole:]...)
	all = bytes.ToValidUTF8(all[:whole], []byte("\uFFFD"))
	if bytes.IndexByte(all, promptMark) >= 0 {
		all = bytes.ReplaceAll(all, []byte{promptMark}, nil)
	}
	return all
}

// Last is what is left at the end.
func (o *Output) Last() []byte {
	if len(o.rest) == 0 {
		return nil
	}
	o.rest = nil
	return []byte("\uFFFD")
}

// unfinished is how many bytes at the end may become a character with those to come.
func unfinished(all []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(all); n++ {
		if last := all[len(all)-n:]; utf8.RuneStart(last[0]) {
			if utf8.FullRune(last) {
				return 0
			}
			return n
		}
	}
	return 0
}

// scrollback is how much of the output a late viewer gets, in bytes.
const scrollback = 200 << 10

// Replay is the end of the output.
type Replay struct{ text []byte }

// Add takes output.
func (r *Replay) Add(text []byte) {
	// Cut now and then, not each time.
	if len(r.text)+len(text) > 2*scrollback {
		keep := max(0, scrollback-len(text))
		r.text = append(r.text[:0], r.text[max(0, len(r.text)-keep):]...)
		text = text[max(0, len(text)-scrollback):]
	}
	r.text = append(r.text, text...)
}

// Text is what a viewer gets: whole lines where there are any, and no question that
// the viewer's terminal would answer into the shell.
func (r *Replay) Text() []byte {
	text := r.text
	if len(text) > scrollback {
		text = text[len(text)-scrollback:]
		for len(text) > 0 && !utf8.RuneStart(text[0]) {
			text = text[1:]
		}
		if at := bytes.IndexByte(text, '\n'); at >= 0 && at+1 < len(text) {
			text = text[at+1:]
		}
	}
	return WithoutQueries(text)
}
