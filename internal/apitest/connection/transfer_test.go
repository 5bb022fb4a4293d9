package connection_test

import (
	"archive/zip"
	"bytes"
	"crypto/rand"
	"encoding/json"
	"image"
	"image/jpeg"
	"image/png"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/permission"
	"github.com/nexterm-go/nexterm/internal/server"
	"github.com/nexterm-go/nexterm/internal/testserver"
)

// address is that of a transfer, below /api/entries/sftp, as the web client writes it.
func address(id, below, path string, more ...string) string {
	query := url.Values{"sessionId": {id}}
	if path != "" {
		query.Set("path", path)
	}
	for i := 0; i < len(more); i += 2 {
		query.Set(more[i], more[i+1])
	}
	return "/api/entries/sftp" + below + "?" + query.Encode()
}

// stocked is a connection for files to an OpenSSH server, and a folder there.
func stocked(t *testing.T, s *testserver.Server) (id, dir string, entry int64) {
	t.Helper()
	entry, _ = openSSH(t, s.Owner, nil, sftpSubsystem)
	return open(s.Owner, entry, object{"type": "sftp"}), t.TempDir(), entry
}

// ask sends a request as browsers do, with the token in the query.
func ask(t *testing.T, s *testserver.Server, method, path string, body io.Reader, header ...string) (*http.Response, []byte) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, s.URL+path+"&sessionToken="+s.Owner.Token, body)
	require.NoError(t, err)
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	answer, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer func() { _ = answer.Body.Close() }()
	content, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer, content
}

func TestDownloads(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id, dir, entry := stocked(t, s)
	content := make([]byte, 5<<20+123)
	_, _ = rand.Read(content)
	file := write(t, dir, "ü \"1%.bin", string(content))

	answer := s.Owner.Get(address(id, "", file)).Want(200)
	require.True(t, bytes.Equal(content, answer.Body))
	require.Equal(t, `attachment; filename="_ _1_.bin"; filename*=UTF-8''%C3%BC%20%221%25.bin`, answer.Header.Get("Content-Disposition"))
	for name, value := range map[string]string{
		"Content-Type": "application/octet-stream", "Accept-Ranges": "bytes", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
		"Cache-Control": "no-store", "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'", "X-Frame-Options": "",
	} {
		require.Equal(t, value, answer.Header.Get(name), name)
	}
	require.Equal(t, []any{object{"filePath": file, "fileSize": float64(len(content)), "entryId": float64(entry)}}, audits(t, s, "file.download"))

	for wanted, part := range map[string][2]int{
		"bytes=0-0": {0, 1}, "bytes=100-1100": {100, 1101}, "bytes=5242880-": {5 << 20, len(content)}, "bytes=-7": {len(content) - 7, len(content)},
		"bytes=3-99999999": {3, len(content)}, "bytes=-99999999": {0, len(content)},
	} {
		answer, got := ask(t, s, "GET", address(id, "", file), nil, "Range", wanted)
		require.Equal(t, 206, answer.StatusCode, wanted)
		require.True(t, bytes.Equal(content[part[0]:part[1]], got), wanted)
		require.Contains(t, answer.Header.Get("Content-Range"), "/5243003")
	}
	for _, wanted := range []string{"bytes=x", "lines=1-2", "bytes=2-1", "bytes=0-1,3-4", "bytes=-0"} {
		answer, _ := ask(t, s, "GET", address(id, "", file), nil, "Range", wanted)
		require.Equal(t, 200, answer.StatusCode, wanted)
	}
	refused := s.Owner.With("Range", "bytes=5243003-").Get(address(id, "", file))
	refused.WantError(416, "The range is not in the file")
	require.Equal(t, "bytes */5243003", refused.Header.Get("Content-Range"))
	answer206 := s.Owner.With("Range", "bytes=1-2").Get(address(id, "", file)).Want(206)
	require.Equal(t, "bytes 1-2/5243003", answer206.Header.Get("Content-Range"))
	head, _ := ask(t, s, "HEAD", address(id, "", file), nil)
	require.Equal(t, int64(len(content)), head.ContentLength)

	// What a browser would run is shown as text, and does nothing.
	for name, kind := range map[string]string{
		"x.html": "text/plain; charset=utf-8", "x.JS": "text/plain; charset=utf-8", "x.css": "text/plain; charset=utf-8", "x.xml": "text/plain; charset=utf-8",
		"x.svg": "image/svg+xml", "x.pdf": "application/pdf", "x.mp4": "video/mp4", "x.txt": "text/plain; charset=utf-8",
	} {
		answer, _ := ask(t, s, "GET", address(id, "", write(t, dir, name, "<script>alert(1)</script>"), "preview", "true"), nil)
		require.Equal(t, kind, answer.Header.Get("Content-Type"), name)
		require.True(t, strings.HasPrefix(answer.Header.Get("Content-Disposition"), "inline; "), name)
		require.Equal(t, name != "x.pdf", strings.HasPrefix(answer.Header.Get("Content-Security-Policy"), "sandbox;"), name)
		require.Equal(t, "nosniff", answer.Header.Get("X-Content-Type-Options"))
	}
	for _, name := range []string{"x.json", "x.exe"} {
		answer, _ := ask(t, s, "GET", address(id, "", write(t, dir, name, "{}"), "preview", "true"), nil)
		require.True(t, strings.HasPrefix(answer.Header.Get("Content-Disposition"), "attachment; "), name)
	}
	empty := s.Owner.Get(address(id, "", write(t, dir, "empty", ""))).Want(200)
	require.Empty(t, empty.Body)
	endless, _ := ask(t, s, "GET", address(id, "", "/proc/version"), nil)
	require.Equal(t, 200, endless.StatusCode)
	s.Owner.Get(address(id, "", "/dev/zero")).WantError(400, "Not a regular file")
	require.NotContains(t, s.Log.String(), s.Owner.Token)
	require.NotContains(t, s.Log.String(), "level=ERROR")
}

