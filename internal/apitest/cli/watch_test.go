//go:build linux

package cli_test

import (
	"bufio"
	"encoding/json"
	"io"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

// watched is a server with two hosts that it looks after.
func watched(t *testing.T) (*testserver.Server, user) {
	t.Helper()
	s := testserver.New(t)
	for _, name := range []string{"well", "東京\x1b[2J"} {
		id := s.Owner.Put("/api/entry", map[string]any{"name": name, "config": map[string]any{"protocol": "ssh", "ip": "192.0.2.1", "port": 22, "monitoringEnabled": true}}).Want(200).ID()
		s.Exec(t, `insert into monitoring_snapshots (entry_id, updated_at, status, cpu_usage, memory_usage, uptime, load_average, last_seen_at, took_ms)
			values ($1, now(), 'online', 7, 42, 90000, '{0.5,0.4,0.3}', now(), 1)`, id)
	}
	s.Exec(t, `update entries set status = case name when 'well' then 'online' else 'offline' end`)
	return s, as(t, s, s.Owner)
}

func TestMonitorOnce(t *testing.T) {
	t.Parallel()
	s, u := watched(t)
	require.Regexp(t, "^NAME      STATUS   CPU  MEMORY  LOAD  UPTIME  CHECKED +PROBLEM\n東京�\\[2J  offline .*\nwell      online   7 %  42 %    0.50  1d 1h ", u.run("monitor", "--once"))
	var shown, api any
	u.into(&shown, "monitor", "--once")
	s.Owner.Get("/api/monitoring").Want(200).Into(&api)
	require.Equal(t, api, shown)
	require.Contains(t, u.run("monitor", "--once", "--yaml"), "status: offline\n")
	u.refused(2, "--interval is a second at least", "monitor", "--interval", "1ms")
	u.refused(2, "--yaml is for --once", "monitor", "--yaml")
}

// follow runs a command that goes on, and returns its lines.
func follow(t *testing.T, u user, args ...string) (next func() string, end func()) {
	t.Helper()
	program := u.program(args...)
	out, err := program.StdoutPipe()
	require.NoError(t, err)
	var errs strings.Builder
	program.Stderr = &errs
	require.NoError(t, program.Start())
	lines := make(chan string, 10_000)
	go func() {
		defer close(lines)
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			lines <- scanner.Text()
		}
	}()
	next = func() string {
		t.Helper()
		select {
		case line, open := <-lines:
			require.True(t, open, errs.String())
			return line
		case <-time.After(patience):
			require.Fail(t, "nothing comes")
			return ""
		}
	}
	return next, func() {
		t.Helper()
		require.NoError(t, program.Process.Signal(syscall.SIGINT))
		for range lines { //nolint:revive // to its end
		}
		require.NoError(t, program.Wait(), errs.String())
		require.Empty(t, errs.String())
	}
}

func TestMonitorInLines(t *testing.T) {
	t.Parallel()
	s, u := watched(t)
	next, end := follow(t, u, "monitor", "--interval", "1s")
	require.Contains(t, next(), "  東京�[2J  offline  ")
	require.Contains(t, next(), "  well  online  7 %  42 %  0.50  1d 1h  ")
	s.Exec(t, `update entries set status = 'online' where name <> 'well'`)
	require.Contains(t, next(), "  東京�[2J  online  ", "and only what has changed")
	end()
	next, end = follow(t, u, "monitor", "--interval", "1s", "--json")
	for range 2 {
		var targets []any
		require.NoError(t, json.Unmarshal([]byte(next()), &targets))
		require.Len(t, targets, 2)
	}
	end()
}

