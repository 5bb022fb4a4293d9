//go:build unix

package postgres_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/postgres"
)

func TestRestartKeepsData(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	var steps []string
	logs := &buffer{}
	options := postgres.Options{
		DataDir:  dir,
		Settings: map[string]string{"work_mem": "5MB"},
		Log:      slog.New(slog.NewTextHandler(logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Progress: func(step string) { steps = append(steps, step) },
	}
	c, err := postgres.Start(t.Context(), options)
	require.NoError(t, err)
	require.Len(t, steps, 1)
	require.Contains(t, steps[0], "creating the database cluster")
	exec(t, c.URL(), "create table note (text text)", "insert into note values ('kept')")
	require.Equal(t, "5MB", query(t, c.URL(), "show work_mem"))
	require.Equal(t, "on", query(t, c.URL(), "show fsync"))
	require.Equal(t, "UTF8", query(t, c.URL(), "show server_encoding"))
	require.Equal(t, "on", query(t, c.URL(), "show data_checksums"))
	require.Equal(t, "", query(t, c.URL(), "show listen_addresses"))
	require.Equal(t, "off", query(t, c.URL(), "show is_superuser"))
	require.Contains(t, logs.String(), "ready to accept connections")

	info, err := os.Stat(filepath.Join(dir, "postgres", "socket"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())

	_, err = postgres.Start(t.Context(), postgres.Options{DataDir: dir})
	require.ErrorIs(t, err, postgres.ErrInUse)
	require.ErrorContains(t, err, "another server uses this data directory: "+dir)
	require.Equal(t, "kept", query(t, c.URL(), "select text from note"), "a refused start disturbs nobody")

	require.NoError(t, c.Err())
	require.NoError(t, c.Stop(t.Context()))
	requireDone(t, c)
	require.NoError(t, c.Err(), "stopping is no failure")
	require.NoError(t, c.Stop(t.Context()), "stopping twice is harmless")

	steps = nil
	c, err = postgres.Start(t.Context(), options)
	require.NoError(t, err)
	require.Empty(t, steps)
	require.Equal(t, "kept", query(t, c.URL(), "select text from note"))

	// The end that nobody asked for is reported, and the next start is possible at once.
	pid := postmaster(t, dir)
	require.NoError(t, syscall.Kill(pid, syscall.SIGINT))
	requireDone(t, c)
	require.ErrorContains(t, c.Err(), "PostgreSQL ended by itself")
	c = start(t, dir)
	require.Equal(t, "kept", query(t, c.URL(), "select text from note"))
}

func TestNoTime(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(dataDir(t), `odd "path's" %41`)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := postgres.Start(ctx, postgres.Options{DataDir: dir, Progress: func(string) {
		time.AfterFunc(50*time.Millisecond, cancel)
	}})
	require.ErrorIs(t, err, context.Canceled)
	require.NoDirExists(t, filepath.Join(dir, "postgres", "data"), "half a cluster is none")

	c := start(t, dir)
	exec(t, c.URL(), "create table note (text text)")
	conn, err := pgx.Connect(t.Context(), c.URL())
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	_, err = conn.Exec(t.Context(), "insert into note values ('kept')")
	require.NoError(t, err)

	require.NoError(t, c.Stop(ctx), "ctx is done: clients are cut off")
	requireDone(t, c)
	require.Equal(t, "kept", query(t, start(t, dir).URL(), "select text from note"))
}

func TestLongDataPath(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(dataDir(t), strings.Repeat("long", 20), `a "quoted", odd's folder`)
	c := start(t, dir)
	link := filepath.Join(dir, "postgres", "socket")
	folder, err := os.Readlink(link)
	require.NoError(t, err)
	require.DirExists(t, folder)
	require.Equal(t, "1", query(t, c.URL(), "select 1::text"))
	require.NoError(t, c.Stop(t.Context()))
	require.NoDirExists(t, folder, "the temporary folder goes with the server")

	// What a killed server left is removed by the next one.
	require.NoError(t, os.Mkdir(folder, 0o700))
	require.NoError(t, os.Symlink(folder, link))
	start(t, dir)
	require.NoDirExists(t, folder)
}

// dataDir is a folder that every account can reach, unlike t.TempDir.
func dataDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "nexterm-postgres-test-")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	require.NoError(t, os.Chmod(dir, 0o755))
	dir, err = filepath.EvalSymlinks(dir)
	require.NoError(t, err)
	return dir
}

func start(t *testing.T, dir string) *postgres.Cluster {
	t.Helper()
	c, err := postgres.Start(t.Context(), postgres.Options{DataDir: dir})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Stop(context.Background())) })
	return c
}

func exec(t *testing.T, url string, statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer func() { _ = conn.Close(t.Context()) }()
	for _, statement := range statements {
		_, err := conn.Exec(t.Context(), statement)
		require.NoError(t, err)
	}
}

func query(t *testing.T, url, statement string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer func() { _ = conn.Close(t.Context()) }()
	var text string
	require.NoError(t, conn.QueryRow(t.Context(), statement).Scan(&text))
	return text
}

func requireDone(t *testing.T, c *postgres.Cluster) {
	t.Helper()
	select {
	case <-c.Done():
	case <-time.After(10 * time.Second):
		require.Fail(t, "the server has not ended")
	}
}

func postmaster(t *testing.T, dir string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "postgres", "data", "postmaster.pid"))
	require.NoError(t, err)
	var pid int
	_, err = fmt.Sscan(string(text), &pid)
	require.NoError(t, err)
	return pid
}

// buffer is written by the server's goroutine while the test reads.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
