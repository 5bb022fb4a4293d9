package inventory_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

func importInto(c *testserver.Client, folder any, servers ...any) *testserver.Response {
	if servers == nil {
		servers = []any{}
	}
	return c.Post("/api/entries/import/ssh-config", body{"folderId": folder, "servers": servers})
}

func TestImportEntries(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	folder := newFolder(s.Owner, "Shared", body{"organizationId": s.Organization})
	key, other := newIdentity(s.Owner, "Key", nil), newIdentity(s.Owner, "Other", nil)
	hop := newEntry(s.Owner, "hop", body{"folderId": folder})
	servers := []any{
		body{"name": "web", "ip": "192.0.2.1", "port": "2222", "identities": []int64{other, key, other}, "config": body{"ForwardAgent": "yes", "PORT": "1", "Protocol": "rdp", "IP": "evil", "password": "x", "jumpHosts": []int64{hop}}},
		body{"name": "db", "ip": "db.example.com"},
		body{"name": "hop", "ip": "192.0.2.3"},
		body{"name": "web", "ip": "192.0.2.4"},
	}
	var answer body
	importInto(s.Owner, fmt.Sprint(folder), servers...).Want(200).Into(&answer)
	require.Equal(t, "SSH config import: 2 imported, 2 skipped, 0 errors", answer["message"])
	require.Equal(t, []any{2.0, 2.0, 0.0}, []any{answer["imported"], answer["skipped"], answer["errors"]})
	details := answer["details"].([]any)
	web, db := details[0].(body)["entryId"].(float64), details[1].(body)["entryId"].(float64)
	require.Equal(t, []any{
		body{"host": "web", "status": "imported", "entryId": web},
		body{"host": "db", "status": "imported", "entryId": db},
		body{"host": "hop", "status": "skipped", "reason": "Entry exists"},
		body{"host": "web", "status": "skipped", "reason": "Entry exists"},
	}, details)
	require.Equal(t, []string{"hop", "web", "db"}, inOrder(t, s.Owner, number(folder)))

	entry := getEntry(s.Owner, int64(web))
	require.Equal(t, body{"ForwardAgent": "yes", "ip": "192.0.2.1", "port": 2222.0, "protocol": "ssh", "jumpHosts": ids(hop)}, entry["config"])
	require.Equal(t, []any{"server", "terminal", "server", number(s.Organization)}, []any{entry["type"], entry["renderer"], entry["icon"], entry["organizationId"]})
	require.Equal(t, ids(other, key), entry["identities"])
	require.Equal(t, 22.0, getEntry(s.Owner, int64(db))["config"].(body)["port"])
	rows := s.Audits(t, "entry.create")
	require.Equal(t, body{"name": "web", "folderId": number(folder), "importSource": "ssh-config"}, rows[1]["details"])
	require.Equal(t, []any{web, number(s.Organization)}, []any{rows[1]["id"], rows[1]["organization"]})
	require.Len(t, rows, 3)

	importInto(s.Owner, folder, servers...).Want(200).Into(&answer)
	require.Equal(t, "SSH config import: 0 imported, 4 skipped, 0 errors", answer["message"])
	importInto(s.Owner, folder).Want(200).Into(&answer)
	require.Equal(t, []any{}, answer["details"])
}

