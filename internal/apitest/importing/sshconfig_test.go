package importing_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/importing"
	"github.com/nexterm-go/nexterm/internal/testserver"
	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

const testdata = "../../importing/testdata/"

func TestImportSSHConfig(t *testing.T) {
	s := testserver.New(t)
	before := stored(t, s)
	planned, _ := results(t, s, s.Owner, "ssh-config", testdata+"ssh/config", "--dry-run", "--folder", "ssh/all")
	require.Equal(t, map[string]int{importing.Create: 12, importing.Failed: 1, importing.Skipped: 3}, statuses(planned))
	require.Equal(t, before, stored(t, s), "a dry run writes")

	done, a := results(t, s, s.Owner, "ssh-config", testdata+"ssh/config", "--folder", "ssh/all")
	require.ErrorContains(t, a.failure, "1 of 16")
	require.Equal(t, map[string]int{importing.Created: 12, importing.Failed: 1, importing.Skipped: 3}, statuses(done))
	made := entries(t, s.Owner)
	chain := made["chain"]
	require.Equal(t, []int64{made["bastion"].ID, made["web1"].ID, made["ops@10.0.0.8:2200"].ID}, chain.Config.JumpHosts)
	require.Equal(t, "web1.internal.example.com", made["web1"].Config.IP)
	require.Equal(t, "30", made["web1"].Config.Extra["ServerAliveInterval"])
	var identities []nexterm.Identity
	s.Owner.Get("/api/identity/list").Want(200).Into(&identities)
	require.Equal(t, "admin (id_ed25519)", identities[0].Name)
	require.Equal(t, nexterm.IdentityTypeSSH, identities[0].Type)

	after := stored(t, s)
	again, _ := results(t, s, s.Owner, "ssh-config", testdata+"ssh/config", "--folder", "ssh/all")
	require.Equal(t, map[string]int{importing.Exists: 12, importing.Failed: 1, importing.Skipped: 3}, statuses(again))
	require.Equal(t, after, stored(t, s), "a second run writes")

	table := run(t, s, s.Owner, "ssh-config", testdata+"ssh/config", "--org", "owner's organization")
	require.EqualError(t, table.failure, "1 of 16 could not be imported")
	require.Contains(t, table.out, "RESULT")
	require.Equal(t, "12 created, 0 there already, 3 skipped, 1 failed.\n", table.err)
	require.Equal(t, 12, s.Count(t, "entries where organization_id = $1", s.Organization))
	require.ErrorIs(t, run(t, s, s.Owner, "ssh-config", testdata+"ssh/config", "--org", "none").failure, nexterm.ErrNotFound)
	require.ErrorContains(t, run(t, s, s.Owner, "ssh-config", testdata+"ssh").failure, "is a directory")
}

func TestImportSSHConfigWithKeys(t *testing.T) {
	s := testserver.New(t)
	dir := t.TempDir()
	require.NoError(t, exec.CommandContext(t.Context(), "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(dir, "id_web")).Run())
	config := filepath.Join(dir, "config")
	require.NoError(t, os.WriteFile(config, []byte("Host web\nUser root\nIdentityFile "+dir+"/id_web\n"), 0o600))
	done, a := results(t, s, s.Owner, "ssh-config", config, "--read-keys")
	require.NoError(t, a.failure)
	require.Equal(t, importing.Created, done[0].Status)
	require.NotContains(t, a.out+a.err+s.Log.String(), "PRIVATE KEY")
	require.Equal(t, 1, s.Count(t, "identities where name = 'root (id_web)' and type = 'ssh'"))
}
