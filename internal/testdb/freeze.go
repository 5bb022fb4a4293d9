//go:build unix

package testdb

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/nexterm-go/nexterm/internal/postgres"
)

// Cluster is a migrated PostgreSQL that a test has to itself, to do to it what all
// tests would notice.
type Cluster struct {
	*postgres.Cluster
	dir string
}

// NewCluster starts one for the duration of the test.
func NewCluster(t testing.TB) *Cluster {
	t.Helper()
	return newCluster(t, makeCluster)
}

func newCluster(t testing.TB, fill func(ctx context.Context, dir string) error) *Cluster {
	t.Helper()
	ctx := context.Background()
	dir, err := makeFolder()
	must(t, err)
	must(t, fill(ctx, dir))
	started, err := start(ctx, dir)
	must(t, err)
	t.Cleanup(func() { must(t, started.Stop(ctx)) })
	return &Cluster{started, dir}
}

// Freeze stops all processes where they are until thaw is called, or the test ends:
// connections stay, and nothing is answered.
func (c *Cluster) Freeze(t testing.TB) (thaw func()) {
	t.Helper()
	ctx := t.Context()
	conn, err := pgx.Connect(ctx, c.AdminURL())
	must(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	_, err = conn.Exec(ctx, "checkpoint")
	must(t, err)
	file, err := os.ReadFile(filepath.Join(c.dir, "postgres", "data", "postmaster.pid"))
	must(t, err)
	first, _, _ := strings.Cut(string(file), "\n")
	postmaster, err := strconv.Atoi(first)
	must(t, err)
	// First who starts the others.
	must(t, syscall.Kill(postmaster, syscall.SIGSTOP))
	frozen := []int{postmaster}
	thaw = func() {
		for _, pid := range frozen {
			_ = syscall.Kill(pid, syscall.SIGCONT)
		}
	}
	t.Cleanup(thaw)
	var others []int
	must(t, conn.QueryRow(ctx, "select array_agg(pid) from pg_stat_activity").Scan(&others))
	for _, pid := range others {
		_ = syscall.Kill(pid, syscall.SIGSTOP) // it may have ended
	}
	frozen = append(frozen, others...)
	return thaw
}

// Copy starts another one with what this one, which is frozen, has written.
func (c *Cluster) Copy(t testing.TB) *Cluster {
	t.Helper()
	return newCluster(t, func(ctx context.Context, dir string) error {
		data, err := makeDataFolder(dir)
		if err != nil {
			return err
		}
		if err := copyCluster(ctx, filepath.Join(c.dir, "postgres", "data"), data); err != nil {
			return err
		}
		return os.Remove(filepath.Join(data, "postmaster.pid"))
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal("testdb:", err)
	}
}