func TestImportJudgesEachServerAlone(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	folder := newFolder(s.Owner, "Web", nil)
	far, desktop := newIdentity(s.Stranger, "Far", nil), newEntry(s.Owner, "desktop", body{"config": body{"protocol": "rdp"}})
	strange := newEntry(s.Stranger, "strange", nil)
	for _, bad := range []struct {
		server body
		reason string
	}{
		{body{"ip": "x"}, "name is required"},
		{body{"name": "", "ip": "x"}, "name is not allowed to be empty"},
		{body{"name": "x"}, "ip is required"},
		{body{"name": strings.Repeat("x", 256), "ip": "x"}, "name length must be less than or equal to 255 characters long"},
		{body{"name": "x", "ip": ""}, "config.ip is not allowed to be empty"},
		{body{"name": "x", "ip": "a b"}, "config.ip must not contain white space or control characters"},
		{body{"name": "x", "ip": "x", "port": 0}, "config.port must be a positive number"},
		{body{"name": "x", "ip": "x", "port": 65536}, "config.port must be less than or equal to 65535"},
		{body{"name": "x", "ip": "x", "identities": []int64{far}}, "One or more identities do not exist or you don't have access to them"},
		{body{"name": "x", "ip": "x", "config": body{"jumpHosts": []int64{desktop}}}, fmt.Sprintf("Jump host %d is not an SSH server", desktop)},
		{body{"name": "x", "ip": "x", "config": body{"jumpHosts": []int64{987654}}}, "Jump host with ID 987654 does not exist"},
		{body{"name": "x", "ip": "x", "config": body{"jumpHosts": []string{fmt.Sprintf("%d.0", strange)}}}, fmt.Sprintf("Jump host with ID %d does not exist", strange)},
		{body{"name": "x", "ip": "x", "config": body{"colorDepth": 7}}, "config.colorDepth must be empty or one of [8, 16, 24, 32]"},
		{body{"name": "x", "ip": "x", "config": body{"big": strings.Repeat("x", 100<<10)}}, "config must be less than or equal to 102400 bytes long"},
	} {
		var answer body
		importInto(s.Owner, folder, bad.server, body{"name": bad.reason, "ip": "192.0.2.1"}).Want(200).Into(&answer)
		require.Equal(t, bad.reason, answer["details"].([]any)[0].(body)["reason"])
		require.Equal(t, []any{1.0, 0.0, 1.0}, []any{answer["imported"], answer["skipped"], answer["errors"]}, bad.reason)
	}
}

func TestImportRefuses(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	folder, shared := newFolder(s.Owner, "Web", nil), newFolder(s.Owner, "Shared", body{"organizationId": s.Organization})
	root, _, _ := newIntegration(t, s, s.Owner)
	send := func(b any) *testserver.Response { return s.Owner.Post("/api/entry/import/ssh-config", b) }
	send(body{"folderId": folder}).WantError(400, "servers is required")
	send(body{"servers": []any{}}).WantError(400, "folderId is required")
	send(body{"folderId": folder, "servers": "x"}).WantError(400, "servers must be an array")
	importInto(s.Owner, folder, 5).WantError(400, "servers[0] must be of type object")
	importInto(s.Owner, folder, body{"name": 5}).WantError(400, "servers[0].name must be a string")
	importInto(s.Owner, folder, body{"name": "x", "ip": "x", "port": "x"}).WantError(400, "servers[0].port must be a number")
	importInto(s.Owner, folder, body{"name": "x", "ip": "x", "user": "root"}).WantError(400, "servers[0].user is not allowed")
	many := slices.Repeat([]any{body{"name": "x", "ip": "x"}}, 1001)
	importInto(s.Owner, folder, many...).WantError(400, "servers must contain less than or equal to 1000 items")
	importInto(s.Owner, 987654).WantError(404, "Folder does not exist")
	importInto(s.Stranger, folder).WantError(404, "Folder does not exist")
	importInto(s.Stranger, shared).WantError(404, "Folder does not exist")
	importInto(s.Owner, root).WantError(403, "Integration folders are managed by their integration")
	s.OverrideMember(t, s.Colleague, "resources.manage", "deny")
	importInto(s.Colleague, shared).WantError(403, "You don't have access to this organization")
	s.Deny(t, s.Owner, "resources.manage")
	importInto(s.Owner, folder).WantError(403, "You don't have permission to manage resources")
}

func TestImportsAtTheSameTimeMakeNoDuplicates(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	folder := newFolder(s.Owner, "Web", nil)
	servers := make([]any, 1000)
	for i := range servers {
		servers[i] = body{"name": fmt.Sprint("host ", i), "ip": "192.0.2.1"}
	}
	var group errgroup.Group
	for range 4 {
		group.Go(func() error { importInto(s.Owner, folder, servers...).Want(200); return nil })
	}
	require.NoError(t, group.Wait())
	order := inOrder(t, s.Owner, number(folder))
	require.Len(t, order, 1000)
	require.Equal(t, "host 999", order[999])
}
