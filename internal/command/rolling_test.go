//go:build linux

package command

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testdb"
)

// fixedPort is one that nobody gets who takes any, below where those begin: it stays
// free while the server that had it starts again.
func fixedPort(t *testing.T) int {
	t.Helper()
	for range 100 {
		port := 20000 + rand.IntN(10000)
		if listener, err := net.Listen("tcp", fmt.Sprint(":", port)); err == nil {
			require.NoError(t, listener.Close())
			return port
		}
	}
	require.FailNow(t, "no port is free")
	return 0
}

// rolling is two servers behind the Caddy of docker-compose.yml, and what they serve.
type rolling struct {
	t        *testing.T
	database string
	ports    []int
	url      string
	client   *http.Client
	token    string

	mu sync.Mutex
	// written says of each name whether writing it was answered with success.
	written map[string]bool
	failed  []failure
	reads   atomic.Int64
	dials   atomic.Int64
}

type failure struct {
	at     time.Time
	write  bool
	status int
	answer string
}

// server prepares one of the two, by what it has as defaults.
func (r *rolling) server(at int) *exec.Cmd {
	command := nexterm(r.t, r.database, "serve")
	command.Env = append(command.Env, "SHUTDOWN_DELAY=", "TRUST_PROXY=1", "QUOTA_SNIPPETS=1000000", fmt.Sprint("SERVER_PORT=", r.ports[at]))
	return command
}

// behindCaddy starts Caddy for two servers that are started afterwards.
func behindCaddy(t *testing.T) *rolling {
	t.Helper()
	r := &rolling{t: t, database: testdb.URL(t), ports: []int{fixedPort(t), fixedPort(t)}, written: map[string]bool{}}
	mustRun(t, r.database, "password", "account", "create", "ada", "--password-stdin")
	folder, port := t.TempDir(), fixedPort(t)
	log, err := os.Create(filepath.Join(folder, "log"))
	require.NoError(t, err)
	caddy := exec.Command("caddy", "run", "--adapter", "caddyfile", "--config", "../../deploy/caddy/Caddyfile")
	caddy.Env = []string{
		"PATH=" + os.Getenv("PATH"), "XDG_DATA_HOME=" + folder, "XDG_CONFIG_HOME=" + folder,
		fmt.Sprintf("SERVERS=127.0.0.1:%d 127.0.0.1:%d", r.ports[0], r.ports[1]),
		fmt.Sprint("HTTPS_PORT=", port), fmt.Sprint("HTTP_PORT=", fixedPort(t)),
	}
	caddy.Stderr = log
	require.NoError(t, caddy.Start())
	t.Cleanup(func() {
		_ = caddy.Process.Signal(syscall.SIGTERM)
		_ = caddy.Wait()
		text, err := os.ReadFile(log.Name())
		require.NoError(t, err)
		_ = log.Close()
		if r.token != "" {
			require.NotContains(t, string(text), r.token, "credentials are in Caddy's log")
		}
		if t.Failed() {
			t.Logf("Caddy says:\n%s", text)
		}
	})
	roots := x509.NewCertPool()
	require.Eventually(t, func() bool {
		root, err := os.ReadFile(filepath.Join(folder, "caddy/pki/authorities/local/root.crt"))
		return err == nil && roots.AppendCertsFromPEM(root)
	}, 30*time.Second, 50*time.Millisecond)
	r.url = fmt.Sprint("https://localhost:", port)
	r.client = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots}, MaxIdleConnsPerHost: 8,
	}}
	require.Eventually(t, func() bool {
		answer, err := r.client.Get(r.url + "/metrics") // which Caddy answers by itself
		if err != nil {
			return false
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		require.JSONEq(t, `{"code":404,"message":"Not Found"}`, string(text))
		return true
	}, 30*time.Second, 50*time.Millisecond)
	return r
}

// send makes a request once, and keeps what has become of it.
func (r *rolling) send(method, path string, body any) bool {
	var encoded io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		require.NoError(r.t, err)
		encoded = bytes.NewReader(text)
	}
	request, err := http.NewRequest(method, r.url+path, encoded)
	require.NoError(r.t, err)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+r.token)
	failed := failure{write: method != http.MethodGet}
	answer, err := r.client.Do(request)
	if err == nil {
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err == nil && answer.StatusCode == http.StatusOK {
			return true
		}
		failed.status, failed.answer = answer.StatusCode, fmt.Sprint(string(text), err)
	} else {
		failed.answer = err.Error()
	}
	failed.at = time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = append(r.failed, failed)
	return false
}

