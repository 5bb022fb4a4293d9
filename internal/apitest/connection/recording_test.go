package connection_test

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/app"
	"github.com/nexterm-go/nexterm/internal/server"
	"github.com/nexterm-go/nexterm/internal/testserver"
	"github.com/nexterm-go/nexterm/internal/testssh"
)

// recorded is an entry of the organization's, like one of the owner's, whose terminals
// are recorded from now on.
func recorded(t *testing.T, s *testserver.Server, entryID int64) {
	t.Helper()
	s.Exec(t, `update entries set account_id = null, organization_id = $1 where id = $2`, s.Organization, entryID)
	s.Owner.Patch(settings(s), object{"enableSessionRecording": true}).Want(200)
}

func settings(s *testserver.Server) string {
	return fmt.Sprint("/api/audit/organizations/", s.Organization, "/settings")
}

// auditLog is the row of a connection in the audit log.
func auditLog(t *testing.T, s *testserver.Server, connection string) (id int64, path string) {
	t.Helper()
	s.Scan(t, &id, `select audit_log_id from connections where id = $1`, connection)
	return id, fmt.Sprintf("/api/audit/%d/recording", id)
}

// details are what the audit log says of its newest row.
func details(c *testserver.Client) object {
	var page struct{ Logs []struct{ Details object } }
	c.Get("/api/audit/logs?limit=1&action=entry.ssh_connect").Want(200).Into(&page)
	return page.Logs[0].Details
}

// cast reads a recording: its header, its text, and its other events.
func cast(t *testing.T, text []byte) (header object, output string, others []string) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	require.NoError(t, json.Unmarshal([]byte(lines[0]), &header))
	last := 0.0
	for _, line := range lines[1:] {
		var event [3]any
		require.NoError(t, json.Unmarshal([]byte(line), &event), "%s", line)
		require.GreaterOrEqual(t, event[0], last)
		last = event[0].(float64)
		if event[1] == "o" {
			output += event[2].(string)
		} else {
			others = append(others, fmt.Sprint(event[1], event[2]))
		}
	}
	require.Contains(t, lines[len(lines)-1], `,"o",`)
	return header, output, others
}

// fetch has the bytes of a recording as they are stored.
func fetch(t *testing.T, s *testserver.Server, path string) (*http.Response, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+path, nil)
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer "+s.Owner.Token)
	request.Header.Set("Accept-Encoding", "gzip")
	return http.DefaultTransport.RoundTrip(request)
}

func isRecorded(t *testing.T, c *testserver.Client) {
	t.Helper()
	require.Eventually(t, func() bool { return details(c)["hasRecording"] == true }, patience, 10*time.Millisecond)
}

