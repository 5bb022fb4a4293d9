package connection_test

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
	xssh "golang.org/x/crypto/ssh"

	"github.com/nexterm-go/nexterm/internal/testserver"
	"github.com/nexterm-go/nexterm/internal/testssh"
)

// closedWith reads a socket of any kind until the server closes it with this code.
func closedWith(t *testing.T, s *testserver.Socket, code websocket.StatusCode) {
	t.Helper()
	closed := s.WaitClosed(patience)
	require.Equal(t, code, closed.Code, "%s: %s", s.Path, closed.Reason)
}

// attached waits until so many sockets have a place at a connection.
func attached(t *testing.T, s *testserver.Server, id string, sockets int) {
	t.Helper()
	require.Eventually(t, func() bool { return s.Count(t, "connection_viewers where connection_id = $1", id) == sockets }, patience, 5*time.Millisecond)
}

// connectionSocket is how a kind of connection is opened, and where its sockets are.
type connectionSocket struct {
	path string
	open func() (id string)
}

// ofEachKind is a server with the kinds of connections, each with an entry of the owner's.
func ofEachKind(t *testing.T) (*testserver.Server, map[string]connectionSocket) {
	t.Helper()
	s := testserver.New(t, startGuacd(t, &guacd{}).use)
	entry, identity := openSSH(t, s.Owner, nil, sftpSubsystem)
	desktop := desktopEntry(s.Owner, nil, identity)
	of := func(entry int64, more object) func() string {
		return func() string { return open(s.Owner, entry, more) }
	}
	return s, map[string]connectionSocket{
		"terminal": {"/api/ws/term?", of(entry, nil)},
		"files":    {"/api/ws/sftp?", of(entry, object{"type": "sftp"})},
		"desktop":  {"/api/ws/guac/?", of(desktop, nil)},
	}
}

// Every way in which a socket of a connection is refused, whichever kind it is.
func TestSocketsOfConnectionsAreClosed(t *testing.T) {
	t.Parallel()
	s, kinds := ofEachKind(t)
	for name, kind := range kinds {
		id := kind.open()
		path := kind.path + "sessionId=" + id
		closedWith(t, s.Anonymous.Socket(path), 4001)
		closedWith(t, s.Anonymous.With("Authorization", "Bearer "+s.NewAPIKey(t, s.Owner).Token).Socket(path), 4001)
		closedWith(t, s.Anonymous.Socket(path+"&sessionToken=unknown"), 4003)
		closedWith(t, s.Owner.Socket(path+"&sessionId="+id), 1008)
		closedWith(t, s.Owner.Socket(kind.path+"sessionId=nothing"), 4007)
		closedWith(t, s.Stranger.Socket(path), 4007)
		for other, of := range kinds {
			if other != name {
				closedWith(t, s.Owner.Socket(of.path+"sessionId="+id), 4009)
			}
		}
		if name != "files" {
			closedWith(t, s.Anonymous.Socket(kind.path+"shareId=unknown"), 4013)
		}

		large := s.Owner.Socket(path)
		_ = large.Write(t.Context(), websocket.MessageText, []byte(strings.Repeat("x", 1<<20+1))) // the server may be faster
		closedWith(t, large, 1009)

		id = kind.open()
		path = kind.path + "sessionId=" + id
		for range 32 {
			s.Owner.Socket(path)
		}
		attached(t, s, id, 32)
		closedWith(t, s.Owner.Socket(path), 1013)

		// One whose server is known, and not there.
		s.Scan(t, &id, `with node as (insert into nodes (id, url) values (gen_random_uuid(), 'http://127.0.0.1:1') returning id)
			insert into connections (id, account_id, session_id, entry_id, kind, protocol, node_id)
			select gen_random_uuid(), c.account_id, c.session_id, c.entry_id, c.kind, c.protocol, node.id
			from connections c, node where c.id = $1 returning id::text`, id)
		closedWith(t, s.Owner.Socket(kind.path+"sessionId="+id), 4014)
	}
}

