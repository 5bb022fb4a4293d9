package webclient

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const page = "<!doctype html><title>Client</title>"

// write makes a folder of files by their names.
func write(t *testing.T, files map[string]string) Folder {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644))
	}
	return Folder(dir)
}

func client(t *testing.T) Folder {
	return write(t, map[string]string{
		"index.html": page, "favicon.svg": "<svg/>", "assets/index-BxK3d9_a.js": "export {};", "assets/index-BxK3d9_a.js.gz": "gzipped",
		"assets/index-BxK3d9_a.js.br": "brotli", "assets/img/favicon-original.png": "png", "assets/fonts/index.css": "@font-face{}",
		".env": "SECRET", "assets/.git/config": "SECRET", "unknown.xyz": "?",
	})
}

// get serves one path; header are names and values.
func get(t *testing.T, f Folder, path string, header ...string) (*http.Response, string, error) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	r.URL.Path = path
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	err := f.Serve(w, r)
	answer := w.Result()
	body, readErr := io.ReadAll(answer.Body)
	require.NoError(t, readErr)
	return answer, string(body), err
}

func TestPagesAreTheClient(t *testing.T) {
	t.Parallel()
	f := client(t)
	for _, path := range []string{"/", "/index.html", "/servers", "/settings/account", "/share/aB-c_d", "/link"} {
		answer, body, err := get(t, f, path)
		require.NoError(t, err, path)
		require.Equal(t, page, body, path)
		require.Equal(t, "text/html; charset=utf-8", answer.Header.Get("Content-Type"), path)
		require.Equal(t, "no-cache", answer.Header.Get("Cache-Control"), path)
		again, rest, err := get(t, f, path, "If-None-Match", answer.Header.Get("ETag"))
		require.NoError(t, err)
		require.Equal(t, http.StatusNotModified, again.StatusCode, path)
		require.Empty(t, rest)
	}
}

func TestFilesHaveTheirHeaders(t *testing.T) {
	t.Parallel()
	f := client(t)
	const year = "public, max-age=31536000, immutable"
	for path, want := range map[string][2]string{
		"/assets/index-BxK3d9_a.js":        {"text/javascript; charset=utf-8", year},
		"/assets/img/favicon-original.png": {"image/png", "no-cache"},
		"/assets/fonts/index.css":          {"text/css; charset=utf-8", "no-cache"},
		"/favicon.svg":                     {"image/svg+xml", "no-cache"},
		"/unknown.xyz":                     {"application/octet-stream", "no-cache"},
	} {
		answer, _, err := get(t, f, path)
		require.NoError(t, err, path)
		require.Equal(t, want, [2]string{answer.Header.Get("Content-Type"), answer.Header.Get("Cache-Control")}, path)
		for name, value := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Content-Security-Policy": Policy, "Referrer-Policy": "no-referrer", "Vary": "Accept-Encoding",
		} {
			require.Equal(t, value, answer.Header.Get(name), path)
		}
	}
	for name, want := range map[string]bool{
		"assets/index-CwE6fTYl.css": true, "assets/font-2ppkqaOR.woff": true, "assets/a.1f0c9a7e.js": true, "assets/x--x_1b2c3.js": true,
		"assets/x-abcdefgh.js": false, "assets/x-Original.png": false, "index-CwE6fTYl.css": false, "assets/y/index-CwE6fTYl.css": false,
		"assets/index.js": false, "assets/FiraCode-Regular.woff2": false,
	} {
		require.Equal(t, want, named(name), name)
	}
}

func TestNothingElseIsServed(t *testing.T) {
	t.Parallel()
	f := client(t)
	outside := filepath.Join(t.TempDir(), "secret.txt")
	require.NoError(t, os.WriteFile(outside, []byte("SECRET"), 0o644))
	require.NoError(t, os.Symlink(outside, filepath.Join(string(f), "link.txt")))
	require.NoError(t, os.Symlink(filepath.Dir(outside), filepath.Join(string(f), "linked")))
	require.NoError(t, os.Symlink("../../etc", filepath.Join(string(f), "etc")))
	require.NoError(t, os.Symlink("loop.txt", filepath.Join(string(f), "loop.txt")))
	require.NoError(t, syscall.Mkfifo(filepath.Join(string(f), "pipe.txt"), 0o644))
	for _, path := range []string{
		"/assets/index-AAAAAAA1.js", "/nothing.js", "/assets", "/assets/", "/assets/fonts", "/assets/nothing", "/.env", "/assets/.git/config",
		"/../secret.txt", "/assets/../../secret.txt", "/assets/../index.html", "//index.html", "/assets//index.css", "/./index.html",
		"/..\\secret.txt", "/index.html\x00", "/a\nb", "/\xff", "/index.html/", "/index.html/x.js", "/" + strings.Repeat("x", 5000) + ".js",
		"/link.txt", "/linked/secret.txt", "/etc/passwd.txt", "/etc/hostname.x", "/loop.txt", "/pipe.txt",
	} {
		answer, body, err := get(t, f, path)
		require.ErrorIs(t, err, fs.ErrNotExist, "%q", path)
		require.Empty(t, body, "%q", path)
		require.Empty(t, answer.Header, "%q", path)
	}
	// A page has no ending, so that it may be called like what is not served.
	_, body, err := get(t, f, "/linked/secret")
	require.NoError(t, err)
	require.Equal(t, page, body)

	require.NoError(t, os.Symlink("favicon.svg", filepath.Join(string(f), "inside.svg")))
	_, body, err = get(t, f, "/inside.svg")
	require.NoError(t, err)
	require.Equal(t, "<svg/>", body)
}

