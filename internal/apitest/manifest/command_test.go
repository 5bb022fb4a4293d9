package manifest_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/manifest"
	"github.com/nexterm-go/nexterm/internal/testserver"
	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

// machine is where commands run: a folder with a file, a home and a server.
type machine struct {
	home, folder, url, token string
}

func newMachine(t *testing.T, address string, c *testserver.Client, file string) *machine {
	t.Helper()
	m := &machine{home: t.TempDir(), folder: t.TempDir(), url: address, token: c.Token}
	require.NoError(t, os.WriteFile(filepath.Join(m.folder, "team.yaml"), []byte(file), 0o600))
	return m
}

func (m *machine) command(t *testing.T, arguments ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], arguments...)
	cmd.Dir = m.folder
	cmd.Env = []string{asNexterm + "=1", "HOME=" + m.home, "NEXTERM_URL=" + m.url, "NEXTERM_TOKEN=" + m.token}
	return cmd
}

// run answers what a command prints, and its status.
func (m *machine) run(t *testing.T, stdin string, arguments ...string) (stdout, stderr string, status int) {
	t.Helper()
	cmd := m.command(t, arguments...)
	var out, failure bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &failure
	err := cmd.Run()
	if exited := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exited) {
		require.NoError(t, err)
	}
	return out.String(), failure.String(), cmd.ProcessState.ExitCode()
}

func TestTheCommandShowsAppliesAndExports(t *testing.T) {
	s := testserver.New(t)
	m := newMachine(t, s.URL, s.Owner, "version: 1\npersonal:\n  identities: [{name: Login, type: password, password: {stdin: true}}]\n  entries: [{name: web, config: {protocol: ssh}, identities: [Login]}]\n")
	schema, _, status := m.run(t, "", "apply", "--schema")
	assert.Equal(t, 0, status)
	assert.Equal(t, string(manifest.Schema), schema)

	out, failure, status := m.run(t, "hunter2\n", "apply", "-f", "team.yaml")
	assert.Equal(t, 7, status, "what differs has a status of its own")
	assert.Contains(t, out, "+ entry web: to ssh, as Login")
	assert.Contains(t, failure, "the server differs from the file")
	_, failure, status = m.run(t, "", "apply", "-f", "team.yaml", "--yes")
	assert.Equal(t, 2, status)
	assert.Contains(t, failure, "line 3: identity Login: password (secret, of standard input) is empty")
	_, failure, status = m.run(t, "version: 1\npersonal: {identities: [{name: Login, type: password, password: {stdin: true}}]}", "apply", "-f", "-", "--yes")
	assert.Equal(t, 2, status)
	assert.Contains(t, failure, "is taken by the file itself")
	out, failure, status = m.run(t, "hunter2\n", "apply", "-f", "team.yaml", "--yes")
	assert.Equal(t, 0, status, failure)
	assert.NotContains(t, out+failure, "hunter2")
	out, _, status = m.run(t, "", "apply", "-f", "team.yaml")
	assert.Equal(t, 0, status)
	assert.Equal(t, "Nothing to change.\n", out)

	exported, _, status := m.run(t, "", "export")
	assert.Equal(t, 0, status)
	_, _, status = m.run(t, "", "export", "-o", "out.yaml")
	assert.Equal(t, 0, status)
	written, err := os.ReadFile(filepath.Join(m.folder, "out.yaml"))
	require.NoError(t, err)
	assert.Equal(t, exported, string(written))
	out, failure, status = m.run(t, "", "apply", "-f", "out.yaml")
	assert.Equal(t, 0, status, failure)
	assert.Equal(t, "Nothing to change.\n", out)
	m.home = "/dev/null"
	_, failure, status = m.run(t, "", "apply", "-f", "out.yaml", "--yes")
	assert.Equal(t, 1, status)
	assert.Contains(t, failure, "set XDG_CACHE_HOME to a folder that can be written to")
	_, failure, status = m.run(t, "", "apply", "-f", "missing.yaml")
	assert.Equal(t, 1, status)
	assert.Contains(t, failure, "missing.yaml: no such file")
}

// proxy stands before a server and calls a hook before each write. What has come to it
// is done also for those who are gone.
func proxy(t *testing.T, s *testserver.Server, before func(write int64)) *front {
	t.Helper()
	target, err := url.Parse(s.URL)
	require.NoError(t, err)
	var writes atomic.Int64
	forward := httputil.NewSingleHostReverseProxy(target)
	f := &front{}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.underWay.Add(1)
		defer f.underWay.Add(-1)
		if r.Method != http.MethodGet {
			before(writes.Add(1))
		}
		forward.ServeHTTP(w, r.WithContext(context.WithoutCancel(r.Context())))
	}))
	t.Cleanup(f.Close)
	return f
}

