//go:build linux

package cli_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/nexterm-go/nexterm/internal/testserver"
	"github.com/nexterm-go/nexterm/internal/testssh"
)

func TestTerminalsOnHosts(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	newHost(t, s.Owner, "web1")
	u := as(t, s, s.Owner)
	program := u.terminal("ssh", "web1", "--reason", "why")
	program.await("remembered: ED25519", "stty size; echo $((6*7))done\r")
	program.await("24 80", "")
	program.await("42done", "")
	require.NoError(t, pty.Setsize(program.File, &pty.Winsize{Rows: 31, Cols: 101}))
	require.Eventually(t, func() bool {
		program.await("42done", "stty size\r")
		time.Sleep(200 * time.Millisecond)
		return strings.Contains(program.text(), "31 101")
	}, patience, 100*time.Millisecond)
	// Keys are the host's, Ctrl-C too.
	program.await("31 101", "sleep 100\r")
	time.Sleep(300 * time.Millisecond)
	program.await("sleep 100", "\x03")
	program.await("^C", "exit 3\r")
	_, status := program.end()
	require.Zero(t, status)
	require.Zero(t, s.Count(t, "connections where state in ('connecting', 'active')"))

	program = u.terminal("ssh", "web1")
	time.Sleep(300 * time.Millisecond)
	program.await("", "echo $((7*7))again\r")
	program.await("49again", "~.")
	shown, status := program.end()
	require.Equal(t, 1, status)
	require.Contains(t, shown, "nexterm: the connection was ended")
	require.Zero(t, s.Count(t, "connections where state in ('connecting', 'active')"))

	u.refused(2, "there is no terminal here; what to run stands after --", "ssh", "web1")
}

func TestQuestionsOfHostsAreAsked(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	host := testssh.Start(t, &testssh.Server{
		Configure: func(c *ssh.ServerConfig) {
			c.KeyboardInteractiveCallback = func(_ ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
				answers, err := ask("", "", []string{"\x1b[2JYour code: "}, []bool{true})
				if err != nil || len(answers) != 1 || answers[0] != "123456" {
					return nil, errors.New("wrong code")
				}
				return nil, nil
			}
		},
		Shell: func(channel ssh.Channel) int {
			_, _ = io.WriteString(channel, "welcome")
			// One that ends at once may have done so before anybody could look.
			_, _ = channel.Read(make([]byte, 1))
			return 0
		},
	})
	id := s.Owner.Put("/api/identity", map[string]any{"name": "login", "type": "password", "username": "somebody"}).Want(200).ID()
	for _, name := range []string{"strict", "twin"} {
		s.Owner.Put("/api/entry", map[string]any{
			"name": name, "identities": []int64{id}, "config": map[string]any{"protocol": "ssh", "ip": "127.0.0.1", "port": host.Port()},
		}).Want(200)
	}
	u := as(t, s, s.Owner)
	program := u.terminal("ssh", "strict")
	program.await("Your code: ", "12x\x7f3456\r")
	program.await("welcome", "q")
	shown, status := program.end()
	require.Zero(t, status, shown)
	require.Contains(t, shown, "welcome")
	require.NotContains(t, shown, "123456")
	require.NotContains(t, shown, "\x1b[2J")

	// Whoever is signed in to a host is not asked again.
	program = u.terminal("ssh", "strict")
	program.await("welcome", "q")
	_, status = program.end()
	require.Zero(t, status)
	program = u.terminal("ssh", "twin")
	program.await("Your code: ", "\x03")
	_, status = program.end()
	require.Equal(t, 1, status)
}
