package inventory_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

func folderPath(id int64) string { return fmt.Sprintf("/api/folder/%d", id) }

func listFolders(c *testserver.Client) (folders []body) {
	c.Get("/api/folder/list").Want(200).Into(&folders)
	return folders
}

func findFolder(t testing.TB, c *testserver.Client, id int64) body {
	t.Helper()
	for _, folder := range listFolders(c) {
		if folder["id"] == float64(id) {
			return folder
		}
	}
	require.Fail(t, "no such folder", id)
	return nil
}

func TestFolderList(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	shared := newFolder(s.Owner, "Shared", body{"organizationId": s.Organization})
	web := newFolder(s.Owner, "Web", nil)
	other := newFolder(s.Owner, "Other", nil)
	inner := newFolder(s.Owner, "Inner", body{"parentId": fmt.Sprint(web)})
	below := newFolder(s.Colleague, "Below", body{"parentId": shared})
	newFolder(s.Stranger, "Strange", nil)
	folder := func(id int64, name string, parent, organization any, position int) body {
		return body{"id": float64(id), "name": name, "parentId": parent, "organizationId": organization, "type": nil,
			"integrationId": nil, "position": float64(position)}
	}
	organization := float64(s.Organization)
	require.Equal(t, []body{
		folder(web, "Web", nil, nil, 0), folder(inner, "Inner", float64(web), nil, 0), folder(other, "Other", nil, nil, 1),
		folder(shared, "Shared", nil, organization, 0), folder(below, "Below", float64(shared), organization, 0),
	}, listFolders(s.Owner))
	require.Len(t, listFolders(s.Colleague), 2)
	require.Empty(t, listFolders(s.Admin), "administrators see only their own and their memberships'")
}

func TestCreateFolder(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	answer := s.Colleague.Put("/api/folders", body{"name": "Shared", "organizationId": s.Organization, "parentId": nil}).Want(200)
	require.Equal(t, "Folder has been successfully created", answer.Message())
	require.Equal(t, []body{{"organization": float64(s.Organization), "resource": "folder", "id": float64(answer.ID()),
		"account": float64(s.Colleague.AccountID), "details": body{"folderName": "Shared"}}}, s.Audits(t, "folder_mgmt.create"))
	inherits := newFolder(s.Owner, "Inherits", body{"parentId": answer.ID(), "organizationId": nil})
	require.Equal(t, float64(s.Organization), findFolder(t, s.Owner, inherits)["organizationId"])
	newFolder(s.Admin, "By admin", body{"parentId": answer.ID()})
	newFolder(s.Owner, "Shared", body{"organizationId": s.Organization})
	s.Exec(t, `update organizations set audit_settings = '{"enableFolderManagementAudit": false}'`)
	before := len(s.Audits(t, "folder_mgmt.create"))
	newFolder(s.Owner, "Unseen", body{"organizationId": s.Organization})
	require.Len(t, s.Audits(t, "folder_mgmt.create"), before)
}