func TestFoldersAreDownloadedAsArchives(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id, dir, entry := stocked(t, s)
	top := filepath.Join(dir, "top")
	require.NoError(t, os.MkdirAll(top+"/a/empty", 0o755))
	write(t, top, "a/file", strings.Repeat("x", 100_000))
	write(t, top, `a/back\slash`, "x")
	require.NoError(t, os.Symlink("/etc", top+"/link"))
	answer := s.Owner.Get(address(id, "", top+"//")).Want(200)
	require.Equal(t, "application/zip", answer.Header.Get("Content-Type"))
	require.Equal(t, `attachment; filename="top.zip"; filename*=UTF-8''top.zip`, answer.Header.Get("Content-Disposition"))
	require.Equal(t, map[string]int{"top/": 0, "top/a/": 0, "top/a/empty/": 0, "top/a/file": 100_000, "top/a/back_slash": 1}, unzip(t, answer.Body))
	require.Equal(t, []any{object{"folderPath": top, "entryId": float64(entry)}}, audits(t, s, "folder.download"))

	paths := []string{top, top + "/a/file", write(t, dir, "file", "y"), dir + "/gone"}
	for _, send := range []func() []byte{
		func() []byte { return s.Owner.Post(address(id, "/multi", ""), object{"paths": paths}).Want(200).Body },
		func() []byte {
			list, _ := json.Marshal(paths)
			answer, body := ask(t, s, "POST", address(id, "/multi", ""), strings.NewReader(url.Values{"paths": {string(list)}}.Encode()), "Content-Type", "application/x-www-form-urlencoded")
			require.Equal(t, 200, answer.StatusCode, "%s", body)
			require.Regexp(t, `filename="nexterm-download-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d.zip"`, answer.Header.Get("Content-Disposition"))
			return body
		},
	} {
		entries := unzip(t, send())
		require.Equal(t, 1, entries["file (2)"])
		require.Equal(t, 100_000, entries["top/a/file"])
		require.Equal(t, len("gone: Path does not exist\n"), entries["_errors.txt"])
	}
	require.Equal(t, float64(4), audits(t, s, "file.download")[0].(object)["count"])
	s.Owner.Post(address(id, "/multi", ""), object{}).WantError(400, "No paths provided")
	s.Owner.Post(address(id, "/multi", ""), object{"paths": []string{}}).WantError(400, "Invalid paths format")
	s.Owner.Post(address(id, "/multi", ""), object{"paths": "x"}).WantError(400, "Invalid paths format")
	for _, path := range []string{"relative", "/a/../b", "/\u0000", ""} {
		require.Equal(t, 400, s.Owner.Post(address(id, "/multi", ""), object{"paths": []string{path}}).Status)
	}
	s.Owner.With("Content-Type", "text/plain").Post(address(id, "/multi", ""), object{"paths": paths}).Want(415)
}

