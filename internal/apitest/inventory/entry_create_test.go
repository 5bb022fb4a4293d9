package inventory_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

func TestCreateEntryAppends(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	folder := newFolder(s.Owner, "Web", nil)
	for _, name := range []string{"a", "b", "c"} {
		newEntry(s.Owner, name, body{"folderId": fmt.Sprint(folder)})
		newEntry(s.Owner, name, body{"folderId": nil, "organizationId": nil})
		newEntry(s.Colleague, name, body{"organizationId": fmt.Sprint(s.Organization)})
	}
	require.Equal(t, map[string]int{"a": 0, "b": 1, "c": 2}, entryPositions(s.Owner, number(folder)))
	require.Equal(t, map[string]int{"a": 0, "b": 1, "c": 2}, entryPositions(s.Colleague, nil))
	require.Equal(t, map[string]int{"a": 0, "b": 1, "c": 2}, entryPositions(s.Owner, nil))
}

func TestCreateEntryAnswersAndRecords(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	folder := newFolder(s.Owner, "Shared", body{"organizationId": s.Organization})
	answer := s.Colleague.With("User-Agent", "test").Put("/api/entries", entryNamed("web", body{"folderId": folder, "organizationId": s.Organization})).Want(200)
	require.Equal(t, "Entry got successfully created", answer.Message())
	require.Equal(t, []body{{
		"organization": number(s.Organization), "resource": "entry", "id": number(answer.ID()), "account": number(s.Colleague.AccountID),
		"details": body{"name": "web", "folderId": number(folder), "type": "server", "protocol": "ssh"},
	}}, s.Audits(t, "entry.create"))
	s.Exec(t, `update organizations set audit_settings = '{"enableServerManagementAudit": false}'`)
	newEntry(s.Colleague, "unseen", body{"folderId": folder})
	require.Len(t, s.Audits(t, "entry.create"), 1)
}

func TestCreateEntryRefuses(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	mine := newFolder(s.Owner, "Mine", nil)
	shared := newFolder(s.Owner, "Shared", body{"organizationId": s.Organization})
	root, node, _ := newIntegration(t, s, s.Owner)
	put := func(c *testserver.Client, more body) *testserver.Response {
		return c.Put("/api/entry", entryNamed("x", more))
	}
	put(s.Owner, body{"name": ""}).WantError(400, "name is not allowed to be empty")
	put(s.Owner, body{"name": strings.Repeat("x", 256)}).WantError(400, "name length must be less than or equal to 255 characters long")
	s.Owner.Put("/api/entry", body{"config": ssh()}).WantError(400, "name is required")
	s.Owner.Put("/api/entry", body{"name": "x"}).WantError(400, "config is required")
	put(s.Owner, body{"config": "ssh"}).WantError(400, "config must be of type object")
	put(s.Owner, body{"config": nil}).WantError(400, "config must be of type object")
	put(s.Owner, body{"type": "router"}).WantError(400, "type must be one of [server, pve-shell, pve-lxc, pve-qemu]")
	put(s.Owner, body{"status": "online"}).WantError(400, "status is not allowed")
	put(s.Owner, body{"renderer": "text"}).WantError(400, "renderer must be one of [terminal, guac, sftp]")
	put(s.Owner, body{"icon": strings.Repeat("x", 256)}).WantError(400, "icon length must be less than or equal to 255 characters long")

	put(s.Owner, body{"folderId": mine, "organizationId": s.Organization}).WantError(400, "Folder does not belong to the given organization")
	put(s.Owner, body{"folderId": 987654}).WantError(404, "Folder does not exist")
	put(s.Stranger, body{"folderId": mine}).WantError(404, "Folder does not exist")
	put(s.Stranger, body{"folderId": shared}).WantError(404, "Folder does not exist")
	put(s.Admin, body{"folderId": mine}).WantError(404, "Folder does not exist")
	for _, folder := range []int64{root, node} {
		put(s.Owner, body{"folderId": folder}).WantError(403, "Integration folders are managed by their integration")
	}
	const foreign = "You don't have permission to manage resources in this organization"
	put(s.Stranger, body{"organizationId": s.Organization}).WantError(403, foreign)
	put(s.Stranger, body{"organizationId": 987654}).WantError(403, foreign)
	put(s.Admin, body{"organizationId": 987654}).WantError(404, "Organization not found")
	s.Invite(t, s.Stranger)
	put(s.Stranger, body{"organizationId": s.Organization}).WantError(403, foreign)

	s.OverrideMember(t, s.Colleague, "resources.manage", "deny")
	put(s.Colleague, body{"organizationId": s.Organization}).WantError(403, foreign)
	put(s.Colleague, body{"folderId": shared}).WantError(403, "You don't have access to this organization")
	put(s.Colleague, nil).Want(200)
	s.Deny(t, s.Owner, "resources.manage")
	put(s.Owner, nil).WantError(403, "You don't have permission to manage resources")
	put(s.Owner, body{"folderId": mine}).WantError(403, "You don't have permission to manage resources")
	put(s.Owner, body{"organizationId": s.Organization}).Want(200)
}

