package ssh_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	xssh "golang.org/x/crypto/ssh"

	"github.com/nexterm-go/nexterm/internal/ssh"
	"github.com/nexterm-go/nexterm/internal/testssh"
)

// errAccepted stands for a changed key that is accepted.
var errAccepted = errors.New("accepted")

// keys remembers what host keys were met with. It refuses unknown ones as it is told,
// and changed ones by itself.
type keys struct {
	refusal                error
	mu                     sync.Mutex
	unknown, changed, seen []string
}

func (k *keys) hostKeys(known ...xssh.PublicKey) ssh.HostKeys {
	note := func(list *[]string, key xssh.PublicKey) {
		k.mu.Lock()
		defer k.mu.Unlock()
		*list = append(*list, xssh.FingerprintSHA256(key))
	}
	return ssh.HostKeys{
		Known:   known,
		Unknown: func(_ context.Context, key xssh.PublicKey) error { note(&k.unknown, key); return k.refusal },
		Changed: func(_ context.Context, key xssh.PublicKey) error {
			note(&k.changed, key)
			if errors.Is(k.refusal, errAccepted) {
				return nil
			}
			return ssh.ErrHostKeyChanged
		},
		Seen: func(key xssh.PublicKey) { note(&k.seen, key) },
	}
}

// hop leads to a server of the test's, whose key is known.
func hop(server *testssh.Server) ssh.Hop {
	return ssh.Hop{
		Host: "127.0.0.1", Port: server.Port(), Username: "somebody", Password: testssh.Password,
		HostKeys: new(keys).hostKeys(server.HostKeys[0].PublicKey()),
	}
}

// hasty is for hosts that keep everybody waiting. The times are long enough for others,
// on a busy machine as well.
func hasty() *ssh.Dialer { return new(ssh.Dialer).Hasten(time.Second, time.Second, time.Hour) }

// requireClosed waits for the connections of servers to be gone.
func requireClosed(t *testing.T, servers ...*testssh.Server) {
	t.Helper()
	for _, server := range servers {
		require.Eventually(t, func() bool { return server.Open() == 0 }, 5*time.Second, 5*time.Millisecond)
	}
}

// requireNothingLeft waits for all goroutines of SSH to be gone. Tests that ask for
// it are not parallel to others.
func requireNothingLeft(t *testing.T) {
	t.Helper()
	left := func() (left []string) {
		all := make([]byte, 1<<20)
		for stack := range strings.SplitSeq(string(all[:runtime.Stack(all, true)]), "\n\n") {
			if strings.Contains(stack, "crypto/ssh.") || strings.Contains(stack, "nexterm/internal/ssh.") {
				left = append(left, stack)
			}
		}
		return left
	}
	for end := time.Now().Add(5 * time.Second); len(left()) > 0 && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
	require.Empty(t, left())
}
