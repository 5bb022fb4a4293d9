// Package scriptrun owns the runs of scripts in terminals: how a script's directives
// become shell code that talks to the server, how it gets to its host and is removed
// there, and what of the terminal's output and of clients' frames belongs to the run.
// It has no sockets and no hosts.
package scriptrun

import (
	"path"
	"regexp"
	"slices"
	"strings"
)

// directive is how a directive becomes a command of the prelude.
type directive struct {
	command string
	// least and most are how many parameters there are, besides the variable.
	least, most int
	// result is the variable for an answer where the directive names none; it may name one
	// only if takesVariable.
	result        string
	takesVariable bool
}

// many bounds nothing.
const many = 1 << 20

var directives = map[string]directive{
	"STEP":     {command: "__nexterm_mark STEP", least: 1, most: 1},
	"INFO":     {command: "__nexterm_mark INFO", least: 1, most: 1},
	"SUCCESS":  {command: "__nexterm_mark SUCCESS", least: 1, most: 1},
	"WARN":     {command: "__nexterm_mark WARN", least: 1, most: 1},
	"ERROR":    {command: "__nexterm_mark ERROR", least: 1, most: 1},
	"PROGRESS": {command: "__nexterm_mark PROGRESS", least: 1, most: 1},
	"INPUT":    {command: "__nexterm_input", least: 1, most: 2, result: "NEXTERM_INPUT_RESULT", takesVariable: true},
	"SELECT":   {command: "__nexterm_select", least: 2, most: many, result: "NEXTERM_SELECT_RESULT", takesVariable: true},
	"CONFIRM":  {command: "__nexterm_confirm", least: 1, most: 1},
	"SUMMARY":  {command: "__nexterm_ask NEXTERM_SUMMARY_RESULT closed SUMMARY", least: 1, most: many},
	"TABLE":    {command: "__nexterm_ask NEXTERM_TABLE_RESULT closed TABLE", least: 1, most: many},
	"MSGBOX":   {command: "__nexterm_ask NEXTERM_MSGBOX_RESULT closed MSGBOX", least: 2, most: 2},
}

var (
	directiveLine = regexp.MustCompile(`^([ \t]*)@NEXTERM:([A-Z]+)(?:[ \t]|$)`)
	sudoLine      = regexp.MustCompile(`^([ \t]*sudo)([ \t]+)`)
	variableName  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	// quotedVariable is a variable's name in quotes, which prompts do not look like.
	quotedVariable = regexp.MustCompile(`^"[A-Z_][A-Z0-9_]*"$`)
)

// shells understand the prelude.
var shells = []string{"sh", "bash", "dash", "ash", "ksh", "mksh", "zsh"}

// interpreter reads a script's first line: the program and its one argument, as the
// kernel does. Without one it is nil.
func interpreter(content string) (command []string, isShell bool) {
	line, _, _ := strings.Cut(content, "\n")
	line, has := strings.CutPrefix(strings.TrimRight(line, " \t\r"), "#!")
	program, argument, _ := strings.Cut(strings.TrimLeft(line, " \t"), " ")
	if !has || program == "" {
		return nil, true
	}
	command = []string{program}
	if argument = strings.Trim(argument, " \t"); argument != "" {
		command = append(command, argument)
	}
	name := path.Base(program)
	if name == "env" {
		for word := range strings.FieldsSeq(argument) {
			if !strings.HasPrefix(word, "-") && !strings.Contains(word, "=") {
				name = path.Base(word)
				break
			}
		}
	}
	return command, slices.Contains(shells, name)
}

