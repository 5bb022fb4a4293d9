package scriptrun

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

const (
	// Message is the first byte of frames that are messages of a run, both ways.
	Message = 0x1f
	// maxMark bounds what is kept of a mark, in bytes.
	maxMark = 64 << 10
	// maxMessages and maxKept bound what late sockets are given.
	maxMessages = 1000
	maxKept     = 1 << 20
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

// message is one that late sockets are given.
type message struct {
	frame      []byte
	isProgress bool
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

type object map[string]interface{}

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

// take reads a mark and returns the message that it is, if any.
func (r *Run) take(mark string) []byte {
	fields := strings.Split(mark, ":")
	for i := range fields {
		fields[i] = clean(fields[i])
	}
	name := fields[0]
	if name == "READY" && !r.started {
		r.started, r.file = true, ""
		return r.keep(object{"type": "script_start", "name": r.name}, false)
	}
	if !r.started || r.ended {
		return nil
	}
	fields = append(fields[1:], "", "", "")
	given := fields[:len(fields)-3]
	r.line, r.isSecret = r.line[:0], false
	switch name {
	case "END":
		code, err := strconv.Atoi(fields[0])
		if err != nil {
			code = -1
		}
		return r.end(code)
	case "TAKEN":
		r.open = nil
	case "STEP":
		r.steps++
		return r.keep(object{"type": "step", "number": r.steps, "description": fields[0]}, false)
	case "INFO", "SUCCESS":
		return r.keep(object{"type": strings.ToLower(name), "message": fields[0]}, false)
	case "WARN":
		return r.keep(object{"type": "warning", "message": fields[0]}, false)
	case "ERROR":
		return r.keep(object{"type": "script_error", "message": fields[0]}, false)
	case "PROGRESS":
		return r.keep(object{"type": "progress", "percentage": percentage(fields[0]), "message": ""}, true)
	case "INPUT":
		return r.ask(&prompt{variable: fields[0]}, object{
			"type": "prompt", "inputType": "input", "variable": fields[0], "prompt": fields[1], "default": fields[2],
		})
	case "SELECT":
		options := given[min(2, len(given)):]
		return r.ask(&prompt{variable: fields[0], options: options}, object{
			"type": "prompt", "inputType": "select", "variable": fields[0], "prompt": fields[1], "default": fields[2], "options": options,
		})
	case "CONFIRM":
		return r.ask(&prompt{variable: "NEXTERM_CONFIRM_RESULT", isConfirm: true}, object{
			"type": "confirm", "inputType": "confirm", "variable": "NEXTERM_CONFIRM_RESULT", "prompt": fields[0],
		})
	case "SUMMARY", "TABLE":
		return r.ask(&prompt{}, object{"type": strings.ToLower(name), "title": fields[0], "data": given[min(1, len(given)):]})
	case "MSGBOX":
		return r.ask(&prompt{}, object{"type": "msgbox", "title": fields[0], "message": fields[1]})
	}
	return nil
}

// clean reads a field: text, without what terminals would do something at.
func clean(field string) string {
	field = strings.NewReplacer(`\x3A`, ":", `\x0A`, "\n", `\x5C`, `\`).Replace(field)
	return strings.Map(func(c rune) rune {
		if unicode.IsControl(c) && c != '\n' && c != '\t' {
			return -1
		}
		return c
	}, escapes.ReplaceAllString(field, ""))
}

// percentage is 0 for what is no number.
func percentage(text string) int {
	number, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil && !math.IsInf(number, 0) || math.IsNaN(number) {
		return 0
	}
	return int(min(max(number, 0), 100))
}

func (r *Run) ask(p *prompt, o object) []byte {
	p.frame = frame(o)
	r.open = p
	return p.frame
}

func (r *Run) end(code int) []byte {
	r.ended, r.exitCode, r.open = true, code, nil
	return r.keep(object{"type": "script_end", "exitCode": code, "success": code == 0}, false)
}

// keep makes a message that late sockets get as well. The oldest progress is the first
// to be forgotten.
func (r *Run) keep(o object, isProgress bool) []byte {
	m := message{frame(o), isProgress}
	r.kept = append(r.kept, m)
	r.keptSize += len(m.frame)
	for len(r.kept) > maxMessages || r.keptSize > maxKept {
		oldest := max(0, slices.IndexFunc(r.kept, func(m message) bool { return m.isProgress }))
		r.keptSize -= len(r.kept[oldest].frame)
		r.kept = slices.Delete(r.kept, oldest, oldest+1)
	}
	return m.frame
}

func frame(o object) []byte {
	text, err := json.Marshal(o)
	if err != nil {
		panic(err) // it is text, numbers and lists of text
	}
	return append([]byte{Message}, text...)
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
