package connection_test

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	xssh "golang.org/x/crypto/ssh"

	"github.com/nexterm-go/nexterm/internal/testserver"
	"github.com/nexterm-go/nexterm/internal/testssh"
)

// hang takes connections and says nothing.
func hang(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

func TestFailuresAreSaid(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	refusing := testssh.Refusing(t)
	password := newIdentity(s.Owner, testssh.Password)
	wrong := newIdentity(s.Owner, "wrong")
	nameless := s.Owner.Put("/api/identity", object{"name": "odd", "type": "password-only", "password": "x"}).Want(200).ID()
	key := s.Owner.Put("/api/identity", object{"name": "odd", "type": "ssh", "username": "x", "sshKey": "no key"}).Want(200).ID()
	host := testssh.Start(t, &testssh.Server{})
	garbled := testssh.Start(t, &testssh.Server{Play: func(conn net.Conn) { _, _ = io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\n\r\n") }})
	hop := newEntry(s.Owner, refusing, nil, password)
	private := newEntry(s.Stranger, host.Port(), nil)
	for name, c := range map[string]struct {
		entry    int64
		identity int64
		want     string
	}{
		"refused":             {newEntry(s.Owner, refusing, nil), password, "Connection refused"},
		"no name":             {newEntry(s.Owner, 22, object{"ip": "host.invalid"}), password, "Host name not found"},
		"wrong password":      {newEntry(s.Owner, host.Port(), nil), wrong, "Authentication failed"},
		"no shell":            {newEntry(s.Owner, host.Port(), nil), password, "The host does not offer a shell"},
		"no SSH":              {newEntry(s.Owner, garbled.Port(), nil), password, "Not an SSH server"},
		"no username":         {newEntry(s.Owner, host.Port(), nil), nameless, "Missing username"},
		"no address":          {newEntry(s.Owner, 22, object{"ip": nil}), password, "Missing host configuration"},
		"an engine":           {newEntry(s.Owner, 22, object{"engineId": 5}), password, "No engine connected"},
		"a bad key":           {newEntry(s.Owner, host.Port(), nil), key, "The private key could not be read"},
		"a hop that refuses":  {newEntry(s.Owner, host.Port(), object{"jumpHosts": []int64{hop}}), password, "Jump host 1: Connection refused"},
		"desktop":             {newEntry(s.Owner, 1, object{"protocol": "rdp"}), password, "Remote desktop is not configured on this server"},
		"files by FTP":        {newEntry(s.Owner, 1, object{"protocol": "ftp"}), password, "FTP is not supported by this server"},
		"somebody else's hop": {0, password, "Jump host 1: Entry not found"},
	} {
		t.Run(name, func(t *testing.T) {
			entry := c.entry
			if entry == 0 {
				entry = newEntry(s.Owner, host.Port(), nil)
				s.Exec(t, `update entries set config = config || jsonb_build_object('jumpHosts', array[$2::bigint]) where id = $1`, entry, private)
			}
			id := open(s.Owner, entry, object{"identityId": c.identity})
			if name == "desktop" || name == "files by FTP" { // other sockets show these
				require.Eventually(t, func() bool { return state(t, s, id) != "connecting" }, patience, 5*time.Millisecond)
			}
			shell := attach(t, s.Owner, "sessionId", id)
			if name == "wrong password" { // twice more
				for range 2 {
					shell.asked("password: ")
					shell.Send("\x03again")
				}
			}
			shell.closed(4017, c.want)
			require.Equal(t, "failed: "+c.want, state(t, s, id))
			// Late sockets hear it too, and the list shows it until then.
			attach(t, s.Owner, "sessionId", id).closed(4017, c.want)
		})
	}
	require.Eventually(t, func() bool { return len(connections(s.Owner)) <= 1 }, patience, 10*time.Millisecond)
	require.NotContains(t, s.Log.String(), testssh.Password)
}

func TestFailuresAreListedUntilTheyAreSeen(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	entry, _ := played(t, s.Owner, &testssh.Server{Play: func(net.Conn) {}}, nil)
	id := open(s.Owner, entry, nil)
	require.Eventually(t, func() bool { return strings.HasPrefix(state(t, s, id), "failed") }, patience, 5*time.Millisecond)
	require.Equal(t, "failed", connections(s.Owner)[0]["status"])
	attach(t, s.Owner, "sessionId", id).closed(4017, "Not an SSH server")
	require.Eventually(t, func() bool { return len(connections(s.Owner)) == 0 }, patience, 5*time.Millisecond)
}

// A host that says more than anybody reads waits, and nothing of it is lost.
func TestFloodsWaitForTheirReader(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	line := bytes.Repeat([]byte("0123456789abcdef"), 4<<10)
	const lines = 320 // 20 MiB
	entry, _ := played(t, s.Owner, &testssh.Server{Shell: func(channel xssh.Channel) int {
		// What comes before there is a socket, only its end is kept of.
		_, _ = channel.Read(make([]byte, 1))
		for range lines {
			if _, err := channel.Write(line); err != nil {
				return -1
			}
		}
		return 0
	}}, nil)
	id := open(s.Owner, entry, nil)
	shell := attach(t, s.Owner, "sessionId", id)
	shell.Send("x")
	time.Sleep(200 * time.Millisecond)
	var shown strings.Builder
	for {
		frame, err := shell.next()
		if err != nil {
			break
		}
		require.LessOrEqual(t, len(frame), 200<<10)
		shown.WriteString(frame)
	}
	require.Equal(t, lines<<12, strings.Count(shown.String(), "0123456789abcdef"))
	require.Equal(t, "ended", state(t, s, id))
}

func TestHostsThatVanishOrHang(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	host := &testssh.Server{Shell: func(channel xssh.Channel) int {
		_, _ = io.WriteString(channel, "$ ")
		_, _ = io.Copy(io.Discard, channel)
		return 0
	}}
	entry, _ := played(t, s.Owner, host, nil)
	id := open(s.Owner, entry, nil)
	shell := attach(t, s.Owner, "sessionId", id)
	shell.see("$ ")
	host.Close()
	shell.closed(4017, "Connection lost")

	hanging := &testssh.Server{Play: hang}
	entry, _ = played(t, s.Owner, hanging, nil)
	id = open(s.Owner, entry, nil)
	shell = attach(t, s.Owner, "sessionId", id)
	require.Eventually(t, func() bool { return s.Count(t, "connection_viewers") == 1 }, patience, 5*time.Millisecond)
	s.Owner.Delete("/api/connections/" + id).Want(200)
	shell.closed(1000, "Session terminated")
	require.Eventually(t, func() bool { return hanging.Open() == 0 }, patience, 5*time.Millisecond, "it is not dialled any more")
}