// load reads, writes and keeps a state socket open until the end, which it waits for.
func (r *rolling) load() (end func()) {
	r.send(http.MethodGet, "/readyz", nil) // waits until Caddy knows one of them
	r.token = r.signIn()
	running, stop := context.WithCancel(r.t.Context())
	var background sync.WaitGroup
	for worker := range 2 {
		background.Go(func() {
			for running.Err() == nil {
				r.send(http.MethodGet, "/api/account/me", nil)
				r.reads.Add(1)
				time.Sleep(5 * time.Millisecond)
			}
		})
		background.Go(func() {
			for i := 0; running.Err() == nil; i++ {
				name := fmt.Sprint("snippet ", worker, " ", i)
				done := r.send(http.MethodPut, "/api/snippet", map[string]any{"name": name, "command": "true"})
				r.mu.Lock()
				r.written[name] = done
				r.mu.Unlock()
				time.Sleep(10 * time.Millisecond)
			}
		})
	}
	background.Go(func() {
		for running.Err() == nil {
			socket, _, err := websocket.Dial(running, strings.Replace(r.url, "https", "wss", 1)+"/api/ws/state?sessionToken="+r.token,
				&websocket.DialOptions{HTTPClient: r.client})
			if running.Err() != nil || !assert.NoError(r.t, err) {
				return
			}
			r.dials.Add(1)
			socket.SetReadLimit(-1)
			for err == nil {
				_, _, err = socket.Read(running)
			}
			_ = socket.CloseNow()
		}
	})
	return func() {
		stop()
		background.Wait()
		r.t.Log(r.reads.Load(), "reads,", len(r.written), "writes,", r.dials.Load(), "sockets,", len(r.failed), "failures")
		require.Greater(r.t, r.reads.Load(), int64(300))
		require.Greater(r.t, len(r.written), 200)
		r.wrote()
	}
}

func (r *rolling) signIn() (token string) {
	answer, err := r.client.Post(r.url+"/api/auth/login", "application/json", strings.NewReader(`{"username":"ada","password":"password"}`))
	require.NoError(r.t, err)
	defer answer.Body.Close()
	var read struct{ Token string }
	require.NoError(r.t, json.NewDecoder(answer.Body).Decode(&read))
	require.NotEmpty(r.t, read.Token, answer.Status)
	return read.Token
}

// wrote holds what is stored against what was answered: everything that succeeded is
// there, and nothing twice.
func (r *rolling) wrote() {
	conn, err := pgx.Connect(r.t.Context(), r.database)
	require.NoError(r.t, err)
	defer func() { _ = conn.Close(r.t.Context()) }()
	rows, err := conn.Query(r.t.Context(), "select name, count(*) from snippets group by name")
	require.NoError(r.t, err)
	var name string
	var times int
	stored := map[string]int{}
	_, err = pgx.ForEachRow(rows, []any{&name, &times}, func() error { stored[name] = times; return nil })
	require.NoError(r.t, err)
	for name, done := range r.written {
		if done {
			require.Equal(r.t, 1, stored[name], name)
		} else {
			require.LessOrEqual(r.t, stored[name], 1, name)
		}
	}
}

func TestARollingRestartFailsNoRequest(t *testing.T) {
	t.Parallel()
	r := behindCaddy(t)
	stops := make([]func(), 2)
	for i := range stops {
		_, stops[i] = ready(t, r.server(i))
	}
	end := r.load()
	time.Sleep(time.Second)
	mustRun(t, r.database, "", "migrate")
	for i := range stops {
		stops[i]()
		_, stops[i] = ready(t, r.server(i))
		// Until Caddy has asked it: the other must not leave within the same health check.
		time.Sleep(2 * time.Second)
	}
	end()
	require.Empty(t, r.failed, "%+v", r.failed)
	require.Greater(t, r.dials.Load(), int64(1), "the socket's server has stopped")
}

// Killing a server costs what it was answering. A Caddy before 2.11.2 also loses writes
// that it could not send, until it notices by a health check.
func TestAKilledServerLosesOnlyWhatItWasAnswering(t *testing.T) {
	t.Parallel()
	r := behindCaddy(t)
	killed := r.server(0)
	_, output := launch(t, killed)
	ready(t, r.server(1))
	end := r.load()
	time.Sleep(time.Second)
	began := time.Now()
	require.NoError(t, killed.Process.Kill())
	_, _ = io.Copy(io.Discard, output)
	require.Error(t, killed.Wait())
	time.Sleep(5 * time.Second)
	ready(t, r.server(0))
	time.Sleep(time.Second)
	end()
	for _, failed := range r.failed {
		t.Log(failed.at.Sub(began).Round(time.Millisecond), failed.status, failed.answer)
		require.True(t, failed.write, "reads are tried at the other server")
		require.Equal(t, http.StatusBadGateway, failed.status)
		require.JSONEq(t, `{"code":502,"message":"Bad Gateway"}`, strings.TrimSuffix(failed.answer, "<nil>"))
		require.Less(t, failed.at.Sub(began), 5*time.Second)
	}
}
