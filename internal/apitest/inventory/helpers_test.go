package inventory_test

import (
	"fmt"
	"testing"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

// ssh is a configuration that connects.
func ssh() body { return body{"protocol": "ssh", "ip": "192.0.2.1"} }

func entryPath(id int64) string { return fmt.Sprintf("/api/entry/%d", id) }

// entryNamed is a body for an SSH entry and further members.
func entryNamed(name string, more body) body {
	b := body{"name": name, "config": ssh()}
	for key, value := range more {
		b[key] = value
	}
	return b
}

func newEntry(c *testserver.Client, name string, more body) int64 {
	return c.Put("/api/entry", entryNamed(name, more)).Want(200).ID()
}

func newFolder(c *testserver.Client, name string, more body) int64 {
	b := body{"name": name}
	for key, value := range more {
		b[key] = value
	}
	return c.Put("/api/folder", b).Want(200).ID()
}

func newIdentity(c *testserver.Client, name string, more body) int64 {
	b := body{"name": name, "type": "password", "password": "secret"}
	for key, value := range more {
		b[key] = value
	}
	return createIdentity(c, b)
}

func getEntry(c *testserver.Client, id int64) body {
	var entry body
	c.Get(entryPath(id)).Want(200).Into(&entry)
	return entry
}

// entryNames lists what the caller reads, in order.
func entryNames(c *testserver.Client) []string {
	var entries []body
	c.Get("/api/entry/list").Want(200).Into(&entries)
	list := make([]string, len(entries))
	for i, entry := range entries {
		list[i] = entry["name"].(string)
	}
	return list
}

// entryPositions are those of the entries with a folder, or of the rest with nil.
func entryPositions(c *testserver.Client, folderID any) map[string]int {
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

// newIntegrationFolders makes an integration's root folder and a node in it.
func newIntegrationFolders(t testing.TB, s *testserver.Server, owner *testserver.Client, parent any) (root, node int64) {
	t.Helper()
	s.Scan(t, &root, `insert into folders (account_id, parent_id, name, position, type, integration_id)
		values ($1, $2, 'Proxmox', 0, 'integration-root', 1) returning id`, owner.AccountID, parent)
	s.Scan(t, &node, `insert into folders (account_id, parent_id, name, position, type, integration_id)
		values ($1, $2, 'pve1', 0, 'integration-node', 1) returning id`, owner.AccountID, root)
	return root, node
}

// newIntegration makes an integration's folders and an entry in its node.
func newIntegration(t testing.TB, s *testserver.Server, owner *testserver.Client) (root, node, entry int64) {
	t.Helper()
	root, node = newIntegrationFolders(t, s, owner, nil)
	s.Scan(t, &entry, `insert into entries (account_id, folder_id, name, type, renderer, rank, integration_id, status, config)
		values ($1, $2, 'guest', 'pve-lxc', 'terminal', 0, 1, 'running', '{"nodeName": "pve1", "vmid": 101, "providerId": "101"}')
		returning id`, owner.AccountID, node)
	return root, node, entry
}

func number(id int64) float64 { return float64(id) }

func ids(list ...int64) []any {
	numbers := make([]any, len(list))
	for i, id := range list {
		numbers[i] = float64(id)
	}
	return numbers
}

func identitiesOf(c *testserver.Client, id int64) []any { return getEntry(c, id)["identities"].([]any) }
