package connection_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

// loginShell has an OpenSSH server start another login shell, for commands too.
func loginShell(shell string) string {
	return fmt.Sprintf(`ForceCommand if [ -n "$SSH_ORIGINAL_COMMAND" ]; then exec %[1]s -c "$SSH_ORIGINAL_COMMAND"; else exec %[1]s -i; fi`, shell)
}

// scriptHost is an entry on an OpenSSH server, and where scripts lie there.
func scriptHost(t *testing.T, s *testserver.Server, settings ...string) (entry int64, folder string) {
	t.Helper()
	folder = t.TempDir()
	entry, _ = openSSH(t, s.Owner, nil, append(settings, "SetEnv TMPDIR="+folder)...)
	return entry, folder
}

// runScript opens a connection that runs a script.
func runScript(t *testing.T, s *testserver.Server, entry int64, content string) (shell *terminal, id string) {
	t.Helper()
	script := s.Owner.Post("/api/scripts", object{"name": "deploy", "content": content}).Want(201).ID()
	id = open(s.Owner, entry, object{"scriptId": script})
	return attach(t, s.Owner, "sessionId", id), id
}

// message waits for the next message of a script; output is seen.
func (s *terminal) message() (said object) {
	s.t.Helper()
	for {
		frame, err := s.next()
		require.NoError(s.t, err, "waiting for a message, saw %q", s.seen)
		if text, is := strings.CutPrefix(frame, "\x1f"); is {
			require.NoError(s.t, json.Unmarshal([]byte(text), &said))
			return said
		}
		require.NotContains(s.t, frame, "\x1f")
		s.seen += frame
	}
}

func (s *terminal) answer(variable, value string) {
	text, err := json.Marshal(object{"type": "input_response", "variable": variable, "value": value})
	require.NoError(s.t, err)
	s.Send("\x1f" + string(text))
}

// isEmpty says whether no script is left in a folder for temporary files; fish keeps
// something of its own there.
func isEmpty(folder string) func() bool {
	return func() bool {
		files, err := os.ReadDir(folder)
		return err == nil && !slices.ContainsFunc(files, func(file os.DirEntry) bool { return !strings.HasPrefix(file.Name(), "fish.") })
	}
}

const deploy = `@NEXTERM:STEP "Ask $USER_IS"
@NEXTERM:INPUT NAME "Who?" "nobody"
echo "name=[$NAME]"
@NEXTERM:SELECT COLOUR "Which?" red "dark blue"
@NEXTERM:INPUT "Again?"
printf 'colour=%s again=%s' "$COLOUR" "$NEXTERM_INPUT_RESULT"
@NEXTERM:STEP "Go on"
@NEXTERM:CONFIRM "Sure?"
echo; echo "sure=$NEXTERM_CONFIRM_RESULT"
@NEXTERM:PROGRESS "40"
@NEXTERM:SUMMARY "Done" \
  "dir" "$(basename "$(dirname "$0")" | cut -c1-4)"
read -r typed; echo "typed=$typed"
(exit 3)
echo never
`

