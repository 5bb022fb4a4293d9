package inventory_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

func TestRenameFolder(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id := newFolder(s.Owner, "Shared", body{"organizationId": s.Organization})
	require.JSONEq(t, `{"success": true, "message": "Folder has been successfully edited"}`,
		string(s.Colleague.Patch(folderPath(id), body{"name": "Web servers"}).Want(200).Body))
	require.Equal(t, "Web servers", findFolder(t, s.Owner, id)["name"])
	require.Equal(t, []body{{"organization": float64(s.Organization), "resource": "folder", "id": float64(id),
		"account": float64(s.Colleague.AccountID), "details": body{"name": "Web servers"}}}, s.Audits(t, "folder_mgmt.update"))

	s.Owner.Patch(folderPath(id), body{"name": "ab"}).WantError(400, "name length must be at least 3 characters long")
	s.Owner.Patch(folderPath(id), body{"name": ""}).WantError(400, "name is not allowed to be empty")
	s.Owner.Patch(folderPath(id), body{"name": strings.Repeat("x", 51)}).WantError(400, "name length must be less than or equal to 50 characters long")
	s.Owner.Patch(folderPath(id), body{}).WantError(400, "value must have at least 1 key")
	s.Exec(t, `update folders set name = 'ab'`)
	s.Owner.Patch(folderPath(id), body{"name": "ab"}).Want(200)
	root, node := newIntegrationFolders(t, s, s.Owner, nil)
	s.Owner.Patch(folderPath(root), body{"name": "Renamed"}).Want(200)
	s.Owner.Patch(folderPath(node), body{"name": "Renamed"}).Want(200)
}

func TestFolderMoves(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	other := s.NewOrganization(t, s.Owner)
	web, shared := newFolder(s.Owner, "Web", nil), newFolder(s.Owner, "Shared", body{"organizationId": s.Organization})
	newFolder(s.Owner, "Sibling", body{"parentId": shared})
	id := newFolder(s.Owner, "Moves", nil)
	inner := newFolder(s.Owner, "Inner", body{"parentId": id})
	item := newEntry(s.Owner, "item", body{"config": body{}, "folderId": inner})
	for _, step := range []struct {
		patch        body
		parent       any
		organization any
		position     float64
	}{
		{body{"parentId": web}, float64(web), nil, 0},
		{body{"parentId": web}, float64(web), nil, 0},
		{body{"organizationId": nil}, float64(web), nil, 0},
		{body{"parentId": nil}, nil, nil, 1},
		{body{"parentId": nil}, nil, nil, 1},
		{body{"parentId": shared}, float64(shared), float64(s.Organization), 1},
		{body{"organizationId": s.Organization}, float64(shared), float64(s.Organization), 1},
		{body{"parentId": nil, "organizationId": s.Organization}, nil, float64(s.Organization), 1},
		{body{"organizationId": other}, nil, float64(other), 0},
		{body{"parentId": shared, "organizationId": s.Organization}, float64(shared), float64(s.Organization), 1},
		{body{"parentId": nil}, nil, nil, 1},
		{body{"organizationId": fmt.Sprint(other)}, nil, float64(other), 0},
		{body{"organizationId": nil, "name": "Renamed"}, nil, nil, 1},
	} {
		s.Owner.Patch(folderPath(id), step.patch).Want(200)
		folder := findFolder(t, s.Owner, id)
		require.Equal(t, []any{step.parent, step.organization, step.position},
			[]any{folder["parentId"], folder["organizationId"], folder["position"]}, "%v", step.patch)
		require.Equal(t, step.organization, findFolder(t, s.Owner, inner)["organizationId"], "what it contains moves along")
		var contained body
		s.Owner.Get(fmt.Sprintf("/api/entry/%d", item)).Want(200).Into(&contained)
		require.Equal(t, step.organization, contained["organizationId"])
	}
	require.Equal(t, "Renamed", findFolder(t, s.Owner, id)["name"])
	rows := s.Audits(t, "folder_mgmt.update")
	require.Equal(t, body{"parentId": float64(web)}, rows[0]["details"])
	moved := body{"parentId": float64(shared), "organizationId": float64(s.Organization)}
	require.Equal(t, []body{
		{"organization": nil, "account": float64(s.Owner.AccountID), "resource": "folder", "id": float64(id), "details": moved},
		{"organization": float64(s.Organization), "account": float64(s.Owner.AccountID), "resource": "folder", "id": float64(id), "details": moved},
	}, rows[5:7], "both sides of a move keep a record")
}

