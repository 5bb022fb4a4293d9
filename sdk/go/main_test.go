package nexterm_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

const username, password = "ada", "correct horse battery staple"

var (
	// dir has the server's program and its data.
	dir string
	// address is that of a real server with one account, an administrator's.
	address string
)

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	var err error
	if dir, err = os.MkdirTemp("", "nexterm-sdk"); err != nil {
		return 1, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	// The account that PostgreSQL runs as has to get to its files.
	if err := errors.Join(os.Chmod(dir, 0o755), build()); err != nil {
		return 1, err
	}
	server, err := start("DATA_DIR="+filepath.Join(dir, "data"), "DATABASE_URL=")
	if err != nil {
		return 1, err
	}
	defer server.stop()
	address = server.address
	client, err := nexterm.New(address)
	if err != nil {
		return 1, err
	}
	ctx := context.Background()
	if err := client.Account.Register(ctx, nexterm.NewAccount{Username: username, Password: password, FirstName: "Ada", LastName: "Lovelace"}); err != nil {
		return 1, err
	}
	client, err = nexterm.Login(ctx, address, username, password)
	if err != nil {
		return 1, err
	}
	// What the examples read.
	for name, value := range map[string]string{
		"NEXTERM_URL": address, "NEXTERM_TOKEN": string(client.Token()), "NEXTERM_USERNAME": username, "NEXTERM_PASSWORD": password,
	} {
		if err := os.Setenv(name, value); err != nil {
			return 1, err
		}
	}
	return m.Run(), nil
}

// build makes the server of this source tree.
func build() error {
	build := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(dir, "nexterm"), ".")
	build.Dir = filepath.Join("..", "..")
	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the server: %w\n%s", err, output)
	}
	return nil
}

// process is a running server.
type process struct {
	address    string
	stop, kill func()
}

var ready = regexp.MustCompile(`is ready: http://localhost:(\d+)\n`)

// start starts a server and waits until it is ready.
func start(settings ...string) (*process, error) {
	log, err := os.CreateTemp(dir, "log-")
	if err != nil {
		return nil, err
	}
	server := exec.Command(filepath.Join(dir, "nexterm"), "serve")
	server.Env = append(append(os.Environ(), "SERVER_PORT=0", "DEVICE_LIMIT=1000"), settings...)
	server.Stdout, server.Stderr = log, log
	if err := server.Start(); err != nil {
		return nil, err
	}
	gone := make(chan struct{})
	go func() { _ = server.Wait(); log.Close(); close(gone) }()
	end := func(signal os.Signal) func() {
		return func() {
			_ = server.Process.Signal(signal)
			<-gone
		}
	}
	p := &process{stop: end(syscall.SIGTERM), kill: end(syscall.SIGKILL)}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		output, _ := os.ReadFile(log.Name())
		// The port is the server's choice: one that is looked for before may be lost to somebody else.
		if found := ready.FindSubmatch(output); found != nil {
			p.address = "http://127.0.0.1:" + string(found[1])
			return p, nil
		}
		select {
		case <-gone:
			deadline = time.Time{}
		default:
		}
		if time.Now().After(deadline) {
			p.stop()
			return nil, fmt.Errorf("the server does not get ready:\n%s", output)
		}
	}
}

// signIn is a client with a session of its own.
func signIn(t testing.TB, options ...nexterm.Option) *nexterm.Client {
	t.Helper()
	client, err := nexterm.Login(t.Context(), address, username, password, options...)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

var accounts atomic.Int32

// account is a client of an account of its own, without rights; its username begins with name.
func account(t testing.TB, name string) *nexterm.Client {
	t.Helper()
	username := fmt.Sprint(name, accounts.Add(1))
	admin := signIn(t)
	if _, err := admin.Users.Create(t.Context(), nexterm.NewAccount{Username: username, Password: password, FirstName: "Grace", LastName: "Hopper"}); err != nil {
		t.Fatal(err)
	}
	client, err := nexterm.Login(t.Context(), address, username, password)
	if err != nil {
		t.Fatal(err)
	}
	return client
}
