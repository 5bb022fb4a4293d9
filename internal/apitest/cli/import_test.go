package cli_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

func TestImportAsksAtATerminal(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	u := as(t, s, s.Owner)
	key := filepath.Join(u.home, "id_web")
	require.NoError(t, exec.CommandContext(t.Context(), "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key).Run())
	config := filepath.Join(u.home, "config")
	require.NoError(t, os.WriteFile(config, []byte("Host web\nUser root\nIdentityFile "+key+"\n"), 0o600))

	planned, status := u.terminal("import", "ssh-config", config, "--dry-run").end()
	require.Zero(t, status, planned)
	require.NotContains(t, planned, "private keys")

	for client, answer := range map[*testserver.Client]string{s.Owner: "n\n", s.Colleague: "y\n"} {
		asked := as(t, s, client).terminal("import", "ssh-config", config)
		asked.await("private keys "+key, answer)
		shown, status := asked.end()
		require.Zero(t, status, shown)
		require.Contains(t, shown, "] 1 of 1")
		require.NotContains(t, shown, "PRIVATE KEY")
	}
	require.Equal(t, 1, s.Count(t, "identities where account_id = $1", s.Owner.AccountID))
	require.Equal(t, 1, s.Count(t, "credentials"))
	require.Equal(t, 1, s.Count(t, "credentials k join identities i on i.id = k.identity_id where i.account_id = $1", s.Colleague.AccountID))

	asked := u.terminal("import", "mremoteng", "../../importing/testdata/mremoteng/master.xml")
	asked.awaitSecret("Password of", "Zürich\n")
	shown, status := asked.end()
	require.Zero(t, status, shown)
	require.NotContains(t, shown, "Zürich")
	require.Contains(t, shown, "4 created")
}