func TestFolderMoveRefuses(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	mine, other := newFolder(s.Owner, "Mine", nil), newFolder(s.Owner, "Other", nil)
	inner := newFolder(s.Owner, "Inner", body{"parentId": mine})
	shared := newFolder(s.Owner, "Shared", body{"organizationId": s.Organization})
	strange := newFolder(s.Stranger, "Strange", nil)
	root, node := newIntegrationFolders(t, s, s.Owner, other)
	move := func(c *testserver.Client, id int64, to body) *testserver.Response { return c.Patch(folderPath(id), to) }
	move(s.Owner, 987654, body{"name": "New name"}).WantError(404, "Folder does not exist")
	move(s.Stranger, mine, body{"name": "New name"}).WantError(404, "Folder does not exist")
	for _, target := range []int64{987654, strange} {
		move(s.Owner, mine, body{"parentId": target}).WantError(404, "Target parent folder does not exist")
	}
	for _, target := range []int64{mine, inner} {
		move(s.Owner, mine, body{"parentId": target}).WantError(400, "Cannot move folder to its own subfolder")
	}
	move(s.Owner, mine, body{"parentId": shared, "organizationId": nil}).WantError(400, "Folder does not belong to the given organization")
	move(s.Owner, mine, body{"parentId": other, "organizationId": s.Organization}).WantError(400, "Folder does not belong to the given organization")
	move(s.Owner, mine, body{"parentId": root}).WantError(403, "Integration folders are managed by their integration")
	move(s.Owner, mine, body{"parentId": node}).WantError(403, "Integration folders are managed by their integration")
	for _, to := range []body{{"parentId": mine}, {"parentId": nil}, {"organizationId": s.Organization}, {"parentId": root}} {
		move(s.Owner, node, to).WantError(403, "Integration nodes cannot be moved out of their integration folder")
	}
	for _, id := range []int64{root, other} {
		move(s.Owner, id, body{"organizationId": s.Organization}).WantError(403, "Cannot move an integration to another scope")
		move(s.Owner, id, body{"parentId": shared}).WantError(403, "Cannot move an integration to another scope")
	}
	move(s.Owner, root, body{"parentId": mine}).Want(200)
	move(s.Owner, mine, body{"organizationId": 987654}).WantError(403, "You don't have permission to manage resources in the target organization")
	move(s.Admin, shared, body{"organizationId": 987654}).WantError(404, "Organization not found")
	newEntry(s.Owner, "item", body{"config": body{}, "folderId": shared})
	move(s.Admin, shared, body{"organizationId": 987654}).WantError(404, "Organization not found")
	foreign := s.NewOrganization(t, s.Stranger)
	move(s.Owner, other, body{"organizationId": foreign}).WantError(403, "You don't have permission to manage resources in the target organization")

	colleagues := newFolder(s.Colleague, "Colleague's", nil)
	common := newFolder(s.Owner, "Common", body{"organizationId": s.Organization})
	s.OverrideMember(t, s.Colleague, "resources.manage", "deny")
	move(s.Colleague, shared, body{"name": "New name"}).WantError(403, "You don't have permission to manage resources in this organization")
	move(s.Colleague, colleagues, body{"parentId": shared}).WantError(403, "You don't have permission to manage resources in the target organization")
	s.Deny(t, s.Owner, "resources.manage")
	move(s.Owner, other, body{"name": "New name"}).WantError(403, "You don't have permission to manage resources")
	move(s.Owner, common, body{"parentId": nil}).WantError(403, "You don't have permission to manage resources")
	move(s.Owner, common, body{"parentId": other}).WantError(403, "You don't have access to the target parent folder")
	move(s.Owner, common, body{"parentId": shared}).Want(200)
}
