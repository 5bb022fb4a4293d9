package manifest_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

// terminal is a command in a pseudo-terminal.
type terminal struct {
	*os.File
	seen strings.Builder
}

func (m *machine) terminal(t *testing.T, arguments ...string) (term *terminal, wait func() int) {
	t.Helper()
	cmd := m.command(t, arguments...)
	cmd.Env = append(cmd.Env, "TERM=xterm")
	file, err := pty.Start(cmd)
	require.NoError(t, err)
	t.Cleanup(func() { file.Close() })
	return &terminal{File: file}, func() int {
		_ = cmd.Wait() // its status is what counts
		return cmd.ProcessState.ExitCode()
	}
}

// until reads up to a text.
func (term *terminal) until(t *testing.T, text string) string {
	t.Helper()
	require.NoError(t, term.SetReadDeadline(time.Now().Add(time.Minute)))
	buffer := make([]byte, 4096)
	for !strings.Contains(term.seen.String(), text) {
		n, err := term.Read(buffer)
		term.seen.Write(buffer[:n])
		if err != nil && n == 0 {
			require.FailNow(t, "it has ended", "before %q: %s", text, term.seen.String())
		}
	}
	return term.seen.String()
}

func TestOnATerminalItAsksAndDrawsABar(t *testing.T) {
	s := testserver.New(t)
	m := newMachine(t, s.URL, s.Owner, "version: 1\npersonal: {folders: [one, two, three]}\n")
	term, wait := m.terminal(t, "apply", "-f", "team.yaml")
	shown := term.until(t, "Do this? [y/N] ")
	assert.Contains(t, shown, "\x1b[32m+\x1b[0m folder one")
	_, err := term.WriteString("no\n")
	require.NoError(t, err)
	term.until(t, "the server differs from the file")
	assert.Equal(t, 7, wait())

	term, wait = m.terminal(t, "apply", "-f", "team.yaml")
	term.until(t, "Do this? [y/N] ")
	// The answer takes long, and somebody else is at work meanwhile.
	client, _ := as(t, s, s.Owner)
	_, err = client.Folders.Create(t.Context(), nexterm.NewFolder{Name: "two"})
	require.NoError(t, err)
	_, err = term.WriteString("y\n")
	require.NoError(t, err)
	term.until(t, "the server has changed since it was shown, and nothing was done")
	assert.Equal(t, 1, wait())

	term, wait = m.terminal(t, "apply", "-f", "team.yaml")
	term.until(t, "Do this? [y/N] ")
	_, err = term.WriteString("yes\n")
	require.NoError(t, err)
	shown = term.until(t, "Done.")
	assert.Contains(t, shown, "] 2 of 2")
	assert.Equal(t, 0, wait())
}
