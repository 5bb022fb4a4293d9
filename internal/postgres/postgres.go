// Package postgres finds PostgreSQL's programs and runs a private cluster in a data directory.
// It does not migrate the database, pool connections or decide whether a cluster is wanted.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	database = "nexterm"
	role     = "nexterm"
	port     = "5432" // names the socket; nothing listens on a network
	// Superuser is the role of the cluster's administrator, and the database beside which others are made.
	Superuser = "postgres"

	pollEvery   = 10 * time.Millisecond
	fastStop    = 30 * time.Second // SIGINT disconnects everybody and writes a checkpoint
	quitStop    = 5 * time.Second  // SIGQUIT leaves the rest to recovery
	lastOutputs = time.Second      // backends of a killed postmaster hold its stderr this long at most
)

// Options say where a cluster lives and how it runs.
type Options struct {
	DataDir  string            // the cluster lives in DataDir/postgres
	BinDir   string            // folder of PostgreSQL's programs; empty searches the machine
	Settings map[string]string // server settings beside, or instead of, the package's own
	Log      *slog.Logger      // PostgreSQL's log; nil discards it
	Progress func(string)      // told about steps that a person waits for; may be nil
}

// Cluster is a running PostgreSQL server that belongs to this process.
type Cluster struct {
	folder   *folder
	socket   socketFolder
	cmd      *exec.Cmd
	output   *output
	log      *slog.Logger
	stopping atomic.Bool
	done     chan struct{}
	err      error // read only after done is closed
}

// Start runs the cluster in o.DataDir, which it creates when it is missing, and returns when
// the database accepts connections. Cancelling ctx gives up starting; it does not stop a
// cluster that runs. A directory that another server holds fails with [ErrInUse].
func Start(ctx context.Context, o Options) (*Cluster, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	f, err := openFolder(o.DataDir, o.Progress)
	if err != nil {
		return nil, err
	}
	c, err := start(ctx, o, f)
	if err != nil {
		f.close()
		return nil, err
	}
	if err := c.createDatabase(ctx); err != nil {
		_ = c.Stop(ctx)
		return nil, err
	}
	return c, nil
}

func start(ctx context.Context, o Options, f *folder) (*Cluster, error) {
	programs, err := f.programs(ctx, o.BinDir)
	if err != nil {
		return nil, err
	}
	if err := f.stopLeftover(ctx, o.Progress); err != nil {
		return nil, err
	}
	if !f.hasCluster() {
		o.Progress("creating the database cluster in " + f.data)
		if err := f.createCluster(ctx, programs, o.Settings["fsync"] != "off"); err != nil {
			return nil, err
		}
	}
	socket, err := f.makeSocketFolder()
	if err != nil {
		return nil, err
	}
	c := &Cluster{folder: f, socket: socket, log: o.Log, output: &output{log: o.Log}, done: make(chan struct{})}
	if err := c.run(filepath.Join(programs, "postgres"), o.Settings); err != nil {
		socket.remove()
		return nil, err
	}
	if err := c.awaitReady(ctx); err != nil {
		_ = c.Stop(ctx)
		return nil, err
	}
	return c, nil
}

// run starts the postmaster and a goroutine that lives as long as it does.
func (c *Cluster) run(program string, settings map[string]string) error {
	c.cmd = exec.Command(program, arguments(c.folder.data, c.socket.path, settings)...)
	c.cmd.Dir = c.folder.data
	c.cmd.Env = environment()
	c.cmd.SysProcAttr = processAttributes(c.folder.account)
	c.cmd.Stdout, c.cmd.Stderr = c.output, c.output
	c.cmd.WaitDelay = lastOutputs

	started := make(chan error)
	go func() {
		// The signal that a dying parent sends is tied to the thread that forked, so that
		// thread has to stay until the postmaster has ended.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := c.cmd.Start(); err != nil {
			started <- fmt.Errorf("start PostgreSQL: %w", err)
			return
		}
		started <- nil
		c.finish(c.cmd.Wait())
	}()
	return <-started
}