type front struct {
	*httptest.Server
	underWay atomic.Int64
}

func TestARunThatIsKilledIsCompletedByTheNext(t *testing.T) {
	s := testserver.New(t)
	var process atomic.Pointer[os.Process]
	front := proxy(t, s, func(write int64) {
		if write == 20 {
			assert.NoError(t, process.Load().Kill())
		}
	})
	m := newMachine(t, front.URL, s.Owner, many(4, 12))
	killed := m.command(t, "apply", "-f", "team.yaml", "--yes")
	require.NoError(t, killed.Start())
	process.Store(killed.Process)
	require.Error(t, killed.Wait())
	assert.Equal(t, -1, killed.ProcessState.ExitCode(), "ended by the signal")
	require.Eventually(t, func() bool { return front.underWay.Load() == 0 }, time.Minute, time.Millisecond)

	out, failure, status := m.run(t, "", "apply", "-f", "team.yaml", "--yes")
	require.Equal(t, 0, status, failure)
	assert.NotContains(t, out, "+ folder fleet\n", "which the first run has made")
	out, _, status = m.run(t, "", "apply", "-f", "team.yaml")
	assert.Equal(t, 0, status)
	assert.Equal(t, "Nothing to change.\n", out)
	_, failure, status = m.run(t, "", "export")
	assert.Equal(t, 0, status, failure)
}

func TestOfTwoRunsAtOnceOneIsRefused(t *testing.T) {
	s := testserver.New(t)
	begun, released := make(chan struct{}), make(chan struct{})
	front := proxy(t, s, func(write int64) {
		if write == 1 {
			close(begun)
			<-released
		}
	})
	m := newMachine(t, front.URL, s.Owner, many(1, 3))
	first := m.command(t, "apply", "-f", "team.yaml", "--yes")
	require.NoError(t, first.Start())
	<-begun
	_, failure, status := m.run(t, "", "apply", "-f", "team.yaml", "--yes")
	assert.Equal(t, 5, status)
	assert.Contains(t, failure, "another run for this server and account is at work on this machine")
	// Who only looks is not kept away, nor is another account.
	_, _, status = m.run(t, "", "apply", "-f", "team.yaml")
	assert.Equal(t, 7, status)
	other := newMachine(t, front.URL, s.Stranger, "version: 1\n")
	other.home = m.home
	_, failure, status = other.run(t, "", "apply", "-f", "team.yaml", "--yes")
	assert.Equal(t, 0, status, failure)
	close(released)
	require.NoError(t, first.Wait())
	out, _, status := m.run(t, "", "apply", "-f", "team.yaml")
	assert.Equal(t, 0, status)
	assert.Equal(t, "Nothing to change.\n", out)
}

// Runs on two machines are not kept apart, so each looks at the end.
func TestWhatAnotherMachineDoesMeanwhileIsTold(t *testing.T) {
	s := testserver.New(t)
	client, _ := as(t, s, s.Owner)
	front := proxy(t, s, func(write int64) {
		if write == 2 { // as the file says, a second time
			_, err := client.Folders.Create(t.Context(), nexterm.NewFolder{Name: "one"})
			assert.NoError(t, err)
		}
	})
	m := newMachine(t, front.URL, s.Owner, "version: 1\npersonal: {folders: [one, two]}\n")
	_, failure, status := m.run(t, "", "apply", "-f", "team.yaml", "--yes")
	assert.Equal(t, 7, status)
	assert.Contains(t, failure, "all changes are made, but somebody else has made some as well:\n  line 2: folder one: the server has several of this name\nthe server differs from the file")
}

// The documentation's example works as it stands there.
func TestTheExampleOfTheDocumentation(t *testing.T) {
	s := testserver.New(t)
	text, err := os.ReadFile("../../../docs/apply.md")
	require.NoError(t, err)
	_, example, _ := strings.Cut(string(text), "```yaml\n")
	example, _, _ = strings.Cut(example, "```")
	t.Setenv("ROOT_PASSWORD", "hunter2")
	folder := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(folder, "keys"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "keys", "deploy"), []byte("a key"), 0o600))
	client, _ := as(t, s, s.Owner)
	apply(t, client, example, manifest.Options{Folder: folder})
	unchanged(t, client, example, manifest.Options{Folder: folder, Prune: true})
	exported, err := manifest.Export(t.Context(), client)
	require.NoError(t, err)
	assert.Contains(t, string(exported), "env: NEXTERM_ANALYTICAL_ENGINES_DEPLOY_KEY_KEY")
}
