package connection_test

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	xssh "golang.org/x/crypto/ssh"

	"github.com/nexterm-go/nexterm/internal/testserver"
	"github.com/nexterm-go/nexterm/internal/testssh"
)

// commandResult is what becomes of a command.
type commandResult struct {
	Success        bool
	Stdout, Stderr string
	ExitCode       int
	ErrorMessage   *string
}

func execPath(entryID int64) string { return fmt.Sprintf("/api/connections/%d/exec", entryID) }

func run(c *testserver.Client, entryID int64, command string, more object) (r commandResult) {
	b := object{"command": command}
	for key, value := range more {
		b[key] = value
	}
	c.Post(execPath(entryID), b).Want(200).Into(&r)
	return r
}

func failed(why string) commandResult { return commandResult{ExitCode: 255, ErrorMessage: &why} }

// shared is an entry of the organization with an identity of it.
func shared(c *testserver.Client, organization int64, port int) (entryID int64) {
	identity := c.Put("/api/identity", object{
		"name": "shared", "type": "password", "username": "somebody", "password": testssh.Password, "organizationId": organization,
	}).Want(200).ID()
	return c.Put("/api/entry", object{
		"name": "shared", "organizationId": organization, "identities": []int64{identity},
		"config": object{"protocol": "ssh", "ip": "127.0.0.1", "port": port},
	}).Want(200).ID()
}

// answering is a host that says something to every command.
func answering(said string) *testssh.Server {
	return &testssh.Server{Run: func(_ string, channel xssh.Channel) int {
		_, _ = io.WriteString(channel, said)
		return 0
	}}
}

func TestCommandsRunOnHosts(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id, identity := openSSH(t, s.Owner, nil)
	require.Equal(t, commandResult{Success: true, Stdout: "out\n", Stderr: "err\n", ExitCode: 3},
		run(s.Owner, id, "echo out; echo err >&2; exit 3", nil))
	require.Equal(t, commandResult{Success: true, Stdout: "not a tty\n"}, run(s.NewAPIKey(t, s.Owner), id, "tty", object{"connectionReason": " look \t"}).withoutStatus())
	require.Equal(t, "a\uFFFDb", run(s.Owner, id, `printf 'a\377b'`, nil).Stdout)
	var named commandResult
	s.Owner.Post(execPath(id)+fmt.Sprintf("?identityId=%d", identity), object{"command": "true"}).Want(200).Into(&named)
	require.Equal(t, commandResult{Success: true}, named)
	signalled := run(s.Owner, id, "kill -9 $$", nil)
	require.Equal(t, "The command was ended by a signal", *signalled.ErrorMessage)
	require.Equal(t, 255, signalled.ExitCode)

	// More of errors than a host sends before it waits for somebody to read them.
	much := run(s.Owner, id, "yes äö | head -c 8000000 >&2; yes | head -c 8000000", nil)
	require.True(t, much.Success)
	for _, stream := range []string{much.Stdout, much.Stderr} {
		require.True(t, strings.HasSuffix(stream, "\n[output truncated]\n"))
		require.InDelta(t, 256<<10, len(stream), 100)
	}

	// The log says what for and not what.
	var logged []string
	rows, err := s.Pool.Query(t.Context(), `select details::text from audit_logs where action = 'entry.ssh_connect' order by id`)
	require.NoError(t, err)
	for rows.Next() {
		var details string
		require.NoError(t, rows.Scan(&details))
		logged = append(logged, details)
	}
	require.Equal(t, `{"purpose": "exec"}`, logged[0])
	require.Equal(t, `{"purpose": "exec", "connectionReason": "look"}`, logged[1])
	require.Len(t, logged, 6)
	require.NotContains(t, s.Log.String(), "exit 3")
	require.Equal(t, 0, s.Count(t, "recent_connections"))
}

func (r commandResult) withoutStatus() commandResult {
	r.ExitCode = 0
	return r
}

