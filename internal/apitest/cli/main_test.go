//go:build linux

// Package cli_test tests the client's commands as people and scripts use them: the
// program itself, against a server, at a terminal where it has one.
package cli_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/nexterm-go/nexterm/internal/command"
	"github.com/nexterm-go/nexterm/internal/testserver"
)

// asNexterm makes the test binary the program itself, of this version.
const asNexterm = "NEXTERM_TEST_VERSION"

// patience is for machines that have other things to do.
const patience = 20 * time.Second

func TestMain(m *testing.M) {
	if version := os.Getenv(asNexterm); version != "" {
		command.Execute(version)
		return
	}
	testserver.Main(m)
}

// user is somebody at a shell, with a home of their own.
type user struct {
	t    *testing.T
	home string
	env  []string
}

// nobody is signed in to nothing.
func nobody(t *testing.T) user {
	t.Helper()
	home := t.TempDir()
	return user{t, home, []string{asNexterm + "=0.0.0-test", "HOME=" + home, "XDG_CONFIG_HOME=" + filepath.Join(home, ".config"), "PATH=" + os.Getenv("PATH"), "TERM=xterm"}}
}

// as has a client's token in the environment.
func as(t *testing.T, s *testserver.Server, c *testserver.Client) user {
	t.Helper()
	return nobody(t).with("NEXTERM_URL="+s.URL, "NEXTERM_TOKEN="+c.Token)
}

func (u user) with(env ...string) user {
	u.env = append(u.env[:len(u.env):len(u.env)], env...)
	return u
}

func (u user) credentials() string {
	return filepath.Join(u.home, ".config", "nexterm", "credentials.json")
}

// program prepares the program.
func (u user) program(args ...string) *exec.Cmd {
	self, err := os.Executable()
	require.NoError(u.t, err)
	program := exec.CommandContext(u.t.Context(), self, args...)
	program.Env = u.env
	return program
}

// outcome is what a command has printed, and its exit status.
type outcome struct {
	out, err string
	status   int
}

func (u user) pipe(input string, args ...string) outcome {
	u.t.Helper()
	program := u.program(args...)
	program.Stdin = strings.NewReader(input)
	var out, errs bytes.Buffer
	program.Stdout, program.Stderr = &out, &errs
	err := program.Run()
	require.True(u.t, err == nil || errors.As(err, new(*exec.ExitError)), err)
	return outcome{out.String(), errs.String(), program.ProcessState.ExitCode()}
}

// run wants a command to succeed and returns what it prints.
func (u user) run(args ...string) string {
	u.t.Helper()
	o := u.pipe("", args...)
	require.Zero(u.t, o.status, "%v: %s", args, o.err)
	return o.out
}

// refused wants a command to fail in this way, on one line.
func (u user) refused(status int, message string, args ...string) {
	u.t.Helper()
	o := u.pipe("", args...)
	require.Equal(u.t, outcome{"", "nexterm: " + message + "\n", status}, o, args)
}

// into decodes what a command prints as JSON.
func (u user) into(value any, args ...string) {
	u.t.Helper()
	require.NoError(u.t, json.Unmarshal([]byte(u.run(append(args, "--json")...)), value))
}

// screen is a terminal with a program on it.
type screen struct {
	*os.File
	t       *testing.T
	program *exec.Cmd
	mu      sync.Mutex
	shown   bytes.Buffer
	done    chan struct{}
}

func (u user) terminal(args ...string) *screen {
	u.t.Helper()
	s := &screen{t: u.t, program: u.program(args...), done: make(chan struct{})}
	file, err := pty.StartWithSize(s.program, &pty.Winsize{Rows: 24, Cols: 80})
	require.NoError(u.t, err)
	s.File = file
	u.t.Cleanup(func() { _ = file.Close() })
	go func() {
		defer close(s.done)
		buffer := make([]byte, 4096)
		for {
			n, err := file.Read(buffer)
			s.mu.Lock()
			s.shown.Write(buffer[:n])
			s.mu.Unlock()
			if err != nil { // as terminals end
				return
			}
		}
	}()
	return s
}

func (s *screen) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shown.String()
}

// await waits for a text to be shown, and then types the answer.
func (s *screen) await(text, answer string) {
	s.t.Helper()
	require.Eventually(s.t, func() bool { return strings.Contains(s.text(), text) }, patience, 5*time.Millisecond, "%s is not shown", text)
	if answer != "" {
		_, err := io.WriteString(s, answer)
		require.NoError(s.t, err)
	}
}

// awaitSecret is await for what is not shown while it is typed.
func (s *screen) awaitSecret(prompt, answer string) {
	s.t.Helper()
	s.await(prompt, "")
	conn, err := s.SyscallConn()
	require.NoError(s.t, err)
	require.Eventually(s.t, func() bool {
		silent := false
		require.NoError(s.t, conn.Control(func(terminal uintptr) {
			state, err := unix.IoctlGetTermios(int(terminal), unix.TCGETS)
			silent = err == nil && state.Lflag&unix.ECHO == 0
		}))
		return silent
	}, patience, time.Millisecond)
	s.await(prompt, answer)
}

// end waits for the program and returns all that was shown, and the exit status.
func (s *screen) end() (string, int) {
	s.t.Helper()
	select {
	case <-s.done:
	case <-time.After(patience):
		require.NoError(s.t, s.program.Process.Signal(syscall.SIGQUIT))
		<-s.done
	}
	err := s.program.Wait()
	require.True(s.t, err == nil || errors.As(err, new(*exec.ExitError)), err)
	return s.text(), s.program.ProcessState.ExitCode()
}
