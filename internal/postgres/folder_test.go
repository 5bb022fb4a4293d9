//go:build unix

package postgres_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/postgres"
)

func TestFindWithoutPrograms(t *testing.T) {
	t.Parallel()
	empty := t.TempDir()
	_, err := postgres.Find(empty)
	require.EqualError(t, err, "POSTGRES_BIN names "+empty+", which does not hold PostgreSQL's programs initdb and postgres")

	_, err = postgres.Start(t.Context(), postgres.Options{DataDir: dataDir(t), BinDir: empty})
	require.ErrorContains(t, err, "POSTGRES_BIN")
}

func TestFindPrefersTheSetting(t *testing.T) {
	t.Parallel()
	bin := t.TempDir()
	for _, name := range []string{"initdb", "postgres"} {
		require.NoError(t, os.WriteFile(filepath.Join(bin, name), nil, 0o755))
	}
	found, err := postgres.Find(bin)
	require.NoError(t, err)
	require.Equal(t, bin, found)
}

func TestFindOnThisMachine(t *testing.T) {
	t.Parallel()
	bin, err := postgres.Find("")
	require.NoError(t, err)
	require.FileExists(t, filepath.Join(bin, "initdb"))
	require.FileExists(t, filepath.Join(bin, "postgres"))
}

func TestClusterOfAnotherVersion(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	data := filepath.Join(dir, "postgres", "data")
	require.NoError(t, os.MkdirAll(data, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(data, "PG_VERSION"), []byte("9\n"), 0o600))
	if os.Geteuid() == 0 {
		_, err := postgres.Start(t.Context(), postgres.Options{DataDir: dir})
		require.ErrorContains(t, err, data+" belongs to root")
		require.NoError(t, os.Chown(data, 65534, 65534))
	}
	_, err := postgres.Start(t.Context(), postgres.Options{DataDir: dir})
	require.ErrorContains(t, err, "was created by PostgreSQL 9, but this machine has version")
	require.ErrorContains(t, err, "POSTGRES_BIN")
}

// Only root changes accounts; every other account is told by the system itself.
func TestDataDirOutOfReach(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	closed := filepath.Join(dir, "closed")
	require.NoError(t, os.Mkdir(closed, 0o700))
	link := filepath.Join(dir, "link")
	require.NoError(t, os.Symlink(closed, link))
	if os.Geteuid() != 0 {
		require.NoError(t, os.Chmod(closed, 0))
		_, err := postgres.Start(t.Context(), postgres.Options{DataDir: filepath.Join(link, "data")})
		require.ErrorIs(t, err, os.ErrPermission)
		return
	}
	_, err := postgres.Start(t.Context(), postgres.Options{DataDir: filepath.Join(link, "data")})
	require.ErrorContains(t, err, "cannot enter "+closed+": set DATA_DIR to a folder")
	require.NotContains(t, err.Error(), "\n")
	require.NoDirExists(t, filepath.Join(closed, "data"), "a refused start creates nothing")
}

func TestDataDirThatCannotBeCreated(t *testing.T) {
	t.Parallel()
	dangling := filepath.Join(dataDir(t), "link")
	require.NoError(t, os.Symlink("nowhere", dangling))
	for dir, message := range map[string]string{
		dangling:                        dangling + " is a link that leads nowhere",
		filepath.Join(dangling, "data"): dangling + " is a link that leads nowhere",
		"/proc/data":                    "create the data directory: mkdir /proc/data",
	} {
		_, err := postgres.Start(t.Context(), postgres.Options{DataDir: dir})
		require.ErrorContains(t, err, message)
	}
}

func TestDefaultDataDir(t *testing.T) {
	open := dataDir(t)
	t.Chdir(open)
	require.Equal(t, "./data", postgres.DefaultDataDir())

	closed := filepath.Join(open, "closed")
	require.NoError(t, os.Mkdir(closed, 0o700))
	t.Chdir(closed)
	want := "./data"
	if os.Geteuid() == 0 {
		want = "/var/lib/nexterm"
	}
	require.Equal(t, want, postgres.DefaultDataDir())

	t.Chdir(open)
	require.NoError(t, os.Mkdir("data", 0o700))
	require.Equal(t, "./data", postgres.DefaultDataDir(), "it can be opened")
}

func TestPrivateDataDir(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(dataDir(t), "data")
	require.NoError(t, os.Mkdir(dir, 0o700))
	c := start(t, dir)
	require.Equal(t, "1", query(t, c.URL(), "select 1::text"))
	info, err := os.Stat(dir)
	require.NoError(t, err)
	want := os.FileMode(0o700)
	if os.Geteuid() == 0 {
		want = 0o710
	}
	require.Equal(t, want, info.Mode().Perm(), "the cluster's account gets through, nobody else")
}

func TestNotFoundIsOneSentence(t *testing.T) {
	message := postgres.ErrNotFound.Error()
	require.Contains(t, message, "the package postgresql")
	require.Contains(t, message, "DATABASE_URL")
	require.Equal(t, 0, strings.Count(message, ". "))
}
