package connection_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/permission"
	"github.com/nexterm-go/nexterm/internal/testserver"
	"github.com/nexterm-go/nexterm/internal/testssh"
)

const sftpSubsystem = "Subsystem sftp internal-sftp"

// manager is a socket for files, as a client has it.
type manager struct {
	*testserver.Socket
	t *testing.T
}

// browse opens a connection for files and a socket of it.
func browse(t *testing.T, c *testserver.Client, entryID int64, more object) (string, *manager) {
	t.Helper()
	body := object{"type": "sftp"}
	for key, value := range more {
		body[key] = value
	}
	id := open(c, entryID, body)
	return id, browseAgain(t, c, id)
}

func browseAgain(t *testing.T, c *testserver.Client, id string) *manager {
	t.Helper()
	return &manager{c.Socket("/api/ws/sftp?" + url.Values{"sessionId": {id}}.Encode()), t}
}

func (b *manager) next() (op byte, answer object, err error) {
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	kind, frame, err := b.Read(ctx)
	if err != nil {
		return 0, nil, err
	}
	require.Equal(b.t, websocket.MessageBinary, kind)
	if len(frame) > 1 {
		require.NoError(b.t, json.Unmarshal(frame[1:], &answer))
	}
	return frame[0], answer, nil
}

func (b *manager) ready() object {
	b.t.Helper()
	op, answer, err := b.next()
	require.NoError(b.t, err)
	require.Zero(b.t, op, "%v", answer)
	return answer
}

func (b *manager) put(op byte, request any) {
	b.t.Helper()
	text, err := json.Marshal(request)
	require.NoError(b.t, err)
	require.NoError(b.t, b.Conn.Write(b.t.Context(), websocket.MessageBinary, append([]byte{op}, text...)))
}

// do has something done that succeeds.
func (b *manager) do(op byte, request object) object {
	b.t.Helper()
	b.put(op, request)
	got, answer, err := b.next()
	require.NoError(b.t, err)
	require.Equal(b.t, op, got, "%v", answer)
	return answer
}

// fails has something done that fails.
func (b *manager) fails(op byte, request any, message string) {
	b.t.Helper()
	b.put(op, request)
	got, answer, err := b.next()
	require.NoError(b.t, err)
	require.EqualValues(b.t, 9, got, "%v", answer)
	require.Equal(b.t, message, answer["message"])
}

func (b *manager) closed(code websocket.StatusCode, reason string) {
	b.t.Helper()
	for {
		_, _, err := b.next()
		if err == nil {
			continue
		}
		var closed websocket.CloseError
		require.True(b.t, errors.As(err, &closed), "the socket ended with %v", err)
		require.Equal(b.t, websocket.CloseError{Code: code, Reason: reason}, closed)
		return
	}
}

// lost is closed after a frame that says why.
func (b *manager) lost(code websocket.StatusCode, reason string) {
	b.t.Helper()
	op, answer, err := b.next()
	require.NoError(b.t, err)
	require.EqualValues(b.t, 9, op)
	require.Equal(b.t, object{"message": reason}, answer)
	b.closed(code, reason)
}

func write(t *testing.T, dir, name, content string) string {
	t.Helper()
	file := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
	return file
}

// audits are the details of an action's rows, the oldest first.
func audits(t *testing.T, s *testserver.Server, action string) (all []any) {
	t.Helper()
	for _, row := range s.Audits(t, action) {
		all = append(all, row["details"])
	}
	return all
}

func TestFilesAreHandled(t *testing.T) {
	t.Parallel()
	for name, settings := range map[string][]string{
		"with a shell":              {sftpSubsystem},
		"with files alone":          {sftpSubsystem, "ForceCommand internal-sftp"},
		"with one session a login":  {sftpSubsystem, "MaxSessions 1"},
		"with an own server binary": {"Subsystem sftp /usr/lib/openssh/sftp-server"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := testserver.New(t)
			entry, _ := openSSH(t, s.Owner, nil, settings...)
			handleFiles(t, s, entry, name == "with a shell")
		})
	}
}

