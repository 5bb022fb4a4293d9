package scriptrun

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

const (
	// Message is the first byte of frames that are messages of a run, both ways.
	Message = 0x1f
	// maxMark bounds what is kept of a mark, in bytes.
	maxMark = 64 << 10
	// maxLine is how much of a line can be a question for a password, in bytes.
	maxLine = 256
)

// Run is one run of a script, as its terminal shows it. Marks in the output count only
// with the run's own token, which no other output knows, and begin with a byte that is
// kept from nothing else: so they are lines of their own wherever the cursor is.
type Run struct {
	name, file string
	token      string
	// pending is the file, if it is to be typed.
	pending []byte
	// mark is the beginning of what may be one.
	mark []byte
	// line is what stands in the line that is being written, and isSecret that a password
	// has just been typed into it: whoever asked may not have been sudo, and echo it.
	line     []byte
	isSecret bool

	started, ended bool
	exitCode       int
	steps          int
	kept           []message
	keptSize       int
	open           *prompt
}

// prompt waits for an answer.
type prompt struct {
	frame []byte
	// variable is what answers have to name, empty for all.
	variable   string
	options    []string
	isConfirm  bool
	isPassword bool
}

// New is a run that has not begun.
func New(name, content string) *Run {
	token := rand.Text()
	return &Run{name: name, token: token, file: file(content, token)}
}

// File is what is to be uploaded.
func (r *Run) File() string { return r.file }

// Started reports whether the script has begun, and ExitCode how it has ended, if it has.
func (r *Run) Started() bool { return r.started }

// ExitCode is the script's status; -1 if the connection ended before it.
func (r *Run) ExitCode() (code int, ended bool) { return r.exitCode, r.ended }

// Replay is what a late socket gets before the output: all messages and the question
// that is open.
func (r *Run) Replay() [][]byte {
	var frames [][]byte
	for _, m := range r.kept {
		frames = append(frames, m.frame)
	}
	if r.open != nil {
		frames = append(frames, r.open.frame)
	}
	return frames
}

// Lost ends a run whose connection has ended, and says so if it had begun.
func (r *Run) Lost() (frame []byte) {
	if !r.started || r.ended {
		return nil
	}
	return r.end(-1)
}

// Output takes what the terminal says, apart into frames of output and of messages, and
// what is to be typed for it. Nothing is shown before the script begins.
func (r *Run) Output(text []byte) (frames [][]byte, typed []byte) {
	var shown []byte
	for len(text) > 0 {
		if r.mark == nil {
			output, rest, found := bytes.Cut(text, []byte{Message})
			shown, text = append(shown, output...), rest
			if found {
				r.mark = []byte{Message}
			}
			continue
		}
		prefix := "\x1f" + r.token + ":NEXTERM_"
		if r.pending != nil {
			prefix = "\x1fsend"
		}
		c := text[0]
		switch isOwn := len(r.mark) >= len(prefix); {
		case isOwn && c == '\n' && r.pending != nil:
			typed, r.pending, r.mark = r.pending, nil, nil
		case isOwn && c == '\n':
			mark := string(r.mark[len(prefix):])
			r.mark = nil
			frames, shown = r.show(frames, shown), nil
			if frame := r.take(strings.TrimSuffix(mark, "\r")); frame != nil {
				frames = append(frames, frame)
			}
		case isOwn && len(r.mark) >= maxMark: // the rest is nobody's
		case isOwn, !r.ended && c == prefix[len(r.mark)]:
			r.mark = append(r.mark, c)
		default:
			shown, r.mark = append(shown, r.mark[1:]...), nil
			continue
		}
		text = text[1:]
	}
	return r.show(frames, shown), typed
}

var (
	escapes  = regexp.MustCompile(`\x1b(?:\[[0-9;?<>=]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()][0-9A-Za-z]|[@-Z\\^_=>])`)
	password = regexp.MustCompile(`^(?:\[sudo\] password for [^:]+|[Pp]assword): ?$`)
)

// show takes output, which may ask for a password.
func (r *Run) show(frames [][]byte, text []byte) [][]byte {
	if r.isSecret {
		at := bytes.IndexByte(text, '\n')
		if at < 0 {
			return frames
		}
		r.isSecret, text = false, append([]byte("\r"), text[at:]...)
	}
	if !r.started || len(text) == 0 {
		return frames
	}
	frames = append(frames, text)
	if r.ended {
		return frames
	}
	if at := bytes.LastIndexByte(text, '\n'); at >= 0 {
		r.line, text = r.line[:0], text[at+1:]
		if r.open != nil && r.open.isPassword {
			r.open = nil // whoever asked goes on
		}
	}
	r.line = append(r.line, text[:min(len(text), maxLine+1-min(len(r.line), maxLine+1))]...)
	question := escapes.ReplaceAll(r.line, nil)
	if at := bytes.LastIndexByte(question, '\r'); at >= 0 {
		question = question[at+1:]
	}
	if len(r.line) > maxLine || r.open != nil || !password.Match(question) {
		return frames
	}
	return append(frames, r.ask(&prompt{variable: "SUDO_PASSWORD", isPassword: true}, object{
		"type": "prompt", "inputType": "password", "variable": "SUDO_PASSWORD", "prompt": strings.TrimSpace(string(question)), "default": "", "isSudoPassword": true,
	}))
}

// Receive reads a frame of a client that may write, and returns what is to be typed for
// it. What is no message is for the terminal.
func (r *Run) Receive(frame []byte) (typed []byte, isMessage bool) {
	var said struct{ Type, Variable, Value string }
	if len(frame) < 2 || frame[0] != Message || json.Unmarshal(frame[1:], &said) != nil {
		return nil, false
	}
	p := r.open
	switch {
	case !r.started || r.ended:
	case said.Type == "input_cancelled":
		r.open = nil
		return []byte{0x03}, true
	case said.Type != "input_response" || p == nil || p.variable != "" && said.Variable != p.variable:
	default:
		value := strings.Map(func(c rune) rune {
			if unicode.IsControl(c) {
				return -1
			}
			return c
		}, said.Value)
		if p.isConfirm {
			value = map[bool]string{true: "Yes", false: "No"}[strings.EqualFold(value, "yes")]
		}
		if p.options != nil && value != "" && !slices.Contains(p.options, value) {
			return nil, true
		}
		r.open, r.line, r.isSecret = nil, r.line[:0], p.isPassword
		return []byte(value + "\n"), true
	}
	return nil, true
}
