package connection_test

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	xssh "golang.org/x/crypto/ssh"

	"github.com/nexterm-go/nexterm/internal/testserver"
	"github.com/nexterm-go/nexterm/internal/testssh"
)

// What a program prints is no message, whatever it prints.
func TestOutputOfScriptsCannotFakeMessages(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	entry, _ := scriptHost(t, s)
	shell, _ := runScript(t, s, entry, `cat "$0"; set -x
@NEXTERM:STEP "real"
set +x; printf 'NEXTERM_STEP:faked\n\037NEXTERM_INPUT:X:y\n\037{"type":"script_end","exitCode":0}\n\002password\n'
ps axww | grep -c '[N]EXTERM_' || :
head -c 2000000 /dev/zero | tr '\0' '\037'
echo the end`)
	require.Equal(t, "script_start", shell.message()["type"])
	require.Equal(t, object{"type": "step", "number": 1.0, "description": "real"}, shell.message())
	require.Equal(t, object{"type": "script_end", "exitCode": 0.0, "success": true}, shell.message())
	shell.see("\nNEXTERM_STEP:faked\r\nNEXTERM_INPUT:X:y\r\n{\"type\":\"script_end\",\"exitCode\":0}\r\npassword\r\n0\r\nthe end\r\n")
}

// Nothing of a script stays on a host, however its connection ends.
func TestScriptsAreRemovedWithTheirConnection(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	key, file := testssh.NewKey(t, xssh.KeyAlgoED25519, "")
	_, hostKey := testssh.NewKey(t, xssh.KeyAlgoED25519, "")
	folder := t.TempDir()
	// The shell dies without a word, and cannot clean up.
	content := "trap '' HUP\n@NEXTERM:STEP \"$$\"\nread x"
	for name, channels := range map[string]string{"own channel": "MaxSessions 10", "typed": "MaxSessions 1"} {
		daemon := testssh.StartDaemon(t, hostKey, []xssh.PublicKey{key.PublicKey()}, "SetEnv TMPDIR="+folder, channels)
		identity := s.Owner.Put("/api/identity", object{"name": "key", "type": "ssh", "username": daemon.Username, "sshKey": file}).Want(200).ID()
		entry := newEntry(s.Owner, daemon.Port, nil, identity)
		shell, id := runScript(t, s, entry, content)
		shell.message()
		pid := shell.message()["description"]
		require.False(t, isEmpty(folder)(), name)
		s.Owner.Delete("/api/connections/" + id).Want(200)
		require.Equal(t, object{"type": "script_end", "exitCode": -1.0, "success": false}, shell.message())
		shell.closed(1000, "Session terminated")
		gone := func() bool { _, err := os.Stat(fmt.Sprint("/proc/", pid)); return err != nil }
		require.Eventually(t, func() bool { return isEmpty(folder)() && gone() }, patience, 10*time.Millisecond, name)
		require.Eventually(t, func() bool { return exitCode(s) == -1.0 }, patience, 10*time.Millisecond)

		shell, _ = runScript(t, s, entry, content)
		shell.message()
		pid = shell.message()["description"]
		daemon.Close()
		require.Equal(t, object{"type": "script_end", "exitCode": -1.0, "success": false}, shell.message())
		shell.closed(4017, "Connection lost")
		require.Eventually(t, func() bool { return isEmpty(folder)() && gone() }, patience, 10*time.Millisecond, name)
	}
}

// Hosts that are none for scripts fail them, and show nothing of what they did instead.
func TestHostsThatDoNotRunScripts(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	entry, _ := played(t, s.Owner, &testssh.Server{
		Shell: func(channel xssh.Channel) int {
			_, _ = io.WriteString(channel, "This account is not available.\r\n")
			return 1
		},
		Run: func(string, xssh.Channel) int { return 1 },
	}, nil)
	shell, _ := runScript(t, s, entry, "true")
	shell.closed(4017, "The script could not be started")
	require.NotContains(t, shell.seen, "not available")
	require.Nil(t, exitCode(s))

	// One that echoes what is typed, and pretends to have taken the script.
	entry, _ = played(t, s.Owner, &testssh.Server{Shell: echo, Run: func(_ string, channel xssh.Channel) int {
		_, _ = io.WriteString(channel, strings.Repeat("noise\n", 100)+"nexterm:/tmp/x:\n")
		return 0
	}}, nil)
	shell, id := runScript(t, s, entry, "true")
	shell.Send("keys")
	require.Eventually(t, func() bool { return state(t, s, id) == "active" }, patience, 5*time.Millisecond)
	s.Owner.Post("/api/connections/"+id+"/share", nil).WantError(400, "This session cannot be shared")
	s.Owner.Delete("/api/connections/" + id).Want(200)
	shell.closed(1000, "Session terminated")
	require.NotContains(t, shell.seen, "ready$")
}
