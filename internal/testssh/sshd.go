package testssh

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
)

// Daemon is an OpenSSH server on 127.0.0.1, for one account: the test's own.
type Daemon struct {
	Port     int
	Username string

	t        testing.TB
	sshd     string
	dir      string
	log      *log
	listener net.Listener
	stop     context.CancelFunc
	work     sync.WaitGroup
}

// StartDaemon starts an OpenSSH server for the duration of the test. The settings
// are further lines of its configuration, which win over the test's own.
func StartDaemon(t testing.TB, hostKey string, authorized []ssh.PublicKey, settings ...string) *Daemon {
	t.Helper()
	d, err := Listen(t.TempDir(), hostKey, authorized, settings...)
	require.NoError(t, err, "the tests need OpenSSH's server (Debian: openssh-server)")
	d.t = t
	t.Cleanup(func() {
		d.Close()
		if t.Failed() {
			t.Log(d.log)
		}
	})
	return d
}

// Listen starts an OpenSSH server whose files are in a folder, until it is closed.
//
// The caller listens, and each connection gets a process of its own, as inetd would
// have it: no port is lost to somebody else between its choice and its use, and no
// process outlives its connection.
//
// Logins find an empty home: what this machine's own account starts in its shells
// is not the tests' matter. Settings may set their environment (SetEnv), in several
// lines, of which sshd itself would heed the first.
func Listen(dir, hostKey string, authorized []ssh.PublicKey, settings ...string) (*Daemon, error) {
	account, err := user.Current()
	if err != nil {
		return nil, err
	}
	sshd, err := exec.LookPath("sshd")
	if err != nil {
		// Where ordinary users do not look.
		sshd, err = exec.LookPath("/usr/sbin/sshd")
	}
	if err != nil {
		return nil, err
	}
	if account.Uid == "0" {
		// Made at boot, where there is one.
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil { //nolint:gosec // sshd wants it so
			return nil, err
		}
	}
	d := &Daemon{Username: account.Username, sshd: sshd, dir: dir, log: &log{}}
	var keys strings.Builder
	for _, key := range authorized {
		keys.Write(ssh.MarshalAuthorizedKey(key))
	}
	if err := os.MkdirAll(d.path("home"), 0o700); err != nil {
		return nil, err
	}
	environment, others := []string{"SetEnv", "HOME=" + d.path("home")}, []string(nil)
	for _, setting := range settings {
		if variable, found := strings.CutPrefix(setting, "SetEnv "); found {
			environment = append(environment, variable)
		} else {
			others = append(others, setting)
		}
	}
	config := strings.Join(append(others,
		strings.Join(environment, " "),
		"HostKey "+d.path("host_key"),
		"AuthorizedKeysFile "+d.path("authorized_keys"),
		"PidFile none",
		"UsePAM no",
		"StrictModes no",
		"PermitRootLogin prohibit-password",
		"PasswordAuthentication no",
		"KbdInteractiveAuthentication no",
		"PrintMotd no",
		"LogLevel VERBOSE",
	), "\n") + "\n"
	err = errors.Join(d.write("host_key", hostKey), d.write("authorized_keys", keys.String()), d.write("config", config))
	if err != nil {
		return nil, err
	}
	if problems, err := exec.CommandContext(context.Background(), sshd, "-t", "-f", d.path("config")).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, problems)
	}
	if d.listener, err = new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	d.Port = port(d.listener)
	ctx, stop := context.WithCancel(context.Background())
	d.stop = stop
	d.work.Go(func() {
		for {
			conn, err := d.listener.Accept()
			if err != nil {
				return
			}
			d.work.Go(func() { d.serve(ctx, conn) })
		}
	})
	return d, nil
}

// Close ends the server and its connections.
func (d *Daemon) Close() {
	_ = d.listener.Close()
	d.stop()
	d.work.Wait()
}

// SetHostKey replaces the host key for the connections to come.
func (d *Daemon) SetHostKey(file string) {
	d.t.Helper()
	require.NoError(d.t, d.write("host_key", file))
}

func (d *Daemon) serve(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	socket, err := conn.(*net.TCPConn).File()
	if err != nil {
		fmt.Fprintln(d.log, err)
		return
	}
	defer socket.Close()
	command := exec.CommandContext(ctx, d.sshd, "-i", "-e", "-f", d.path("config"))
	command.Stdin, command.Stdout, command.Stderr = socket, socket, d.log
	// Which it passes on to its children, unlike a kill.
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = 5 * time.Second
	// It says 255 for whoever hangs up.
	_ = command.Run()
}

func (d *Daemon) path(name string) string { return filepath.Join(d.dir, name) }

func (d *Daemon) write(name, content string) error {
	return os.WriteFile(d.path(name), []byte(content), 0o600)
}

// log is written by several processes while the test reads.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
