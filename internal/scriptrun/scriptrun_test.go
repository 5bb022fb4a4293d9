package scriptrun_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/scriptrun"
)

// body is the script within the file that is uploaded, and the run's token.
func body(t testing.TB, file string) (script, token string) {
	t.Helper()
	found := regexp.MustCompile(`(?s)<<'(\w+)'\n(.*)\n(\w+)\nchmod`).FindStringSubmatch(file)
	require.NotNil(t, found, file)
	return found[2], found[1]
}

// commands are the lines of a script after the prelude.
func commands(t testing.TB, content string) string {
	t.Helper()
	script, _ := body(t, scriptrun.New("x", content).File())
	_, lines, _ := strings.Cut(script, "esac; }; ")
	return lines
}

func TestDirectives(t *testing.T) {
	t.Parallel()
	for directive, command := range map[string]string{
		`@NEXTERM:STEP "one"`: `__nexterm_mark STEP "one"`,
		"\t@NEXTERM:INFO \"a\\\"b $(id -u \"x\") ${y:-\"z\"}\"": "\t__nexterm_mark INFO \"a\\\"b $(id -u \"x\") ${y:-\"z\"}\"",
		`@NEXTERM:SUCCESS "x" # why`:                            `__nexterm_mark SUCCESS "x"`,
		`@NEXTERM:ERROR "x"` + "\r":                             `__nexterm_mark ERROR "x"`,
		`@NEXTERM:PROGRESS 50`:                                  `__nexterm_mark PROGRESS '50'`,
		`@NEXTERM:PROGRESS $p`:                                  `__nexterm_mark PROGRESS "$p"`,
		`@NEXTERM:PROGRESS "${p}"`:                              `__nexterm_mark PROGRESS "${p}"`,
		`@NEXTERM:INPUT NAME "Name?" "x y"`:                     `__nexterm_input NAME "Name?" "x y"`,
		`@NEXTERM:INPUT "Name?"`:                                `__nexterm_input NEXTERM_INPUT_RESULT "Name?"`,
		`@NEXTERM:INPUT "Name?" "default"`:                      `__nexterm_input NEXTERM_INPUT_RESULT "Name?" "default"`,
		`@NEXTERM:SELECT V "Which?" a;b 'c "d e"`:               `__nexterm_select V "Which?" 'a;b' ''\''c' "d e"`,
		`@NEXTERM:SELECT "VAR" "Which?" a b`:                    `__nexterm_select VAR "Which?" 'a' 'b'`,
		`@NEXTERM:SELECT "Which?" a b`:                          `__nexterm_select NEXTERM_SELECT_RESULT "Which?" 'a' 'b'`,
		`@NEXTERM:CONFIRM "Sure?"`:                              `__nexterm_confirm ends "Sure?"`,
		`@NEXTERM:MSGBOX "t" "a\nb"`:                            `__nexterm_ask NEXTERM_MSGBOX_RESULT closed MSGBOX "t" "a\nb"`,
		"@NEXTERM:SUMMARY \"t\" \\\n \"k\" \\\n  \"v\"\nlast":   "__nexterm_ask NEXTERM_SUMMARY_RESULT closed SUMMARY \"t\" \"k\" \"v\"\n\n\nlast",
		"@NEXTERM:CONFIRM \"x\"\n[ $NEXTERM_CONFIRM_RESULT ]":   "__nexterm_confirm goes-on \"x\"\n[ $NEXTERM_CONFIRM_RESULT ]",
		"sudo id\n  sudo\t-u x id\nsudo -S id\necho sudo":       "sudo -S id\n  sudo -S\t-u x id\nsudo -S id\necho sudo",
	} {
		require.Equal(t, command, commands(t, directive), directive)
	}
	for _, text := range []string{
		`@NEXTERM:STEP`, `@NEXTERM:STEP "open`, `@NEXTERM:STEP "a" "b"`, `@NEXTERM:NOTHING "x"`, `echo @NEXTERM:STEP "x"`, `@NEXTERM:STEP "a"b`,
		`@NEXTERM:STEP "$(x"`, `@NEXTERM:SELECT X "only"`, "@NEXTERM:STEP \"x\\", "@NEXTERM:STEP\\\n", `@nexterm:STEP "x"`, `@NEXTERM:STEPS "x"`,
	} {
		require.Equal(t, text, commands(t, text))
	}
}