func TestMonitorAtATerminal(t *testing.T) {
	t.Parallel()
	s, u := watched(t)
	screen := u.terminal("monitor", "--interval", "1s")
	screen.await("ended by Ctrl-C", "")
	require.True(t, strings.HasPrefix(screen.text(), "\x1b[?1049h\x1b[?25l\x1b[H\x1b[1mNAME\x1b[0m"), screen.text())
	require.Contains(t, screen.text(), "\x1b[31moffline\x1b[0m")
	require.NotContains(t, screen.text(), "\x1b[2J")
	s.Exec(t, `update entries set status = 'online'`)
	screen.await("\x1b[32monline\x1b[0m  7 %", "")

	// A smaller one has only what fits.
	before := len(screen.text())
	require.NoError(t, pty.Setsize(screen.File, &pty.Winsize{Rows: 2, Cols: 20}))
	screen.await("2 more; ", "")
	drawn := screen.text()[before:]
	last := drawn[strings.LastIndex(drawn[:strings.LastIndex(drawn, "2 more; ")], "\x1b[H"):]
	lines := strings.Split(regexp.MustCompile("\x1b\\[\\??[0-9]*[A-Za-z]").ReplaceAllString(last, ""), "\r\n")
	require.Len(t, lines, 2, last)
	require.LessOrEqual(t, len(lines[0]), 20, "%q", last)

	_, err := io.WriteString(screen, "\x03")
	require.NoError(t, err)
	shown, status := screen.end()
	require.Zero(t, status)
	require.True(t, strings.HasSuffix(shown, "\x1b[?25h\x1b[?1049l"), "%q", shown)

	plain := u.with("NO_COLOR=1").terminal("monitor", "--interval", "1s")
	plain.await("ended by Ctrl-C", "\x03")
	shown, _ = plain.end()
	require.NotContains(t, shown, "\x1b[1m")
	require.NotContains(t, shown, "\x1b[3")

	// What ends it gives the terminal back before it says why.
	gone := u.terminal("monitor", "--interval", "1s")
	gone.await("ended by Ctrl-C", "")
	s.Exec(t, `delete from sessions where account_id = $1`, s.Owner.AccountID)
	shown, status = gone.end()
	require.Equal(t, 3, status)
	require.Contains(t, shown, "\x1b[?25h\x1b[?1049lnexterm: ")
}

func TestAuditLogIsSearched(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	u := as(t, s, s.Owner)
	u.run("tag", "create", "one", "--color", "#fff")
	u.run("entry", "create", "web\x1b[2J", "--org", "owner's organization")
	u.run("entry", "create", "mine")
	require.Regexp(t, `^ID +TIME +ACTOR +ACTION +RESOURCE +ORGANIZATION +ADDRESS
\d+ +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  Owner Test  entry.create  entry mine \(id 2\)  +127.0.0.1
\d+ +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  Owner Test  entry.create  entry web�\[2J \(id 1\)  owner's organization  127.0.0.1
$`, u.run("audit", "--action", "entry.*"))
	var shown, api any
	u.into(&shown, "audit", "--org", "personal", "--resource", "entry")
	require.Len(t, shown, 1)
	u.into(&shown, "audit")
	s.Owner.Get("/api/audit/logs").Want(200).Into(&api)
	require.Equal(t, api.(map[string]any)["logs"], shown)
	u.into(&shown, "audit", "--limit", "1")
	require.Len(t, shown, 1)
	require.Equal(t, "[]\n", u.run("audit", "--since", "0s", "--json"))
	require.Equal(t, "[]\n", u.run("audit", "--until", "2020-01-01", "--json"))
	u.refused(2, "--since: -2h is in the future", "audit", "--since", "-2h")
	u.refused(2, "startDate must be an ISO 8601 date or time", "audit", "--since", "yesterday")
	u.refused(2, "--follow goes neither with --until nor with --yaml", "audit", "--follow", "--yaml")
}

// Rows come in the order of their changes' beginnings, whose ends have another one.
func TestAuditLogIsFollowedWithoutLossOrDoubles(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	u := as(t, s, s.Owner)
	const insert = `insert into audit_logs (account_id, subject_id, action, resource, resource_id) values ($1, $1, 'test.row', 'test', $2)`
	row := func(id int) { s.Exec(t, insert, s.Owner.AccountID, id) }
	for id := range 7 {
		row(id)
	}
	late, err := s.Pool.Begin(t.Context())
	require.NoError(t, err)
	_, err = late.Exec(t.Context(), insert, s.Owner.AccountID, 1000)
	require.NoError(t, err)
	row(7)

	next, end := follow(t, u, "audit", "--follow", "--json", "--limit", "3", "--action", "test.row")
	var got []int
	read := func() {
		var log struct{ ResourceID int }
		require.NoError(t, json.Unmarshal([]byte(next()), &log))
		got = append(got, log.ResourceID)
	}
	want := []int{5, 6, 7}
	for range want {
		read()
	}
	for id := 8; id < 40; id++ {
		row(id)
		want = append(want, id)
	}
	for len(got) < len(want) {
		read()
	}
	require.NoError(t, late.Commit(t.Context()))
	read()
	row(40)
	read()
	require.Equal(t, append(want, 1000, 40), got)
	end()

	next, end = follow(t, u, "audit", "-f", "--since", "1h", "--action", "entry.*")
	u.run("entry", "create", "web\x1b[2J")
	require.Regexp(t, `^\d+  [-\d]+ [:\d]+  Owner Test  entry.create  entry web�\[2J \(id 1\)  -  127.0.0.1$`, next())
	end()
}
