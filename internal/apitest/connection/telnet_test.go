package connection_test

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
	"github.com/nexterm-go/nexterm/internal/testssh"
)

// telnetHost is an entry of the caller's on a Telnet host that plays its part.
func telnetHost(t *testing.T, c *testserver.Client, play func(net.Conn), more object) (host *testssh.Server, entryID int64) {
	t.Helper()
	host = testssh.Start(t, &testssh.Server{Play: play})
	config := object{"protocol": "telnet"}
	for key, value := range more {
		config[key] = value
	}
	return host, newEntry(c, host.Port(), config)
}

// heard sends what a host hears, as it was written and one after the other.
func heard(t *testing.T, conn net.Conn, want string) {
	t.Helper()
	got := make([]byte, len(want))
	_, err := io.ReadFull(conn, got)
	if err != nil || string(got) != want {
		t.Errorf("heard %q and %v, want %q", got, err, want)
	}
}

func TestTelnet(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	_, entry := telnetHost(t, s.Owner, func(conn net.Conn) {
		// A question that comes in pieces, and answers to it that are no questions.
		for _, part := range []string{"\xff", "\xfd\x18\xff\xfd\x1f\xff\xfb\x01\xff\xfd\x27\xff\xfa\x18", "\x01\xff\xf0\xff\xfb\x03"} {
			_, _ = io.WriteString(conn, part)
		}
		heard(t, conn, "\xff\xfb\x18\xff\xfb\x1f\xff\xfa\x1f\x00\x50\x00\x18\xff\xf0\xff\xfd\x01\xff\xfc\x27\xff\xfa\x18\x00xterm-256color\xff\xf0\xff\xfd\x03")
		_, _ = io.WriteString(conn, "\xff\xfd\x18\xff\xfb\x01login: \xff\xff") // nothing new
		heard(t, conn, "\xff\xfa\x1f\x00\x65\x00\x1f\xff\xf0")
		_, _ = io.WriteString(conn, "name: ")
		heard(t, conn, "admin\x08\r\x00")
		_, _ = io.WriteString(conn, "password: ")
		heard(t, conn, "secret")
		_, _ = io.WriteString(conn, "in ü")
		heard(t, conn, "\xff\xfa\x1f\x00\xff\xff\x00\x32\xff\xf0")
		_, _ = io.WriteString(conn, " done\r\x00")
	}, object{"backspaceMode": "ctrl-h"})
	identity := newIdentity(s.Owner, "secret")
	id := open(s.Owner, entry, object{"identityId": identity, "startPath": "/usr", "tabId": "tab"})
	shell := attach(t, s.Owner, "sessionId", id)
	shell.see("login: ")
	shell.Send("\x01101,31")
	shell.see("\uFFFDname: ")
	shell.Send("admin\x7f\r")
	shell.see("password: ")
	s.Owner.Post("/api/connections/"+id+"/paste-password", nil).Want(200)
	shell.see("in ü")
	shell.Send("\x01255,50")
	shell.closed(1000, "Session terminated")
	require.Contains(t, shell.seen, " done\r")
	require.Equal(t, "ended", state(t, s, id))
	require.Equal(t, 1, s.Count(t, "recent_connections where entry_id = $1 and action = 'entry.ssh_connect'", entry))
}

func TestTelnetIsRecorded(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	_, entry := telnetHost(t, s.Owner, func(conn net.Conn) {
		_, _ = io.WriteString(conn, "\xff\xfb\x01pass\xff\xffword: ")
		line, _ := bufio.NewReader(conn).ReadString('\r')
		_, _ = io.WriteString(conn, "in as "+line[len(line)-5:])
	}, nil)
	recorded(t, s, entry)
	id := open(s.Owner, entry, nil)
	_, path := auditLog(t, s, id)
	shell := attach(t, s.Owner, "sessionId", id)
	shell.see("word: ")
	shell.Send("hunter2 user\r")
	shell.closed(1000, "Session terminated")
	isRecorded(t, s.Owner)
	_, output, _ := cast(t, s.Owner.Get(path).Want(200).Body)
	require.Equal(t, "pass\uFFFDword: in as user\r", output, "what is shown, and never what is typed")
}