func TestCreateFolderRefuses(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	mine, shared := newFolder(s.Owner, "Mine", nil), newFolder(s.Owner, "Shared", body{"organizationId": s.Organization})
	other := s.NewOrganization(t, s.Owner)
	root, node := newIntegrationFolders(t, s, s.Owner, nil)
	put := func(c *testserver.Client, more body) *testserver.Response {
		b := body{"name": "New Folder"}
		for key, value := range more {
			b[key] = value
		}
		return c.Put("/api/folder", b)
	}
	put(s.Owner, body{"name": "ab"}).WantError(400, "name length must be at least 3 characters long")
	put(s.Owner, body{"name": strings.Repeat("x", 51)}).WantError(400, "name length must be less than or equal to 50 characters long")
	s.Owner.Put("/api/folder", body{}).WantError(400, "name is required")
	put(s.Owner, body{"parentId": "x"}).WantError(400, "parentId must be a number")
	put(s.Owner, body{"type": "integration-root"}).WantError(400, "type is not allowed")
	put(s.Owner, body{"parentId": 987654}).WantError(404, "Parent folder does not exist")
	put(s.Stranger, body{"parentId": mine}).WantError(404, "Parent folder does not exist")
	put(s.Stranger, body{"parentId": shared}).WantError(404, "Parent folder does not exist")
	put(s.Admin, body{"parentId": mine}).WantError(404, "Parent folder does not exist")
	for _, more := range []body{{"parentId": shared, "organizationId": other}, {"parentId": mine, "organizationId": other}} {
		put(s.Owner, more).WantError(403, "Parent folder must be in the same organization")
	}
	put(s.Owner, body{"parentId": root}).WantError(403, "Integration folders are managed by their integration")
	put(s.Owner, body{"parentId": node}).WantError(403, "Integration folders are managed by their integration")
	const foreign = "You don't have permission to manage resources in this organization"
	put(s.Stranger, body{"organizationId": s.Organization}).WantError(403, foreign)
	put(s.Stranger, body{"organizationId": 987654}).WantError(403, foreign)
	put(s.Admin, body{"organizationId": 987654}).WantError(404, "Organization not found")
	s.OverrideMember(t, s.Colleague, "resources.manage", "deny")
	put(s.Colleague, body{"organizationId": s.Organization}).WantError(403, foreign)
	put(s.Colleague, body{"parentId": shared}).WantError(403, foreign)
	s.Deny(t, s.Owner, "resources.manage")
	put(s.Owner, nil).WantError(403, "You don't have permission to manage resources")
	put(s.Owner, body{"parentId": mine}).WantError(403, "You don't have permission to manage resources")
	require.Len(t, s.Audits(t, "folder_mgmt.create"), 2)
}

func TestFolderDepth(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	chain := []int64{newFolder(s.Owner, "Level", nil)}
	for len(chain) < 32 {
		chain = append(chain, newFolder(s.Owner, "Level", body{"parentId": chain[len(chain)-1]}))
	}
	s.Owner.Put("/api/folder", body{"name": "Level", "parentId": chain[31]}).WantError(400, "Folder nesting is too deep")
	other := newFolder(s.Owner, "Other", nil)
	newFolder(s.Owner, "Below", body{"parentId": other})
	s.Owner.Patch(folderPath(other), body{"parentId": chain[30]}).WantError(400, "Folder nesting is too deep")
	s.Owner.Patch(folderPath(other), body{"parentId": chain[29]}).Want(200)
	s.Owner.Patch(folderPath(chain[1]), body{"parentId": chain[31]}).WantError(400, "Cannot move folder to its own subfolder")
}

func TestDeleteFolder(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	web := newFolder(s.Owner, "Web", body{"organizationId": s.Organization})
	inner := newFolder(s.Owner, "Inner", body{"parentId": web})
	a, b := newEntry(s.Owner, "a", body{"config": body{}, "folderId": web}), newEntry(s.Owner, "b", body{"config": body{}, "folderId": inner})
	stays := s.Owner.Put("/api/entry", body{"name": "stays", "config": body{}}).Want(200).ID()
	s.Stranger.Delete(folderPath(web)).WantError(404, "Folder does not exist")
	s.Owner.Delete(folderPath(987654)).WantError(404, "Folder does not exist")
	s.Owner.Delete("/api/folder/0").WantError(400, "Invalid folder ID")

	require.JSONEq(t, `{"success": true, "message": "Folder has been successfully deleted"}`, string(s.Colleague.Delete(folderPath(web)).Want(200).Body))
	s.Owner.Delete(folderPath(web)).WantError(404, "Folder does not exist")
	require.Empty(t, listFolders(s.Owner))
	var left []int64
	s.Scan(t, &left, `select array_agg(id) from entries`)
	require.Equal(t, []int64{stays}, left)
	organization, account := float64(s.Organization), float64(s.Colleague.AccountID)
	require.Equal(t, []body{
		{"organization": organization, "account": account, "resource": "folder", "id": float64(web), "details": body{"folderName": "Web"}},
		{"organization": organization, "account": account, "resource": "folder", "id": float64(inner), "details": body{"folderName": "Inner"}},
	}, s.Audits(t, "folder_mgmt.delete"))
	require.ElementsMatch(t, []body{
		{"organization": organization, "account": account, "resource": "entry", "id": float64(a), "details": body{"name": "a", "folderId": float64(web)}},
		{"organization": organization, "account": account, "resource": "entry", "id": float64(b), "details": body{"name": "b", "folderId": float64(inner)}},
	}, s.Audits(t, "entry.delete"))
}

