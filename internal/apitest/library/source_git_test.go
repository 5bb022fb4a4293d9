package library_test

import (
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/nexterm-go/nexterm/internal/testserver"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// repository is a git repository with a work tree, served over HTTP by git itself.
type repository struct {
	t   *testing.T
	dir string
	url string
}

func newRepository(t *testing.T) *repository {
	t.Helper()
	r := &repository{t: t, dir: filepath.Join(t.TempDir(), "library")}
	require.NoError(t, os.Mkdir(r.dir, 0o755))
	r.git("init", "--quiet", "--initial-branch", "trunk")
	programs := strings.TrimSpace(r.git("--exec-path"))
	r.url = serve(t, (&cgi.Handler{
		Path: filepath.Join(programs, "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + filepath.Dir(r.dir), "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_GLOBAL=/dev/null"},
		// Progress, which tells nothing about the test.
		Stderr: io.Discard,
	}).ServeHTTP) + "/library/.git"
	return r
}

func (r *repository) git(arguments ...string) string {
	r.t.Helper()
	command := exec.Command("git", arguments...)
	command.Dir = r.dir
	command.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.org", "GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.org")
	out, err := command.Output()
	require.NoError(r.t, err, "git %v", arguments)
	return string(out)
}

func (r *repository) write(name, content string) {
	r.t.Helper()
	require.NoError(r.t, os.MkdirAll(filepath.Dir(filepath.Join(r.dir, name)), 0o755))
	require.NoError(r.t, os.WriteFile(filepath.Join(r.dir, name), []byte(content), 0o644))
}

func (r *repository) commit() {
	r.t.Helper()
	r.git("add", "--all")
	r.git("commit", "--quiet", "--message", "Change")
}

// forge commits a tree that git itself does not write: a file under each name.
func (r *repository) forge(names ...string) {
	r.t.Helper()
	blob, err := hex.DecodeString(strings.TrimSpace(r.git("rev-parse", "HEAD:a.sh")))
	require.NoError(r.t, err)
	var tree strings.Builder
	for _, name := range names {
		tree.WriteString("100644 " + name + "\x00" + string(blob))
	}
	command := exec.Command("git", "hash-object", "-t", "tree", "-w", "--literally", "--stdin")
	command.Dir, command.Stdin = r.dir, strings.NewReader(tree.String())
	hash, err := command.Output()
	require.NoError(r.t, err)
	r.git("update-ref", "HEAD", strings.TrimSpace(r.git("commit-tree", "-m", "Forge", strings.TrimSpace(string(hash)))))
}

func TestGitRepositoriesAreSources(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, testserver.AllowLoopback)
	r := newRepository(t)
	long := strings.Repeat("echo one more line that many files have in common\n", 200)
	r.write("old.sh", "echo old")
	r.commit()
	require.NoError(t, os.Remove(filepath.Join(r.dir, "old.sh")))
	r.write("README.md", "ignored")
	r.write("large.sh", strings.Repeat("x", 1<<20+1))
	r.write("scripts/deep/a.sh", "# @name: A\n"+long)
	r.write("scripts/deep/b.sh", "# @name: B\n"+long+"echo")
	r.write("scripts/c.bash", "# @name: C\n"+long+"echo more")
	r.write("x.snippet", "ls")
	r.write("dark.theme.css", "")
	for _, odd := range []string{"Icon\r", "line\nbreak.sh", "b\xfccher.sh", `..\..\up.sh`, "odd\x1b/in.sh", "c:drive.sh"} {
		r.write(odd, "# @name: odd")
	}
	require.NoError(t, os.Symlink("/etc/passwd", filepath.Join(r.dir, "link.sh")))
	r.commit()
	r.git("update-index", "--add", "--cacheinfo", "160000,"+strings.TrimSpace(r.git("rev-parse", "HEAD"))+",module.sh")
	r.git("commit", "--quiet", "--message", "Add a submodule")
	r.git("gc", "--quiet") // makes deltas

	var answer body
	s.Admin.Post("/api/sources/validate", body{"url": r.url}).Want(200).Into(&answer)
	require.Equal(t, body{"valid": true, "scriptCount": 4.0, "snippetCount": 1.0, "themeCount": 1.0}, answer)
	id := addSource(s.Admin, "Repository", r.url)
	require.Equal(t, "success", getSource(s.Admin, id)["lastSyncStatus"])
	require.ElementsMatch(t, []string{"A", "B", "C"}, delivered(s.Owner, scriptsPath), "what is too large is skipped")
	require.Equal(t, []string{"x"}, delivered(s.Owner, snippetsPath))

	r.write("scripts/c.bash", "# @name: C2\necho")
	require.NoError(t, os.Remove(filepath.Join(r.dir, "x.snippet")))
	r.commit()
	s.Admin.Post(sourcePath(id)+"/sync", nil).Want(200)
	require.ElementsMatch(t, []string{"A", "B", "C2"}, delivered(s.Owner, scriptsPath))
	require.Empty(t, delivered(s.Owner, snippetsPath))
}

// What keeps a repository from being read is said, at whatever step.
func TestReasonsOfRepositoriesAreTrue(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, testserver.AllowLoopback)
	line := func(text string) string { return fmt.Sprintf("%04x%s", 4+len(text), text) }
	refs := line("# service=git-upload-pack\n") + "0000" + line(strings.Repeat("1", 40)+" HEAD\x00agent=x\n")
	write := func(w http.ResponseWriter, text string) { _, _ = w.Write([]byte(text)) }
	hang := func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	tell := func(w http.ResponseWriter, _ *http.Request) { write(w, refs+"0000") }
	tellMore := func(w http.ResponseWriter, _ *http.Request) {
		write(w, refs)
		for i := range 40_000 {
			write(w, line(fmt.Sprintf("%040d refs/heads/%01000d\n", 1, i)))
		}
	}
	flood := func(w http.ResponseWriter, _ *http.Request) {
		write(w, line("NAK\n"))
		for range 33 << 10 {
			write(w, strings.Repeat("x", 1024))
		}
	}
	var group sync.WaitGroup
	for i, c := range []struct {
		refs, pack http.HandlerFunc
		reason     string
	}{
		{hang, nil, "Request timed out"},
		{tell, hang, "Request timed out"},
		{tellMore, nil, "The repository is too large"},
		{tell, flood, "The repository is too large"},
	} {
		url := serve(t, func(w http.ResponseWriter, r *http.Request) {
			switch {
			case strings.HasSuffix(r.URL.Path, "/info/refs"):
				w.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
				c.refs(w, r)
			case strings.HasSuffix(r.URL.Path, "/git-upload-pack"):
				_, _ = io.Copy(io.Discard, r.Body)
				w.Header().Set("Content-Type", "application/x-git-upload-pack-result")
				c.pack(w, r)
			default:
				http.NotFound(w, r)
			}
		})
		group.Go(func() {
			var answer body
			s.Admin.Post("/api/sources/validate", body{"url": url}).Want(200).Into(&answer)
			assert.Equal(t, body{"valid": false, "error": c.reason}, answer, i)
		})
	}
	group.Wait()
}

