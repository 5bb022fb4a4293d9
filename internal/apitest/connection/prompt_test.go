package connection_test

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	xssh "golang.org/x/crypto/ssh"

	"github.com/nexterm-go/nexterm/internal/testserver"
	"github.com/nexterm-go/nexterm/internal/testssh"
)

// echo is a shell that prints what is typed.
func echo(channel xssh.Channel) int {
	_, _ = io.WriteString(channel, "ready$ ")
	_, _ = io.Copy(channel, channel)
	return 0
}

// twoFactors is a host that asks for a code besides the password.
func twoFactors() *testssh.Server {
	return &testssh.Server{Shell: echo, Configure: func(c *xssh.ServerConfig) {
		c.KeyboardInteractiveCallback = func(_ xssh.ConnMetadata, ask xssh.KeyboardInteractiveChallenge) (*xssh.Permissions, error) {
			answers, err := ask("", "", []string{"Password: "}, []bool{false})
			if err != nil || answers[0] != testssh.Password {
				return nil, errors.New("no")
			}
			answers, err = ask("Second factor", "Look at your device", []string{"Code: "}, []bool{true})
			if err != nil || answers[0] != "123456" {
				return nil, errors.New("no")
			}
			return nil, nil
		}
	}}
}

func TestSecondFactorsAreAsked(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	host := twoFactors()
	entry, _ := played(t, s.Owner, host, nil)
	id := open(s.Owner, entry, nil)
	time.Sleep(50 * time.Millisecond) // the question waits for a socket
	first := attach(t, s.Owner, "sessionId", id)
	first.asked("Second factor\r\nLook at your device\r\nCode: ")
	second := attach(t, s.Owner, "sessionId", id)
	require.NoError(t, first.Close(1000, ""))
	second.asked("Code: ")
	for _, frame := range []string{"1", "2", "\x03123456", "\r"} {
		second.Send(frame)
	}
	second.see("ready$ ")
	second.Send("typed")
	second.see("typed")
	require.NotContains(t, attach(t, s.Owner, "sessionId", id).see("typed"), "Code", "questions are not shown again")
	require.NotContains(t, s.Log.String(), "123456")

	// The login is shared: nobody is asked again, for files and for other terminals.
	again := attach(t, s.Owner, "sessionId", open(s.Owner, entry, nil))
	again.see("ready$ ")
	files := open(s.Owner, entry, object{"type": "sftp"})
	require.Eventually(t, func() bool { return state(t, s, files) == "active" }, patience, 5*time.Millisecond)
	require.Equal(t, 1, host.Accepted())

	// Without one, files cannot be reached.
	alone, _ := played(t, s.Owner, twoFactors(), nil)
	files = open(s.Owner, alone, object{"type": "sftp"})
	require.Eventually(t, func() bool {
		return state(t, s, files) == "failed: Further login steps are needed: open a terminal"
	}, patience, 5*time.Millisecond)
}

// PAM asks in a dialogue, which the stored password answers where there is one.
func TestPAMIsAnswered(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	_, hostKey := testssh.NewKey(t, xssh.KeyAlgoED25519, "")
	daemon := testssh.StartPAM(t, hostKey, "correct horse")
	stored := func(password string) int64 {
		return s.Owner.Put("/api/identity", object{"name": "pam", "type": "password", "username": daemon.Username, "password": password}).Want(200).ID()
	}
	entry, wrong := newEntry(s.Owner, daemon.Port, nil, stored("correct horse")), stored("incorrect")
	shell := attach(t, s.Owner, "sessionId", open(s.Owner, entry, nil))
	shell.Send("echo $((6*7))answer\r")
	shell.see("42answer")
	require.Equal(t, "in", run(s.Owner, entry, "printf in", nil).Stdout)

	var refused commandResult
	s.Owner.Post(execPath(entry)+fmt.Sprint("?identityId=", wrong), object{"command": "true"}).Want(200).Into(&refused)
	require.Equal(t, failed("Authentication failed"), refused)
	shell = attach(t, s.Owner, "sessionId", open(s.Owner, entry, object{"identityId": wrong}))
	shell.asked("Password: ")
	shell.Send("\x03no\r")
	shell.asked("Password: ")
	shell.Send("\x03correct horse\r")
	shell.Send("echo $((6*7))answer\r")
	shell.see("42answer")
	require.NotContains(t, s.Log.String(), "correct")
}

func TestQuestionsAreCancelled(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	entry, _ := played(t, s.Owner, twoFactors(), nil)
	shell := attach(t, s.Owner, "sessionId", open(s.Owner, entry, nil))
	shell.asked("Code: ")
	shell.Send("\x03")
	shell.closed(4017, "Cancelled")
	shell = attach(t, s.Owner, "sessionId", open(s.Owner, entry, nil))
	for i := range 3 {
		if i > 0 { // the stored one is sent once
			shell.asked("Password: ")
			shell.Send("\x03" + testssh.Password)
		}
		shell.asked("Code: ")
		shell.Send("\x03wrong")
	}
	shell.closed(4017, "Authentication failed")
	id := open(s.Owner, entry, nil)
	shell = attach(t, s.Owner, "sessionId", id)
	shell.asked("Code: ")
	s.Owner.Delete("/api/connections/" + id).Want(200)
	shell.closed(1000, "Session terminated")
}