func unzip(t *testing.T, archive []byte) map[string]int {
	t.Helper()
	reader, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	require.NoError(t, err)
	entries := map[string]int{}
	for _, f := range reader.File {
		content, err := f.Open()
		require.NoError(t, err)
		all, err := io.ReadAll(content)
		require.NoError(t, err)
		entries[f.Name] = len(all)
	}
	return entries
}

func TestThumbnails(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id, dir, _ := stocked(t, s)
	var picture bytes.Buffer
	require.NoError(t, png.Encode(&picture, image.NewGray(image.Rect(0, 0, 400, 200))))
	file := write(t, dir, "x.PNG", picture.String())
	answer := s.Owner.Get(address(id, "", file, "thumbnail", "true", "size", "64")).Want(200)
	require.Equal(t, "image/jpeg", answer.Header.Get("Content-Type"))
	require.Equal(t, "private, max-age=3600", answer.Header.Get("Cache-Control"))
	small, err := jpeg.DecodeConfig(bytes.NewReader(answer.Body))
	require.NoError(t, err)
	require.Equal(t, [2]int{64, 64}, [2]int{small.Width, small.Height})
	// A header says how large it gets, whatever little there is of it.
	bomb := picture.Bytes()
	copy(bomb[16:], []byte{0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff})
	for _, name := range []string{write(t, dir, "bomb.png", string(bomb)), write(t, dir, "x.jpg", "no picture"), write(t, dir, "x.svg", "<svg/>"), dir} {
		s.Owner.Get(address(id, "", name, "thumbnail", "true")).WantError(415, "No preview for this file")
	}
	require.Empty(t, s.Audits(t, "file.download"))
	s.Owner.Get(address(id, "", file, "thumbnail", "true", "size", "49")).Want(400)
}

