package connection_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

func signedIn(t *testing.T, s *testserver.Server, c *testserver.Client) *nexterm.Client {
	t.Helper()
	client, err := nexterm.New(s.URL, nexterm.WithToken(c.Token))
	require.NoError(t, err)
	return client
}

func TestTheSDKRunsCommands(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id, identity := openSSH(t, s.Owner, nil)
	result, err := signedIn(t, s, s.NewAPIKey(t, s.Owner)).Remote.Run(t.Context(), id, nexterm.Command{Command: "echo hi; exit 7"},
		nexterm.RunCommandQuery{IdentityID: identity})
	require.NoError(t, err)
	require.Equal(t, nexterm.CommandResult{Success: true, Stdout: "hi\n", ExitCode: 7, ErrorMessage: nexterm.Null[string]()}, *result)
}

func TestTheSDKOpensTunnels(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id, identity := openSSH(t, s.Owner, nil)
	client := signedIn(t, s, s.Owner)
	port := listening(t, func(conn net.Conn) { _, _ = io.CopyN(conn, conn, 3<<20) })
	ctx, cancel := context.WithCancel(t.Context())
	conn, err := client.Tunnel(ctx, id, "localhost", port, nexterm.TunnelOptions{IdentityID: identity, Reason: "why"})
	require.NoError(t, err)
	cancel()
	sent := bytes.Repeat([]byte("0123456789abcdef"), 3<<16)
	go func() { _, _ = conn.Write(sent) }()
	got, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.True(t, bytes.Equal(sent, got))
	_ = conn.Close()

	for _, c := range []struct {
		client *nexterm.Client
		id     int64
		kind   error
		says   string
	}{
		{client, id, nexterm.ErrUnavailable, "nexterm: Tunnel: Tunnel setup failed: Connection refused"},
		{client, 999, nexterm.ErrNotFound, "nexterm: Tunnel: Entry not found"},
		{signedIn(t, s, s.NewAPIKey(t, s.Owner)), id, nexterm.ErrUnauthorized, "nexterm: Tunnel: The token is not valid"},
		{signedIn(t, s, s.Stranger), id, nexterm.ErrNotFound, "nexterm: Tunnel: Entry not found"},
	} {
		_, err := c.client.Tunnel(t.Context(), c.id, "", 1)
		require.ErrorIs(t, err, c.kind)
		require.EqualError(t, err, c.says)
	}
	_, err = client.Tunnel(ctx, id, "", port)
	require.ErrorIs(t, err, context.Canceled)
}