func TestPassphrasesAreAsked(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	key, file := testssh.NewKey(t, xssh.KeyAlgoED25519, "open sesame")
	host := testssh.Start(t, &testssh.Server{Shell: echo, Configure: func(c *xssh.ServerConfig) {
		c.PublicKeyCallback = func(_ xssh.ConnMetadata, given xssh.PublicKey) (*xssh.Permissions, error) {
			if string(given.Marshal()) != string(key.PublicKey().Marshal()) {
				return nil, errors.New("no")
			}
			return nil, nil
		}
	}})
	entry := newEntry(s.Owner, host.Port(), nil)
	direct := object{"type": "ssh", "username": "somebody", "sshKey": file}
	id := open(s.Owner, entry, object{"directIdentity": direct})
	shell := attach(t, s.Owner, "sessionId", id)
	shell.asked("Passphrase")
	shell.Send("\x03wrong")
	shell.asked("Passphrase")
	shell.Send("open sesame\r")
	shell.see("ready$ ")

	// A login of the request's own is shared with nobody, and duplicated with its terminal.
	direct["passphrase"] = "open sesame"
	other := open(s.Owner, entry, object{"directIdentity": direct})
	attach(t, s.Owner, "sessionId", other).see("ready$ ")
	require.Equal(t, 2, host.Accepted())
	var answer struct{ SessionID string }
	s.Owner.Post("/api/connections/"+other+"/duplicate", object{"tabId": "other"}).Want(201).Into(&answer)
	attach(t, s.Owner, "sessionId", answer.SessionID).see("ready$ ")
	require.Equal(t, 3, host.Accepted())
	s.Owner.Post("/api/connections/"+other+"/paste-password", nil).WantError(400, "No identity attached to session")
	require.NotContains(t, s.Log.String(), "open sesame")
	require.Zero(t, s.Count(t, `connections where to_jsonb(connections)::text like '%sesame%'`))
}

func TestChangedHostKeysAreReplacedByWhoMay(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	var key atomic.Pointer[xssh.Signer] // instead of the one that the host has by itself
	host := &testssh.Server{Shell: echo, Configure: func(c *xssh.ServerConfig) {
		if other := key.Load(); other != nil {
			c.AddHostKey(*other)
		}
		c.PasswordCallback = func(xssh.ConnMetadata, []byte) (*xssh.Permissions, error) { return nil, nil }
	}}
	entry, _ := played(t, s.Owner, host, nil)
	id := open(s.Owner, entry, nil)
	shell := attach(t, s.Owner, "sessionId", id)
	shell.see("remembered")
	shell.see("ready$ ")
	other, _ := testssh.NewKey(t, xssh.KeyAlgoED25519, "")
	key.Store(&other)
	// What is shared is as it was; whoever forgets the key dials anew, though.
	direct := object{"directIdentity": object{"type": "password", "username": "x", "password": testssh.Password}}
	shell = attach(t, s.Owner, "sessionId", open(s.Owner, entry, direct))
	shell.asked("WARNING: the host key of web1")
	shell.Send("\x03yes")
	shell.closed(4017, "Host key has changed")
	shell = attach(t, s.Owner, "sessionId", open(s.Owner, entry, direct))
	shell.asked(xssh.FingerprintSHA256(other.PublicKey()))
	shell.Send("\x03replace")
	shell.see("ready$ ")
	attach(t, s.Owner, "sessionId", open(s.Owner, entry, direct)).see("ready$ ")
	require.Equal(t, 1, s.Count(t, `events where action = 'entry.update' and details ->> 'hostKey' = 'replaced' and account_id = $1`, s.Owner.AccountID))
	var page struct{ Logs []struct{ Details object } }
	s.Owner.Get("/api/audit/logs?action=entry.ssh_connect").Want(200).Into(&page)
	require.Equal(t, "replaced", page.Logs[1].Details["hostKey"])
	require.Eventually(t, func() bool {
		s.Owner.Get("/api/audit/logs?action=entry.ssh_connect").Want(200).Into(&page)
		return page.Logs[2].Details["sessionDuration"] != nil
	}, patience, 10*time.Millisecond)
	// The login that was shared takes no more channels.
	before := host.Accepted()
	require.Eventually(t, func() bool {
		attach(t, s.Owner, "sessionId", open(s.Owner, entry, nil)).see("ready$ ")
		return host.Accepted() > before
	}, patience, 100*time.Millisecond)
}

func TestPasswordsArePasted(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	entry, identity := played(t, s.Owner, &testssh.Server{Shell: echo}, nil)
	other := newIdentity(s.Owner, "another secret")
	key := s.Owner.Put("/api/identity", object{"name": "key", "type": "ssh", "username": "x", "sshKey": "x"}).Want(200).ID()
	s.Owner.Patch(fmt.Sprint("/api/entry/", entry), object{"identities": []int64{identity, key}}).Want(200)
	id := open(s.Owner, entry, nil)
	path := "/api/connections/" + id + "/paste-password"
	shell := attach(t, s.Owner, "sessionId", id)
	shell.see("ready$ ")
	s.Owner.Post(path, nil).Want(200)
	shell.see(testssh.Password)
	s.Owner.Post(path, object{"identityId": other}).WantError(403, "Identity is not attached to this server")
	s.Owner.Post(path, object{"identityId": key}).WantError(400, "Identity does not contain a password")
	s.Owner.Patch(fmt.Sprint("/api/entry/", entry), object{"identities": []int64{identity, other}}).Want(200)
	s.Owner.Post(path, object{"identityId": other}).Want(200)
	shell.see("another secret")
	s.Exec(t, `update identities set account_id = $2 where id = $1`, other, s.Stranger.AccountID)
	s.Owner.Post(path, object{"identityId": other}).WantError(404, "Identity does not exist")
	require.Equal(t, 2, s.Count(t, `events where action = 'identity.credentials_access'`))
	files := open(s.Owner, entry, object{"type": "sftp"})
	s.Owner.Post("/api/connections/"+files+"/paste-password", nil).WantError(400, "Session stream not available")
}