func TestUploads(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, func(o *server.Options) { o.Connections.MaxUpload = 8 << 20 })
	id, dir, entry := stocked(t, s)
	content := make([]byte, 3<<20+1)
	_, _ = rand.Read(content)
	put := func(path string, body io.Reader) (int, object) {
		answer, text := ask(t, s, "POST", address(id, "/upload", path), body, "Content-Type", "text/html")
		var got object
		require.NoError(t, json.Unmarshal(text, &got))
		return answer.StatusCode, got
	}
	status, answer := put(dir+"/new", bytes.NewReader(content))
	require.Equal(t, 200, status, "%v", answer)
	require.Equal(t, object{"success": true, "path": dir + "/new", "size": float64(len(content))}, answer)
	written, err := os.ReadFile(dir + "/new")
	require.NoError(t, err)
	require.True(t, bytes.Equal(content, written))
	info, err := os.Stat(dir + "/new")
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o644), info.Mode())

	// A file that is there keeps what it is; so does a link what it leads to.
	require.NoError(t, os.Chmod(dir+"/new", 0o600))
	require.NoError(t, os.Symlink("new", dir+"/link"))
	status, _ = put(dir+"/link", strings.NewReader("short"))
	require.Equal(t, 200, status)
	written, err = os.ReadFile(dir + "/new")
	require.NoError(t, err)
	require.Equal(t, "short", string(written))
	info, err = os.Stat(dir + "/new")
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())

	status, _ = put(dir+"/a/b/c", strings.NewReader(""))
	require.Equal(t, 200, status)
	require.Equal(t, []any{object{"folderPath": dir + "/a", "entryId": float64(entry)}, object{"folderPath": dir + "/a/b", "entryId": float64(entry)}}, audits(t, s, "folder.create"))
	require.Equal(t, object{"filePath": dir + "/a/b/c", "fileSize": 0.0, "entryId": float64(entry)}, audits(t, s, "file.upload")[2])

	status, answer = put(dir+"/a", strings.NewReader("x"))
	require.Equal(t, 409, status)
	require.Equal(t, object{"code": 409.0, "message": "Is a directory", "error": "Is a directory"}, answer)
	status, answer = put(dir+"/large", bytes.NewReader(make([]byte, 8<<20+1)))
	require.Equal(t, 413, status)
	require.Equal(t, "The file is too large", answer["error"])
	require.NoFileExists(t, dir+"/large")
	status, _ = put(dir+"/largest", bytes.NewReader(make([]byte, 8<<20)))
	require.Equal(t, 200, status)
	status, answer = put("/proc/nothing/x", strings.NewReader("x"))
	require.Contains(t, []int{403, 404, 502}, status, "%v", answer)
	// The same through the contract.
	s.Owner.Do("POST", address(id, "/upload", dir), []byte("x")).WantError(409, "Is a directory")
	s.Owner.Do("POST", address(id, "/upload", dir+"/again"), []byte("x")).Want(200)
	s.Owner.Do("POST", address(id, "/upload", dir+"/again"), make([]byte, 8<<20+1)).Want(413)

	s.Deny(t, s.Owner, permission.FilesModify)
	status, answer = put(dir+"/q/c", strings.NewReader("x"))
	require.Equal(t, 404, status, "%v", answer)
	require.NoDirExists(t, dir+"/q")
	s.Deny(t, s.Owner, permission.FilesUpload, permission.FilesDownload)
	s.Owner.Do("POST", address(id, "/upload", dir+"/x"), []byte("x")).WantError(403, "You don't have permission to upload files to this server")
	s.Owner.Get(address(id, "", dir)).WantError(403, "You don't have permission to download files from this server")
	s.Owner.Post(address(id, "/multi", ""), object{"paths": []string{dir}}).Want(403)
}

// An upload that breaks off leaves nothing behind, whichever server it was sent to.
func TestUploadsThatBreakOff(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	for name, url := range map[string]string{"here": s.URL, "elsewhere": testserver.Serve(t, s.Pool, s.Vault).URL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			breakOff(t, s, url)
		})
	}
}

func breakOff(t *testing.T, s *testserver.Server, to string) {
	t.Helper()
	id, dir, _ := stocked(t, s)
	reader, writer := io.Pipe()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, to+address(id, "/upload", dir+"/half")+"&sessionToken="+s.Owner.Token, reader)
	require.NoError(t, err)
	request.ContentLength = 10 << 20
	done := make(chan struct{})
	go func() {
		defer close(done)
		if answer, err := http.DefaultClient.Do(request); err == nil {
			_ = answer.Body.Close()
		}
	}()
	_, err = writer.Write(make([]byte, 1<<20))
	require.NoError(t, err)
	require.Eventually(t, func() bool { _, err := os.Stat(dir + "/half"); return err == nil }, patience, 5*time.Millisecond)
	_ = writer.CloseWithError(io.ErrClosedPipe)
	<-done
	require.Eventually(t, func() bool { _, err := os.Stat(dir + "/half"); return os.IsNotExist(err) }, patience, 5*time.Millisecond)
	require.Empty(t, s.Audits(t, "file.upload"))
}

