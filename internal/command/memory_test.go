//go:build linux && !race

// The race detector takes memory of its own.

package command

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testdb"
)

// kilobytes reads a line of a process's status.
func kilobytes(t *testing.T, pid int, name string) (number int) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	_, line, found := strings.Cut(string(status), name+":")
	require.True(t, found)
	_, err = fmt.Sscan(line, &number)
	require.NoError(t, err)
	return number
}

// TestLongListsTakeLittleMemory reads lists of 50,000 entries, 20 MB each.
func TestLongListsTakeLittleMemory(t *testing.T) {
	url := testdb.URL(t)
	command := nexterm(t, url, "serve")
	command.Stderr = os.Stderr
	address, stop := ready(t, command)
	register := strings.NewReader(`{"username": "ada", "firstName": "Ada", "lastName": "L", "password": "correct horse battery staple"}`)
	answer, err := http.Post(address+"/api/account/register", "application/json", register)
	require.NoError(t, err)
	_ = answer.Body.Close()
	answer, err = http.Post(address+"/api/auth/login", "application/json",
		strings.NewReader(`{"username": "ada", "password": "correct horse battery staple"}`))
	require.NoError(t, err)
	var session struct{ Token string }
	require.NoError(t, json.NewDecoder(answer.Body).Decode(&session))
	_ = answer.Body.Close()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer func() { _ = conn.Close(t.Context()) }()
	_, err = conn.Exec(t.Context(), `insert into entries (account_id, type, name, config, rank)
		select a.id, 'server', 'entry ' || n, jsonb_build_object('ip', '192.0.2.1', 'protocol', 'ssh', 'port', 22, 'notes', repeat('x', 200)), n
		from accounts a, generate_series(1, 50000) n`)
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), `analyze entries`)
	require.NoError(t, err)
	stop()

	for _, path := range []string{"/api/entries/list", "/api/entry/list"} {
		command := nexterm(t, url, "serve")
		command.Stderr = os.Stderr
		address, stop := ready(t, command)
		list := func() {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address+path, nil)
			if !assert.NoError(t, err) {
				return
			}
			request.Header.Set("Authorization", "Bearer "+session.Token)
			answer, err := http.DefaultClient.Do(request)
			if !assert.NoError(t, err) {
				return
			}
			defer answer.Body.Close()
			length, err := io.Copy(io.Discard, answer.Body)
			assert.NoError(t, err)
			assert.Equal(t, http.StatusOK, answer.StatusCode)
			assert.Greater(t, length, int64(15<<20))
		}
		time.Sleep(time.Second)
		idle := kilobytes(t, command.Process.Pid, "VmRSS")
		for _, c := range []struct{ at, most int }{{1, 64}, {8, 256}} {
			var group sync.WaitGroup
			for range c.at {
				group.Go(list)
			}
			group.Wait()
			more := (kilobytes(t, command.Process.Pid, "VmHWM") - idle) >> 10
			t.Logf("%s, %d at once: %d MiB above %d", path, c.at, more, idle>>10)
			assert.LessOrEqual(t, more, c.most, "%s, %d at once", path, c.at)
		}
		stop()
	}
}
