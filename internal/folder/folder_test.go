package folder_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

type body = map[string]any

func path(id int64) string { return fmt.Sprintf("/api/folder/%d", id) }

func create(c *testserver.Client, name string, more body) int64 {
	b := body{"name": name}
	for key, value := range more {
		b[key] = value
	}
	return c.Put("/api/folder", b).Want(200).ID()
}

func entry(c *testserver.Client, name string, folder int64) int64 {
	return c.Put("/api/entry", body{"name": name, "config": body{}, "folderId": folder}).Want(200).ID()
}

func list(c *testserver.Client) (folders []body) {
	c.Get("/api/folder/list").Want(200).Into(&folders)
	return folders
}

func find(t testing.TB, c *testserver.Client, id int64) body {
	t.Helper()
	for _, folder := range list(c) {
		if folder["id"] == float64(id) {
			return folder
		}
	}
	require.Fail(t, "no such folder", id)
	return nil
}

func managed(t testing.TB, s *testserver.Server, parent any) (root, node int64) {
	t.Helper()
	s.Scan(t, &root, `insert into folders (account_id, parent_id, name, position, type, integration_id)
		values ($1, $2, 'Proxmox', 0, 'integration-root', 1) returning id`, s.Owner.AccountID, parent)
	s.Scan(t, &node, `insert into folders (account_id, parent_id, name, position, type, integration_id)
		values ($1, $2, 'pve1', 0, 'integration-node', 1) returning id`, s.Owner.AccountID, root)
	return root, node
}

func deny(t testing.TB, s *testserver.Server, c *testserver.Client) {
	t.Helper()
	s.Exec(t, `insert into account_permissions values ($1, 'resources.manage', 'deny')`, c.AccountID)
}

func denyMember(t testing.TB, s *testserver.Server, c *testserver.Client) {
	t.Helper()
	s.Exec(t, `insert into organization_member_permissions values ($1, $2, 'resources.manage', 'deny')`, s.Organization, c.AccountID)
}

func audits(t testing.TB, s *testserver.Server, action string) (rows []body) {
	t.Helper()
	s.Scan(t, &rows, `select coalesce(jsonb_agg(jsonb_build_object('organization', organization_id, 'resource', resource,
		'id', resource_id, 'details', details) order by id), '[]') from audit_logs where action = $1`, action)
	return rows
}

func TestList(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	shared := create(s.Owner, "Shared", body{"organizationId": s.Organization})
	web := create(s.Owner, "Web", nil)
	other := create(s.Owner, "Other", nil)
	inner := create(s.Owner, "Inner", body{"parentId": fmt.Sprint(web)})
	below := create(s.Colleague, "Below", body{"parentId": shared})
	create(s.Stranger, "Strange", nil)
	folder := func(id int64, name string, parent, organization any, position int) body {
		return body{"id": float64(id), "name": name, "parentId": parent, "organizationId": organization, "type": nil,
			"integrationId": nil, "position": float64(position)}
	}
	organization := float64(s.Organization)
	require.Equal(t, []body{
		folder(web, "Web", nil, nil, 0), folder(inner, "Inner", float64(web), nil, 0), folder(other, "Other", nil, nil, 1),
		folder(shared, "Shared", nil, organization, 0), folder(below, "Below", float64(shared), organization, 0),
	}, list(s.Owner))
	require.Len(t, list(s.Colleague), 2)
	require.Empty(t, list(s.Admin), "administrators see only their own and their memberships'")
}

func TestCreate(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	answer := s.Colleague.Put("/api/folders", body{"name": "Shared", "organizationId": s.Organization, "parentId": nil}).Want(200)
	require.Equal(t, "Folder has been successfully created", answer.Message())
	require.Equal(t, []body{{"organization": float64(s.Organization), "resource": "folder", "id": float64(answer.ID()),
		"details": body{"folderName": "Shared"}}}, audits(t, s, "folder_mgmt.create"))
	inherits := create(s.Owner, "Inherits", body{"parentId": answer.ID(), "organizationId": nil})
	require.Equal(t, float64(s.Organization), find(t, s.Owner, inherits)["organizationId"])
	create(s.Admin, "By admin", body{"parentId": answer.ID()})
	create(s.Owner, "Shared", body{"organizationId": s.Organization})
	s.Exec(t, `update organizations set audit_settings = '{"enableFolderManagementAudit": false}'`)
	before := len(audits(t, s, "folder_mgmt.create"))
	create(s.Owner, "Unseen", body{"organizationId": s.Organization})
	require.Len(t, audits(t, s, "folder_mgmt.create"), before)
}

func TestCreateRefuses(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	mine, shared := create(s.Owner, "Mine", nil), create(s.Owner, "Shared", body{"organizationId": s.Organization})
	other := s.NewOrganization(t, s.Owner)
	root, node := managed(t, s, nil)
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
	denyMember(t, s, s.Colleague)
	put(s.Colleague, body{"organizationId": s.Organization}).WantError(403, foreign)
	put(s.Colleague, body{"parentId": shared}).WantError(403, foreign)
	deny(t, s, s.Owner)
	put(s.Owner, nil).WantError(403, "You don't have permission to manage resources")
	put(s.Owner, body{"parentId": mine}).WantError(403, "You don't have permission to manage resources")
	require.Len(t, audits(t, s, "folder_mgmt.create"), 2)
}