func TestInterpreters(t *testing.T) {
	t.Parallel()
	for line, command := range map[string]string{
		"":                                     `"$(command -v bash || command -v sh)" "$d/script"`,
		"#!/bin/sh\n":                          `'/bin/sh' "$d/script"`,
		"#! /usr/bin/env -S FOO=1 bash -x\r\n": `'/usr/bin/env' '-S FOO=1 bash -x' "$d/script"`,
		"#!/usr/bin/env fish\n":                `'/usr/bin/env' 'fish' "$d/script"`,
		"#!/opt/it's;reboot\n":                 `'/opt/it'\''s;reboot' "$d/script"`,
	} {
		content := line + `@NEXTERM:STEP "x"`
		file := scriptrun.New("x", content).File()
		require.Contains(t, file, "\n"+command+"\n")
		script, _ := body(t, file)
		require.Equal(t, strings.Contains(line, "fish") || strings.Contains(line, "opt"), script == content, "directives are for shells")
	}
}

// Shells evaluate what stands in quotes, and marks bring it whole, however it is.
func TestMarksInShells(t *testing.T) {
	t.Parallel()
	content := "x=\"a:b\\\\c\nd\"; @NEXTERM:\n@NEXTERM:INFO \"$x \\\\n \\\" é ☃ `echo 'q\"'` $(printf 'm:n') \\x3A\"\n@NEXTERM:TABLE \"\" \"a,b\" \"\" \":\""
	content = strings.Replace(content, "; @NEXTERM:\n", "\n", 1)
	for _, shell := range []string{"bash", "dash", "busybox sh", "bash --posix -x"} {
		run := scriptrun.New("x", content)
		script, token := body(t, run.File())
		out := filepath.Join(t.TempDir(), "out")
		// What is asked needs a terminal; here, marks are looked at.
		script = strings.ReplaceAll(strings.ReplaceAll(script, ">/dev/tty", ">>"+out), "stty -g </dev/tty", "echo")
		script = strings.ReplaceAll(strings.ReplaceAll(script, "stty ", ": "), "</dev/tty", "</dev/null")
		words := strings.Fields(shell)
		if said, err := exec.CommandContext(t.Context(), words[0], append(words[1:], "-c", script)...).CombinedOutput(); err != nil {
			require.Contains(t, err.Error(), "exit status 1", "%s", said) // nothing is answered
			t.Logf("%s", said)
		}
		marks, err := os.ReadFile(out)
		require.NoError(t, err)
		frames, _ := run.Output(append([]byte("\x1f"+token+":NEXTERM_READY\r\n"), marks...))
		require.Len(t, frames, 3, "%s: %q", shell, marks)
		require.Equal(t, "\x1f"+`{"message":"a:b\\c\nd \\n \" é ☃ q\" m:n \\x3A","type":"info"}`, string(frames[1]), shell)
		require.Equal(t, "\x1f"+`{"data":["a,b","",":"],"title":"","type":"table"}`, string(frames[2]), shell)
	}
}

// started is a run whose script has begun; say has it print something, with MARK for
// its marks, and returns the frames.
func started(t testing.TB, content string) (run *scriptrun.Run, say func(string) []string) {
	t.Helper()
	run = scriptrun.New("name", content)
	_, token := body(t, run.File())
	say = func(text string) (all []string) {
		frames, typed := run.Output([]byte(strings.ReplaceAll(text, "MARK", "\x1f"+token+":NEXTERM_")))
		require.Empty(t, typed)
		for _, frame := range frames {
			all = append(all, strings.ReplaceAll(string(frame), token, "TOKEN"))
		}
		return all
	}
	require.Empty(t, say("motd\r\n$ sh /tmp/x\r\nMARKSTEP:early\r\n"))
	require.Equal(t, []string{"\x1f" + `{"name":"name","type":"script_start"}`, "go\r\n"}, say("MARKREADY\r\ngo\r\n"))
	return run, say
}