func handleFiles(t *testing.T, s *testserver.Server, entry int64, shell bool) {
	dir := t.TempDir()
	of := func(details object) object { details["entryId"] = float64(entry); return details }
	_, b := browse(t, s.Owner, entry, nil)
	require.Equal(t, object{"path": nil, "capabilities": object{"shell": true, "terminal": true}}, b.ready())

	// Names are whatever a host has.
	odd := []string{"a b", "-rf", "it's", `back\slash`, "new\nline", "ü 😀", "$(id)", "a..b", "!x", "#&%+"}
	for _, name := range odd {
		require.Nil(t, b.do(0x04, object{"path": dir + "/" + name}))
	}
	b.fails(0x04, object{"path": dir + "/a b"}, "Already exists")
	require.Equal(t, of(object{"filePath": dir + "/a b"}), audits(t, s, "file.create")[0])
	require.Nil(t, b.do(0x05, object{"path": dir + "/sub"}))
	b.fails(0x05, object{"path": dir + "/sub"}, "Already exists")
	require.Nil(t, b.do(0x05, object{"path": dir + "/sub/x/../deep/er", "recursive": true}))
	require.Equal(t, []any{of(object{"folderPath": dir + "/sub"}), of(object{"folderPath": dir + "/sub/deep"}), of(object{"folderPath": dir + "/sub/deep/er"})},
		audits(t, s, "folder.create"))
	content := write(t, dir, "sub/deep/content", strings.Repeat("0123456789", 1000))
	require.NoError(t, os.Symlink("sub", dir+"/link"))
	require.NoError(t, os.Symlink("nothing", dir+"/dangling"))

	listed := map[string]object{}
	for _, file := range b.do(0x01, object{"path": dir})["files"].([]any) {
		listed[file.(object)["name"].(string)] = file.(object)
	}
	require.Len(t, listed, len(odd)+3)
	for _, name := range odd {
		require.Equal(t, "file", listed[name]["type"], name)
	}
	require.Equal(t, "folder", listed["sub"]["type"])
	require.Equal(t, object{"type": "file", "isSymlink": true}, object{"type": listed["link"]["type"], "isSymlink": listed["link"]["isSymlink"]})
	require.EqualValues(t, 0o040000, int(listed["sub"]["mode"].(float64))&0o170000, "with the bits of its type")
	require.InDelta(t, time.Now().Unix(), listed["sub"]["last_modified"], 100)

	require.Equal(t, object{"path": dir + "/sub", "isDirectory": true}, drop(b.do(0x0b, object{"path": dir + "/link"}), "size"))
	require.Equal(t, object{"path": content, "isDirectory": false, "size": 10000.0}, b.do(0x0b, object{"path": dir + "/link/deep/content"}))
	b.fails(0x0b, object{"path": dir + "/dangling"}, "Path does not exist")
	require.Equal(t, []any{dir + "/sub/deep/er"}, b.do(0x0a, object{"searchPath": dir + "/sub/deep/E"})["directories"])
	require.Equal(t, []any{dir + "/link"}, b.do(0x0a, object{"searchPath": dir + "/li"})["directories"])
	require.Empty(t, b.do(0x0a, object{"searchPath": "/nowhere/x"})["directories"])

	require.Nil(t, b.do(0x0e, object{"path": content, "mode": 0o104750}))
	info, err := os.Stat(content)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o750)|os.ModeSetuid, info.Mode())
	require.Equal(t, []any{of(object{"filePath": content, "mode": "4750"})}, audits(t, s, "file.chmod"))
	stat := b.do(0x0f, object{"path": dir + "/link/deep/content"})
	require.Equal(t, object{"size": 10000.0, "mode": float64(0o104750), "isDir": false, "uid": float64(os.Getuid())},
		object{"size": stat["size"], "mode": stat["mode"], "isDir": stat["isDir"], "uid": stat["uid"]})
	if shell {
		require.NotEmpty(t, stat["owner"])
	}

	for algorithm, sum := range map[string]string{
		"md5": "39bd9e1ee6ab7ea4ef7ca7e3d4d5bb1e", "sha256": "",
	} {
		hash := b.do(0x10, object{"path": content, "algorithm": algorithm})["hash"].(string)
		if algorithm == "sha256" {
			require.Len(t, hash, 64)
		} else {
			require.Len(t, hash, len(sum))
		}
	}
	first := b.do(0x10, object{"path": dir + "/" + odd[4], "algorithm": "sha1"})
	require.Equal(t, "da39a3ee5e6b4b0d3255bfef95601890afd80709", first["hash"], "of nothing")
	require.GreaterOrEqual(t, b.do(0x11, object{"path": dir + "/sub"})["size"], 10000.0)

	require.Nil(t, b.do(0x08, object{"path": dir + "/a b", "newPath": dir + "/renamed"}))
	b.fails(0x08, object{"path": dir + "/renamed", "newPath": dir + "/-rf"}, "Already exists")
	b.fails(0x08, object{"path": dir + "/sub", "newPath": dir + "/sub/deep/y"}, "A folder cannot be put into itself")
	require.Equal(t, []any{of(object{"oldPath": dir + "/a b", "newPath": dir + "/renamed"})}, audits(t, s, "file.rename"))

	require.Nil(t, b.do(0x05, object{"path": dir + "/to"}))
	var sources []string
	for _, name := range append(odd[1:], "sub", "link", "dangling") {
		sources = append(sources, dir+"/"+name)
	}
	require.Nil(t, b.do(0x0d, object{"sources": sources, "destination": dir + "/to"}))
	for _, name := range append(odd[1:], "sub/deep/content") {
		require.FileExists(t, dir+"/to/"+name)
	}
	link, err := os.Readlink(dir + "/to/link")
	require.NoError(t, err)
	require.Equal(t, "sub", link)
	b.fails(0x0d, object{"sources": []string{dir + "/renamed", dir + "/sub"}, "destination": dir + "/to"}, dir+"/sub: Already exists")
	require.FileExists(t, dir+"/to/renamed", "until the first that fails")
	b.fails(0x0d, object{"sources": []string{dir + "/sub"}, "destination": dir + "/sub/deep"}, dir+"/sub: A folder cannot be put into itself")
	require.Nil(t, b.do(0x05, object{"path": dir + "/moved"}))
	require.Nil(t, b.do(0x0c, object{"sources": sources, "destination": dir + "/moved"}))
	require.NoFileExists(t, dir+"/sub/deep/content")
	b.fails(0x0c, object{"sources": []string{dir + "/gone"}, "destination": dir + "/to"}, dir+"/gone: Path does not exist")

	require.Nil(t, b.do(0x06, object{"path": dir + "/moved/link"}), "and not what it leads to")
	require.DirExists(t, dir+"/moved/sub")
	b.fails(0x06, object{"path": dir + "/moved/sub"}, "Is a directory")
	require.NoError(t, os.Symlink(dir+"/moved", dir+"/to/sub/link"))
	b.fails(0x07, object{"path": dir + "/to/link"}, "Invalid path")
	require.Nil(t, b.do(0x07, object{"path": dir + "/to"}))
	require.NoDirExists(t, dir+"/to")
	require.DirExists(t, dir+"/moved/sub", "links are not followed")
	require.Equal(t, []any{of(object{"folderPath": dir + "/to"})}, audits(t, s, "folder.delete"))
	for op, message := range map[byte]string{
		0x01: "Invalid path", 0x04: "Invalid path", 0x07: "Invalid path", 0x08: "Invalid path", 0x0c: "Invalid paths", 0x0d: "Invalid paths",
		0x0e: "Invalid path or mode", 0x10: "Invalid path or algorithm", 0x12: "Invalid path",
	} {
		b.fails(op, object{}, message)
		b.fails(op, object{"path": 5, "sources": "x", "mode": "x", "algorithm": 1}, message)
		b.fails(op, []int{}, message)
	}
	b.fails(0x01, object{"path": "relative"}, "Invalid path")
	b.fails(0x01, object{"path": "/" + strings.Repeat("x", 4096)}, "Invalid path")
	b.fails(0x01, object{"path": "/\x00"}, "Invalid path")
	b.fails(0x01, object{"path": dir + "/gone"}, "Path does not exist")
	b.fails(0x07, object{"path": "/../"}, "Invalid path")
	b.fails(0x10, object{"path": dir, "algorithm": "crc32"}, "Unsupported algorithm")
	b.fails(0x10, object{"path": dir, "algorithm": "md5"}, "Is a directory")
	b.fails(0x02, object{}, "Unknown operation")
	require.Equal(t, object{"requestId": "7"}, b.do(0x05, object{"path": dir + "/last", "requestId": "7"}))
	require.NotContains(t, s.Log.String(), "level=ERROR")
}