func TestRepositoriesThatAreRefused(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, testserver.AllowLoopback)
	refused := func(url, reason string) {
		var answer body
		s.Admin.Post("/api/sources/validate", body{"url": url}).Want(200).Into(&answer)
		require.Equal(t, body{"valid": false, "error": reason}, answer)
	}
	empty := newRepository(t)
	refused(empty.url, "The repository is empty or invalid")

	barren := newRepository(t)
	barren.write("README.md", "nothing to deliver")
	barren.commit()
	refused(barren.url, "The repository is empty or invalid")

	for _, names := range [][]string{{".."}, {"."}, {"../a.sh"}, {"/etc/a.sh"}, {"a/../../a.sh"}, {"a.sh", "a.sh"}} {
		forged := newRepository(t)
		forged.write("a.sh", "echo")
		forged.commit()
		forged.forge(names...)
		refused(forged.url, "The repository is empty or invalid")
	}

	crowded := newRepository(t)
	for _, line := range many(2001) {
		name, _, _ := strings.Cut(line, "@")
		crowded.write(name, "echo")
	}
	crowded.commit()
	refused(crowded.url, "The source has more than 2000 files")

	garbage := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/NTINDEX") {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte("<html>not git</html>"))
	})
	refused(garbage, "Failed to fetch NTINDEX: HTTP 404")
	inside := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/NTINDEX") {
			http.NotFound(w, r)
			return
		}
		http.Redirect(w, r, "http://127.0.0.2"+r.URL.String(), http.StatusMovedPermanently)
	})
	refused(inside, "Blocked private/loopback address")
}
