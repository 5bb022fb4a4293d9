package inventory_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

// fillInventory fills Owner's scopes so that order and nesting show.
func fillInventory(s *testserver.Server) (web, nested int64) {
	newEntry(s.Owner, "root 1", nil)
	web = newFolder(s.Owner, "Web", nil)
	newFolder(s.Owner, "Empty", nil)
	newEntry(s.Owner, "web 1", body{"folderId": web})
	nested = newFolder(s.Owner, "Nested", body{"parentId": web})
	newEntry(s.Owner, "nested 1", body{"folderId": nested})
	newEntry(s.Owner, "web 2", body{"folderId": web})
	newEntry(s.Owner, "root 2", nil)
	shared := newFolder(s.Owner, "Shared", body{"organizationId": s.Organization})
	newEntry(s.Colleague, "shared root", body{"organizationId": s.Organization})
	newEntry(s.Colleague, "shared", body{"folderId": shared})
	newEntry(s.Stranger, "strange", nil)
	return web, nested
}

func TestFlatEntryListFollowsTheTree(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	fillInventory(s)
	require.Equal(t, []string{"nested 1", "web 1", "web 2", "root 1", "root 2", "shared", "shared root"}, entryNames(s.Owner))
	require.Equal(t, []string{"shared", "shared root"}, entryNames(s.Colleague))
	require.Equal(t, []string{"strange"}, entryNames(s.Stranger))
	require.Empty(t, entryNames(s.Admin), "administrators see only their own and their memberships'")
}

func TestEntryTree(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	s.Exec(t, `update organizations set name = 'Ops', audit_settings = '{"requireConnectionReason": true}'`)
	fillInventory(s)
	require.Equal(t, []string{
		"folder Web [", "folder Nested [", "server nested 1", "]", "server web 1", "server web 2", "]",
		"folder Empty [", "]",
		"organization Ops [", "folder Shared [", "server shared", "]", "server shared root", "]",
		"server root 1", "server root 2",
	}, outline(t, s.Owner, "/api/entries/list"))
	require.Equal(t, []string{
		"organization Ops [", "folder Shared [", "server shared", "]", "server shared root", "]",
	}, outline(t, s.Colleague, "/api/entries/list"))
	require.Equal(t, []string{
		"folder Web [", "folder Nested [", "]", "]", "folder Empty [", "]",
		"organization Ops [", "folder Shared [", "]", "]",
	}, outline(t, s.Owner, "/api/folders/list"))

	var nodes []body
	s.Colleague.Get("/api/entries/list").Want(200).Into(&nodes)
	organization := nodes[0]
	require.Equal(t, fmt.Sprintf("org-%d", s.Organization), organization["id"])
	require.Equal(t, true, organization["requireConnectionReason"])
}

// outline writes a tree as one line for each node.
func outline(t testing.TB, c *testserver.Client, path string) []string {
	t.Helper()
	var nodes []body
	c.Get(path).Want(200).Into(&nodes)
	var lines []string
	var walk func(nodes []body)
	walk = func(nodes []body) {
		for _, node := range nodes {
			line := node["type"].(string) + " " + node["name"].(string)
			inner, container := node["entries"].([]any)
			if !container {
				lines = append(lines, line)
				continue
			}
			lines = append(lines, line+" [")
			var below []body
			for _, item := range inner {
				below = append(below, item.(body))
			}
			walk(below)
			lines = append(lines, "]")
		}
	}
	walk(nodes)
	return lines
}

func TestEntryTreeNodes(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	root, node, guest := newIntegration(t, s, s.Owner)
	key := newIdentity(s.Owner, "Key", nil)
	full := newEntry(s.Owner, "full", body{"identities": []int64{key}, "config": body{
		"protocol": "ssh", "ip": "192.0.2.7", "macAddress": "00-11-22-33-44-55", "wakeOnLanEnabled": true,
		"notes": "careful", "showNoteInList": true,
	}})
	plain := s.Owner.Put("/api/entry", body{"name": "plain", "config": body{}}).Want(200).ID()
	tag := s.Owner.Put("/api/tag", body{"name": "prod", "color": "#fff"}).Want(200).ID()
	s.Owner.Post(fmt.Sprintf("/api/tag/%d/assign/%d", tag, full), nil).Want(200)

	var nodes []body
	s.Owner.Get("/api/entries/list").Want(200).Into(&nodes)
	require.Equal(t, []body{
		{"id": number(root), "name": "Proxmox", "type": "folder", "folderType": "integration-root", "integrationId": 1.0,
			"position": 0.0, "organizationId": nil, "entries": []any{
				body{"id": number(node), "name": "pve1", "type": "folder", "folderType": "integration-node", "integrationId": 1.0,
					"position": 0.0, "organizationId": nil, "entries": []any{
						body{"id": number(guest), "name": "guest", "type": "pve-lxc", "icon": "server", "status": "running",
							"position": 0.0, "renderer": "terminal", "tags": []any{}, "integrationId": 1.0},
					}},
			}},
		{"id": fmt.Sprintf("org-%d", s.Organization), "name": "owner's organization", "type": "organization",
			"requireConnectionReason": false, "entries": []any{}},
		{"id": number(full), "name": "full", "type": "server", "icon": "server", "status": nil, "position": 0.0, "renderer": "terminal",
			"tags": []any{body{"id": number(tag), "name": "prod", "color": "#fff"}}, "identities": ids(key), "protocol": "ssh",
			"ip": "192.0.2.7", "macAddress": "00-11-22-33-44-55", "wakeOnLanEnabled": true, "notes": "careful", "showNoteInList": true},
		{"id": number(plain), "name": "plain", "type": "server", "icon": "server", "status": nil, "position": 1.0, "renderer": nil,
			"tags": []any{}, "identities": []any{}, "notes": "", "showNoteInList": false},
	}, nodes)
}