func TestScriptsRunEndToEnd(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	for name, settings := range map[string][]string{
		"bash": nil, "fish": {loginShell("fish")}, "busybox": {loginShell("busybox sh")}, "dash": {loginShell("dash")},
		"one channel": {"MaxSessions 1"}, "one channel, fish": {"MaxSessions 1", loginShell("fish")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			entry, folder := scriptHost(t, s, append(settings, "SetEnv USER_IS=them")...)
			content := deploy
			if strings.HasPrefix(name, "one") {
				content += strings.Repeat("# much\x01\x03\x04 more than a line of a terminal takes\n", 5000)
			}
			shell, id := runScript(t, s, entry, content)
			shell.see("remembered")
			require.Equal(t, object{"type": "script_start", "name": "deploy"}, shell.message())
			require.Equal(t, object{"type": "step", "number": 1.0, "description": "Ask them"}, shell.message())
			require.Equal(t, object{"type": "prompt", "inputType": "input", "variable": "NAME", "prompt": "Who?", "default": "nobody"}, shell.message())
			shell.answer("OTHER", "x")
			shell.answer("NAME", "Zoë\r\necho injected; \x03'\"$(id)"+strings.Repeat("x", 5000))
			require.Equal(t, object{
				"type": "prompt", "inputType": "select", "variable": "COLOUR", "prompt": "Which?", "default": "red", "options": []any{"red", "dark blue"},
			}, shell.message())
			shell.answer("COLOUR", "dark blue")
			require.Equal(t, "NEXTERM_INPUT_RESULT", shell.message()["variable"])
			// A late socket gets it all, and what it answers counts.
			late := attach(t, s.Owner, "sessionId", id)
			for _, kind := range []string{"script_start", "step", "prompt"} {
				require.Equal(t, kind, late.message()["type"])
			}
			late.see("name=[Zoëecho injected; '\"$(id)" + strings.Repeat("x", 5000) + "]\r\n")
			late.answer("NEXTERM_INPUT_RESULT", "")
			require.Equal(t, object{"type": "step", "number": 2.0, "description": "Go on"}, shell.message())
			require.Equal(t, "NEXTERM_CONFIRM_RESULT", shell.message()["variable"])
			shell.see("colour=dark blue again=")
			shell.answer("NEXTERM_CONFIRM_RESULT", "No")
			require.Equal(t, object{"type": "progress", "percentage": 40.0, "message": ""}, shell.message())
			require.Equal(t, object{"type": "summary", "title": "Done", "data": []any{"dir", "tmp."}}, shell.message())
			shell.see("sure=No\r\n")
			shell.answer("NEXTERM_SUMMARY_RESULT", "closed")
			shell.Send("by hand\r")
			shell.see("typed=by hand\r\n")
			require.Equal(t, object{"type": "script_end", "exitCode": 3.0, "success": false}, shell.message())
			require.Eventually(t, isEmpty(folder), patience, 5*time.Millisecond)
			require.Eventually(t, func() bool { return exitCode(s) != nil }, patience, 10*time.Millisecond)

			// The shell goes on, and echoes.
			shell.Send("echo 4'2'answer\n")
			shell.see("42answer")
			require.NotContains(t, shell.seen, "never")
			s.Owner.Delete("/api/connections/" + id).Want(200)
			shell.closed(1000, "Session terminated")
		})
	}
}

// exitCode is what the audit log says of the last run.
func exitCode(s *testserver.Server) any {
	var page struct{ Logs []struct{ Details object } }
	s.Owner.Get("/api/audit/logs?action=script.execute").Want(200).Into(&page)
	return page.Logs[0].Details["exitCode"]
}

func TestScriptsEndOtherwise(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	entry, folder := scriptHost(t, s)
	for content, ends := range map[string]float64{
		"@NEXTERM:CONFIRM \"Delete it?\"\necho deleted":                                   1,
		"@NEXTERM:CONFIRM \"Delete it?\"\n[ \"$NEXTERM_CONFIRM_RESULT\" = No ] && exit 7": 7,
	} {
		shell, _ := runScript(t, s, entry, content)
		shell.message()
		shell.message()
		shell.answer("NEXTERM_CONFIRM_RESULT", "No")
		require.Equal(t, ends, shell.message()["exitCode"])
		require.NotContains(t, shell.seen, "deleted")
	}
	// Cancelling is Ctrl-C, and the terminal echoes again.
	shell, _ := runScript(t, s, entry, "@NEXTERM:INPUT X \"x\"\necho after")
	shell.message()
	shell.message()
	shell.Send("\x1f" + `{"type":"input_cancelled"}`)
	require.Equal(t, object{"type": "script_end", "exitCode": 130.0, "success": false}, shell.message())
	require.Eventually(t, func() bool { return exitCode(s) == 130.0 }, patience, 10*time.Millisecond)
	shell.Send("true echoed\n")
	shell.see("true echoed")

	// Other interpreters, and what is no directive.
	for content, said := range map[string]string{
		"#!/usr/bin/env fish\nset x a b\necho $x[2]fish\nexit 5":             "bfish\r\n",
		"#!/bin/sh -u\n: \"${x-}\"\n@NEXTERM:INFO \"i\"\necho sh; exit 5":    "sh\r\n",
		"echo one\n@NEXTERM:WHAT \"x\"\necho two":                            "line 2: @NEXTERM:WHAT: command not found",
		"set -u\necho $LINENO\n@NEXTERM:STEP \"$nothing\"\necho unreachable": "2\r\n",
	} {
		shell, _ := runScript(t, s, entry, content)
		for {
			if said := shell.message(); said["type"] == "script_end" {
				require.NotEqual(t, 0.0, said["exitCode"])
				break
			}
		}
		shell.see(said)
	}
	require.Eventually(t, isEmpty(folder), patience, 5*time.Millisecond)
}

