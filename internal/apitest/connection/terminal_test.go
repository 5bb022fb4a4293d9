package connection_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

func TestConnectAndType(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	entry, identity := openSSH(t, s.Owner, nil)
	id := open(s.Owner, entry, object{"tabId": "tab", "browserId": "browser", "startPath": "/usr"})
	shell := attach(t, s.Owner, "sessionId", id)
	shell.Send("\x01101,31")
	shell.see("host key of web1 (127.0.0.1:")
	shell.see("remembered: ED25519 SHA256:")
	shell.Send("echo at:$PWD:; stty size; echo ü\r")
	shell.see("at:/usr:")
	shell.see("31 101")
	require.Eventually(t, func() bool { return connections(s.Owner)[0]["status"] == "active" }, patience, 5*time.Millisecond)
	require.Equal(t, object{"identityId": float64(identity), "type": nil, "scriptId": nil, "startPath": "/usr", "renderer": "terminal"}, connections(s.Owner)[0]["configuration"])

	// Closing a socket ends nothing, and another one goes on where it was.
	shell.Send("echo $((6*7))answer\r")
	shell.see("42answer")
	require.NoError(t, shell.Close(1000, ""))
	again := attach(t, s.Owner, "sessionId", id)
	again.see("42answer")
	again.Send("exit\r")
	again.closed(1000, "Session terminated")
	require.Empty(t, connections(s.Owner))
	require.Eventually(t, func() bool { return s.Count(t, "connection_viewers") == 0 }, patience, 10*time.Millisecond)
	attach(t, s.Owner, "sessionId", id).closed(4007, "Session not found")
	require.Equal(t, 1, s.Count(t, "recent_connections where entry_id = $1 and action = 'entry.ssh_connect'", entry))
}

// Hosts bound the sessions of a login; what is more gets another one.
func TestMoreSessionsThanALoginHas(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	entry, _ := openSSH(t, s.Owner, nil, sftpSubsystem, "MaxSessions 2")
	logins := map[string]int{}
	for range 3 {
		shell := attach(t, s.Owner, "sessionId", open(s.Owner, entry, nil))
		shell.Send("echo $((6*7))at=$PPID.\r")
		shell.see("42at=")
		logins[shell.see(".")]++
	}
	require.Len(t, logins, 2)
	logins[run(s.Owner, entry, "printf $PPID.", nil).Stdout]++
	require.Len(t, logins, 2, "there is room on the second one")
	_, files := browse(t, s.Owner, entry, nil)
	files.ready()
	require.NotNil(t, files.do(0x01, object{"path": "/"}))
	_, more := browse(t, s.Owner, entry, nil)
	more.ready()
	require.NotNil(t, more.do(0x01, object{"path": "/"}))
	logins[run(s.Owner, entry, "printf $PPID.", nil).Stdout]++
	require.Len(t, logins, 3)
}