func TestAdministratorManagesButDoesNotRead(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	shared := newFolder(s.Owner, "Shared", body{"organizationId": s.Organization})
	id := newEntry(s.Admin, "by admin", body{"organizationId": s.Organization})
	newEntry(s.Admin, "in folder", body{"folderId": shared})
	s.Admin.Get(entryPath(id)).WantError(404, "Entry not found")
	s.Admin.Patch(entryPath(id), body{"name": "renamed"}).Want(200)
	require.Equal(t, "renamed", getEntry(s.Owner, id)["name"])
	s.Admin.Delete(entryPath(id)).Want(200)
	mine := newEntry(s.Owner, "personal", nil)
	s.Admin.Delete(entryPath(mine)).WantError(404, "Entry not found")
	s.Admin.Patch(entryPath(mine), body{"name": "x"}).WantError(404, "Entry not found")
}

func TestRendererFollowsTheProtocol(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	for protocol, want := range map[string]any{
		"ssh": "terminal", "telnet": "terminal", "rdp": "guac", "vnc": "guac", "demo": "guac",
		"sftp": "sftp", "ftp": "sftp", "ftps": "sftp", "": "sftp",
	} {
		settings := body{"protocol": protocol}
		if protocol == "" {
			settings = body{}
		}
		id := newEntry(s.Owner, "x", body{"config": settings, "renderer": "sftp"})
		require.Equal(t, want, getEntry(s.Owner, id)["renderer"], protocol)
	}
	id := newEntry(s.Owner, "x", body{"config": body{}, "renderer": nil})
	require.Nil(t, getEntry(s.Owner, id)["renderer"])
	s.Owner.Patch(entryPath(id), body{"renderer": "guac"}).Want(200)
	require.Equal(t, "guac", getEntry(s.Owner, id)["renderer"])
	s.Owner.Patch(entryPath(id), body{"config": body{"protocol": "ssh"}, "renderer": "guac"}).Want(200)
	require.Equal(t, "terminal", getEntry(s.Owner, id)["renderer"])
}

func TestJumpHosts(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	hop, far := newEntry(s.Owner, "hop", nil), newEntry(s.Stranger, "far", nil)
	desktop := newEntry(s.Owner, "desktop", body{"config": body{"protocol": "rdp"}})
	through := func(hosts ...any) body { return body{"config": body{"protocol": "ssh", "jumpHosts": hosts}} }
	put := func(hosts ...any) *testserver.Response {
		return s.Owner.Put("/api/entry", entryNamed("x", through(hosts...)))
	}
	put(987654).WantError(404, "Jump host with ID 987654 does not exist")
	put(hop, far).WantError(404, fmt.Sprintf("Jump host with ID %d does not exist", far))
	put(desktop).WantError(400, fmt.Sprintf("Jump host %d is not an SSH server", desktop))
	put(hop, hop).WantError(400, "config.jumpHosts contains a duplicate value")
	put(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11).WantError(400, "config.jumpHosts must contain less than or equal to 10 items")
	put("x").WantError(400, "config.jumpHosts[0] must be a number")
	id := put(fmt.Sprint(hop)).Want(200).ID()
	require.Equal(t, ids(hop), getEntry(s.Owner, id)["config"].(body)["jumpHosts"])
	s.Owner.Patch(entryPath(id), through(hop, id)).WantError(400, "An entry cannot be its own jump host")

	s.Owner.Delete(entryPath(hop)).Want(200)
	require.Equal(t, ids(hop), getEntry(s.Owner, id)["config"].(body)["jumpHosts"], "a hop is never left out in silence")
	s.Owner.Patch(entryPath(id), through(hop)).Want(200)
	s.Owner.Patch(entryPath(id), through(hop, desktop)).WantError(400, fmt.Sprintf("Jump host %d is not an SSH server", desktop))
	put(hop).WantError(404, fmt.Sprintf("Jump host with ID %d does not exist", hop))
}