func TestCommandsAreRefused(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	host := testssh.Start(t, answering("hello"))
	id := shared(s.Owner, s.Organization, host.Port())
	for _, b := range []any{object{}, object{"command": ""}, object{"command": strings.Repeat("x", 65_537)}} {
		s.Owner.Post(execPath(id), b).WantError(400, "Command is required")
	}
	s.Owner.Post("/api/connections/x/exec", object{"command": "id"}).WantError(400, "Invalid entry ID")
	s.Owner.Post(execPath(id), object{"command": "id", "timeoutSeconds": 3601}).Want(400)
	s.Stranger.Post(execPath(id), object{"command": "id"}).WantError(404, "Entry not found")
	s.Admin.Post(execPath(id), object{"command": "id"}).WantError(404, "Entry not found")
	s.Owner.Post(execPath(999), object{"command": "id"}).WantError(404, "Entry not found")

	member := fmt.Sprintf("/api/organization/%d/members/%d/permissions", s.Organization, s.Colleague.AccountID)
	s.Owner.Put(member, object{"permissions": object{"connect.ssh": "deny"}}).Want(200)
	s.Colleague.Post(execPath(id), object{"command": "id"}).WantError(403, "Access denied")
	s.Owner.Put(member, object{"permissions": object{"connect.ssh": "neutral"}}).Want(200)

	telnet := newEntry(s.Owner, 23, object{"protocol": "telnet"}, []int64{}...)
	s.Owner.Post(execPath(telnet), object{"command": "id"}).WantError(400, "Command execution is only supported for SSH entries")

	bare := newEntry(s.Owner, host.Port(), nil, []int64{}...)
	s.Owner.Post(execPath(bare), object{"command": "id"}).WantError(400, "Identity not found")
	foreign := newIdentity(s.Stranger, testssh.Password)
	for _, name := range []int64{foreign, 999} {
		s.Owner.Post(execPath(bare)+fmt.Sprintf("?identityId=%d", name), object{"command": "id"}).WantError(400, "Identity not found")
	}
	require.Zero(t, host.Accepted())

	s.Owner.Patch(fmt.Sprintf("/api/audit/organizations/%d/settings", s.Organization), object{"requireConnectionReason": true}).Want(200)
	for _, reason := range []any{nil, "  "} {
		s.Colleague.Post(execPath(id), object{"command": "id", "connectionReason": reason}).WantError(400, "Connection reason required")
	}
	require.Equal(t, commandResult{Success: true, Stdout: "hello"}, run(s.Colleague, id, "id", object{"connectionReason": "why"}))
	require.Equal(t, commandResult{Success: true, Stdout: "hello"},
		run(s.Owner, id, "id", object{"connectionReason": "why"}))
}

func TestHostsThatFailAreAnswers(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	port := testssh.Refusing(t)
	key := newIdentity(s.Owner, testssh.Password)
	require.Equal(t, failed("Connection refused"), run(s.Owner, newEntry(s.Owner, port, nil, key), "id", nil))
	require.Equal(t, failed("No engine connected"), run(s.Owner, newEntry(s.Owner, port, object{"engineId": 7}, key), "id", nil))
	require.Equal(t, failed("Jump host 1: Connection refused"),
		run(s.Owner, newEntry(s.Owner, 22, object{"jumpHosts": []int64{newEntry(s.Owner, port, nil, key)}}, key), "id", nil))

	id, _ := played(t, s.Owner, answering("x"), nil)
	wrong := newIdentity(s.Owner, "wrong")
	var r commandResult
	s.Owner.Post(execPath(id)+fmt.Sprintf("?identityId=%d", wrong), object{"command": "id"}).Want(200).Into(&r)
	require.Equal(t, failed("Authentication failed"), r)

	// Hosts that stop in the middle, that serve nothing and that say nothing.
	half := &testssh.Server{Run: func(_ string, channel xssh.Channel) int {
		_, _ = io.WriteString(channel, "half")
		return -1
	}}
	id, _ = played(t, s.Owner, half, nil)
	lost := failed("Connection lost")
	lost.Stdout = "half"
	require.Equal(t, lost, run(s.Owner, id, "id", nil))

	silent := &testssh.Server{Run: func(_ string, channel xssh.Channel) int {
		_, _ = io.WriteString(channel, "begun")
		_, _ = io.Copy(io.Discard, channel)
		return 0
	}}
	id, _ = played(t, s.Owner, silent, nil)
	late := run(s.Owner, id, "id", object{"timeoutSeconds": 5})
	require.Equal(t, "Command timed out", *late.ErrorMessage)
	require.Equal(t, commandResult{Stdout: "begun", ExitCode: 124, ErrorMessage: late.ErrorMessage}, late)
}