func TestGetEntry(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	folder := newFolder(s.Owner, "Shared", body{"organizationId": s.Organization})
	newEntry(s.Owner, "first", body{"folderId": folder})
	id := newEntry(s.Owner, "db", body{"folderId": folder, "icon": "database", "config": body{"protocol": "vnc", "ip": "db", "port": "5901", "mine": []any{1, "x"}}})

	entry := getEntry(s.Colleague, id)
	require.Regexp(t, `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`, entry["createdAt"])
	delete(entry, "createdAt")
	delete(entry, "updatedAt")
	require.Equal(t, body{
		"id": number(id), "name": "db", "type": "server", "icon": "database", "folderId": number(folder),
		"organizationId": number(s.Organization), "accountId": nil, "integrationId": nil, "renderer": "guac", "position": 1.0,
		"status": nil, "identities": []any{}, "tags": []any{}, "protocol": "vnc", "ip": "db",
		"config": body{"protocol": "vnc", "ip": "db", "port": 5901.0, "mine": []any{1.0, "x"}},
	}, entry)

	s.Stranger.Get(entryPath(id)).WantError(404, "Entry not found")
	s.Admin.Get(entryPath(id)).WantError(404, "Entry not found")
	s.Owner.Get(entryPath(987654)).WantError(404, "Entry not found")
	s.Owner.Get("/api/entry/x").WantError(400, "Invalid entry ID")
	mine := newEntry(s.Stranger, "mine", nil)
	s.Owner.Get(entryPath(mine)).WantError(404, "Entry not found")
	s.Invite(t, s.Stranger)
	s.Stranger.Get(entryPath(id)).WantError(404, "Entry not found")
}

func TestRecentEntries(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	connect := func(c *testserver.Client, id int64, action string, minutesAgo int) {
		s.Exec(t, `insert into recent_connections values ($1, $2, $3, now() - make_interval(mins => $4))`, c.AccountID, id, action, minutesAgo)
	}
	shared := newEntry(s.Owner, "shared", body{"organizationId": s.Organization})
	for i := range 7 {
		connect(s.Owner, newEntry(s.Owner, fmt.Sprintf("mine %d", i), nil), "entry.ssh_connect", 60+i)
	}
	connect(s.Owner, shared, "entry.rdp_connect", 1)
	connect(s.Colleague, shared, "entry.sftp_connect", 0)
	lost := newEntry(s.Stranger, "lost", nil)
	connect(s.Owner, lost, "entry.vnc_connect", 0)

	recent := func(c *testserver.Client, query string) (found []string) {
		var items []body
		c.Get("/api/entries/recent" + query).Want(200).Into(&items)
		for _, item := range items {
			require.Equal(t, item["id"], item["entryId"])
			found = append(found, item["name"].(string)+" "+item["connectionType"].(string))
		}
		return found
	}
	require.Equal(t, []string{"shared entry.rdp_connect", "mine 0 entry.ssh_connect", "mine 1 entry.ssh_connect",
		"mine 2 entry.ssh_connect", "mine 3 entry.ssh_connect"}, recent(s.Owner, ""))
	require.Equal(t, []string{"shared entry.sftp_connect"}, recent(s.Colleague, "?limit=100"))
	require.Empty(t, recent(s.Admin, ""))
	for query, count := range map[string]int{
		"?limit=2": 2, "?limit=0": 5, "?limit=-3": 5, "?limit=x": 5, "?limit=": 5, "?limit=NaN": 5, "?limit=7": 7,
		"?limit=1000": 8, "?limit=99999999999999999999": 8, "?limit=1e999": 8,
	} {
		require.Len(t, recent(s.Owner, query), count, query)
	}
	s.Owner.Delete(entryPath(shared)).Want(200)
	require.Empty(t, recent(s.Colleague, ""))
}
