package inventory_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

func TestUpdateEntry(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id := newEntry(s.Owner, "web", body{"organizationId": s.Organization, "icon": "cloud"})
	require.Equal(t, "Entry got successfully edited", s.Colleague.Patch(entryPath(id), body{
		"name": "db", "config": body{"protocol": "rdp", "notes": "secret plans"},
	}).Want(200).Message())
	entry := getEntry(s.Owner, id)
	require.Equal(t, []any{"db", "cloud", "guac", body{"protocol": "rdp", "notes": "secret plans"}},
		[]any{entry["name"], entry["icon"], entry["renderer"], entry["config"]})
	s.Owner.Patch(entryPath(id), body{"icon": nil}).Want(200)
	require.Equal(t, "server", getEntry(s.Owner, id)["icon"])

	rows := s.Audits(t, "entry.update")
	require.Equal(t, body{"name": "db", "updatedFields": []any{"name", "config"}}, rows[0]["details"])
	require.Equal(t, number(s.Organization), rows[0]["organization"])

	s.Owner.Patch(entryPath(id), body{}).WantError(400, "value must have at least 1 key")
	s.Owner.Patch(entryPath(id), body{"name": nil}).WantError(400, "name must be a string")
	s.Owner.Patch(entryPath(id), body{"status": "online"}).WantError(400, "status is not allowed")
	s.Stranger.Patch(entryPath(id), body{"name": "x"}).WantError(404, "Entry not found")
	s.Owner.Patch(entryPath(987654), body{"name": "x"}).WantError(404, "Entry not found")
	s.OverrideMember(t, s.Colleague, "resources.manage", "deny")
	s.Colleague.Patch(entryPath(id), body{"name": "x"}).WantError(403, "You don't have access to this organization's entry")
	mine := newEntry(s.Stranger, "mine", nil)
	s.Deny(t, s.Stranger, "resources.manage")
	s.Stranger.Patch(entryPath(mine), body{"name": "x"}).WantError(403, "You don't have permission to edit this entry")
}

func TestUpdateEntryChecksBeforeItWrites(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id := newEntry(s.Owner, "web", nil)
	before := getEntry(s.Owner, id)
	for _, broken := range []body{
		{"name": "changed", "identities": []int64{987654}},
		{"name": "changed", "folderId": 987654},
		{"name": "changed", "organizationId": 987654},
		{"name": "changed", "config": body{"jumpHosts": []int64{987654}}},
	} {
		require.GreaterOrEqual(t, s.Owner.Patch(entryPath(id), broken).Status, 400)
		require.Equal(t, before, getEntry(s.Owner, id))
	}
}

func TestUpdateMovesEntries(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	web, shared := newFolder(s.Owner, "Web", nil), newFolder(s.Owner, "Shared", body{"organizationId": s.Organization})
	newEntry(s.Owner, "first", body{"folderId": web})
	id := newEntry(s.Owner, "moves", nil)
	where := func() []any {
		entry := getEntry(s.Owner, id)
		return []any{entry["accountId"], entry["organizationId"], entry["folderId"], entry["position"]}
	}
	account, organization := number(s.Owner.AccountID), number(s.Organization)
	for _, step := range []struct {
		patch body
		want  []any
	}{
		{body{"folderId": web}, []any{account, nil, number(web), 1.0}},
		{body{"folderId": web}, []any{account, nil, number(web), 1.0}},
		{body{"organizationId": nil}, []any{account, nil, number(web), 1.0}},
		{body{"folderId": nil}, []any{account, nil, nil, 0.0}},
		{body{"folderId": shared}, []any{nil, organization, number(shared), 0.0}},
		{body{"organizationId": s.Organization}, []any{nil, organization, number(shared), 0.0}},
		{body{"folderId": nil}, []any{nil, organization, nil, 0.0}},
		{body{"organizationId": nil}, []any{account, nil, nil, 0.0}},
		{body{"organizationId": s.Organization}, []any{nil, organization, nil, 0.0}},
		{body{"folderId": web, "organizationId": nil}, []any{account, nil, number(web), 1.0}},
		{body{"folderId": shared, "organizationId": s.Organization}, []any{nil, organization, number(shared), 0.0}},
		{body{"folderId": nil, "organizationId": s.Organization}, []any{nil, organization, nil, 0.0}},
		{body{"folderId": nil, "organizationId": nil}, []any{account, nil, nil, 0.0}},
	} {
		s.Owner.Patch(entryPath(id), step.patch).Want(200)
		require.Equal(t, step.want, where(), "%v", step.patch)
	}
	rows := s.Audits(t, "entry.update")
	require.Equal(t, body{"name": "moves", "updatedFields": []any{"folderId"}, "folderId": number(web)}, rows[0]["details"])
	require.NotContains(t, rows[1]["details"], "folderId", "the same folder is no move")
	require.Equal(t, []any{nil, organization}, []any{rows[4]["organization"], rows[5]["organization"]}, "both sides of a move keep a record")
}