func TestDeleteEntry(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	key := newIdentity(s.Owner, "Key", nil)
	id := newEntry(s.Owner, "web", body{"organizationId": s.Organization, "identities": []int64{key}})
	mine := newEntry(s.Owner, "mine", nil)
	tag := s.Owner.Put("/api/tag", body{"name": "prod", "color": "#fff"}).Want(200).ID()
	s.Owner.Post(fmt.Sprintf("/api/tag/%d/assign/%d", tag, id), nil).Want(200)

	s.Stranger.Delete(entryPath(id)).WantError(404, "Entry not found")
	s.OverrideMember(t, s.Colleague, "resources.manage", "deny")
	s.Colleague.Delete(entryPath(id)).WantError(403, "You don't have access to this organization's entry")
	require.Equal(t, "Entry got successfully deleted", s.Owner.Delete(entryPath(id)).Want(200).Message())
	s.Owner.Delete(entryPath(id)).WantError(404, "Entry not found")
	require.Zero(t, s.Count(t, "entries_identities"), "entries_identities")
	require.Zero(t, s.Count(t, "entry_tags"), "entry_tags")
	var identities []body
	s.Owner.Get("/api/identity/list").Want(200).Into(&identities)
	require.Len(t, identities, 1)
	require.Equal(t, body{"name": "web", "folderId": nil}, s.Audits(t, "entry.delete")[0]["details"])
	s.Deny(t, s.Owner, "resources.manage")
	s.Owner.Delete(entryPath(mine)).WantError(403, "You don't have permission to delete this entry")
}

func TestDuplicateEntry(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	private, shared := newIdentity(s.Owner, "Mine", nil), newIdentity(s.Owner, "Shared", body{"organizationId": s.Organization})
	folder := newFolder(s.Owner, "Shared", body{"organizationId": s.Organization})
	id := newEntry(s.Owner, "web", body{"folderId": folder, "icon": "cloud", "identities": []int64{private, shared}})
	newEntry(s.Owner, "last", body{"folderId": folder})
	s.Exec(t, `update entries set status = 'online'`)

	answer := s.Colleague.Post(entryPath(id)+"/duplicate", nil).Want(200)
	require.Equal(t, "Entry got successfully duplicated", answer.Message())
	copied := getEntry(s.Owner, answer.ID())
	require.Equal(t, "web (Copy)", copied["name"])
	require.Equal(t, "cloud", copied["icon"])
	require.Nil(t, copied["status"])
	require.Equal(t, ssh(), copied["config"])
	require.Equal(t, ids(shared), copied["identities"], "only what the one who copies may use")
	require.Equal(t, map[string]int{"web": 0, "web (Copy)": 1, "last": 2}, entryPositions(s.Owner, number(folder)))
	require.Equal(t, body{"name": "web (Copy)", "folderId": number(folder)}, s.Audits(t, "entry.create")[2]["details"])

	again := s.Owner.Post(entryPath(id)+"/duplicate", nil).Want(200).ID()
	require.Equal(t, ids(private, shared), identitiesOf(s.Owner, again))

	s.Owner.Patch(entryPath(id), body{"name": strings.Repeat("ä", 255)}).Want(200)
	long := s.Owner.Post(entryPath(id)+"/duplicate", nil).Want(200).ID()
	require.Equal(t, strings.Repeat("ä", 248)+" (Copy)", getEntry(s.Owner, long)["name"])

	_, _, guest := newIntegration(t, s, s.Owner)
	s.Owner.Post(entryPath(guest)+"/duplicate", nil).WantError(400, "Integration resources cannot be duplicated")
	s.Stranger.Post(entryPath(id)+"/duplicate", nil).WantError(404, "Entry not found")
	s.OverrideMember(t, s.Colleague, "resources.manage", "deny")
	s.Colleague.Post(entryPath(id)+"/duplicate", nil).WantError(403, "You don't have access to this organization's entry")
	mine := newEntry(s.Stranger, "mine", nil)
	s.Deny(t, s.Stranger, "resources.manage")
	s.Stranger.Post(entryPath(mine)+"/duplicate", nil).WantError(403, "You don't have permission to duplicate this entry")
}
