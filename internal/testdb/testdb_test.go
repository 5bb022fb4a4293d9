//go:build unix

package testdb

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// helperEnv makes the test binary one that starts a cluster, names its folder and waits.
const helperEnv = "NEXTERM_TESTDB_HELPER"

func TestMain(m *testing.M) {
	if os.Getenv(helperEnv) == "" {
		os.Exit(m.Run())
	}
	s, err := startCluster()
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
	fmt.Println(filepath.Dir(filepath.Dir(s.base.Query().Get("host"))))
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func TestDatabasesAreApart(t *testing.T) {
	t.Parallel()
	one, two := New(t), New(t)
	_, err := one.Exec(t.Context(), "create table only_here ()")
	require.NoError(t, err)
	require.True(t, has(t, one, "only_here"))
	require.False(t, has(t, two, "only_here"))
	require.True(t, has(t, two, "goose_db_version"))
	require.Equal(t, int32(poolSize), one.Config().MaxConns)

	var superuser string
	require.NoError(t, one.QueryRow(t.Context(), "show is_superuser").Scan(&superuser))
	require.Equal(t, "off", superuser, "tests have the rights of the product")
}

func TestFolderGoesWithTheBinary(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*exec.Cmd, io.Closer) error{
		"exit": func(_ *exec.Cmd, input io.Closer) error { return input.Close() },
		"kill": func(cmd *exec.Cmd, _ io.Closer) error { return cmd.Process.Kill() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			binary, err := os.Executable()
			require.NoError(t, err)
			cmd := exec.Command(binary)
			cmd.Env = append(os.Environ(), helperEnv+"=1")
			input, err := cmd.StdinPipe()
			require.NoError(t, err)
			output, err := cmd.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			line, err := bufio.NewReader(output).ReadString('\n')
			require.NoError(t, err)
			folder := strings.TrimSpace(line)
			require.FileExists(t, filepath.Join(folder, lockName), line)

			require.NoError(t, end(cmd, input))
			_ = cmd.Wait()
			require.Eventually(t, func() bool {
				_, err := os.Lstat(folder)
				return os.IsNotExist(err)
			}, 10*time.Second, 20*time.Millisecond)
		})
	}
}

func TestRemoveStale(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	folder := func(name string, locked bool, age time.Duration) string {
		path := filepath.Join(parent, name)
		require.NoError(t, os.Mkdir(path, 0o700))
		if locked {
			require.NoError(t, os.WriteFile(filepath.Join(path, lockName), nil, 0o600))
		}
		require.NoError(t, os.Chtimes(path, time.Time{}, time.Now().Add(-age)))
		return path
	}
	live := folder(folderPrefix+"live", true, 2*youngest)
	file, err := os.OpenFile(filepath.Join(live, lockName), os.O_RDWR, 0)
	require.NoError(t, err)
	defer func() { _ = file.Close() }()
	require.NoError(t, lock(file))
	dead := folder(folderPrefix+"dead", true, 0)
	fresh := folder(folderPrefix+"fresh", false, 0)
	unborn := folder(folderPrefix+"unborn", false, 2*youngest)
	foreign := folder("foreign", false, 2*youngest)

	removeStale(parent)
	require.DirExists(t, live)
	require.DirExists(t, fresh)
	require.DirExists(t, foreign)
	require.NoDirExists(t, dead)
	require.NoDirExists(t, unborn)
}

func TestRunningServer(t *testing.T) {
	t.Parallel()
	private, err := startCluster() // stands for a server that somebody else runs
	require.NoError(t, err)
	address := private.admin.Config().ConnString()

	// Several test binaries start on the server at the same time.
	var group errgroup.Group
	sources := make([]*source, 3)
	for i := range sources {
		group.Go(func() (err error) {
			sources[i], err = openServer(address)
			return err
		})
	}
	require.NoError(t, group.Wait())
	count := func() (clones, templates int) {
		require.NoError(t, private.admin.QueryRow(t.Context(), `select
			count(*) filter (where datname like 'nexterm\_test\_%'),
			count(*) filter (where datname like 'nexterm\_template\_%') from pg_database`).Scan(&clones, &templates))
		return clones, templates
	}
	t.Run("clones", func(t *testing.T) {
		for _, s := range sources {
			pool, err := pgxpool.New(t.Context(), s.clone(t))
			require.NoError(t, err)
			t.Cleanup(pool.Close)
			require.True(t, has(t, pool, "goose_db_version"))
		}
		clones, templates := count()
		require.Equal(t, []int{3, 1}, []int{clones, templates})
	})
	clones, templates := count()
	require.Equal(t, []int{0, 1}, []int{clones, templates}, "the clones are dropped, the template stays")

	_, err = openServer("host=secret")
	require.EqualError(t, err, "TEST_DATABASE_URL is no postgres:// URL")
}

func BenchmarkClone(b *testing.B) {
	s, err := shared()
	require.NoError(b, err)
	for b.Loop() {
		s.clone(b)
	}
}

func has(t *testing.T, pool *pgxpool.Pool, table string) (found bool) {
	t.Helper()
	require.NoError(t, pool.QueryRow(context.Background(), "select to_regclass($1) is not null", table).Scan(&found))
	return found
}