func TestPackedFiles(t *testing.T) {
	t.Parallel()
	f := client(t)
	const script = "/assets/index-BxK3d9_a.js"
	tags := map[string]bool{}
	for accepted, want := range map[string][2]string{
		"": {"", "export {};"}, "gzip": {"gzip", "gzipped"}, "gzip, br": {"br", "brotli"}, "br;q=0, gzip": {"gzip", "gzipped"}, "identity": {"", "export {};"},
		"*": {"br", "brotli"},
	} {
		answer, body, err := get(t, f, script, "Accept-Encoding", accepted)
		require.NoError(t, err)
		require.Equal(t, want, [2]string{answer.Header.Get("Content-Encoding"), body}, accepted)
		require.Equal(t, "text/javascript; charset=utf-8", answer.Header.Get("Content-Type"))
		tags[answer.Header.Get("ETag")] = true
	}
	require.Len(t, tags, 3, "each representation has its own tag")

	// What an earlier deploy has left behind is not what the file says now.
	packed := filepath.Join(string(f), "index.html.br")
	require.NoError(t, os.WriteFile(packed, []byte("packed"), 0o644))
	_, body, err := get(t, f, "/", "Accept-Encoding", "br")
	require.NoError(t, err)
	require.Equal(t, "packed", body)
	require.NoError(t, os.Chtimes(packed, time.Time{}, time.Now().Add(-time.Hour)))
	answer, body, err := get(t, f, "/", "Accept-Encoding", "br")
	require.NoError(t, err)
	require.Equal(t, [2]string{"", page}, [2]string{answer.Header.Get("Content-Encoding"), body})
}

func TestParts(t *testing.T) {
	t.Parallel()
	f := write(t, map[string]string{"index.html": page, "assets/big.woff2": string(bytes.Repeat([]byte("0123456789"), 1<<20))})
	answer, body, err := get(t, f, "/assets/big.woff2", "Range", "bytes=10485750-")
	require.NoError(t, err)
	require.Equal(t, http.StatusPartialContent, answer.StatusCode)
	require.Equal(t, "0123456789", body)
	whole, body, err := get(t, f, "/assets/big.woff2", "Range", "bytes=0-4", "If-Range", `"other"`)
	require.NoError(t, err)
	require.Equal(t, []int{http.StatusOK, 10 << 20}, []int{whole.StatusCode, len(body)})
	beyond, body, err := get(t, f, "/", "Range", "bytes=100-")
	require.NoError(t, err)
	require.Equal(t, http.StatusRequestedRangeNotSatisfiable, beyond.StatusCode)
	require.JSONEq(t, `{"code": 416, "message": "Requested Range Not Satisfiable"}`, body)
	require.Equal(t, "no-store", beyond.Header.Get("Cache-Control"))
}

// A build that gives its files one time is told apart all the same, and one that is put in the place
// of another is served at once.
func TestFolderIsReplaced(t *testing.T) {
	t.Parallel()
	first, second := write(t, map[string]string{"index.html": "one", "assets/a-BxK3d9_a.js": "1"}), write(t, map[string]string{"index.html": "two"})
	for _, folder := range []Folder{first, second} {
		require.NoError(t, os.Chtimes(filepath.Join(string(folder), "index.html"), time.Unix(1, 0), time.Unix(1, 0)))
	}
	f := Folder(filepath.Join(t.TempDir(), "current"))
	require.NoError(t, os.Symlink(string(first), string(f)))
	answer, body, err := get(t, f, "/")
	require.NoError(t, err)
	require.Equal(t, "one", body)
	require.NoError(t, os.Symlink(string(second), string(f)+".new"))
	require.NoError(t, os.Rename(string(f)+".new", string(f)))
	again, body, err := get(t, f, "/", "If-None-Match", answer.Header.Get("ETag"))
	require.NoError(t, err)
	require.Equal(t, "two", body)
	require.Equal(t, http.StatusOK, again.StatusCode)
	_, _, err = get(t, f, "/assets/a-BxK3d9_a.js")
	require.ErrorIs(t, err, fs.ErrNotExist)

	require.NoError(t, os.Remove(filepath.Join(string(second), "index.html")))
	_, _, err = get(t, f, "/servers")
	require.ErrorIs(t, err, ErrAway)
	require.NoError(t, os.Remove(string(f)))
	_, _, err = get(t, f, "/assets/a.js")
	require.ErrorIs(t, err, ErrAway)
	require.NotErrorIs(t, err, fs.ErrNotExist)
}

func TestCheck(t *testing.T) {
	t.Parallel()
	require.NoError(t, client(t).Check())
	require.ErrorIs(t, Folder("/nonexistent/client").Check(), fs.ErrNotExist)
	require.ErrorContains(t, write(t, map[string]string{"src/main.jsx": ""}).Check(), "has no index.html that can be read, as a built web client has")
	file := filepath.Join(string(client(t)), "index.html")
	require.Error(t, Folder(file).Check())
	directory := write(t, map[string]string{"index.html/x": ""})
	require.Error(t, directory.Check())
	closed := client(t)
	require.NoError(t, os.Chmod(filepath.Join(string(closed), "index.html"), 0))
	if err := closed.Check(); os.Geteuid() != 0 {
		require.True(t, errors.Is(err, fs.ErrPermission), err)
	}
}
