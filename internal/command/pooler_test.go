//go:build linux

package command

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testdb"
)

// pgbouncer runs a pooler of so many sessions before a database, and returns the
// database's URL there.
func pgbouncer(t *testing.T, database, mode string, sessions int) string {
	t.Helper()
	behind, err := pgx.ParseConfig(database)
	require.NoError(t, err)
	dir := dataDir(t)
	ini, users := filepath.Join(dir, "pgbouncer.ini"), filepath.Join(dir, "users.txt")
	require.NoError(t, os.WriteFile(users, fmt.Appendf(nil, "%q %q\n", behind.User, behind.Password), 0o644))
	require.NoError(t, os.WriteFile(ini, fmt.Appendf(nil, `[databases]
* = host=%s port=%d
[pgbouncer]
listen_addr =
unix_socket_dir = %s
auth_type = trust
auth_file = %s
pool_mode = %s
default_pool_size = %d
`, behind.Host, behind.Port, dir, users, mode, sessions), 0o644))
	command := exec.Command("pgbouncer", "-q", ini)
	if command.Err != nil { // not every account has it on its PATH
		command = exec.Command("/usr/sbin/pgbouncer", "-q", ini)
	}
	if os.Geteuid() == 0 {
		// It refuses to run as root, and only the cluster's account enters its socket's folder.
		account := &syscall.Stat_t{Uid: 65534, Gid: 65534}
		if strings.HasPrefix(behind.Host, "/") {
			require.NoError(t, syscall.Stat(behind.Host, account))
		}
		require.NoError(t, os.Chown(dir, int(account.Uid), int(account.Gid)))
		command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: account.Uid, Gid: account.Gid}}
	}
	var log bytes.Buffer
	command.Stdout, command.Stderr = &log, &log
	require.NoError(t, command.Start())
	t.Cleanup(func() { _ = command.Process.Kill(); _ = command.Wait() })
	require.Eventually(t, func() bool {
		_, err := os.Stat(filepath.Join(dir, ".s.PGSQL.6432"))
		return err == nil
	}, 10*time.Second, 10*time.Millisecond)
	return (&url.URL{
		Scheme: "postgres", User: url.User(behind.User), Path: "/" + behind.Database,
		RawQuery: url.Values{"host": {dir}, "port": {"6432"}}.Encode(),
	}).String()
}

// call sends a request and returns what a 2xx answers.
func call(t *testing.T, token, method, address string, body any) (answer map[string]any) {
	t.Helper()
	encoded, err := json.Marshal(body)
	require.NoError(t, err)
	request, err := http.NewRequestWithContext(t.Context(), method, address, bytes.NewReader(encoded))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, 2, response.StatusCode/100, "%s %s: %s", method, address, text)
	_ = json.Unmarshal(text, &answer) // or a list
	return answer
}

func TestPgBouncer(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"session", "transaction"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			database := testdb.URL(t)
			sessions := map[string]int{"session": 60, "transaction": 5}[mode]
			pooler := pgbouncer(t, database, mode, sessions)
			log, err := os.Create(filepath.Join(t.TempDir(), "log"))
			require.NoError(t, err)
			defer func() { _ = log.Close() }()
			logged := func() string {
				text, err := os.ReadFile(log.Name())
				require.NoError(t, err)
				return string(text)
			}
			program := func(args ...string) *exec.Cmd {
				command := nexterm(t, pooler, args...)
				command.Env = append(command.Env, "ALLOW_OUTBOUND=127.0.0.1")
				if mode == "transaction" {
					command.Env = append(command.Env, "DATABASE_POOLER=transaction", "DATABASE_DIRECT_URL="+database)
				}
				command.Stderr = log
				return command
			}
			one, stopOne := ready(t, program("serve"))
			two, stopTwo := ready(t, program("serve"))
			create := program("account", "create", "ada", "--password-stdin")
			create.Stdin = strings.NewReader("password")
			require.NoError(t, create.Run(), logged())
			_, token := signIn(t, one, "ada", "password")

			// Changes are heard of by the other server sooner than it looks by itself.
			socket, _, err := websocket.Dial(t.Context(), two+"/api/ws/state?sessionToken="+token, nil)
			require.NoError(t, err)
			defer func() { _ = socket.CloseNow() }()
			socket.SetReadLimit(-1)
			heard := func(name string) {
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				defer cancel()
				for {
					_, message, err := socket.Read(ctx)
					require.NoError(t, err, "nothing is heard of %s", name)
					if strings.Contains(string(message), name) {
						return
					}
				}
			}
			entry := map[string]any{"name": "first", "config": map[string]any{"protocol": "ssh", "ip": "192.0.2.1", "port": 22}}
			call(t, token, http.MethodPut, one+"/api/entry", entry)
			heard("first")

			// Many at once, on the few sessions in turn.
			var group sync.WaitGroup
			for worker := range 12 {
				group.Go(func() {
					server := []string{one, two}[worker%2]
					for i := range 5 {
						name := fmt.Sprint("entry", worker, "-", i)
						id := call(t, token, http.MethodPut, server+"/api/entry", map[string]any{"name": name, "config": entry["config"]})["id"]
						call(t, token, http.MethodPatch, fmt.Sprint(server, "/api/entry/", id), map[string]any{"name": name + "!", "config": entry["config"]})
						call(t, token, http.MethodPut, server+"/api/identity", map[string]any{"name": name, "type": "password", "username": "root", "password": "s3cret"})
						call(t, token, http.MethodGet, server+"/api/entry/list", nil)
						call(t, token, http.MethodGet, server+"/api/account/me", nil)
					}
				})
			}
			group.Wait()

			// A lock that lasts, and a job, which one that is due soon after the start does for.
			shelf := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = fmt.Fprintln(w, "dark.theme.css@x")
			}))
			defer shelf.Close()
			source := fmt.Sprint("/api/sources/", call(t, token, http.MethodPost, one+"/api/sources", map[string]any{"name": "Shelf", "url": shelf.URL})["id"])
			call(t, token, http.MethodPost, two+source+"/sync", nil)
			conn, err := pgx.Connect(t.Context(), database)
			require.NoError(t, err)
			defer func() { _ = conn.Close(context.Background()) }()
			_, err = conn.Exec(t.Context(), "update sources set last_sync_status = null, enabled = not is_default")
			require.NoError(t, err)
			call(t, token, http.MethodPost, two+"/api/sources/sync-all", nil)
			assert.Eventually(t, func() bool { return call(t, token, http.MethodGet, one+source, nil)["lastSyncStatus"] == "success" },
				30*time.Second, 50*time.Millisecond)

			if mode == "transaction" {
				pooled, err := pgx.Connect(t.Context(), pooler)
				require.NoError(t, err)
				defer func() { _ = pooled.Close(context.Background()) }()
				var timeout string
				require.NoError(t, pooled.QueryRow(t.Context(), "show statement_timeout", pgx.QueryExecModeSimpleProtocol).Scan(&timeout))
				require.Equal(t, "30s", timeout)
			}
			stopOne()
			stopTwo()
			require.Empty(t, logged())
		})
	}
}
