package server_test

import (
	"io"
	"net"
	"strconv"
	"time"

	"github.com/pkg/sftp"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/nexterm-go/nexterm/internal/testserver"
	"github.com/nexterm-go/nexterm/internal/testssh"
)

// connectionTellings are those of live connections. How making one goes is told later,
// by the server itself; here, hosts keep it waiting.
var connectionTellings = map[string][]telling{
	"createConnection": {
		{"entry.ssh_connect", opening("ssh", nil)},
		{"entry.sftp_connect", opening("ssh", object{"type": "sftp"})},
		{"entry.rdp_connect", opening("rdp", nil)},
		{"entry.vnc_connect", opening("vnc", nil)},
		{"entry.demo_connect", opening("demo", nil)},
		{"entry.pve_connect", opening("pve-lxc", nil)},
		{"script.execute", func(s stage) request {
			return opening("ssh", object{"scriptId": newScript(s.t, s.Server, nil)})(s)
		}},
	},
	"duplicateConnection": {{"entry.ssh_connect", func(s stage) request {
		var made struct{ SessionID string }
		s.Owner.Post("/api/connections", opening("ssh", nil)(s).body).Want(201).Into(&made)
		return request{connection: made.SessionID}
	}}},
	"hibernateConnection":   {{"connection.update", live}},
	"resumeConnection":      {{"connection.update", live}},
	"shareConnection":       {{"connection.update", live}},
	"updateConnectionShare": {{"connection.update", live}},
	"unshareConnection":     {{"connection.update", live}},
	"deleteConnection":      {{"connection.end", live}},
	"runCommand": {{"entry.ssh_connect", func(s stage) request {
		return request{ids: []int64{sshEntry(s.Owner, "ssh", testssh.Start(s.t, &testssh.Server{}))}, body: object{"command": "true"}}
	}}},
	"uploadFile":    {{"folder.create file.upload", withFiles}},
	"downloadFiles": {{"file.download", withFiles}},
	"pasteConnectionPassword": {{"identity.credentials_access", func(s stage) request {
		host := testssh.Start(s.t, &testssh.Server{Shell: func(channel ssh.Channel) int {
			_, _ = io.Copy(io.Discard, channel)
			return 0
		}})
		by := s.NewAccount(s.t, "pasting")
		var made struct{ SessionID string }
		by.Post("/api/connections", object{"entryId": sshEntry(by, "ssh", host)}).Want(201).Into(&made)
		require.Eventually(s.t, func() bool {
			return s.Count(s.t, `connections where id = $1 and state = 'active'`, made.SessionID) == 1
		}, 10*time.Second, 10*time.Millisecond)
		return request{by: by, connection: made.SessionID, body: object{}}
	}}},
}

// withFiles opens a connection to a host whose files are in memory.
func withFiles(s stage) request {
	handlers := sftp.InMemHandler()
	host := testssh.Start(s.t, &testssh.Server{Subsystem: func(_ string, channel ssh.Channel) {
		_ = sftp.NewRequestServer(channel, handlers).Serve()
	}})
	by := s.NewAccount(s.t, "files"+strconv.Itoa(host.Port()))
	var made struct{ SessionID string }
	by.Post("/api/connections", object{"entryId": sshEntry(by, "ssh", host), "type": "sftp"}).Want(201).Into(&made)
	require.Eventually(s.t, func() bool {
		return s.Count(s.t, `connections where id = $1 and state = 'active'`, made.SessionID) == 1
	}, 10*time.Second, 10*time.Millisecond)
	return request{by: by, connection: made.SessionID}
}

// sshEntry is an entry of the caller's on a host, with a login.
func sshEntry(c *testserver.Client, protocol string, host *testssh.Server) int64 {
	identity := c.Put("/api/identity", object{"name": "login", "type": "password", "username": "x", "password": testssh.Password}).Want(200).ID()
	entry := object{"name": "host", "config": object{"protocol": protocol, "ip": "127.0.0.1", "port": host.Port()}, "identities": []int64{identity}}
	if protocol == "pve-lxc" {
		entry["type"], entry["config"] = protocol, object{}
	}
	return c.Put("/api/entry", entry).Want(200).ID()
}

// opening opens a connection while all turns of the account are taken by others.
func opening(protocol string, more object) func(stage) request {
	return func(s stage) request {
		host := testssh.Start(s.t, &testssh.Server{Play: func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }})
		entry := sshEntry(s.Owner, "ssh", host)
		for s.Count(s.t, `connections where account_id = $1 and state = 'connecting'`, s.Owner.AccountID) < 16 {
			s.Owner.Post("/api/connections", object{"entryId": entry}).Want(201)
		}
		body := object{"entryId": sshEntry(s.Owner, protocol, host)}
		for key, value := range more {
			body[key] = value
		}
		return request{body: body}
	}
}

// live is about the example's connection. Those whose hosts keep them waiting would
// fail some time.
func live(s stage) request {
	var waiting []struct{ SessionID string }
	s.Owner.Get("/api/connections").Want(200).Into(&waiting)
	for _, c := range waiting {
		s.Owner.Delete("/api/connections/" + c.SessionID).Want(200)
	}
	s.Exec(s.t, `delete from connections where id = $1`, exampleID)
	exampleConnection(s.t, s.Server)
	return request{}
}
