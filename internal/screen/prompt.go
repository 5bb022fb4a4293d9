package screen

import (
	"bytes"
	"regexp"
	"time"
	"unicode/utf8"
)

const (
	// cancelTime is how long a lone 0x03 waits for the Enter that makes it the end of a
	// pasted line, and swallowTime how long an Enter belongs to an answer before it.
	cancelTime  = 150 * time.Millisecond
	swallowTime = 2 * time.Second
	// maxAnswer bounds what is collected, in bytes.
	maxAnswer = 4096
)

// Prompt reads the answers to questions out of what one client sends. Web clients
// collect the keys themselves and send them as an answer, but as input besides, each
// of them and the Enter at the end; what is pasted comes as input only; others send
// nothing but keys. The zero value has no question open.
type Prompt struct {
	open bool
	line []byte
	// cancelling is since when a lone 0x03 waits, and answered when the last answer
	// came as one.
	cancelling, answered time.Time
}

// Outcome is what has become of the open question.
type Outcome int

// The outcomes.
const (
	Waiting Outcome = iota
	Answered
	// Cancelling waits for Settle to be called after the returned time.
	Cancelling
	Cancelled
)

// Ask opens a question.
func (p *Prompt) Ask() {
	p.open, p.cancelling = true, time.Time{}
	clear(p.line)
	p.line = p.line[:0]
}

// Close forgets the question and what has been typed.
func (p *Prompt) Close() {
	p.open = false
	clear(p.line)
	p.line = nil
}

// Open reports whether a question is open.
func (p *Prompt) Open() bool { return p.open }

// Swallow reports whether a frame that comes while no question is open is the Enter of
// the answer before.
func (p *Prompt) Swallow(frame []byte, now time.Time) bool {
	swallowed := !p.answered.IsZero() && now.Sub(p.answered) < swallowTime && (string(frame) == "\r" || string(frame) == "\r\n")
	p.answered = time.Time{}
	return swallowed
}

// Take reads a frame while a question is open.
func (p *Prompt) Take(frame []byte, now time.Time) (answer string, outcome Outcome, wait time.Duration) {
	if p.Swallow(frame, now) {
		return "", Waiting, 0
	}
	if !p.cancelling.IsZero() {
		if string(frame) == "\r" || string(frame) == "\r\n" {
			return p.give(p.line), Answered, 0
		}
		return "", Cancelled, 0
	}
	switch {
	case string(frame) == string([]byte{answerMark}):
		p.cancelling = now
		return "", Cancelling, cancelTime
	case len(frame) > 0 && frame[0] == answerMark:
		p.answered = now
		return p.give(frame[1:]), Answered, 0
	}
	return p.collect(plain(frame))
}

// Settle ends the wait after a lone 0x03.
func (p *Prompt) Settle(now time.Time) bool {
	return p.open && !p.cancelling.IsZero() && now.Sub(p.cancelling) >= cancelTime
}

// collect takes keys. Enter on an empty line answers nothing.
func (p *Prompt) collect(frame []byte) (string, Outcome, time.Duration) {
	for len(frame) > 0 {
		r, size := utf8.DecodeRune(frame)
		switch r {
		case '\r', '\n':
			if len(p.line) > 0 {
				return p.give(p.line), Answered, 0
			}
		case 0x08, 0x7f:
			_, last := utf8.DecodeLastRune(p.line)
			p.line = p.line[:len(p.line)-last]
		default:
			if r >= ' ' && len(p.line)+size <= maxAnswer {
				p.line = append(p.line, frame[:size]...)
			}
		}
		frame = frame[size:]
	}
	return "", Waiting, 0
}

func (p *Prompt) give(answer []byte) string {
	text := string(bytes.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, plain(answer)))
	p.Close()
	return text[:min(len(text), maxAnswer)]
}

// escapes are the sequences that keys such as arrows send.
var escapes = regexp.MustCompile(`\x1b(?:\[[0-9;?<>=]*[ -/]*[@-~]|O[ -~]|.)?`)

func plain(input []byte) []byte { return escapes.ReplaceAll(input, nil) }
