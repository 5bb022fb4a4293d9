package connection_test

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/permission"
	"github.com/nexterm-go/nexterm/internal/server"
	"github.com/nexterm-go/nexterm/internal/testserver"
	"github.com/nexterm-go/nexterm/internal/testssh"
)

// What is refused is refused in one order: whoever may less hears less.
func TestOpeningIsRefused(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	entry, identity := played(t, s.Owner, &testssh.Server{}, nil)
	foreign := newIdentity(s.Colleague, "secret")
	script := s.Owner.Post("/api/scripts", object{"name": "script", "content": "true"}).Want(201).ID()
	of := func(protocol string) int64 { return newEntry(s.Owner, 1, object{"protocol": protocol}) }
	rdp, telnet, sftp := of("rdp"), of("telnet"), of("sftp")
	proxmox := s.Owner.Put("/api/entry", object{"name": "pve", "type": "pve-lxc", "config": object{}}).Want(200).ID()
	direct := object{"type": "password", "username": "root", "password": "secret"}
	for name, c := range map[string]struct {
		entry   int64
		more    object
		status  int
		message string
	}{
		"no entry":                  {987654321, nil, 404, "Entry not found"},
		"direct on Proxmox":         {proxmox, object{"directIdentity": direct, "type": "sftp"}, 400, "Direct connections are not supported for Proxmox entries"},
		"files on Proxmox":          {proxmox, object{"type": "sftp"}, 400, "This connection type is not supported for this server"},
		"files on telnet":           {telnet, object{"type": "sftp"}, 400, "This connection type is not supported for this server"},
		"terminal on a desktop":     {rdp, object{"type": "terminal"}, 400, "This connection type is not supported for this server"},
		"terminal on files":         {sftp, object{"type": "terminal"}, 400, "This connection type is not supported for this server"},
		"script on telnet":          {telnet, object{"scriptId": script}, 400, "Scripts can only run on SSH servers"},
		"script in files":           {entry, object{"type": "sftp", "scriptId": script}, 400, "Scripts can only run on SSH servers"},
		"no script":                 {entry, object{"scriptId": 987654321}, 404, "Script not found"},
		"no identity":               {rdp, nil, 400, "Identity not found"},
		"unknown identity":          {entry, object{"identityId": 987654321}, 400, "Identity not found"},
		"somebody else's identity":  {entry, object{"identityId": foreign}, 400, "Identity not found"},
		"unknown identity, telnet":  {telnet, object{"identityId": foreign}, 400, "Identity not found"},
		"a type that there is not":  {entry, object{"type": "guac"}, 400, "type must be one of terminal, sftp"},
		"a reason that is too long": {entry, object{"connectionReason": fmt.Sprintf("%01001d", 0)}, 400, "connectionReason must be at most 1000 characters long"},
	} {
		t.Run(name, func(t *testing.T) {
			body := object{"entryId": c.entry}
			for key, value := range c.more {
				body[key] = value
			}
			answer := s.Owner.Post("/api/connections", body)
			require.Equal(t, c.status, answer.Status, "%s", answer.Body)
			if c.status != http.StatusBadRequest || name[0] != 'a' {
				require.Equal(t, c.message, answer.Message())
			}
		})
	}
	require.Zero(t, s.Count(t, "connections"))
	require.Zero(t, s.Count(t, "audit_logs where action like '%connect'"))
	// Strangers and administrators without membership do not hear of the entry.
	for _, c := range []*testserver.Client{s.Stranger, s.Admin} {
		c.Post("/api/connections", object{"entryId": entry}).WantError(404, "Entry not found")
	}
	s.Deny(t, s.Owner, permission.FilesView)
	s.Owner.Post("/api/connections", object{"entryId": entry, "type": "sftp"}).WantError(403, "Access denied")
	open(s.Owner, entry, object{"identityId": identity})
	s.Deny(t, s.Owner, permission.ConnectSSH)
	s.Owner.Post("/api/connections", object{"entryId": entry, "scriptId": script}).WantError(403, "Access denied")
}