func TestTerminalsAreRecorded(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	entry, identity := openSSH(t, s.Owner, nil)
	unrecorded := open(s.Owner, entry, nil)
	attach(t, s.Owner, "sessionId", unrecorded).see("remembered")
	recorded(t, s, entry)
	id := open(s.Owner, entry, object{"identityId": identity})
	_, path := auditLog(t, s, id)
	shell := attach(t, s.Owner, "sessionId", id)
	shell.Send("\x0180,24")
	shell.Send("printf 'gr\\303\\274\\303\\237e %d <&>\\n' $((6*7))\r")
	shell.see("grüße 42 <&>")
	shell.Send("\x01101,31")
	shell.Send("stty size\r")
	shell.see("31 101")
	s.Owner.Get(path).WantError(404, "Recording not found")
	require.NotContains(t, details(s.Owner), "hasRecording")
	shell.Send("exit\r")
	shell.closed(1000, "Session terminated")
	isRecorded(t, s.Owner)
	require.Equal(t, "cast", details(s.Owner)["recordingType"])

	answer := s.Owner.Get(path).Want(200)
	header, output, others := cast(t, answer.Body)
	require.Equal(t, object{"SHELL": "/bin/bash", "TERM": "xterm-256color"}, header["env"])
	require.Equal(t, []any{2.0, 80.0, 24.0}, []any{header["version"], header["width"], header["height"]})
	require.InDelta(t, time.Now().Unix(), header["timestamp"], 60)
	require.Contains(t, output, "grüße 42 <&>")
	require.NotContains(t, output, "\x02")
	require.Equal(t, []string{"r101x31"}, others)
	require.Equal(t, 1, s.Count(t, "recordings"), "personal ones are not")

	// The bytes as they are stored, and the headers.
	raw, err := fetch(t, s, path)
	require.NoError(t, err)
	defer raw.Body.Close()
	unzipped, err := gzip.NewReader(raw.Body)
	require.NoError(t, err)
	unzipped.Multistream(false)
	text, err := io.ReadAll(unzipped)
	require.NoError(t, err)
	require.Equal(t, string(answer.Body), string(text))
	row, _ := auditLog(t, s, id)
	for name, value := range map[string]string{
		"Content-Type": "application/json", "Content-Encoding": "gzip", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
		"Content-Disposition": fmt.Sprintf(`attachment; filename="%d.cast.gz"`, row),
	} {
		require.Equal(t, value, raw.Header.Get(name), name)
	}
	plain := s.Owner.With("Accept-Encoding", "identity").Get(path).Want(200)
	require.Equal(t, string(answer.Body), string(plain.Body))
	require.Empty(t, plain.Header.Get("Content-Encoding"))
	// Nobody reads it in the database.
	require.Zero(t, s.Count(t, `recording_chunks where position('\x1f8b'::bytea in data) = 1`))
}

func TestWhoGetsRecordings(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	entry, _ := played(t, s.Owner, &testssh.Server{Shell: echo}, nil)
	personal := open(s.Owner, entry, nil)
	_, own := auditLog(t, s, personal)
	recorded(t, s, entry)
	var identity int64
	s.Scan(t, &identity, `select id from identities`)
	id := open(s.Owner, entry, object{"identityId": identity})
	_, path := auditLog(t, s, id)
	shell := attach(t, s.Owner, "sessionId", id)
	shell.see("ready$ ")
	s.Owner.Delete("/api/connections/" + id).Want(200)
	isRecorded(t, s.Owner)

	s.Owner.Get(path).Want(200)
	s.Admin.Get(path).Want(200) // manages all organizations
	for _, c := range []*testserver.Client{s.Stranger, s.Colleague} {
		c.Get(path).WantError(404, "Audit log not found")
		c.Get(own).WantError(404, "Audit log not found")
	}
	s.Admin.Get(own).WantError(404, "Audit log not found")
	s.Owner.Get(own).WantError(404, "Recording not found")
	s.OverrideMember(t, s.Colleague, "org.audit.recordings", "allow")
	s.Colleague.Get(path).Want(200)
	s.Owner.Get("/api/audit/987654321/recording").WantError(404, "Audit log not found")
	for _, bad := range []string{"0", "-1", "x", "1.5", "99999999999999999999"} {
		s.Owner.Get("/api/audit/"+bad+"/recording").WantError(400, "Invalid audit log ID")
	}
	s.Anonymous.Get(path).WantError(400, "You need to provide the 'authorization' header")
	// A token in the query is none.
	s.Anonymous.Get(path+"?token="+s.Owner.Token).WantError(400, "You need to provide the 'authorization' header")

	// Chunks in another place do not open, and what cannot be read to its end is not whole.
	s.Exec(t, `update recording_chunks set seq = seq + 1`)
	torn, err := fetch(t, s, path)
	if err == nil { // the beginning may have come
		defer torn.Body.Close()
		_, err = io.ReadAll(torn.Body)
	}
	require.Error(t, err)
}

// startJobs runs one more server of the database, which works the jobs.
func startJobs(t *testing.T, s *testserver.Server) {
	t.Helper()
	s.Exec(t, `insert into sources (name, url, is_default, enabled) values ('Default', 'https://git.invalid', true, false) on conflict do nothing`)
	a, err := app.New(app.Options{Options: server.Options{Pool: s.Pool, Vault: s.Vault, Log: slog.New(slog.DiscardHandler)}})
	require.NoError(t, err)
	testserver.Run(t, a)
}

