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
	env      []string
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
	return start(t, nil, hostKey, authorized, settings)
}

// StartPAM starts an OpenSSH server where PAM asks for a password, as a question of
// keyboard-interactive authentication.
func StartPAM(t testing.TB, hostKey, password string) *Daemon {
	t.Helper()
	account, err := user.Current()
	require.NoError(t, err)
	modules, err := filepath.Glob("/usr/lib/*/pam_wrapper/pam_matrix.so")
	require.NoError(t, err)
	require.NotEmpty(t, modules, "the tests need PAM that asks them (Debian: libpam-wrapper)")
	dir := t.TempDir()
	passwords, service := filepath.Join(dir, "passwords"), filepath.Join(dir, "sshd")
	require.NoError(t, os.WriteFile(passwords, []byte(account.Username+":"+password+":sshd\n"), 0o600))
	var lines strings.Builder
	for _, kind := range []string{"auth", "account", "password", "session"} {
		fmt.Fprintln(&lines, kind, "required", modules[0], "passdb="+passwords)
	}
	require.NoError(t, os.WriteFile(service, []byte(lines.String()), 0o600))
	return start(t, []string{"LD_PRELOAD=libpam_wrapper.so", "PAM_WRAPPER=1", "PAM_WRAPPER_SERVICE_DIR=" + dir}, hostKey, nil,
		[]string{"UsePAM yes", "PermitRootLogin yes", "KbdInteractiveAuthentication yes", "PubkeyAuthentication no"})
}

func start(t testing.TB, env []string, hostKey string, authorized []ssh.PublicKey, settings []string) *Daemon {
	t.Helper()
	dir, err := os.MkdirTemp("", "sshd")
	require.NoError(t, err)
	d, err := listen(dir, env, hostKey, authorized, settings)
	require.NoError(t, err, "the tests need OpenSSH's server (Debian: openssh-server)")
	d.t = t
	t.Cleanup(func() {
		d.Close()
		_ = os.RemoveAll(dir) // shells that end now may still write their history there
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
	return listen(dir, nil, hostKey, authorized, settings)
}

func listen(dir string, env []string, hostKey string, authorized []ssh.PublicKey, settings []string) (*Daemon, error) {
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
	d := &Daemon{Username: account.Username, sshd: sshd, env: append(os.Environ(), env...), dir: dir, log: &log{}}
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
	command.Env = d.env
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