func TestReasonsAreDemandedAndKept(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	identity := newIdentity(s.Owner, "secret")
	entry := s.Owner.Put("/api/entry", object{
		"name": "shared", "organizationId": s.Organization, "config": object{"protocol": "ssh", "ip": "127.0.0.1", "port": 1},
	}).Want(200).ID()
	s.Owner.Patch(fmt.Sprint("/api/audit/organizations/", s.Organization, "/settings"), object{"requireConnectionReason": true}).Want(200)
	for _, reason := range []any{nil, "", " \t"} {
		s.Owner.Post("/api/connections", object{"entryId": entry, "identityId": identity, "connectionReason": reason}).WantError(400, "Connection reason required")
	}
	id := open(s.Owner, entry, object{"identityId": identity, "connectionReason": " maintenance "})
	rows := s.Audits(t, "entry.ssh_connect")
	require.Len(t, rows, 1)
	require.Equal(t, object{"connectionReason": "maintenance"}, rows[0]["details"])
	require.Equal(t, 1, s.Count(t, `connections c join audit_logs a on a.id = c.audit_log_id
		where c.id = $1 and a.reason = 'maintenance' and a.resource_id = $2 and a.organization_id = $3`, id, entry, s.Organization))

	// Where the action is switched off there is no row, unless recordings need it.
	settings := fmt.Sprint("/api/audit/organizations/", s.Organization, "/settings")
	s.Owner.Patch(settings, object{"requireConnectionReason": false, "enableServerConnectionAudit": false}).Want(200)
	id = open(s.Owner, entry, object{"identityId": identity})
	require.Equal(t, 1, s.Count(t, `connections where id = $1 and audit_log_id is null`, id))
	s.Owner.Patch(settings, object{"enableSessionRecording": true}).Want(200)
	id = open(s.Owner, entry, object{"identityId": identity})
	require.Equal(t, 1, s.Count(t, `connections c join audit_logs a on a.id = c.audit_log_id where c.id = $1`, id))
	require.Len(t, s.Audits(t, "entry.ssh_connect"), 2)
}

func TestAnAccountHasFiftyConnections(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, func(o *server.Options) { o.Connections.Most = 60 })
	hanging := &testssh.Server{Play: hang}
	entry, _ := played(t, s.Owner, hanging, nil)
	// Also those that come at the same time.
	var opened atomic.Int32
	var all sync.WaitGroup
	for range 58 {
		all.Go(func() {
			if s.Owner.Post("/api/connections", object{"entryId": entry}).Status == http.StatusCreated {
				opened.Add(1)
			}
		})
	}
	all.Wait()
	require.EqualValues(t, 50, opened.Load())
	answer := s.Owner.Post("/api/connections", object{"entryId": entry})
	answer.WantError(429, "Too many open connections")
	require.NotEmpty(t, answer.Header.Get("Retry-After"))
	// Dials wait for each other.
	require.LessOrEqual(t, hanging.Open(), 16)
	s.Owner.Delete("/api/connections/" + connections(s.Owner)[0]["sessionId"].(string)).Want(200)
	open(s.Owner, entry, nil)
	others, _ := played(t, s.Stranger, &testssh.Server{Play: hang}, nil)
	for range 10 {
		open(s.Stranger, others, nil)
	}
	s.Stranger.Post("/api/connections", object{"entryId": others}).WantError(503, "This server cannot take more connections")
}

// Connections are nobody else's business.
func TestOthersConnectionsAreUnknown(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	entry, _ := played(t, s.Owner, &testssh.Server{Play: hang}, nil)
	path := "/api/connections/" + open(s.Owner, entry, nil)
	for _, c := range []*testserver.Client{s.Stranger, s.Colleague, s.Admin} {
		c.Get(path).WantError(404, "Session not found")
		c.Delete(path).WantError(404, "Session not found")
		c.Post(path+"/hibernate", nil).WantError(404, "Session not found")
		c.Post(path+"/resume", nil).WantError(404, "Session not found")
		c.Post(path+"/duplicate", nil).WantError(404, "Session not found")
		c.Post(path+"/paste-password", nil).WantError(404, "Session not found")
		c.Post(path+"/share", nil).WantError(404, "Session not found")
		c.Patch(path+"/share", object{"writable": true}).WantError(404, "Session not found")
		c.Delete(path+"/share").WantError(404, "Session not found")
		require.Empty(t, connections(c))
		attach(t, c, "sessionId", path[len("/api/connections/"):]).closed(4007, "Session not found")
	}
	for _, id := range []string{"1", "3abc", "not-a-uuid"} {
		s.Owner.Get("/api/connections/"+id).WantError(400, "Invalid session ID")
		attach(t, s.Owner, "sessionId", id).closed(4007, "Invalid session ID")
	}
	attach(t, s.Owner).closed(4007, "Session required")
	attach(t, s.Anonymous, "sessionId", "1").closed(4001, "You need to provide the token in the 'sessionToken' parameter")
	attach(t, s.NewAPIKey(t, s.Owner), "sessionId", "1").closed(4003, "The token is not valid")
	attach(t, s.Anonymous, "shareId", "nothing").closed(4013, "Invalid share link")
	s.Owner.Delete(path).Want(200)
	s.Owner.Delete(path).WantError(404, "Session not found")
}
