package ssh_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/outbound"
	"github.com/nexterm-go/nexterm/internal/ssh"
	"github.com/nexterm-go/nexterm/internal/testssh"
)

func denying(t *testing.T, networks string) *ssh.Dialer {
	t.Helper()
	denied, err := outbound.ParseNetworks(networks)
	require.NoError(t, err)
	return &ssh.Dialer{Deny: denied}
}

func TestDeniedAddressesAreNotDialled(t *testing.T) {
	t.Parallel()
	server := testssh.Start(t, &testssh.Server{})
	d := denying(t, "127.0.0.0/8, ::1, fe80::/10")
	for _, host := range []string{"127.0.0.1", "localhost", "::ffff:127.0.0.1", "::1", "fe80::1%lo", "0.0.0.0", "::"} {
		require.ErrorIs(t, d.Reach(t.Context(), []ssh.Hop{{Host: host, Port: server.Port()}}), ssh.ErrDenied, host)
		way := hop(server)
		way.Host = host
		_, err := d.Dial(t.Context(), []ssh.Hop{way})
		require.ErrorIs(t, err, ssh.ErrDenied, host)
		_, err = d.Dial(t.Context(), []ssh.Hop{way, hop(server)})
		var onTheWay *ssh.HopError
		require.ErrorAs(t, err, &onTheWay, host)
		require.ErrorIs(t, err, ssh.ErrDenied, host)
	}
	require.Zero(t, server.Accepted())
	// All addresses of a name are tried, of which one may be denied.
	require.NoError(t, denying(t, "::1").Reach(t.Context(), []ssh.Hop{{Host: "localhost", Port: server.Port()}}))
}

// Names are the hop's business; addresses are ours in whatever way they are written.
func TestDeniedAddressesAreNotDialledByHops(t *testing.T) {
	t.Parallel()
	jump := testssh.Start(t, &testssh.Server{})
	d := denying(t, "169.254.0.0/16, fe80::/10, 8.8.8.8, ::1")
	for _, host := range []string{
		"169.254.169.254", "169.254.169.254.", "2852039166", "0xa9fea9fe", "0XA9FEA9FE", "025177524776", "169.16689662", "169.254.43518",
		"0xa9.254.0251.0xfe", "0xa9.0xfe.0xa9.0xfe", "169.254.169.0376", "0000169.254.169.254", "010.8.8.8", "8.8.8.010",
		"::ffff:169.254.169.254", "::ffff:a9fe:a9fe", "0:0:0:0:0:ffff:a9fe:a9fe", "::ffff:169.254.169.254%1",
		"fe80::1", "FE80::1", "fe80::1%eth0", "febf:ffff::1", "::1", "0:0:0:0:0:0:0:1", "::", "0", "0.0.0.0", "0x0",
	} {
		require.ErrorIs(t, d.Reach(t.Context(), []ssh.Hop{hop(jump), {Host: host, Port: 22}}), ssh.ErrDenied, host)
		way := hop(jump)
		way.Host = host
		_, err := d.Dial(t.Context(), []ssh.Hop{hop(jump), way})
		require.ErrorIs(t, err, ssh.ErrDenied, host)
	}
	for _, host := range []string{"127.0.0.1", "localhost", "127.1", "0x7f.1"} {
		err := d.Reach(t.Context(), []ssh.Hop{hop(jump), {Host: host, Port: jump.Port()}})
		require.NotErrorIs(t, err, ssh.ErrDenied, host)
	}
}
