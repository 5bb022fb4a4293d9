package testssh_test

import (
	"io"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/nexterm-go/nexterm/internal/testssh"
)

func run(t *testing.T, port int, username string, hostKey ssh.PublicKey, auth ssh.AuthMethod) string {
	t.Helper()
	client, err := ssh.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), &ssh.ClientConfig{
		User: username, Auth: []ssh.AuthMethod{auth}, HostKeyCallback: ssh.FixedHostKey(hostKey),
	})
	require.NoError(t, err)
	defer client.Close()
	session, err := client.NewSession()
	require.NoError(t, err)
	out, err := session.Output("echo $PPID")
	require.NoError(t, err)
	return string(out)
}

func TestDaemonRunsCommands(t *testing.T) {
	t.Parallel()
	hostKey, hostFile := testssh.NewKey(t, ssh.KeyAlgoED25519, "")
	key, _ := testssh.NewKey(t, ssh.KeyAlgoECDSA256, "")
	daemon := testssh.StartDaemon(t, hostFile, []ssh.PublicKey{key.PublicKey()})
	require.NotEmpty(t, run(t, daemon.Port, daemon.Username, hostKey.PublicKey(), ssh.PublicKeys(key)))

	other, otherFile := testssh.NewKey(t, ssh.KeyAlgoRSA, "")
	daemon.SetHostKey(otherFile)
	require.NotEmpty(t, run(t, daemon.Port, daemon.Username, other.PublicKey(), ssh.PublicKeys(key)))
}

func TestServerPlaysAHost(t *testing.T) {
	t.Parallel()
	server := testssh.Start(t, &testssh.Server{Run: func(command string, channel ssh.Channel) int {
		_, _ = io.WriteString(channel, command)
		return 0
	}})
	require.Equal(t, "echo $PPID", run(t, server.Port(), "somebody", server.HostKeys[0].PublicKey(), ssh.Password(testssh.Password)))
	require.Equal(t, 1, server.Accepted())
	require.Eventually(t, func() bool { return server.Open() == 0 }, 10*time.Second, time.Millisecond)
}