func TestCommandsOfAnAccountAreFew(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	running, release := make(chan bool, 20), make(chan bool)
	host := testssh.Start(t, &testssh.Server{Run: func(string, xssh.Channel) int {
		running <- true
		<-release
		return 0
	}})
	id := shared(s.Owner, s.Organization, host.Port())
	answers := make(chan int, 20)
	for range 10 {
		go func() { answers <- s.Owner.Post(execPath(id), object{"command": "id"}).Status }()
	}
	for range 10 {
		<-running
	}
	s.Owner.Post(execPath(id), object{"command": "id"}).WantError(429, "Too many running commands")
	require.Equal(t, 1, host.Accepted(), "they share a login")
	go func() { answers <- s.Colleague.Post(execPath(id), object{"command": "id"}).Status }()
	<-running
	close(release)
	for range 11 {
		require.Equal(t, 200, <-answers)
	}
	require.Equal(t, 2, host.Accepted(), "nobody shares another account's")
	require.Equal(t, commandResult{Success: true}, run(s.Owner, id, "id", nil))
}

func TestCommandsEndWithTheRightToThem(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	running, ended := make(chan bool, 1), make(chan bool, 1)
	host := testssh.Start(t, &testssh.Server{Run: func(_ string, channel xssh.Channel) int {
		running <- true
		_, _ = io.Copy(io.Discard, channel)
		ended <- true
		return 0
	}})
	for name, c := range map[string]struct {
		byKey   bool
		take    func(organization, id int64, member *testserver.Client)
		status  int
		message string
	}{
		"permission": {false, func(organization, _ int64, member *testserver.Client) {
			s.Owner.Put(fmt.Sprintf("/api/organization/%d/members/%d/permissions", organization, member.AccountID),
				object{"permissions": object{"connect.ssh": "deny"}}).Want(200)
		}, 403, "Access denied"},
		"membership": {false, func(organization, _ int64, member *testserver.Client) {
			s.Owner.Delete(fmt.Sprintf("/api/organization/%d/members/%d", organization, member.AccountID)).Want(200)
		}, 403, "Access denied"},
		"entry": {true, func(_, id int64, _ *testserver.Client) { s.Owner.Delete(fmt.Sprintf("/api/entry/%d", id)).Want(200) }, 403, "Access denied"},
		"session": {false, func(_, _ int64, member *testserver.Client) {
			member.Post("/api/auth/logout", object{"token": member.Token}).Want(200)
		}, 401, "The provided token is not valid"},
		"key": {true, func(_, _ int64, member *testserver.Client) {
			s.Exec(t, `delete from api_keys where account_id = $1`, member.AccountID)
			s.Owner.Put("/api/folder", object{"name": "whatever is told"}).Want(200)
		}, 401, "The provided token is not valid"},
	} {
		member := s.NewAccount(t, name)
		organization := s.NewOrganization(t, s.Owner, member)
		id := shared(s.Owner, organization, host.Port())
		by := member
		if c.byKey {
			by = s.NewAPIKey(t, member)
		}
		answer := make(chan *testserver.Response, 1)
		go func() { answer <- by.Post(execPath(id), object{"command": "id"}) }()
		<-running
		c.take(organization, id, member)
		r := <-answer
		assert.Equal(t, c.status, r.Status, "%s: %s", name, r.Body)
		assert.Equal(t, c.message, r.Message(), name)
		<-ended
	}
}

func TestHostsThatKeepChannelsLoseTheLogin(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	release := make(chan bool)
	// It goes on reading nothing and never lets go of the channel.
	host := testssh.Start(t, &testssh.Server{Run: func(string, xssh.Channel) int {
		<-release
		return 0
	}})
	t.Cleanup(func() { close(release) })
	id := shared(s.Owner, s.Organization, host.Port())
	began := time.Now()
	require.Equal(t, 124, run(s.Owner, id, "id", object{"timeoutSeconds": 1}).ExitCode)
	require.Less(t, time.Since(began), patience)
}

func TestCommandsReachNoDeniedNetwork(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id, _ := played(t, s.Owner, answering("x"), nil)
	require.Equal(t, failed("Target address is not allowed"), run(s.Owner.On(denying(t, s, "127.0.0.0/8")), id, "id", nil))
}
