package nexterm_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

const username, password = "ada", "correct horse battery staple"

// address is that of a real server with one account, an administrator's.
var address string

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "nexterm-sdk")
	if err != nil {
		return 1, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	stop, err := serve(dir)
	if err != nil {
		return 1, err
	}
	defer stop()
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

// serve builds the server of this source tree and starts it on a database of its own.
func serve(dir string) (stop func(), err error) {
	binary := filepath.Join(dir, "nexterm")
	build := exec.Command("go", "build", "-trimpath", "-o", binary, ".")
	build.Dir = filepath.Join("..", "..")
	if output, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the server: %w\n%s", err, output)
	}
	// The account that PostgreSQL runs as has to get to its files.
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, err
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	port := free.Addr().(*net.TCPAddr).Port
	_ = free.Close()
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	server := exec.Command(binary, "serve")
	server.Env = append(os.Environ(), "DATA_DIR="+filepath.Join(dir, "data"), "SERVER_PORT="+strconv.Itoa(port), "DEVICE_LIMIT=1000", "DATABASE_URL=")
	server.Stdout, server.Stderr = log, log
	if err := server.Start(); err != nil {
		return nil, err
	}
	gone := make(chan struct{})
	go func() { _ = server.Wait(); close(gone) }()
	stop = func() {
		_ = server.Process.Signal(syscall.SIGTERM)
		<-gone
		log.Close()
	}
	address = "http://127.0.0.1:" + strconv.Itoa(port)
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		response, err := http.Get(address + "/readyz")
		if err == nil {
			_, _ = io.Copy(io.Discard, response.Body)
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return stop, nil
			}
		}
		select {
		case <-gone:
			end = time.Time{}
		default:
		}
		if time.Now().After(end) {
			stop()
			output, _ := os.ReadFile(log.Name())
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

// account is a client of an account of its own, without rights.
func account(t testing.TB, username string) *nexterm.Client {
	t.Helper()
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
