package connection_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/pkg/sftp"
	"github.com/stretchr/testify/require"
	xssh "golang.org/x/crypto/ssh"

	"github.com/nexterm-go/nexterm/internal/testserver"
	"github.com/nexterm-go/nexterm/internal/testssh"
)

// packet is one of SFTP's.
func packet(kind byte, id uint32, more ...any) []byte {
	body := binary.BigEndian.AppendUint32([]byte{kind}, id)
	for _, part := range more {
		switch part := part.(type) {
		case uint32:
			body = binary.BigEndian.AppendUint32(body, part)
		case string:
			body = append(binary.BigEndian.AppendUint32(body, uint32(len(part))), part...)
		case []byte:
			body = append(body, part...)
		}
	}
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
}

// hostileFiles answers each request as it is told, after the version.
func hostileFiles(answer func(kind byte, id uint32) []byte) *testssh.Server {
	return &testssh.Server{Subsystem: func(_ string, channel xssh.Channel) {
		for {
			head := make([]byte, 9)
			if _, err := io.ReadFull(channel, head); err != nil {
				return
			}
			if _, err := io.CopyN(io.Discard, channel, int64(binary.BigEndian.Uint32(head))-5); err != nil {
				return
			}
			reply := answer(head[4], binary.BigEndian.Uint32(head[5:]))
			if head[4] == 1 {
				reply = packet(2, 3)
			}
			if reply == nil {
				return
			}
			if _, err := channel.Write(reply); err != nil {
				return
			}
		}
	}}
}

const openDir, readDir, lstat, statusAnswer, handleAnswer, nameAnswer, attributes = 11, 12, 7, 101, 102, 104, 105

// times is an entry of a folder so often, as a host tells of it.
func times(count int, name string, attributes ...any) []byte {
	return bytes.Repeat(packet(0, 0, append([]any{name, ""}, attributes...)...)[9:], count)
}

// endless answers with as many short names as it is asked for, up to so many times a
// thousand, and counts how often it is.
func endless(asked *atomic.Int32, most int32) *testssh.Server {
	many := times(1000, "d", uint32(4), uint32(0o40755))
	return hostileFiles(func(kind byte, id uint32) []byte {
		switch {
		case kind == openDir:
			return packet(handleAnswer, id, "h")
		case kind == lstat:
			return packet(attributes, id, uint32(4), uint32(0o40755))
		case kind != readDir:
			return packet(statusAnswer, id, uint32(0), "", "")
		case asked.Add(1) > most:
			return packet(statusAnswer, id, uint32(1), "", "")
		}
		return packet(nameAnswer, id, uint32(1000), many)
	})
}

// Short names cost a hundred times what is sent of them, and two who list at a time are
// held to it both.
func TestEndlessListingsOfShortNames(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	var asked atomic.Int32
	entry, _ := played(t, s.Owner, endless(&asked, 3000), nil)
	id, first := browse(t, s.Owner, entry, nil)
	second := browseAgain(t, s.Owner, id)
	for _, b := range []*manager{first, second} {
		b.ready()
		b.put(0x01, object{"path": "/"})
	}
	for _, b := range []*manager{first, second} {
		_, answer, err := b.next()
		require.NoError(t, err)
		require.Len(t, answer["files"], 50_000)
		require.Equal(t, true, answer["truncated"])
	}
	require.Less(t, asked.Load(), int32(250))
}

// Names of bytes that are no text become six times as long, and only so many of them are told.
func TestListingsOfLongNamesFitIntoAFrame(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	many := times(20, strings.Repeat("\xff", 10_000), uint32(0))
	entry, _ := played(t, s.Owner, hostileFiles(func(kind byte, id uint32) []byte {
		if kind == openDir {
			return packet(handleAnswer, id, "h")
		}
		return packet(nameAnswer, id, uint32(20), many)
	}), nil)
	_, b := browse(t, s.Owner, entry, nil)
	b.ready()
	answer := b.do(0x01, object{"path": "/"})
	require.Len(t, answer["files"], 279)
	require.Equal(t, true, answer["truncated"])
}

// A tree of which each folder is as long as folders get is not held as a whole.
func TestEndlessTrees(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	var asked atomic.Int32
	entry, _ := played(t, s.Owner, endless(&asked, 3000), nil)
	_, b := browse(t, s.Owner, entry, nil)
	b.ready()
	b.fails(0x07, object{"path": "/x"}, "Too much for a server without a shell")
	b.fails(0x11, object{"path": "/x"}, "Too much for a server without a shell")
	require.Less(t, asked.Load(), int32(500))
}

