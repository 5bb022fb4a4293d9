//go:build linux

package postgres_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	osexec "os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/postgres"
)

// helperDir makes the test binary a server over the named directory, to be killed.
const helperDir = "NEXTERM_POSTGRES_TEST_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(helperDir); dir != "" {
		if err := serve(dir); err != nil {
			fmt.Println("failed:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// serve commits rows, says so line by line, and goes on until its input ends.
func serve(dir string) error {
	ctx := context.Background()
	c, err := postgres.Start(ctx, postgres.Options{DataDir: dir})
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, c.URL())
	if err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, "create table if not exists row (id bigint)"); err != nil {
		return err
	}
	for id := range 20 {
		if _, err := conn.Exec(ctx, "insert into row values ($1)", id); err != nil {
			return err
		}
	}
	if _, err := conn.Exec(ctx, "begin; insert into row values (1000)"); err != nil {
		return err
	}
	fmt.Println("committed as", os.Geteuid())
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	return c.Stop(ctx)
}

func TestKilledServer(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	rows := "select format('%s of %s to %s', count(*), min(id), max(id)) from row"
	server := helper(t, dir, nil)
	pid, pidFile := postmaster(t, dir), filepath.Join(dir, "postgres", "data", "postmaster.pid")
	require.NoError(t, server.Process.Kill())
	_ = server.Wait()

	// The next start does not wait for the orphan's end; it sees to it.
	c := start(t, dir)
	require.False(t, running(pid), "the killed server's cluster still runs")
	require.Equal(t, "20 of 0 to 19", query(t, c.URL(), rows))
	require.NoError(t, c.Stop(t.Context()))

	// Nor is a next start needed for the orphan to end, and in order.
	server = helper(t, dir, nil)
	pid = postmaster(t, dir)
	require.NoError(t, server.Process.Kill())
	_ = server.Wait()
	require.Eventually(t, func() bool { return !running(pid) }, 10*time.Second, 10*time.Millisecond)
	require.NoFileExists(t, pidFile, "the cluster is shut down in order")

	// Without the kernel's help, as on other systems: a server that nobody owns any more.
	orphaned := orphan(t, dir)
	var steps []string
	c, err := postgres.Start(t.Context(), postgres.Options{DataDir: dir, Progress: func(s string) { steps = append(steps, s) }})
	require.NoError(t, err)
	require.False(t, running(orphaned))
	require.Equal(t, "40 of 0 to 19", query(t, c.URL(), rows))
	require.Equal(t, []string{"stopping the database server that an earlier run left behind"}, steps)
	require.NoError(t, c.Stop(t.Context()))
}

// TestOrdinaryAccount runs the whole path a second time without root when the tests are root.
func TestOrdinaryAccount(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	var credential *syscall.Credential
	account := os.Geteuid()
	if account == 0 {
		nobody, err := user.Lookup("nobody")
		require.NoError(t, err)
		account, err = strconv.Atoi(nobody.Uid)
		require.NoError(t, err)
		gid, err := strconv.Atoi(nobody.Gid)
		require.NoError(t, err)
		credential = &syscall.Credential{Uid: uint32(account), Gid: uint32(gid)}
		require.NoError(t, os.Chown(dir, account, gid))
	}
	dir = filepath.Join(dir, "new")
	server := helper(t, dir, credential)
	require.Equal(t, fmt.Sprint("committed as ", account), server.said)
	require.Equal(t, account, ownerOf(t, fmt.Sprintf("/proc/%d", postmaster(t, dir))))
	info, err := os.Stat(dir)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
	require.NoError(t, server.input.Close())
	require.NoError(t, server.Wait())

	// A stale pid file names a number that now belongs to another process of the account.
	bystander := osexec.Command("sleep", "60")
	bystander.SysProcAttr = &syscall.SysProcAttr{Credential: credential}
	require.NoError(t, bystander.Start())
	defer func() { _ = bystander.Process.Kill(); _ = bystander.Wait() }()
	stale := fmt.Appendf(nil, "%d\n%s\n", bystander.Process.Pid, filepath.Join(dir, "postgres", "data"))
	pidFile := filepath.Join(dir, "postgres", "data", "postmaster.pid")
	require.NoError(t, os.WriteFile(pidFile, stale, 0o600))
	if credential != nil {
		require.NoError(t, os.Chown(pidFile, int(credential.Uid), int(credential.Gid)))
	}
	server = helper(t, dir, credential)
	require.True(t, running(bystander.Process.Pid))
	require.NoError(t, server.input.Close())
	require.NoError(t, server.Wait())

	// Root opens the same cluster as the account that owns it, which can still open it after.
	c := start(t, dir)
	require.Equal(t, account, ownerOf(t, fmt.Sprintf("/proc/%d", postmaster(t, dir))))
	require.Equal(t, "40", query(t, c.URL(), "select count(*)::text from row"))
}

type server struct {
	*osexec.Cmd
	input io.Closer // the server ends in order when this closes, also when the tests die
	said  string
}

// helper starts the test binary as a server of its own and waits for its first line.
func helper(t *testing.T, dir string, credential *syscall.Credential) server {
	t.Helper()
	binary, err := os.Executable()
	require.NoError(t, err)
	if credential != nil {
		// The go command builds in a folder that only its own account enters.
		content, err := os.ReadFile(binary)
		require.NoError(t, err)
		binary = filepath.Join(dataDir(t), "helper")
		require.NoError(t, os.WriteFile(binary, content, 0o755))
	}
	cmd := osexec.Command(binary)
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), helperDir+"="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential}
	cmd.Stderr = os.Stderr
	input, err := cmd.StdinPipe()
	require.NoError(t, err)
	output, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	said, err := bufio.NewReader(output).ReadString('\n')
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(said, "committed"), said)
	return server{cmd, input, strings.TrimSpace(said)}
}

// orphan runs the cluster in dir as a server that belongs to nobody.
func orphan(t *testing.T, dir string) int {
	t.Helper()
	bin, err := postgres.Find("")
	require.NoError(t, err)
	data := filepath.Join(dir, "postgres", "data")
	var owner syscall.Stat_t
	require.NoError(t, syscall.Stat(data, &owner))
	cmd := osexec.Command(filepath.Join(bin, "postgres"), "-D", data, "-c", "listen_addresses=",
		"-c", "unix_socket_directories="+filepath.Join(dir, "postgres", "socket"))
	cmd.Dir = data
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: owner.Uid, Gid: owner.Gid}
	}
	require.NoError(t, cmd.Start())
	// Nobody reaps it before the test ends: a dead process that still has its pid.
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	require.Eventually(t, func() bool {
		text, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
		return err == nil && strings.Contains(string(text), "\nready")
	}, 10*time.Second, 10*time.Millisecond)
	return cmd.Process.Pid
}

func running(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(text), ") Z ")
}

func ownerOf(t *testing.T, path string) int {
	t.Helper()
	var info syscall.Stat_t
	require.NoError(t, syscall.Stat(path, &info))
	return int(info.Uid)
}