func TestDeleteFolderRefuses(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	mine, shared := newFolder(s.Owner, "Mine", nil), newFolder(s.Owner, "Shared", body{"organizationId": s.Organization})
	inner := newFolder(s.Owner, "Inner", body{"parentId": mine})
	root, node := newIntegrationFolders(t, s, s.Owner, inner)
	for _, id := range []int64{root, node} {
		s.Owner.Delete(folderPath(id)).WantError(403, "Integration folders are removed together with their integration")
	}
	s.Owner.Delete(folderPath(mine)).WantError(409, "Folder contains an integration; move or delete it first")
	require.Len(t, listFolders(s.Owner), 5)
	s.OverrideMember(t, s.Colleague, "resources.manage", "deny")
	s.Colleague.Delete(folderPath(shared)).WantError(403, "You don't have permission to manage resources in this organization")
	s.Deny(t, s.Owner, "resources.manage")
	s.Owner.Delete(folderPath(mine)).WantError(403, "You don't have permission to manage resources")
	s.Admin.Delete(folderPath(shared)).Want(200)
}

// Two folders that go into each other at the same time must not tie a loop.
func TestConcurrentMovesTieNoLoop(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	for range 10 {
		a, b := newFolder(s.Owner, "Aaa", nil), newFolder(s.Owner, "Bbb", body{"organizationId": s.Organization})
		statuses := make([]int, 2)
		var group errgroup.Group
		group.Go(func() error { statuses[0] = s.Owner.Patch(folderPath(a), body{"parentId": b}).Status; return nil })
		group.Go(func() error { statuses[1] = s.Owner.Patch(folderPath(b), body{"parentId": a}).Status; return nil })
		require.NoError(t, group.Wait())
		require.ElementsMatch(t, []int{200, 400}, statuses)
	}
	require.Len(t, listFolders(s.Owner), 20, "none is out of sight")
}

func TestConcurrentChangesKeepOneTree(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	top := []int64{newFolder(s.Owner, "One", nil), newFolder(s.Owner, "Two", body{"organizationId": s.Organization})}
	moving := newFolder(s.Owner, "Moving", nil)
	var group errgroup.Group
	for i := range 60 {
		group.Go(func() error {
			var answer *testserver.Response
			switch i % 3 {
			case 0:
				answer = s.Owner.Patch(folderPath(moving), body{"parentId": top[i%2]})
			case 1:
				answer = s.Owner.Put("/api/entry", body{"name": "e", "config": body{}, "folderId": moving})
			case 2:
				answer = s.Owner.Put("/api/folder", body{"name": "New Folder", "parentId": moving})
			}
			if answer.Status != 200 {
				return fmt.Errorf("%d: %s", answer.Status, answer.Body)
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
	var ties int
	s.Scan(t, &ties, `select count(*) from (select from folders group by scope, parent_id, position having count(*) > 1) t`)
	require.Zero(t, ties)
	require.Len(t, listFolders(s.Owner), 23)
}

// An entry goes once, whether by itself or with its folder.
func TestFolderDeletesAtTheSameTimeAreRecordedOnce(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	const rounds = 20
	for range rounds {
		id := newFolder(s.Owner, "Goes", nil)
		item := fmt.Sprintf("/api/entry/%d", newEntry(s.Owner, "item", body{"config": body{}, "folderId": id}))
		var group errgroup.Group
		group.Go(func() error { s.Owner.Delete(folderPath(id)).Want(200); return nil })
		group.Go(func() error { s.Owner.Delete(item); return nil })
		require.NoError(t, group.Wait())
	}
	require.Len(t, s.Audits(t, "entry.delete"), rounds)
}
