//go:build linux

package cli_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

// offers are what a shell is offered, without descriptions.
func (u user) offers(args ...string) (names []string) {
	u.t.Helper()
	for line := range strings.Lines(u.run(append([]string{"__complete"}, args...)...)) {
		name, _, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		names = append(names, name)
	}
	require.Equal(u.t, ":4", names[len(names)-1], "no names of files")
	return names[:len(names)-1]
}

func TestNamesAreCompleted(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	u := as(t, s, s.Owner)
	u.run("folder", "create", "prod")
	u.run("folder", "create", "prod/europe")
	u.run("entry", "create", "web1", "--folder", "prod")
	u.run("entry", "create", "twin")
	u.run("entry", "create", "twin", "--folder", "prod/europe")
	u.run("tag", "create", "critical", "--color", "#fff")
	require.ElementsMatch(t, []string{"web1", "prod/europe/twin", "2"}, u.offers("entry", "show", ""))
	require.Equal(t, []string{"prod/web1"}, u.offers("entry", "edit", "prod/w"))
	require.Empty(t, u.offers("entry", "show", "web1", ""))
	require.Equal(t, []string{"web1"}, u.offers("entry", "rm", "2", "w"))
	require.Equal(t, []string{"critical"}, u.offers("entry", "tag", "web1", "c"))
	require.Equal(t, []string{"prod", "europe"}, u.offers("entry", "create", "x", "--folder", ""))
	require.Equal(t, []string{"2,web1"}, u.offers("entry", "create", "x", "--jump-hosts", "2,w"))
	require.Contains(t, u.offers("entry", "create", "x", "--protocol", "s"), "sftp")
	require.Equal(t, []string{"owner's organization"}[:0], u.offers("entry", "ls", "--org", "own"), "which a shell would have its way with")
	require.Equal(t, []string{"1"}, u.offers("entry", "ls", "--org", ""))

	require.Empty(t, nobody(t).offers("entry", "show", ""))
	require.Empty(t, u.with("NEXTERM_TOKEN=gone").offers("entry", "show", ""))
	// A server that takes the connection and says nothing.
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = silent.Close() })
	before := time.Now()
	require.Empty(t, u.with("NEXTERM_URL=http://"+silent.Addr().String()).offers("entry", "show", ""))
	require.Less(t, time.Since(before), patience)
}

// Whoever may name things must not have a shell run what they are called.
func TestCompletionIsNotObeyedByAShell(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	u := as(t, s, s.Owner)
	for _, name := range []string{"$(touch owned)", "`touch owned`", "x; touch owned", "web one", "\x1b[2J"} {
		s.Colleague.Put("/api/entry", map[string]any{"name": name, "organizationId": s.Organization, "config": map[string]any{}}).Want(200)
	}
	bin := t.TempDir()
	require.NoError(t, os.Symlink(u.program().Path, filepath.Join(bin, "nexterm")))
	u = u.with("PATH=" + bin + ":" + os.Getenv("PATH"))
	shell := exec.CommandContext(t.Context(), "bash", "--norc", "-c", `
		_get_comp_words_by_ref() { cur=${COMP_WORDS[COMP_CWORD]} words=("${COMP_WORDS[@]}") cword=$COMP_CWORD; }
		source <(nexterm completion bash)
		for COMP_TYPE in 9 37 42; do
			COMP_WORDS=(nexterm entry show "$0") COMP_CWORD=3 COMP_LINE="nexterm entry show $0" COMP_POINT=99
			__start_nexterm
			printf '%s\n' "${COMPREPLY[@]}"
		done`, "")
	shell.Env, shell.Dir = u.env, u.home
	out, err := shell.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.NoFileExists(t, filepath.Join(u.home, "owned"))
	require.Contains(t, string(out), "\n1\n2\n3\nweb\\ one\n5\n")
	require.NotContains(t, string(out), "\x1b")
}