func TestOutputAndMessagesKeepTheirOrder(t *testing.T) {
	t.Parallel()
	run, say := started(t, "")
	require.Equal(t, []string{"a", "\x1f" + `{"description":"x:y","number":1,"type":"step"}`, "b"}, say("aMARKSTEP:x\\x3Ay\r\nb"))
	require.Equal(t, []string{"\x1f" + `{"message":"","percentage":100,"type":"progress"}`}, say("MARKPROGRESS:1e9\n"))
	require.Equal(t, []string{"\x1f" + `{"message":"","percentage":0,"type":"progress"}`}, say("MARKPROGRESS:NaN\n"))
	require.Equal(t, []string{"\x1f" + `{"message":"red","type":"script_error"}`}, say("MARKERROR:\x1b[31mred\x1b[0m\x07\n"))
	require.Len(t, run.Replay(), 5)
	require.Equal(t, []string{"\x1f" + `{"exitCode":3,"success":false,"type":"script_end"}`, "$ "}, say("MARKEND:3\r\n$ "))
	require.Equal(t, []string{"NEXTERM_STEP:x"}, say("\x1fNEXTERM_STEP:x"))
	require.Nil(t, run.Lost())
	code, ended := run.ExitCode()
	require.Equal(t, []any{3, true}, []any{code, ended})
}

// What is not the run's own is output.
func TestMarksCannotBeFaked(t *testing.T) {
	t.Parallel()
	run, say := started(t, "")
	for _, fake := range []string{
		"NEXTERM_STEP:x\r\n", "\x1fNEXTERM_INPUT:X:y\r\n", "\x1f" + strings.Repeat("A", 26) + ":NEXTERM_END:0\r\n", "\x1f{\"type\":\"script_end\"}\n", "\x1f\x1f\x1fx",
	} {
		require.Equal(t, []string{strings.ReplaceAll(fake, "\x1f", "")}, say(fake))
	}
	require.Equal(t, []string{"a"}, say("a\x1f"), "what may become a mark waits")
	require.Equal(t, []string{"b"}, say("b"))
	require.Len(t, run.Replay(), 1)
	require.JSONEq(t, `{"exitCode":-1,"success":false,"type":"script_end"}`, string(run.Lost()[1:]))
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	run, say := started(t, "")
	answer := func(variable, value string) string {
		said, err := json.Marshal(map[string]string{"type": "input_response", "variable": variable, "value": value})
		require.NoError(t, err)
		typed, is := run.Receive(append([]byte{scriptrun.Message}, said...))
		require.True(t, is)
		return string(typed)
	}
	require.Empty(t, answer("X", "no question"))
	say("MARKINPUT:X:Name?:me\n")
	require.JSONEq(t, `{"type":"prompt","inputType":"input","variable":"X","prompt":"Name?","default":"me"}`, string(run.Replay()[1][1:]))
	require.Empty(t, answer("Y", "another question's"))
	require.Equal(t, "a;rm -rf xb\n", answer("X", "a;\nrm\x03 -rf\x1b x\u0085b\r"))
	require.Empty(t, answer("X", "again"))
	say("MARKTAKEN\nMARKINPUT:X:Name?:me\n")
	require.Equal(t, "\n", answer("X", ""))
	say("MARKSELECT:C:Which?:a:b c\n")
	require.Empty(t, answer("C", "none of them"))
	require.Equal(t, "b c\n", answer("C", "b c"))
	say("MARKCONFIRM:Sure?\n")
	require.Equal(t, "No\n", answer("NEXTERM_CONFIRM_RESULT", "maybe"))
	say("MARKMSGBOX:t:a\\x5Cnb\n")
	require.JSONEq(t, `{"type":"msgbox","title":"t","message":"a\\nb"}`, string(run.Replay()[1][1:]))
	require.Equal(t, "closed\n", answer("", "closed"))
	say("MARKINPUT:X:typed by hand:\n")
	say("MARKTAKEN\n")
	require.Empty(t, answer("X", "late"))
	typed, is := run.Receive([]byte("\x1f" + `{"type":"input_cancelled"}`))
	require.True(t, is)
	require.Equal(t, "\x03", string(typed))
	for _, frame := range []string{"", "\x1f", "ls", "\x1fx", "\x1f[]"} {
		_, is := run.Receive([]byte(frame))
		require.False(t, is, "%q is for the terminal", frame)
	}
}