func drop(o object, key string) object { delete(o, key); return o }

func TestFileSocketsShareWhereTheyAre(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	entry, _ := openSSH(t, s.Owner, nil, sftpSubsystem)
	id, one := browse(t, s.Owner, entry, object{"startPath": "/usr"})
	require.Equal(t, "/usr", one.ready()["path"])
	two := browseAgain(t, s.Owner, id)
	two.ready()
	one.put(0x12, object{"path": "/tmp/."})
	op, answer, err := two.next()
	require.NoError(t, err)
	require.EqualValues(t, 0x12, op)
	require.Equal(t, object{"path": "/tmp"}, answer)
	require.Equal(t, "/tmp", connections(s.Owner)[0]["sftpPath"])
	one.do(0x01, object{"path": "/"})

	// Many at a time are answered in their order.
	for i := range 50 {
		one.put(0x0b, object{"path": "/tmp", "requestId": fmt.Sprint(i)})
	}
	for i := range 50 {
		_, answer, err := one.next()
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint(i), answer["requestId"])
	}
	s.Owner.Delete("/api/connections/" + id).Want(200)
	one.closed(1000, "Session terminated")
	two.closed(1000, "Session terminated")
}

func TestWhoMayHandleFiles(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	entry, _ := openSSH(t, s.Owner, nil, sftpSubsystem)
	dir := t.TempDir()
	id, b := browse(t, s.Owner, entry, nil)
	b.ready()
	for _, c := range []*testserver.Client{s.Stranger, s.Colleague, s.Admin} {
		browseAgain(t, c, id).closed(4007, "Session not found")
	}
	browseAgain(t, s.Owner, "nothing").closed(4007, "Invalid session ID")
	browseAgain(t, s.Owner, open(s.Owner, entry, nil)).closed(4009, "Unsupported: terminal")
	attach(t, s.Owner, "sessionId", id).closed(4009, "Unsupported: sftp")

	s.Deny(t, s.Owner, permission.FilesModify)
	for op, request := range map[byte]object{
		0x04: {"path": dir + "/x"}, 0x05: {"path": dir + "/x"}, 0x06: {"path": dir + "/x"}, 0x07: {"path": dir}, 0x08: {"path": dir, "newPath": dir + "x"},
		0x0c: {"sources": []string{dir}, "destination": "/tmp"}, 0x0d: {"sources": []string{dir}, "destination": "/tmp"}, 0x0e: {"path": dir, "mode": 0},
	} {
		b.fails(op, request, "You don't have permission to modify files on this server")
	}
	b.do(0x01, object{"path": dir})
	s.Deny(t, s.Owner, permission.FilesView)
	b.fails(0x01, object{"path": dir}, "You don't have permission to browse files on this server")
	browseAgain(t, s.Owner, id).lost(4403, "You don't have permission to browse files on this server")
	s.Owner.Post("/api/connections/"+id+"/duplicate", nil).WantError(403, "Access denied")
	require.Empty(t, s.Audits(t, "file.create"))
	s.Owner.Post("/api/auth/logout", object{"token": s.Owner.Token}).Want(200)
	b.closed(4010, "Session invalidated")
}

func TestFilesThatAreNotReached(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	away, identity := played(t, s.Owner, &testssh.Server{}, nil)
	_, b := browse(t, s.Owner, away, nil)
	b.lost(4002, "Connection failed: The host does not offer files")
	wrong := newIdentity(s.Owner, "wrong")
	id, b := browse(t, s.Owner, away, object{"identityId": wrong})
	b.lost(4002, "Connection failed: Authentication failed")
	browseAgain(t, s.Owner, id).lost(4002, "Connection failed: Authentication failed")
	ftp := newEntry(s.Owner, 1, object{"protocol": "ftp"}, identity)
	_, b = browse(t, s.Owner, ftp, nil)
	b.lost(4002, "FTP is not supported by this server")
}
