package scriptrun

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// maxMessages and maxKept, in bytes, bound what late sockets are given.
const (
	maxMessages = 1000
	maxKept     = 1 << 20
)

type object map[string]any

// message is one that late sockets are given.
type message struct {
	frame      []byte
	isProgress bool
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