func TestPasswordsOfSudoAreAsked(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	bin := t.TempDir()
	// Ours asks whoever we are.
	require.NoError(t, os.WriteFile(filepath.Join(bin, "sudo"), []byte(`#!/bin/sh
[ "$1" = -S ] || exit 9
stty -echo; printf '[sudo] password for me: ' >&2; read -r x; stty echo; echo >&2
[ "$x" = "se cret" ] && { shift; exec "$@"; }
exit 1
`), 0o755))
	entry, _ := scriptHost(t, s)
	shell, id := runScript(t, s, entry, "PATH="+bin+":$PATH\nsudo echo as root")
	shell.message()
	question := object{
		"type": "prompt", "inputType": "password", "variable": "SUDO_PASSWORD", "prompt": "[sudo] password for me:", "default": "", "isSudoPassword": true,
	}
	require.Equal(t, question, shell.message())
	late := attach(t, s.Owner, "sessionId", id)
	late.message()
	require.Equal(t, question, late.message())
	late.answer("SUDO_PASSWORD", "se cret")
	require.Equal(t, object{"type": "script_end", "exitCode": 0.0, "success": true}, shell.message())
	shell.see("as root")
	all := attach(t, s.Owner, "sessionId", id)
	require.NotContains(t, all.see("as root"), "cret")
	require.NotContains(t, s.Log.String(), "se cret")
	require.Zero(t, s.Count(t, `events where to_jsonb(events)::text like '%se cret%'`))

	// A question that sudo has not asked, and that nobody reads the answer of.
	shell, id = runScript(t, s, entry, "printf '[sudo] password for root: '\n@NEXTERM:INPUT X \"x\"\nsleep 0.3; printf '[sudo] password for root: '; sleep 1")
	shell.message()
	shell.message()
	shell.message()
	shell.answer("X", "")
	require.Equal(t, "[sudo] password for root:", shell.message()["prompt"])
	shell.answer("SUDO_PASSWORD", "se cret")
	require.Equal(t, "script_end", shell.message()["type"])
	shell.Send("echo 4'2'answer\n")
	shell.see("42answer")
	require.NotContains(t, attach(t, s.Owner, "sessionId", id).see("42answer"), "cret")
}

// The example of the documentation does what it shows.
func TestDocumentedScript(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/connections.md")
	require.NoError(t, err)
	_, example, found := strings.Cut(string(page), "```sh\n#!/bin/bash\n")
	require.True(t, found)
	example, _, _ = strings.Cut(example, "```")
	s := testserver.New(t)
	entry, _ := scriptHost(t, s)
	shell, _ := runScript(t, s, entry, "#!/bin/bash\n"+example)
	for _, step := range []struct{ kind, variable, value string }{
		{"script_start", "", ""},
		{"step", "", ""},
		{"prompt", "NAME", ""},
		{"prompt", "ACTION", "list units"},
		{"confirm", "NEXTERM_CONFIRM_RESULT", "Yes"},
		{"progress", "", ""},
	} {
		require.Equal(t, step.kind, shell.message()["type"])
		if step.variable != "" {
			shell.answer(step.variable, step.value)
		}
	}
	require.Equal(t, []any{"service", "nginx", "action", "list units"}, shell.message()["data"])
	shell.answer("", "closed")
	require.Equal(t, object{"type": "script_end", "exitCode": 0.0, "success": true}, shell.message())
	shell.see("list units of nginx\r\n")
}
