//go:build linux

package cli_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

func TestPlay(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id := fmt.Sprint(s.NewRecording(t))
	require.Contains(t, as(t, s, s.Owner).run("play", id, "--speed", "100"), "hello")
	as(t, s, s.Stranger).refused(4, "Audit log not found", "play", id)

	// Files need no server, and ask the terminal nothing.
	file := filepath.Join(t.TempDir(), "a.cast")
	require.NoError(t, os.WriteFile(file, []byte(`{"version":2,"width":80,"height":24}`+"\n"+`[0.1,"o","a\u001b[6n\u001b[cb\u001b[31mc"]`+"\n"+`[3600,"o","late"]`+"\n"), 0o600))
	shown := nobody(t).terminal("play", file)
	shown.await("ab\x1b[31mc", "\x03")
	<-shown.done
	require.Contains(t, shown.text(), "\x1b[?25h")
	require.NotContains(t, shown.text(), "late")
	_ = shown.program.Wait()
	require.Equal(t, 130, shown.program.ProcessState.ExitCode())
	nobody(t).refused(2, "--speed is a number above 0", "play", file, "--speed", "0")
	require.NoError(t, os.WriteFile(file, []byte("something else"), 0o600))
	nobody(t).refused(2, "this is no recording of a terminal (asciicast, version 2)", "play", file)
}
