package entry_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

type body = map[string]any

// ssh is a configuration that connects.
func ssh() body { return body{"protocol": "ssh", "ip": "192.0.2.1"} }

func path(id int64) string { return fmt.Sprintf("/api/entry/%d", id) }

// with is a body for an SSH entry and further members.
func with(name string, more body) body {
	b := body{"name": name, "config": ssh()}
	for key, value := range more {
		b[key] = value
	}
	return b
}

func create(c *testserver.Client, name string, more body) int64 {
	return c.Put("/api/entry", with(name, more)).Want(200).ID()
}

func newFolder(c *testserver.Client, name string, more body) int64 {
	b := body{"name": name}
	for key, value := range more {
		b[key] = value
	}
	return c.Put("/api/folder", b).Want(200).ID()
}

func identity(c *testserver.Client, name string, more body) int64 {
	b := body{"name": name, "type": "password", "password": "secret"}
	for key, value := range more {
		b[key] = value
	}
	return c.Put("/api/identity", b).Want(200).ID()
}

func get(c *testserver.Client, id int64) body {
	var entry body
	c.Get(path(id)).Want(200).Into(&entry)
	return entry
}

// names lists what the caller reads, in order.
func names(c *testserver.Client) []string {
	var entries []body
	c.Get("/api/entry/list").Want(200).Into(&entries)
	list := make([]string, len(entries))
	for i, entry := range entries {
		list[i] = entry["name"].(string)
	}
	return list
}

// positions are those of the entries with a folder, or of the rest with nil.
func positions(c *testserver.Client, folderID any) map[string]int {
	var entries []body
	c.Get("/api/entry/list").Want(200).Into(&entries)
	found := map[string]int{}
	for _, entry := range entries {
		if entry["folderId"] == folderID {
			found[entry["name"].(string)] = int(entry["position"].(float64))
		}
	}
	return found
}

// managed makes an integration's root folder, a node in it and an entry there.
func managed(t testing.TB, s *testserver.Server, owner *testserver.Client) (root, node, entry int64) {
	t.Helper()
	s.Scan(t, &root, `insert into folders (account_id, name, position, type, integration_id)
		values ($1, 'Proxmox', 0, 'integration-root', 1) returning id`, owner.AccountID)
	s.Scan(t, &node, `insert into folders (account_id, parent_id, name, position, type, integration_id)
		values ($1, $2, 'pve1', 0, 'integration-node', 1) returning id`, owner.AccountID, root)
	s.Scan(t, &entry, `insert into entries (account_id, folder_id, name, type, renderer, rank, integration_id, status, config)
		values ($1, $2, 'guest', 'pve-lxc', 'terminal', 0, 1, 'running', '{"nodeName": "pve1", "vmid": 101, "providerId": "101"}')
		returning id`, owner.AccountID, node)
	return root, node, entry
}

func deny(t testing.TB, s *testserver.Server, c *testserver.Client) {
	t.Helper()
	s.Exec(t, `insert into account_permissions values ($1, 'resources.manage', 'deny')`, c.AccountID)
}

func denyMember(t testing.TB, s *testserver.Server, c *testserver.Client) {
	t.Helper()
	s.Exec(t, `insert into organization_member_permissions values ($1, $2, 'resources.manage', 'deny')`, s.Organization, c.AccountID)
}

// audits are the details of an action's rows, oldest first.
func audits(t testing.TB, s *testserver.Server, action string) []body {
	t.Helper()
	var rows []body
	s.Scan(t, &rows, `select coalesce(jsonb_agg(jsonb_build_object('organization', organization_id, 'resource', resource,
		'id', resource_id, 'account', account_id, 'details', details) order by id), '[]') from audit_logs where action = $1`, action)
	return rows
}

func number(id int64) float64 { return float64(id) }

func ids(list ...int64) []any {
	numbers := make([]any, len(list))
	for i, id := range list {
		numbers[i] = float64(id)
	}
	return numbers
}

func identitiesOf(c *testserver.Client, id int64) []any { return get(c, id)["identities"].([]any) }

func requireEmpty(t testing.TB, s *testserver.Server, table string) {
	t.Helper()
	var count int
	s.Scan(t, &count, `select count(*) from `+table)
	require.Zero(t, count, table)
}