func TestRecordingsOfServersThatAreKilled(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	node := exec.CommandContext(t.Context(), os.Args[0])
	node.Env = append(os.Environ(), nodeVariable+"="+s.Pool.Config().ConnString())
	output, err := node.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, node.Start())
	t.Cleanup(func() { _ = node.Process.Kill(); _ = node.Wait() })
	var url string
	_, err = fmt.Fscanln(output, &url)
	require.NoError(t, err)

	entry, identity := openSSH(t, s.Owner, nil)
	recorded(t, s, entry)
	there := s.Owner.On(&testserver.Server{URL: url})
	id := open(there, entry, object{"identityId": identity})
	_, path := auditLog(t, s, id)
	shell := attach(t, there, "sessionId", id)
	shell.Send("head -c 400000 /dev/urandom | base64; echo the $((6*7))nd\r")
	shell.see("the 42nd")
	require.Eventually(t, func() bool { return s.Count(t, "recording_chunks") >= 2 }, patience, 10*time.Millisecond)
	require.NoError(t, node.Process.Kill())
	_ = node.Wait()
	s.Exec(t, `update nodes set seen_at = now() - interval '21 seconds' where url = $1`, url)
	startJobs(t, s)
	isRecorded(t, s.Owner)
	_, text, _ := cast(t, s.Owner.Get(path).Want(200).Body)
	require.Greater(t, len(text), 100_000)
	require.Contains(t, text, "head -c 400000")
}

func TestRecordingsAreDeletedByAge(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	s.Owner.Patch(settings(s), object{"recordingRetentionDays": 30}).Want(200)
	for range 45 { // more than go at once
		s.Exec(t, `update recordings set started_at = now() - interval '31 days' where audit_log_id = $1`, s.NewRecording(t))
	}
	old := s.NewRecording(t)
	s.Exec(t, `update recordings set started_at = now() - interval '31 days' where audit_log_id = $1`, old)
	s.Exec(t, `insert into audit_details (audit_log_id, details) values ($1, '{"hasRecording": true, "recordingType": "cast", "sessionDuration": 5}')`, old)
	young := s.NewRecording(t)
	s.Exec(t, `update recordings set started_at = now() - interval '29 days' where audit_log_id = $1`, young)
	running := s.NewRecording(t)
	s.Exec(t, `update recordings set started_at = now() - interval '31 days', finished_at = null, node_id = (select id from nodes) where audit_log_id = $1`, running)
	s.Exec(t, `with o as (insert into organizations (name) values ('Other') returning id)
		update recordings set organization_id = o.id from o where audit_log_id = $1`, s.NewRecording(t))
	s.Exec(t, `delete from organizations where name = 'Other'`)

	startJobs(t, s)
	require.Eventually(t, func() bool { return s.Count(t, "recordings") <= 2 }, patience, 10*time.Millisecond)
	require.Equal(t, 2, s.Count(t, "recordings where audit_log_id in ($1, $2)", young, running))
	require.Equal(t, 2, s.Count(t, "recording_chunks"))
	s.Owner.Get(fmt.Sprintf("/api/audit/%d/recording", young)).Want(200)
	s.Owner.Get(fmt.Sprintf("/api/audit/%d/recording", old)).WantError(404, "Recording not found")
	var page struct {
		Logs []struct {
			ID      int64
			Details object
		}
	}
	s.Owner.Get("/api/audit/logs?limit=100&action=entry.ssh_connect").Want(200).Into(&page)
	for _, row := range page.Logs {
		if row.ID != old {
			continue
		}
		deleted, err := time.Parse(time.RFC3339, row.Details["recordingDeletedAt"].(string))
		require.NoError(t, err)
		require.WithinDuration(t, time.Now(), deleted, time.Minute)
		delete(row.Details, "recordingDeletedAt")
		require.Equal(t, object{"hasRecording": false, "recordingType": "cast", "sessionDuration": 5.0}, row.Details)
		return
	}
	require.Fail(t, "the row is there")
}