// finish gives everything back before anybody learns of the end, so that whoever waits for
// Done can start again at once.
func (c *Cluster) finish(exit error) {
	if !c.stopping.Load() {
		ended := "without an error"
		if exit != nil {
			ended = "with " + exit.Error()
		}
		c.err = fmt.Errorf("PostgreSQL ended by itself, %s%s", ended, c.output.reason())
	}
	c.socket.remove()
	c.folder.close()
	close(c.done)
}

// awaitReady reads the state that the postmaster publishes in its pid file; connecting
// instead would fill the log with refused connections while it recovers.
func (c *Cluster) awaitReady(ctx context.Context) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		if p := c.folder.postmaster(); p.pid == c.cmd.Process.Pid && p.ready {
			return nil
		}
		select {
		case <-c.done:
			return c.err
		case <-ctx.Done():
			return fmt.Errorf("start PostgreSQL: %w", context.Cause(ctx))
		case <-tick.C:
		}
	}
}

// URL is the connection string of the database nexterm for the role that owns it, which is
// no superuser.
func (c *Cluster) URL() string { return address(c.socket.path, role, database) }

// AdminURL is the connection string of the maintenance database for the superuser.
func (c *Cluster) AdminURL() string { return address(c.socket.path, Superuser, "postgres") }

func address(socket, user, name string) string {
	query := url.Values{"host": {socket}, "port": {port}, "sslmode": {"disable"}}
	// Connection strings know %20 only; a plus sign would stay one.
	encoded := strings.ReplaceAll(query.Encode(), "+", "%20")
	u := url.URL{Scheme: "postgres", User: url.User(user), Path: "/" + name, RawQuery: encoded}
	return u.String()
}

// Done is closed when the server has ended, by Stop or by itself.
func (c *Cluster) Done() <-chan struct{} { return c.done }

// Err says why the server ended by itself; it is nil while it runs and after Stop.
func (c *Cluster) Err() error {
	select {
	case <-c.done:
		return c.err
	default:
		return nil
	}
}

// Stop ends the server: politely until ctx is done or half a minute has passed, then with
// growing force. What was committed is kept in every case.
func (c *Cluster) Stop(ctx context.Context) error {
	c.stopping.Store(true)
	steps := []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{syscall.SIGINT, fastStop}, {syscall.SIGQUIT, quitStop}, {syscall.SIGKILL, quitStop + lastOutputs}}
	for i, step := range steps {
		select {
		case <-c.done:
			return nil
		default:
		}
		if i > 0 {
			c.log.Warn("PostgreSQL does not stop", "signal", step.signal.String())
			ctx = context.WithoutCancel(ctx)
		}
		if err := c.cmd.Process.Signal(step.signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("stop PostgreSQL: %w", err)
		}
		waiting, cancel := context.WithTimeout(ctx, step.wait)
		select {
		case <-c.done:
			cancel()
			return nil
		case <-waiting.Done():
			cancel()
		}
	}
	return fmt.Errorf("stop PostgreSQL: process %d does not end", c.cmd.Process.Pid)
}

// arguments override the cluster's configuration file, which stays as initdb wrote it.
func arguments(data, socket string, settings map[string]string) []string {
	all := map[string]string{
		"listen_addresses":        "",
		"port":                    port,
		"unix_socket_directories": `"` + strings.ReplaceAll(socket, `"`, `""`) + `"`,
		"unix_socket_permissions": "0700",
		"max_connections":         "100",
		"jit":                     "off",
		"random_page_cost":        "1.1", // as the server's own sessions have it
		// Containers often have 64 MB of shared memory, which parallel workers exhaust.
		"max_parallel_workers_per_gather": "0",
		"timezone":                        "UTC",
		"log_timezone":                    "UTC",
		"lc_messages":                     "C",
		"logging_collector":               "off",
		"log_destination":                 "stderr",
		"log_line_prefix":                 "",
		// Details and statements hold values of rows.
		"log_error_verbosity":     "terse",
		"log_min_error_statement": "panic",
	}
	maps.Copy(all, settings)
	args := []string{"-D", data}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		args = append(args, "-c", name+"="+all[name])
	}
	return args
}

// environment keeps this process's settings, which hold secrets, and the PG variables,
// which change what programs do, away from PostgreSQL.
func environment() []string {
	env := []string{"LC_ALL=C", "TZ=UTC"}
	for _, name := range []string{"PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}