func TestTelnetHostsThatAreNoGood(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	owner := s.Owner.On(denying(t, s, "127.0.0.2"))
	hop := newEntry(s.Owner, 22, nil, newIdentity(s.Owner, "secret"))
	private := newEntry(s.Stranger, 22, nil)
	reset, _ := telnetHost(t, s.Owner, func(conn net.Conn) {
		_, _ = io.ReadFull(conn, make([]byte, 1))
		_ = conn.(*net.TCPConn).SetLinger(0)
	}, nil)
	of := func(more object) int64 {
		config := object{"protocol": "telnet"}
		for key, value := range more {
			config[key] = value
		}
		return newEntry(s.Owner, reset.Port(), config)
	}
	for name, c := range map[string]struct {
		entry int64
		want  string
	}{
		"denied":     {of(object{"ip": "127.0.0.2"}), "Target address is not allowed"},
		"not there":  {of(object{"port": testssh.Refusing(t)}), "Connection refused"},
		"no address": {of(object{"ip": nil}), "Missing host configuration"},
		"a hop":      {of(object{"jumpHosts": []int64{hop}}), "Jump hosts are not supported for telnet"},
		"an engine":  {of(object{"engineId": 5}), "No engine connected"},
		"reset":      {of(nil), "Connection lost"},
		"no right":   {of(nil), "Jump host 1: Entry not found"},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "no right" {
				s.Exec(t, `update entries set config = config || jsonb_build_object('jumpHosts', array[$2::bigint]) where id = $1`, c.entry, private)
			}
			shell := attach(t, owner, "sessionId", open(owner, c.entry, nil))
			if name == "reset" {
				shell.Send("x")
			}
			shell.closed(4017, c.want)
		})
	}
}

// Hosts that flood, with text or with negotiation, wait for those who read; they cost
// nobody else anything and end when they are told to.
func TestTelnetFloods(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	line := bytes.Repeat([]byte("0123456789abcdef"), 4<<10)
	_, entry := telnetHost(t, s.Owner, func(conn net.Conn) {
		heard(t, conn, "go")
		for range 320 { // 20 MiB
			_, _ = conn.Write(line)
		}
	}, nil)
	id := open(s.Owner, entry, nil)
	shell := attach(t, s.Owner, "sessionId", id)
	shell.Send("go")
	shell.closed(1000, "Session terminated")
	require.Len(t, shell.seen, 20<<20, "all of it")

	// Both are switched on and off for ever, and the answers are not read.
	asking := bytes.Repeat([]byte("\xff\xfd\x1f\xff\xfe\x1f\xff\xfa\x18\x01\xff\xf0\xff\xfb\x01\xff\xfc\x01"), 4<<10)
	host, entry := telnetHost(t, s.Owner, func(conn net.Conn) {
		for {
			if _, err := conn.Write(asking); err != nil {
				return
			}
		}
	}, nil)
	id = open(s.Owner, entry, nil)
	shell = attach(t, s.Owner, "sessionId", id)
	require.Eventually(t, func() bool { return host.Open() == 1 }, patience, pause)
	require.Eventually(t, func() bool { return s.Count(t, "connection_viewers where connection_id = $1", id) == 1 }, patience, pause)
	s.Owner.Delete("/api/connections/" + id).Want(200)
	shell.closed(1000, "Session terminated")
	require.Eventually(t, func() bool { return host.Open() == 0 }, patience, pause)
	// Nothing is said about anything twice.
	_, entry = telnetHost(t, s.Owner, func(conn net.Conn) {
		_, _ = conn.Write(bytes.Repeat([]byte("\xff\xfd\x05\xff\xfb\x05"), 1<<16))
		_, _ = io.WriteString(conn, "done")
		heard(t, conn, "\xff\xfc\x05\xff\xfe\x05")
		last, _ := bufio.NewReader(conn).ReadString('.')
		if last != "end." {
			t.Errorf("heard %q", last)
		}
	}, nil)
	shell = attach(t, s.Owner, "sessionId", open(s.Owner, entry, nil))
	shell.see("done")
	shell.Send("end.")
	shell.closed(1000, "Session terminated")
}