func TestUpdateRefusesToMoveEntries(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	web, shared := newFolder(s.Owner, "Web", nil), newFolder(s.Owner, "Shared", body{"organizationId": s.Organization})
	id, common := newEntry(s.Owner, "mine", nil), newEntry(s.Owner, "common", body{"organizationId": s.Organization})
	_, node, guest := newIntegration(t, s, s.Owner)
	move := func(c *testserver.Client, id int64, to body) *testserver.Response { return c.Patch(entryPath(id), to) }
	move(s.Owner, id, body{"folderId": web, "organizationId": s.Organization}).WantError(400, "Folder does not belong to the given organization")
	move(s.Owner, id, body{"folderId": shared, "organizationId": nil}).WantError(400, "Folder does not belong to the given organization")
	move(s.Owner, id, body{"folderId": 987654}).WantError(404, "Folder does not exist")
	move(s.Colleague, common, body{"folderId": web}).WantError(404, "Folder does not exist")
	move(s.Owner, id, body{"folderId": node}).WantError(403, "Integration folders are managed by their integration")
	for _, to := range []body{{"folderId": web}, {"folderId": nil}, {"organizationId": s.Organization}} {
		move(s.Owner, guest, to).WantError(403, "Integration resources cannot be moved out of their node folder")
	}
	move(s.Owner, guest, body{"folderId": node, "organizationId": nil}).Want(200)
	other := s.NewOrganization(t, s.Stranger)
	move(s.Owner, id, body{"organizationId": other}).WantError(403, "You don't have permission to manage resources in this organization")
	move(s.Owner, id, body{"organizationId": 987654}).WantError(403, "You don't have permission to manage resources in this organization")
	move(s.Admin, common, body{"organizationId": 987654}).WantError(404, "Organization not found")
	s.OverrideMember(t, s.Colleague, "resources.manage", "allow")
	s.Deny(t, s.Colleague, "resources.manage")
	move(s.Colleague, common, body{"organizationId": nil}).WantError(403, "You don't have permission to manage resources")
}

func TestManagedEntries(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	_, _, guest := newIntegration(t, s, s.Owner)
	s.Owner.Patch(entryPath(guest), body{"type": "pve-qemu"}).WantError(400, "Entry type cannot be changed")
	s.Owner.Patch(entryPath(guest), body{"type": "pve-lxc", "config": body{
		"nodeName": "other", "vmid": 1, "ip": "192.0.2.66", "port": 22, "protocol": "ssh", "username": "root", "password": "x", "notes": "kept",
	}}).Want(200)
	require.Equal(t, body{"nodeName": "pve1", "vmid": 101.0, "providerId": "101", "notes": "kept"}, getEntry(s.Owner, guest)["config"],
		"nobody sends the integration's login elsewhere")
	s.Owner.Delete(entryPath(guest)).Want(200)
}

func TestTypeChangeDropsTheHost(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id := newEntry(s.Owner, "x", body{"config": body{"protocol": "ssh", "ip": "192.0.2.1", "port": 22, "username": "root", "notes": "n"}})
	s.Owner.Patch(entryPath(id), body{"type": "pve-shell"}).Want(200)
	require.Equal(t, body{"notes": "n"}, getEntry(s.Owner, id)["config"])
	require.Equal(t, "pve-shell", getEntry(s.Owner, id)["type"])
}

func TestMovesTakeAwayWhatNewReadersMayNotHave(t *testing.T) {
	t.Parallel()
	moves := map[string]func(s *testserver.Server, id int64, organizationID any){
		"patch": func(s *testserver.Server, id int64, organizationID any) {
			s.Owner.Patch(entryPath(id), body{"organizationId": organizationID}).Want(200)
		},
		"reposition": func(s *testserver.Server, id int64, organizationID any) {
			s.Owner.Patch(entryPath(id)+"/reposition", body{"placement": "after", "folderId": nil, "organizationId": organizationID}).Want(200)
		},
		"folder": func(s *testserver.Server, id int64, organizationID any) {
			folder := getEntry(s.Owner, id)["folderId"]
			if folder == nil {
				folder = number(newFolder(s.Owner, "Around", body{"organizationId": getEntry(s.Owner, id)["organizationId"]}))
				s.Owner.Patch(entryPath(id), body{"folderId": folder}).Want(200)
			}
			s.Owner.Patch(fmt.Sprintf("/api/folder/%.0f", folder), body{"parentId": nil, "organizationId": organizationID}).Want(200)
		},
	}
	for name, move := range moves {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := testserver.New(t)
			other := s.NewOrganization(t, s.Owner)
			owners, colleagues := newIdentity(s.Owner, "Owner's", nil), newIdentity(s.Colleague, "Colleague's", nil)
			shared, others := newIdentity(s.Owner, "Shared", body{"organizationId": s.Organization}), newIdentity(s.Owner, "Other", body{"organizationId": other})
			id := newEntry(s.Owner, "web", body{"organizationId": s.Organization, "identities": []int64{shared, others, owners}})
			s.Colleague.Patch(entryPath(id), body{"identities": []int64{colleagues, shared}}).Want(200)
			tags := map[*testserver.Client]int64{}
			for _, c := range []*testserver.Client{s.Owner, s.Colleague} {
				tags[c] = c.Put("/api/tag", body{"name": "t", "color": "#fff"}).Want(200).ID()
				c.Post(fmt.Sprintf("/api/tag/%d/assign/%d", tags[c], id), nil).Want(200)
			}
			links := func() (found []int64) {
				s.Scan(t, &found, `select array_agg(identity_id order by identity_id) from entries_identities where entry_id = $1`, id)
				return found
			}
			require.Equal(t, []int64{owners, colleagues, shared, others}, links())

			move(s, id, other)
			require.Equal(t, []int64{owners, others}, links(), "the organization's own, and its members' personal ones")
			require.Equal(t, ids(others, owners), identitiesOf(s.Owner, id), "the next link is the default")
			s.Colleague.Get(entryPath(id)).WantError(404, "Entry not found")
			var tagged []int64
			s.Scan(t, &tagged, `select array_agg(tag_id) from entry_tags`)
			require.Equal(t, []int64{tags[s.Owner]}, tagged)

			move(s, id, nil)
			require.Equal(t, []int64{owners}, links())
			require.Equal(t, number(s.Owner.AccountID), getEntry(s.Owner, id)["accountId"])
		})
	}
}