// What cannot be shared is not shown, were there a link to it.
func TestLinksToWhatCannotBeShared(t *testing.T) {
	t.Parallel()
	s, kinds := ofEachKind(t)
	for name, kind := range kinds {
		if name == "files" {
			continue
		}
		id := kind.open()
		var share struct{ ShareID string }
		s.Owner.Post("/api/connections/"+id+"/share", nil).Want(200).Into(&share)
		s.Exec(t, `update connections set kind = 'sftp' where id = $1`, id)
		closedWith(t, s.Anonymous.Socket(kind.path+"shareId="+share.ShareID), 4015)
	}
}

// Every way in which a socket is closed that was open.
func TestOpenSocketsOfConnectionsAreClosed(t *testing.T) {
	t.Parallel()
	s, kinds := ofEachKind(t)
	for _, kind := range kinds {
		id := kind.open()
		socket := s.Owner.Socket(kind.path + "sessionId=" + id)
		attached(t, s, id, 1)
		s.Owner.Delete("/api/connections/" + id).Want(200)
		closedWith(t, socket, 1000)
	}
	var sockets []*testserver.Socket
	for _, kind := range kinds {
		id := kind.open()
		sockets = append(sockets, s.Owner.Socket(kind.path+"sessionId="+id))
		attached(t, s, id, 1)
	}
	s.Owner.Post("/api/auth/logout", object{"token": s.Owner.Token}).Want(200)
	for _, socket := range sockets {
		closedWith(t, socket, 4010)
	}
}

// A host is lost because a connection ends, and not the other way round, however long
// that takes to be stored.
func TestWhyAConnectionEndsIsSaidFirst(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	asked, lost := make(chan struct{}), make(chan struct{})
	entry, _ := played(t, s.Owner, &testssh.Server{Subsystem: func(_ string, channel xssh.Channel) {
		defer close(lost)
		_, _ = channel.Read(make([]byte, 9))
		close(asked)
		_, _ = io.Copy(io.Discard, channel)
	}}, nil)
	id := open(s.Owner, entry, object{"type": "sftp"})
	socket := s.Owner.Socket("/api/ws/sftp?sessionId=" + id)
	<-asked
	s.Exec(t, `create function doze() returns trigger language plpgsql as $$ begin perform pg_sleep(0.5); return new; end $$`)
	s.Exec(t, `create trigger doze before update on connections for each row when (new.state = 'ended') execute function doze()`)
	s.Owner.Post("/api/auth/logout", object{"token": s.Owner.Token}).Want(200)
	<-lost
	closedWith(t, socket, 4010)
}

func TestSocketsEndWithTheEntry(t *testing.T) {
	t.Parallel()
	s, kinds := ofEachKind(t)
	var sockets []*testserver.Socket
	for _, kind := range kinds {
		id := kind.open()
		sockets = append(sockets, s.Owner.Socket(kind.path+"sessionId="+id))
		attached(t, s, id, 1)
	}
	var entries []int64
	s.Scan(t, &entries, `select array_agg(id) from entries`)
	for _, entry := range entries {
		s.Owner.Delete(fmt.Sprint("/api/entry/", entry)).Want(200)
	}
	for _, socket := range sockets {
		closedWith(t, socket, 4005)
	}
}

// What the server cannot do is its own fault, and said without saying what.
func TestSocketsOfAServerThatFails(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	entry := newEntry(s.Owner, testssh.Start(t, &testssh.Server{}).Port(), nil, newIdentity(s.Owner, testssh.Password))
	s.Exec(t, `alter view valid_sessions rename to moved`)
	for _, path := range []string{
		"/api/ws/term?sessionId=x", "/api/ws/sftp?sessionId=x", "/api/ws/guac/?sessionId=x", "/api/ws/state?",
		fmt.Sprint("/api/ws/tunnel?remotePort=1&entryId=", entry),
	} {
		closedWith(t, s.Owner.Socket(path), 1011)
	}
}
