package ssh_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	xssh "golang.org/x/crypto/ssh"

	"github.com/nexterm-go/nexterm/internal/ssh"
	"github.com/nexterm-go/nexterm/internal/testssh"
	"github.com/nexterm-go/nexterm/internal/vault"
)

// openSSH leads to an OpenSSH server with a host key of the type.
func openSSH(t *testing.T, hostKeyType string, key xssh.Signer, file string, settings ...string) (*testssh.Daemon, ssh.Hop) {
	t.Helper()
	hostKey, hostFile := testssh.NewKey(t, hostKeyType, "")
	daemon := testssh.StartDaemon(t, hostFile, []xssh.PublicKey{key.PublicKey()}, settings...)
	return daemon, ssh.Hop{
		Host: "127.0.0.1", Port: daemon.Port, Username: daemon.Username, PrivateKey: vault.Secret(file),
		HostKeys: new(keys).hostKeys(hostKey.PublicKey()),
	}
}

func TestOpenSSH(t *testing.T) {
	t.Parallel()
	hostname, err := os.Hostname()
	require.NoError(t, err)
	for keyType, passphrase := range map[string]string{xssh.KeyAlgoED25519: "open sesame", xssh.KeyAlgoECDSA256: "", xssh.KeyAlgoRSA: ""} {
		key, file := testssh.NewKey(t, keyType, passphrase)
		_, way := openSSH(t, keyType, key, file)
		way.Passphrase = vault.Secret(passphrase)
		login, err := new(ssh.Dialer).Dial(t.Context(), []ssh.Hop{way})
		require.NoError(t, err, keyType)
		defer login.Close()
		for range 2 {
			stdout, truncated, err := login.Run(t.Context(), "uname -n; echo not read >&2; exit 3", 1<<10)
			require.NoError(t, err)
			require.False(t, truncated)
			require.Equal(t, hostname, strings.TrimSpace(string(stdout)))
		}
		stdout, truncated, err := login.Run(t.Context(), "yes", 1<<16)
		require.NoError(t, err)
		require.True(t, truncated)
		require.Len(t, stdout, 1<<16)
	}
}

func TestOpenSSHRefuses(t *testing.T) {
	t.Parallel()
	key, file := testssh.NewKey(t, xssh.KeyAlgoED25519, "")
	_, otherFile := testssh.NewKey(t, xssh.KeyAlgoED25519, "")
	daemon, way := openSSH(t, xssh.KeyAlgoED25519, key, file)
	wrong := way
	wrong.PrivateKey, wrong.Password = vault.Secret(otherFile), "wrong"
	_, err := new(ssh.Dialer).Dial(t.Context(), []ssh.Hop{wrong})
	require.ErrorIs(t, err, ssh.ErrRefused)
	wrong = way
	wrong.Username = "nobody-of-that-name"
	_, err = new(ssh.Dialer).Dial(t.Context(), []ssh.Hop{wrong})
	require.ErrorIs(t, err, ssh.ErrRefused)

	for _, keyType := range []string{xssh.KeyAlgoED25519, xssh.KeyAlgoECDSA256} {
		changed, changedFile := testssh.NewKey(t, keyType, "")
		daemon.SetHostKey(changedFile)
		met := &keys{}
		way.HostKeys = met.hostKeys(way.HostKeys.Known...)
		_, err = new(ssh.Dialer).Dial(t.Context(), []ssh.Hop{way})
		require.ErrorIs(t, err, ssh.ErrHostKeyChanged)
		require.Equal(t, fingerprints(changed), met.changed)
	}
}

func TestOpenSSHIsAJumpHost(t *testing.T) {
	t.Parallel()
	key, file := testssh.NewKey(t, xssh.KeyAlgoED25519, "")
	other, otherFile := testssh.NewKey(t, xssh.KeyAlgoECDSA256, "")
	_, target := openSSH(t, xssh.KeyAlgoED25519, key, file)
	_, jump := openSSH(t, xssh.KeyAlgoECDSA256, other, otherFile)
	_, closed := openSSH(t, xssh.KeyAlgoED25519, key, file, "AllowTcpForwarding no")

	for _, hops := range [][]ssh.Hop{{jump, target}, {jump, jump, target}} {
		login, err := new(ssh.Dialer).Dial(t.Context(), hops)
		require.NoError(t, err)
		stdout, _, err := login.Run(t.Context(), "echo $SSH_CONNECTION", 1<<10)
		require.NoError(t, err)
		require.Contains(t, string(stdout), "127.0.0.1")
		login.Close()
		require.NoError(t, new(ssh.Dialer).Reach(t.Context(), append(hops, ssh.Hop{Host: "localhost", Port: target.Port})))
	}
	_, err := new(ssh.Dialer).Dial(t.Context(), []ssh.Hop{closed, target})
	require.ErrorIs(t, err, ssh.ErrUnreachable)
	require.ErrorIs(t, new(ssh.Dialer).Reach(t.Context(), []ssh.Hop{jump, {Host: "127.0.0.1", Port: 1}}), ssh.ErrUnreachable)
}