func TestPasswordsAreAskedWithoutALineEnd(t *testing.T) {
	t.Parallel()
	run, say := started(t, "")
	for _, question := range []string{"[sudo] password for me: ", "\x1b[1mPassword:\x1b[0m "} {
		require.Len(t, say(question[:5]), 1)
		frames := say(question[5:])
		require.Len(t, frames, 2, question)
		require.Contains(t, frames[1], `"isSudoPassword":true`)
		typed, _ := run.Receive([]byte("\x1f" + `{"type":"input_response","variable":"SUDO_PASSWORD","value":"se cret"}`))
		require.Equal(t, "se cret\n", string(typed))
		require.Empty(t, say("se c"), "it may be echoed")
		require.Equal(t, []string{"\r\nnext\r\n"}, say("ret\r\nnext\r\n"))
	}
	require.Len(t, say("Enter Password: "), 1)
	require.Len(t, say("\r\nPassword: is here\r\n"), 1)
	require.Len(t, say("Password: "), 2)
	say("\r\nwrong\r\n")
	require.Len(t, run.Replay(), 1, "whoever asked goes on")
}

func TestMessagesAreBounded(t *testing.T) {
	t.Parallel()
	run, say := started(t, "")
	say("MARKSTEP:first\n")
	for range 3000 {
		say("MARKPROGRESS:1\n")
	}
	require.Len(t, run.Replay(), 1000)
	require.Contains(t, string(run.Replay()[1]), "first", "progress is forgotten first")
	for range 40 {
		require.Less(t, len(say("MARKINFO:" + strings.Repeat("x", 100<<10) + "\n")[0]), 70<<10)
	}
	size := 0
	for _, frame := range run.Replay() {
		size += len(frame)
	}
	require.LessOrEqual(t, size, 1<<20)
}

func TestTypedUpload(t *testing.T) {
	t.Parallel()
	run := scriptrun.New("x", "uptime")
	require.NotContains(t, run.TypedUpload(), "uptime")
	frames, typed := run.Output([]byte("$ \x1fsend\r\n"))
	require.Empty(t, frames)
	require.Equal(t, run.File(), string(typed))
	for _, said := range []string{"", "nexterm:/tmp/x", "nexterm:tmp:\n", "nexterm:/tmp/'x:\n", "nexterm:/\x1b:\n"} {
		_, is := scriptrun.UploadedPath([]byte(said))
		require.False(t, is, said)
	}
	path, is := scriptrun.UploadedPath([]byte("Welcome!\nnexterm:/tmp/tmp.1:\n"))
	require.True(t, is)
	require.Equal(t, " sh '/tmp/tmp.1/run'\n", scriptrun.Line(path))
}

func FuzzTranslate(f *testing.F) {
	f.Add("@NEXTERM:STEP \"a $(b \"c\")\" \\\n d\nsudo x")
	f.Add("#!/bin/sh\n@NEXTERM:SELECT \"A\" \"b\" ${c} 'd")
	f.Fuzz(func(t *testing.T, content string) {
		if strings.ContainsAny(content, "\x00") {
			return
		}
		if lines := commands(t, "\n"+content); strings.Count(lines, "\n") != strings.Count(content, "\n")+1 {
			t.Fatalf("lines have other numbers: %q", lines)
		}
	})
}

// However output is cut, it comes to the same, and nothing of it looks like a message.
func FuzzOutput(f *testing.F) {
	f.Add("a\x1fMARKSTEP:x\nMARKINPUT:A:b:c\r\nPassword: ", 3)
	f.Add("MARKEND:0\n\x1f{}", 1)
	f.Fuzz(func(t *testing.T, text string, cut int) {
		if !utf8.ValidString(text) || cut < 1 {
			return
		}
		text += "\n" // nothing may become a mark yet
		_, whole := started(t, "")
		_, parts := started(t, "")
		expected, got := "", ""
		// What is asked at the end of a part is a question there alone.
		join := func(into *string, frames []string) {
			for _, frame := range frames {
				if strings.Contains(frame[1:], "\x1f") {
					t.Fatalf("a message within %q", frame)
				}
				if !strings.Contains(frame, "SUDO_PASSWORD") {
					*into += frame
				}
			}
		}
		join(&expected, whole(text))
		for _, part := range strings.SplitAfter(text, "\n") {
			if at := cut % (len(part) + 1); !strings.Contains(part, "MARK") && utf8.ValidString(part[:at]) {
				join(&got, parts(part[:at]))
				part = part[at:]
			}
			join(&got, parts(part))
		}
		if got != expected {
			t.Fatalf("%q became %q and %q", text, expected, got)
		}
	})
}
