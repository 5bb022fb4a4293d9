package backup_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/backup"
	"github.com/nexterm-go/nexterm/internal/testdb"
	"github.com/nexterm-go/nexterm/internal/vault"
)

func TestABackupIsForNobodyElse(t *testing.T) {
	t.Parallel()
	pool := world(t)
	path := write(t, pool, keys)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode())
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	for _, told := range []string{"user-1", "accounts", master.Fingerprint(), "nexterm"} {
		require.NotContains(t, string(text), told)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, left, 1)

	_, err = backup.Create(t.Context(), pool.Config().ConnConfig, path, keys, version, quiet)
	require.ErrorContains(t, err, "is there already")
	other := backup.Keys{Masters: []vault.MasterKey{{9}}}
	folder := t.TempDir()
	_, err = backup.Create(t.Context(), pool.Config().ConnConfig, folder, other, version, quiet)
	require.ErrorContains(t, err, "the secrets are sealed with the master key of fingerprint "+master.Fingerprint())
	left, err = os.ReadDir(folder)
	require.NoError(t, err)
	require.Empty(t, left, "what does not end well leaves nothing")
	_, err = backup.Check(path, other)
	require.ErrorContains(t, err, "sealed neither for the master key of fingerprint "+(vault.MasterKey{9}).Fingerprint())
}

func TestABackupThatIsInterruptedLeavesNothing(t *testing.T) {
	t.Parallel()
	pool, folder := world(t), t.TempDir()
	for _, at := range []int64{1, 500} {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := backup.Create(ctx, pool.Config().ConnConfig, folder, keys, version, func(done, _ int64) {
			if done >= at {
				cancel()
			}
		})
		require.ErrorIs(t, err, context.Canceled)
		cancel()
		require.Empty(t, in(t, folder))
	}
}

// While the master key is changed, the one counts that has sealed the data keys.
func TestABackupIsForTheKeyThatTheDatabaseHas(t *testing.T) {
	t.Parallel()
	pool, other := world(t), vault.MasterKey{9}
	path, err := backup.Create(t.Context(), pool.Config().ConnConfig, t.TempDir(), backup.Keys{Masters: []vault.MasterKey{other, master}}, version, quiet)
	require.NoError(t, err)
	require.Contains(t, path, master.Fingerprint())
	_, err = backup.Check(path, keys)
	require.NoError(t, err)
}

// What processes have left that were killed goes, what others write does not.
func TestWhatIsAbandonedIsRemoved(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for name, age := range map[string]time.Duration{".nexterm-1.partial": 2 * time.Hour, ".nexterm-2.partial": 0, "nexterm-3.partial": 2 * time.Hour, ".nexterm-4": 2 * time.Hour} {
		path := filepath.Join(folder, name)
		require.NoError(t, os.WriteFile(path, nil, 0o600))
		require.NoError(t, os.Chtimes(path, time.Now(), time.Now().Add(-age)))
	}
	path, err := backup.Create(t.Context(), testdb.New(t).Config().ConnConfig, folder, keys, version, quiet)
	require.NoError(t, err)
	require.Regexp(t, `^nexterm-\d{8}T\d{6}Z-`+master.Fingerprint()+`\.age$`, filepath.Base(path))
	var left []string
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	for _, entry := range entries {
		left = append(left, entry.Name())
	}
	require.Equal(t, []string{".nexterm-2.partial", ".nexterm-4", filepath.Base(path), "nexterm-3.partial"}, left)
}

func TestWhoeverIsNamedOpensABackup(t *testing.T) {
	t.Parallel()
	pool := world(t)
	first, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	second, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	path := write(t, pool, backup.Keys{Masters: keys.Masters, Recipients: []age.Recipient{first.Recipient(), second.Recipient()}})
	_, err = backup.Check(path, keys)
	require.ErrorContains(t, err, "nor for an identity that is given", "the master key does not")
	for _, identity := range []age.Identity{first, second} {
		m, err := backup.Check(path, backup.Keys{Masters: keys.Masters, Identities: []age.Identity{identity}})
		require.NoError(t, err)
		require.Equal(t, []string{master.Fingerprint()}, m.Fingerprints)
		_, err = backup.Check(path, backup.Keys{Masters: []vault.MasterKey{{9}}, Identities: []age.Identity{identity}})
		require.ErrorContains(t, err, "the secrets are sealed with the master key of fingerprint "+master.Fingerprint(), "restoring needs it in either case")
	}
}
