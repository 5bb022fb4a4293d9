// Package connection_test tests live connections: terminals on OpenSSH servers and on
// hosts that behave badly, seen through the API and its sockets.
package connection_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
	xssh "golang.org/x/crypto/ssh"

	"github.com/nexterm-go/nexterm/internal/testserver"
	"github.com/nexterm-go/nexterm/internal/testssh"
)

type object = map[string]any

const patience = time.Minute

func TestMain(m *testing.M) {
	if database := os.Getenv(nodeVariable); database != "" {
		fmt.Fprintln(os.Stderr, serveUntilKilled(database))
		os.Exit(1)
	}
	testserver.Main(m)
}

// openSSH is an entry of the caller's on an OpenSSH server, with a key to it.
func openSSH(t *testing.T, c *testserver.Client, more object, settings ...string) (entryID, identityID int64) {
	t.Helper()
	key, file := testssh.NewKey(t, xssh.KeyAlgoED25519, "")
	_, hostKey := testssh.NewKey(t, xssh.KeyAlgoED25519, "")
	daemon := testssh.StartDaemon(t, hostKey, []xssh.PublicKey{key.PublicKey()}, settings...)
	identityID = c.Put("/api/identity", object{"name": "key", "type": "ssh", "username": daemon.Username, "sshKey": file}).Want(200).ID()
	return newEntry(c, daemon.Port, more, identityID), identityID
}

// played is an entry of the caller's on a host that plays its part.
func played(t *testing.T, c *testserver.Client, host *testssh.Server, more object) (entryID, identityID int64) {
	t.Helper()
	testssh.Start(t, host)
	identityID = newIdentity(c, testssh.Password)
	return newEntry(c, host.Port(), more, identityID), identityID
}

func newIdentity(c *testserver.Client, password string) int64 {
	return c.Put("/api/identity", object{"name": "password", "type": "password", "username": "somebody", "password": password}).Want(200).ID()
}

func newEntry(c *testserver.Client, port int, more object, identities ...int64) int64 {
	config := object{"protocol": "ssh", "ip": "127.0.0.1", "port": port}
	for key, value := range more {
		config[key] = value
	}
	return c.Put("/api/entry", object{"name": "web1", "config": config, "identities": append([]int64{}, identities...)}).Want(200).ID()
}

// open opens a connection.
func open(c *testserver.Client, entryID int64, more object) string {
	body := object{"entryId": entryID}
	for key, value := range more {
		body[key] = value
	}
	var answer struct{ SessionID string }
	c.Post("/api/connections", body).Want(201).Into(&answer)
	return answer.SessionID
}

// terminal is a socket of a connection, as a client has it.
type terminal struct {
	*testserver.Socket
	t    *testing.T
	seen string
}

func attach(t *testing.T, c *testserver.Client, query ...string) *terminal {
	t.Helper()
	values := url.Values{}
	for i := 0; i < len(query); i += 2 {
		values.Set(query[i], query[i+1])
	}
	return &terminal{Socket: c.Socket("/api/ws/term?" + values.Encode()), t: t}
}

// next is the next frame.
func (s *terminal) next() (string, error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	kind, frame, err := s.Read(ctx)
	if err == nil {
		require.Equal(s.t, websocket.MessageText, kind)
	}
	return string(frame), err
}

// see waits until the output since the last time has a text in it.
func (s *terminal) see(text string) string {
	s.t.Helper()
	for !strings.Contains(s.seen, text) {
		frame, err := s.next()
		require.NoError(s.t, err, "waiting for %q, saw %q", text, s.seen)
		require.False(s.t, strings.HasPrefix(frame, "\x02"), "asked %q", frame)
		s.seen += frame
	}
	at := strings.Index(s.seen, text) + len(text)
	seen := s.seen[:at]
	s.seen = s.seen[at:]
	return seen
}

// asked waits for a question.
func (s *terminal) asked(question string) {
	s.t.Helper()
	for {
		frame, err := s.next()
		require.NoError(s.t, err)
		if strings.HasPrefix(frame, "\x02") {
			require.Contains(s.t, frame, question)
			return
		}
		s.seen += frame
	}
}

// closed waits for the end of the socket.
func (s *terminal) closed(code websocket.StatusCode, reason string) {
	s.t.Helper()
	for {
		frame, err := s.next()
		if err == nil {
			s.seen += frame
			continue
		}
		var closed websocket.CloseError
		require.True(s.t, errors.As(err, &closed), "the socket ended with %v", err)
		require.Equal(s.t, websocket.CloseError{Code: code, Reason: reason}, closed, "saw %q", s.seen)
		return
	}
}

// connections lists those of the caller.
func connections(c *testserver.Client) (all []object) {
	c.Get("/api/connections").Want(200).Into(&all)
	return all
}

// state is the row of a connection.
func state(t *testing.T, s *testserver.Server, id string) (state string) {
	t.Helper()
	s.Scan(t, &state, `select state || coalesce(': ' || failure, '') from connections where id = $1`, id)
	return state
}

func unmarshal(text []byte, into any) error { return json.Unmarshal(text, into) }