func TestDepth(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	chain := []int64{create(s.Owner, "Level", nil)}
	for len(chain) < 32 {
		chain = append(chain, create(s.Owner, "Level", body{"parentId": chain[len(chain)-1]}))
	}
	s.Owner.Put("/api/folder", body{"name": "Level", "parentId": chain[31]}).WantError(400, "Folder nesting is too deep")
	other := create(s.Owner, "Other", nil)
	create(s.Owner, "Below", body{"parentId": other})
	s.Owner.Patch(path(other), body{"parentId": chain[30]}).WantError(400, "Folder nesting is too deep")
	s.Owner.Patch(path(other), body{"parentId": chain[29]}).Want(200)
	s.Owner.Patch(path(chain[1]), body{"parentId": chain[31]}).WantError(400, "Cannot move folder to its own subfolder")
}

func TestDelete(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	web := create(s.Owner, "Web", body{"organizationId": s.Organization})
	inner := create(s.Owner, "Inner", body{"parentId": web})
	a, b := entry(s.Owner, "a", web), entry(s.Owner, "b", inner)
	stays := s.Owner.Put("/api/entry", body{"name": "stays", "config": body{}}).Want(200).ID()
	s.Stranger.Delete(path(web)).WantError(404, "Folder does not exist")
	s.Owner.Delete(path(987654)).WantError(404, "Folder does not exist")
	s.Owner.Delete("/api/folder/0").WantError(400, "Invalid folder ID")

	require.Equal(t, "Folder has been successfully deleted", s.Colleague.Delete(path(web)).Want(200).Message())
	s.Owner.Delete(path(web)).WantError(404, "Folder does not exist")
	require.Empty(t, list(s.Owner))
	var left []int64
	s.Scan(t, &left, `select array_agg(id) from entries`)
	require.Equal(t, []int64{stays}, left)
	organization := float64(s.Organization)
	require.Equal(t, []body{
		{"organization": organization, "resource": "folder", "id": float64(web), "details": body{"folderName": "Web"}},
		{"organization": organization, "resource": "folder", "id": float64(inner), "details": body{"folderName": "Inner"}},
	}, audits(t, s, "folder_mgmt.delete"))
	require.ElementsMatch(t, []body{
		{"organization": organization, "resource": "entry", "id": float64(a), "details": body{"name": "a", "folderId": float64(web)}},
		{"organization": organization, "resource": "entry", "id": float64(b), "details": body{"name": "b", "folderId": float64(inner)}},
	}, audits(t, s, "entry.delete"))
}

func TestDeleteRefuses(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	mine, shared := create(s.Owner, "Mine", nil), create(s.Owner, "Shared", body{"organizationId": s.Organization})
	inner := create(s.Owner, "Inner", body{"parentId": mine})
	root, node := managed(t, s, inner)
	for _, id := range []int64{root, node} {
		s.Owner.Delete(path(id)).WantError(403, "Integration folders are removed together with their integration")
	}
	s.Owner.Delete(path(mine)).WantError(409, "Folder contains an integration; move or delete it first")
	require.Len(t, list(s.Owner), 5)
	denyMember(t, s, s.Colleague)
	s.Colleague.Delete(path(shared)).WantError(403, "You don't have permission to manage resources in this organization")
	deny(t, s, s.Owner)
	s.Owner.Delete(path(mine)).WantError(403, "You don't have permission to manage resources")
	s.Admin.Delete(path(shared)).Want(200)
}

// Two folders that go into each other at the same time must not tie a loop.
func TestConcurrentMovesTieNoLoop(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	for range 10 {
		a, b := create(s.Owner, "Aaa", nil), create(s.Owner, "Bbb", body{"organizationId": s.Organization})
		statuses := make([]int, 2)
		var group errgroup.Group
		group.Go(func() error { statuses[0] = s.Owner.Patch(path(a), body{"parentId": b}).Status; return nil })
		group.Go(func() error { statuses[1] = s.Owner.Patch(path(b), body{"parentId": a}).Status; return nil })
		require.NoError(t, group.Wait())
		require.ElementsMatch(t, []int{200, 400}, statuses)
	}
	require.Len(t, list(s.Owner), 20, "none is out of sight")
}

func TestConcurrentChangesKeepOneTree(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	top := []int64{create(s.Owner, "One", nil), create(s.Owner, "Two", body{"organizationId": s.Organization})}
	moving := create(s.Owner, "Moving", nil)
	var group errgroup.Group
	for i := range 60 {
		group.Go(func() error {
			var answer *testserver.Response
			switch i % 3 {
			case 0:
				answer = s.Owner.Patch(path(moving), body{"parentId": top[i%2]})
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
	require.Len(t, list(s.Owner), 23)
}

// An entry goes once, whether by itself or with its folder.
func TestDeletesAtTheSameTimeAreRecordedOnce(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	const rounds = 20
	for range rounds {
		id := create(s.Owner, "Goes", nil)
		item := fmt.Sprintf("/api/entry/%d", entry(s.Owner, "item", id))
		var group errgroup.Group
		group.Go(func() error { s.Owner.Delete(path(id)).Want(200); return nil })
		group.Go(func() error { s.Owner.Delete(item); return nil })
		require.NoError(t, group.Wait())
	}
	require.Len(t, audits(t, s, "entry.delete"), rounds)
}
