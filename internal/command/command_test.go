//go:build linux

package command

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// asNexterm makes the test binary the program itself.
const asNexterm = "NEXTERM_TEST_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(asNexterm) != "" {
		Execute("0.0.0-test")
		return
	}
	// They mostly wait, for programs that start and stop.
	if err := flag.Set("test.parallel", "6"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// nexterm prepares the program over a data directory or, with a URL, a database.
func nexterm(t *testing.T, place string, args ...string) *exec.Cmd {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	command := exec.Command(program, args...)
	command.Env = []string{asNexterm + "=1", "PATH=" + os.Getenv("PATH"), "SERVER_PORT=0", "SHUTDOWN_DELAY=0s", "LOG_LEVEL=warn"}
	if strings.HasPrefix(place, "postgres") {
		command.Env = append(command.Env, "DATABASE_URL="+place, "ENCRYPTION_KEY="+strings.Repeat("0f", 32), "DATA_DIR=/nowhere")
	} else {
		command.Env = append(command.Env, "DATA_DIR="+place)
	}
	return command
}

// run runs a command to its end, with a line of input, and returns what it says.
func run(t *testing.T, place, input string, args ...string) (output string, err error) {
	t.Helper()
	command := nexterm(t, place, args...)
	command.Stdin = strings.NewReader(input)
	var out, errs bytes.Buffer
	command.Stdout, command.Stderr = &out, &errs
	if err := command.Run(); err != nil {
		return out.String(), fmt.Errorf("%s", strings.TrimSpace(errs.String()))
	}
	return out.String(), nil
}

func mustRun(t *testing.T, place, input string, args ...string) string {
	t.Helper()
	output, err := run(t, place, input, args...)
	require.NoError(t, err)
	return output
}

// dataDir is a folder that every account can reach, unlike t.TempDir.
func dataDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "nexterm-command-test-")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	require.NoError(t, os.Chmod(dir, 0o755))
	return dir
}

// start runs a server until stop is called and returns its address.
func start(t *testing.T, place string) (url string, stop func()) {
	t.Helper()
	command := nexterm(t, place, "serve")
	command.Stderr = os.Stderr
	return ready(t, command)
}

// ready starts a server's command and waits until it listens.
func ready(t *testing.T, command *exec.Cmd) (url string, stop func()) {
	t.Helper()
	url, output := launch(t, command)
	stop = sync.OnceFunc(func() {
		assert.NoError(t, command.Process.Signal(syscall.SIGTERM))
		_, _ = io.Copy(io.Discard, output)
		assert.NoError(t, command.Wait())
	})
	t.Cleanup(stop)
	return url, stop
}

// launch is ready for a server that is not stopped in order.
func launch(t *testing.T, command *exec.Cmd) (url string, output io.Reader) {
	t.Helper()
	output, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	t.Cleanup(func() { _ = command.Process.Kill() }) // if it still runs then
	for lines := bufio.NewScanner(output); lines.Scan(); {
		if _, address, ready := strings.Cut(lines.Text(), "is ready: "); ready {
			return address, output
		}
	}
	require.NoError(t, command.Wait())
	require.FailNow(t, "the server does not start")
	return "", nil
}