// A host that never stops listing costs no more than a long folder.
func TestEndlessAndHostileListings(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	names := []string{".", "..", "/", "../../etc/passwd", "nul\x00", "", "\x1b[2Jx", "\xff"}
	var entries []byte
	for _, name := range names {
		entries = append(entries, packet(0, 0, name, "", uint32(0))[9:]...)
	}
	asked := 0
	entry, _ := played(t, s.Owner, hostileFiles(func(kind byte, id uint32) []byte {
		switch kind {
		case openDir:
			return packet(handleAnswer, id, "h")
		case readDir:
			if asked++; asked == 2 {
				return packet(statusAnswer, id, uint32(1), "", "")
			}
			if asked > 2 {
				return packet(nameAnswer, id, uint32(1000), times(1000, "name", uint32(0)))
			}
			return packet(nameAnswer, id, uint32(len(names)), entries)
		}
		return packet(statusAnswer, id, uint32(4), "\x1b[31mno\x00 way", "")
	}), nil)
	_, b := browse(t, s.Owner, entry, nil)
	b.ready()
	var listed []string
	for _, file := range b.do(0x01, object{"path": "/"})["files"].([]any) {
		listed = append(listed, file.(object)["name"].(string))
	}
	require.Equal(t, []string{"passwd", "\x1b[2Jx", "\ufffd"}, listed)
	answer := b.do(0x01, object{"path": "/"})
	require.Len(t, answer["files"], 50_000)
	require.Equal(t, true, answer["truncated"])
	b.fails(0x0e, object{"path": "/x", "mode": 0o644}, "[31mno way")
}

func TestHostsWhoseFilesBreak(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	for name, host := range map[string]*testssh.Server{
		"hang up":      hostileFiles(func(byte, uint32) []byte { return nil }),
		"garble":       hostileFiles(func(byte, uint32) []byte { return []byte("\xff\xff\xff\xff garbage") }),
		"wrong answer": hostileFiles(func(byte, uint32) []byte { return packet(nameAnswer, 999_999, uint32(1)) }),
	} {
		t.Run(name, func(t *testing.T) {
			entry, _ := played(t, s.Owner, host, nil)
			id, b := browse(t, s.Owner, entry, nil)
			b.ready()
			b.put(0x01, object{"path": "/"})
			b.lost(4001, "SFTP connection lost")
			browseAgain(t, s.Owner, id).ready()
			host.Close()
			require.Eventually(t, func() bool { return state(t, s, id) == "failed: Connection lost" }, patience, 5*time.Millisecond)
			browseAgain(t, s.Owner, id).lost(4002, "Connection failed: Connection lost")
		})
	}
	for name, subsystem := range map[string]func(string, xssh.Channel){
		"no version": func(_ string, channel xssh.Channel) { _, _ = channel.Write([]byte("This account is not available.\n")) },
		"nothing":    func(string, xssh.Channel) {},
	} {
		t.Run(name, func(t *testing.T) {
			entry, _ := played(t, s.Owner, &testssh.Server{Subsystem: subsystem}, nil)
			id, b := browse(t, s.Owner, entry, nil)
			b.lost(4002, "Connection failed: The host does not offer files")
			s.Owner.Get(address(id, "", "/x")).WantError(502, "The host does not offer files")
			s.Owner.Post(address(id, "/upload", "/x"), object{}).WantError(502, "The host does not offer files")
			s.Owner.Post(address(id, "/multi", ""), object{"paths": []string{"/x"}}).WantError(502, "The host does not offer files")
		})
	}
}

// Who sends more than is answered waits, or is told.
func TestTooManyFileRequests(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	release := make(chan struct{})
	entry, _ := played(t, s.Owner, hostileFiles(func(kind byte, id uint32) []byte {
		if kind != 1 {
			<-release
		}
		return packet(statusAnswer, id, uint32(2), "", "")
	}), nil)
	_, b := browse(t, s.Owner, entry, nil)
	b.ready()
	for range 150 {
		b.put(0x01, object{"path": "/"})
	}
	refused := 0
	for range 49 {
		op, answer, err := b.next()
		require.NoError(t, err)
		require.EqualValues(t, 9, op)
		require.Equal(t, "Too many requests", answer["message"])
		refused++
	}
	close(release)
	for range 101 {
		_, answer, err := b.next()
		require.NoError(t, err)
		require.Equal(t, "Path does not exist", answer["message"])
	}
	require.NoError(t, b.Conn.Write(t.Context(), websocket.MessageBinary, make([]byte, 1<<20+1)))
	b.closed(1009, "read limited at 1048577 bytes")
}

// localFiles serves the files of this machine by another server than OpenSSH's.
func localFiles() *testssh.Server {
	return &testssh.Server{Subsystem: func(_ string, channel xssh.Channel) {
		server, err := sftp.NewServer(channel)
		if err == nil {
			_ = server.Serve()
		}
	}}
}

func TestFilesOfAnotherServer(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	entry, _ := played(t, s.Owner, localFiles(), nil)
	dir := t.TempDir()
	write(t, dir, "there", "x")
	_, b := browse(t, s.Owner, entry, nil)
	b.ready()
	b.fails(0x04, object{"path": dir + "/there"}, "Already exists")
	b.do(0x0d, object{"sources": []string{dir + "/there"}, "destination": "/" + t.TempDir()})
	b.do(0x06, object{"path": dir + "/there"})
	_, err := os.Stat(dir + "/there")
	require.ErrorIs(t, err, os.ErrNotExist)
}
