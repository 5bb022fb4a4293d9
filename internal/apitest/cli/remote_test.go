//go:build linux

package cli_test

import (
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/nexterm-go/nexterm/internal/testserver"
	"github.com/nexterm-go/nexterm/internal/testssh"
)

// newHost is an entry of the caller's on an OpenSSH server.
func newHost(t *testing.T, c *testserver.Client, name string) {
	t.Helper()
	key, file := testssh.NewKey(t, ssh.KeyAlgoED25519, "")
	_, hostKey := testssh.NewKey(t, ssh.KeyAlgoED25519, "")
	daemon := testssh.StartDaemon(t, hostKey, []ssh.PublicKey{key.PublicKey()})
	id := c.Put("/api/identity", map[string]any{"name": "key", "type": "ssh", "username": daemon.Username, "sshKey": file}).Want(200).ID()
	c.Put("/api/entry", map[string]any{
		"name": name, "identities": []int64{id}, "config": map[string]any{"protocol": "ssh", "ip": "127.0.0.1", "port": daemon.Port},
	}).Want(200)
}

func TestCommandsRunElsewhere(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	newHost(t, s.Owner, "web1")
	s.Owner.Put("/api/entry", map[string]any{"name": "bare", "identities": []int64{}, "config": map[string]any{"protocol": "ssh", "ip": "127.0.0.1", "port": 1}}).Want(200)
	u := as(t, s, s.NewAPIKey(t, s.Owner))
	require.Equal(t, outcome{"out\n", "err\n", 3}, u.pipe("", "ssh", "web1", "--", "echo out; echo err >&2; exit 3"))
	require.Equal(t, "a b\n", u.run("ssh", "--identity", "key", "--reason", "why", "web1", "--", "echo", "a", "b"))
	require.Equal(t, outcome{"", "nexterm: Connection refused\n", 255}, u.pipe("", "ssh", "bare", "--identity", "key", "--", "true"))
	require.Equal(t, outcome{"", "nexterm: Command timed out\n", 124}, u.pipe("", "ssh", "web1", "--timeout", "1s", "--", "sleep 20"))
	u.refused(2, "Identity not found", "ssh", "bare", "--", "true")
	u.refused(4, `entry "web2": not found`, "ssh", "web2", "--", "true")
	u.refused(2, "--timeout is between 1s and 1h", "ssh", "web1", "--timeout", "2h", "--", "true")
}

func TestPortsAreForwarded(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	newHost(t, s.Owner, "web1")
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = io.CopyN(conn, conn, 5)
			}()
		}
	}()
	port := listener.Addr().(*net.TCPAddr).Port
	u := as(t, s, s.Owner)
	program := u.terminal("forward", "web1", fmt.Sprintf("0:%d", port), fmt.Sprintf("0:localhost:%d", port), "0:127.0.0.1:1")
	program.await("leads to 127.0.0.1:1", "")
	locals := regexp.MustCompile(`(127\.0\.0\.1:\d+) leads to`).FindAllStringSubmatch(program.text(), -1)
	require.Len(t, locals, 3)
	for _, local := range locals[:2] {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", local[1])
		require.NoError(t, err)
		_, err = io.WriteString(conn, "hello")
		require.NoError(t, err)
		require.NoError(t, conn.(*net.TCPConn).CloseWrite())
		said, err := io.ReadAll(conn)
		require.NoError(t, err)
		require.Equal(t, "hello", string(said))
		_ = conn.Close()
	}
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", locals[2][1])
	require.NoError(t, err)
	_, _ = io.ReadAll(conn)
	program.await("nexterm: "+locals[2][1]+": Tunnel setup failed: Connection refused", "")
	require.NoError(t, program.program.Process.Signal(syscall.SIGINT))
	_, status := program.end()
	require.Zero(t, status)

	for _, bad := range []string{"x", "1", "70000:db:1", "1:db:0", "1:db:x", "1:::1:80", ":db:1"} {
		u.refused(2, fmt.Sprintf("%q is not like 5432:db.internal:5432", bad), "forward", "web1", bad)
	}
	// What cannot go on ends.
	program = u.terminal("forward", "web1", fmt.Sprintf("0:%d", port))
	program.await("leads to", "")
	s.Deny(t, s.Owner, "connect.tunnel")
	local := regexp.MustCompile(`(127\.0\.0\.1:\d+) leads to`).FindStringSubmatch(program.text())
	conn, err = new(net.Dialer).DialContext(t.Context(), "tcp", local[1])
	require.NoError(t, err)
	defer conn.Close()
	shown, status := program.end()
	require.Equal(t, 3, status, shown)
	require.Contains(t, strings.ReplaceAll(shown, "\r\n", " "), "You don't have permission to create tunnels for this server")
}