// translate writes a script for shells, with the prelude in front. Lines keep their
// numbers, for the shell's messages. What is no directive that can be understood stays,
// and the shell says so.
func translate(content, prelude string) string {
	lines := strings.Split(content, "\n")
	if strings.HasPrefix(lines[0], "#!") {
		lines[0] = ""
	}
	decides := strings.Contains(content, "NEXTERM_CONFIRM_RESULT")
	for i := 0; i < len(lines); i++ {
		if found := sudoLine.FindStringSubmatch(lines[i]); found != nil {
			if rest := lines[i][len(found[0]):]; rest != "-S" && !strings.HasPrefix(rest, "-S ") {
				lines[i] = found[1] + " -S" + found[2] + rest
			}
			continue
		}
		if !directiveLine.MatchString(strings.TrimRight(lines[i], "\r")) {
			continue
		}
		last := i
		for last+1 < len(lines) && strings.HasSuffix(strings.TrimRight(lines[last], "\r"), `\`) {
			last++
		}
		joined := make([]string, 0, last-i+1)
		for _, line := range lines[i : last+1] {
			joined = append(joined, strings.TrimRight(line, "\r"))
		}
		if command, understood := call(strings.Join(joined, "\n"), decides); understood {
			lines[i] = command
			for j := i + 1; j <= last; j++ {
				lines[j] = ""
			}
		}
		i = last
	}
	return prelude + "; " + strings.Join(lines, "\n")
}

// call is the command for a directive.
func call(text string, decides bool) (command string, understood bool) {
	found := directiveLine.FindStringSubmatch(text)
	if found == nil {
		return "", false // a name that ends with the line, and goes on in the next one
	}
	d, known := directives[found[2]]
	words, closed := split(text[len(found[0]):])
	if !known || !closed {
		return "", false
	}
	command = found[1] + d.command
	if d.takesVariable {
		variable := d.result
		quoted := found[2] == "SELECT" && len(words) > 2 && quotedVariable.MatchString(words[0]) && words[1][0] == '"'
		if len(words) > 1 && (variableName.MatchString(words[0]) || quoted) {
			variable, words = strings.Trim(words[0], `"`), words[1:]
		}
		command += " " + variable
	}
	if len(words) < d.least || len(words) > d.most {
		return "", false
	}
	if found[2] == "CONFIRM" {
		command += map[bool]string{true: " goes-on", false: " ends"}[decides]
	}
	for i, word := range words {
		// Bare words are options and numbers, and variables that hold one.
		if name := strings.Trim(strings.TrimPrefix(word, "$"), "{}"); word[0] == '$' && variableName.MatchString(name) {
			words[i] = `"` + word + `"`
		} else if word[0] != '"' {
			words[i] = quote(word)
		}
	}
	return command + " " + strings.Join(words, " "), true
}

// split parts parameters: in double quotes, which they keep, or bare. It reports
// whether all that is opened is closed.
func split(text string) (words []string, closed bool) {
	for at := 0; at < len(text); {
		switch {
		case strings.ContainsRune(" \t\n", rune(text[at])):
			at++
		case strings.HasPrefix(text[at:], "\\\n"):
			at += 2
		case text[at] == '#':
			return words, true
		case text[at] == '"':
			end := skip(text, at+1, '"')
			if end < 0 || end < len(text) && !strings.ContainsRune(" \t\n\\", rune(text[end])) {
				return nil, false
			}
			words = append(words, text[at:end])
			at = end
		default:
			end := at + 1
			for end < len(text) && !strings.ContainsRune(" \t\n\\\"", rune(text[end])) {
				end++
			}
			words = append(words, text[at:end])
			at = end
		}
	}
	return words, true
}

// skip finds the end of what has been opened in shell code, behind its closing
// character, or -1.
func skip(text string, at int, closing byte) int {
	for at >= 0 && at < len(text) {
		c := text[at]
		at++
		switch {
		case c == closing:
			return at
		case c == '\\':
			at++
		case c == '$' && at < len(text) && text[at] == '(':
			at = skip(text, at+1, ')')
		case c == '$' && at < len(text) && text[at] == '{':
			at = skip(text, at+1, '}')
		case c == '`':
			at = skip(text, at, '`')
		case closing != '"' && c == '"':
			at = skip(text, at, '"')
		case closing == ')' && c == '(':
			at = skip(text, at, ')')
		case (closing == ')' || closing == '`') && c == '\'':
			end := strings.IndexByte(text[at:], '\'')
			if end < 0 {
				return -1
			}
			at += end + 1
		}
	}
	return -1
}

// quote writes a word for shells, fish included.
func quote(word string) string {
	return `'` + strings.NewReplacer(`'`, `'\''`).Replace(word) + `'`
}