// Transfers go through whichever server they come to.
func TestTransfersFindTheServerThatHoldsTheConnection(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id, dir, _ := stocked(t, s)
	other := testserver.Serve(t, s.Pool, s.Vault)
	there := s.Owner.On(other)
	content := make([]byte, 5<<20+123)
	_, _ = rand.Read(content)
	there.Do("POST", address(id, "/upload", dir+"/file"), content).Want(200)
	written, err := os.ReadFile(dir + "/file")
	require.NoError(t, err)
	require.True(t, bytes.Equal(content, written))
	answer := there.Get(address(id, "", dir+"/file")).Want(200)
	require.True(t, bytes.Equal(content, answer.Body))
	require.Equal(t, "no-store", answer.Header.Get("Cache-Control"))
	part := there.With("Range", "bytes=5-9").Get(address(id, "", dir+"/file")).Want(206)
	require.Equal(t, content[5:10], part.Body)
	require.Equal(t, "bytes 5-9/5243003", part.Header.Get("Content-Range"))
	there.With("Range", "bytes=5243003-").Get(address(id, "", dir+"/file")).WantError(416, "The range is not in the file")
	require.Equal(t, 5<<20+123, unzip(t, there.Post(address(id, "/multi", ""), object{"paths": []string{dir}}).Want(200).Body)[filepath.Base(dir)+"/file"])
	there.Get(address(id, "", dir+"/gone")).WantError(404, "Not found")
	s.Stranger.On(other).Get(address(id, "", dir+"/file")).WantError(404, "Session not found")
	require.Equal(t, 3, s.Count(t, `audit_logs where action = 'file.download' and ip_address = '127.0.0.1'`))

	// A host that is lost in between ends the transfer, and no client takes a part for all.
	require.NoError(t, os.Truncate(dir+"/file", 200<<20))
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, other.URL+address(id, "", dir+"/file")+"&sessionToken="+s.Owner.Token, nil)
	require.NoError(t, err)
	begun, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer func() { _ = begun.Body.Close() }()
	_, err = io.ReadFull(begun.Body, make([]byte, 1<<20))
	require.NoError(t, err)
	s.Owner.Delete("/api/connections/" + id).Want(200)
	_, err = io.Copy(io.Discard, begun.Body)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

func TestWhoMayTransfer(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id, dir, entry := stocked(t, s)
	terminal := open(s.Owner, entry, nil)
	key := s.NewAPIKey(t, s.Owner)
	for _, c := range []*testserver.Client{s.Stranger, s.Colleague, s.Admin} {
		c.Get(address(id, "", dir)).WantError(404, "Session not found")
		c.Do("POST", address(id, "/upload", dir+"/x"), []byte("x")).WantError(404, "Session not found")
		c.Post(address(id, "/multi", ""), object{"paths": []string{dir}}).WantError(404, "Session not found")
	}
	s.Owner.Get(address("nothing", "", dir)).WantError(404, "Session not found")
	s.Owner.Get(address(terminal, "", dir)).WantError(400, "No active SFTP connection")
	s.Owner.Get(address(id, "", "")).WantError(400, "Missing parameters")
	s.Owner.Get("/api/entry/sftp?path=/").WantError(400, "Missing parameters")
	for _, path := range []string{"relative", "/a/../b", "/..", "/" + strings.Repeat("x", 4096), "/" + strings.Repeat("ü", 2048)} {
		s.Owner.Get(address(id, "", path)).WantError(400, "Invalid path")
	}
	s.Owner.Get(address(id, "", dir+"/gone")).WantError(404, "Not found")
	key.Get(address(id, "", dir)).Want(200)
	s.Anonymous.Get(address(id, "", dir)).WantError(400, "Missing parameters")
	s.Anonymous.Get(address(id, "", dir, "sessionToken", "x")).WantError(401, "Invalid session")
	s.Anonymous.Get(address(id, "", dir, "sessionToken", key.Token)).WantError(401, "Invalid session")
	s.Anonymous.With("Authorization", "Bearer x").Get(address(id, "", dir, "sessionToken", s.Owner.Token)).Want(401)
	s.Anonymous.Get(address(id, "", dir, "sessionToken", s.Owner.Token)).Want(200)
	s.Owner.Delete("/api/connections/" + id).Want(200)
	s.Owner.Get(address(id, "", dir)).WantError(404, "Session not found")
}
