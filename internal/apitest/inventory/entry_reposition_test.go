package inventory_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

func reposition(c *testserver.Client, id int64, to body) *testserver.Response {
	if to["placement"] == nil {
		to["placement"] = "after"
	}
	return c.Patch(entryPath(id)+"/reposition", to)
}

// inOrder lists the names of one container by position, which has no gaps.
func inOrder(t testing.TB, c *testserver.Client, folderID any) []string {
	t.Helper()
	found := entryPositions(c, folderID)
	list := make([]string, len(found))
	for name, position := range found {
		require.Less(t, position, len(list), found)
		require.Empty(t, list[position], found)
		list[position] = name
	}
	return list
}

func TestRepositionEntry(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id := map[string]int64{}
	for _, name := range []string{"a", "b", "c", "d"} {
		id[name] = newEntry(s.Owner, name, nil)
	}
	for _, step := range []struct {
		moved string
		to    body
		want  []string
	}{
		{"d", body{"placement": "before", "targetId": id["a"]}, []string{"d", "a", "b", "c"}},
		{"d", body{"placement": "after", "targetId": id["b"]}, []string{"a", "b", "d", "c"}},
		{"a", body{"placement": "after", "targetId": id["c"]}, []string{"b", "d", "c", "a"}},
		{"c", body{"placement": "before", "targetId": fmt.Sprint(id["b"])}, []string{"c", "b", "d", "a"}},
		{"c", body{"placement": "before"}, []string{"b", "d", "a", "c"}},
		{"c", body{"placement": "after", "targetId": nil}, []string{"b", "d", "a", "c"}},
		{"d", body{"placement": "before", "targetId": id["a"]}, []string{"b", "d", "a", "c"}},
	} {
		require.Equal(t, "Entry successfully repositioned", reposition(s.Owner, id[step.moved], step.to).Want(200).Message())
		require.Equal(t, step.want, inOrder(t, s.Owner, nil), "%v", step)
		require.Equal(t, float64(slices.Index(step.want, "d")), getEntry(s.Owner, id["d"])["position"])
	}
	s.Owner.Delete(entryPath(id["a"])).Want(200)
	newEntry(s.Owner, "e", nil)
	require.Equal(t, []string{"b", "d", "c", "e"}, inOrder(t, s.Owner, nil))
	require.Equal(t, body{"action": "reposition", "targetId": number(id["a"]), "placement": "before", "folderId": nil},
		s.Audits(t, "entry.update")[0]["details"])
}

func TestRepositionEntryDestinations(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	web, shared := newFolder(s.Owner, "Web", nil), newFolder(s.Owner, "Shared", body{"organizationId": s.Organization})
	inWeb, inShared := newEntry(s.Owner, "in web", body{"folderId": web}), newEntry(s.Owner, "in shared", body{"folderId": shared})
	atRoot, atShared := newEntry(s.Owner, "at root", nil), newEntry(s.Owner, "at shared", body{"organizationId": s.Organization})
	id := newEntry(s.Owner, "moves", nil)
	account, organization := number(s.Owner.AccountID), number(s.Organization)
	for _, step := range []struct {
		to   body
		want []any
	}{
		{body{"folderId": web}, []any{account, nil, number(web), 1.0}},
		{body{}, []any{account, nil, number(web), 1.0}},
		{body{"targetId": atRoot}, []any{account, nil, nil, 1.0}},
		{body{"targetId": inWeb, "placement": "before"}, []any{account, nil, number(web), 0.0}},
		{body{"folderId": nil}, []any{account, nil, nil, 1.0}},
		{body{"targetId": inShared}, []any{nil, organization, number(shared), 1.0}},
		{body{"targetId": atShared, "placement": "before"}, []any{nil, organization, nil, 0.0}},
		{body{"targetId": atShared}, []any{nil, organization, nil, 1.0}},
		{body{"folderId": nil}, []any{account, nil, nil, 1.0}},
		{body{"organizationId": s.Organization}, []any{nil, organization, nil, 1.0}},
		{body{"folderId": web, "organizationId": s.Organization}, []any{account, nil, number(web), 1.0}},
		{body{"folderId": nil, "organizationId": s.Organization, "targetId": atShared, "placement": "before"}, []any{nil, organization, nil, 0.0}},
		{body{"targetId": inWeb, "folderId": web}, []any{account, nil, number(web), 1.0}},
	} {
		reposition(s.Owner, id, step.to).Want(200)
		entry := getEntry(s.Owner, id)
		require.Equal(t, step.want, []any{entry["accountId"], entry["organizationId"], entry["folderId"], entry["position"]}, "%v", step.to)
	}
	rows := s.Audits(t, "entry.update")
	require.Equal(t, []any{nil, organization}, []any{rows[5]["organization"], rows[6]["organization"]}, "both sides of a move keep a record")
}

func TestRepositionEntryRefuses(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	web := newFolder(s.Owner, "Web", nil)
	id, inWeb := newEntry(s.Owner, "mine", nil), newEntry(s.Owner, "in web", body{"folderId": web})
	common, far := newEntry(s.Owner, "common", body{"organizationId": s.Organization}), newEntry(s.Stranger, "far", nil)
	_, node, guest := newIntegration(t, s, s.Owner)
	s.Owner.Patch(entryPath(id)+"/reposition", body{}).WantError(400, "placement is required")
	reposition(s.Owner, id, body{"placement": "into"}).WantError(400, "placement must be one of [before, after]")
	reposition(s.Owner, id, body{"placement": 5}).WantError(400, "placement must be one of [before, after]")
	reposition(s.Owner, id, body{"targetId": "x"}).WantError(400, "targetId must be a number")
	for _, to := range []body{{"targetId": id}, {"targetId": 987654}, {"targetId": far}, {"targetId": inWeb, "folderId": nil},
		{"targetId": id, "folderId": web}, {"targetId": common, "folderId": nil}, {"targetId": id, "organizationId": s.Organization}} {
		reposition(s.Owner, id, to).WantError(404, "Target entry not found")
	}
	reposition(s.Owner, id, body{"folderId": 987654}).WantError(404, "Folder does not exist")
	reposition(s.Owner, 987654, body{}).WantError(404, "Entry not found")
	reposition(s.Stranger, id, body{}).WantError(404, "Entry not found")
	reposition(s.Colleague, common, body{"folderId": web}).WantError(404, "Folder does not exist")
	reposition(s.Owner, id, body{"folderId": node}).WantError(403, "Integration folders are managed by their integration")
	reposition(s.Owner, id, body{"targetId": guest}).WantError(403, "Integration folders are managed by their integration")
	reposition(s.Owner, guest, body{"folderId": nil}).WantError(403, "Integration resources cannot be moved out of their node folder")
	reposition(s.Owner, guest, body{"targetId": inWeb}).WantError(403, "Integration resources cannot be moved out of their node folder")
	reposition(s.Owner, guest, body{"folderId": node}).Want(200)
	reposition(s.Owner, id, body{"folderId": nil, "organizationId": 987654}).
		WantError(403, "You don't have permission to manage resources in this organization")
	reposition(s.Admin, common, body{"organizationId": 987654}).WantError(404, "Organization not found")
	s.OverrideMember(t, s.Colleague, "resources.manage", "deny")
	reposition(s.Colleague, common, body{}).WantError(403, "You don't have access to this organization's entry")
	s.Deny(t, s.Stranger, "resources.manage")
	reposition(s.Stranger, far, body{}).WantError(403, "You don't have permission to reposition this entry")
}

// Moving always to the same spot halves the room there each time.
func TestRanksNeverRunOut(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	first, a, b := newEntry(s.Owner, "first", nil), newEntry(s.Owner, "a", nil), newEntry(s.Owner, "b", nil)
	for i := range 340 {
		moved, name := a, "a"
		if i%2 == 1 {
			moved, name = b, "b"
		}
		reposition(s.Owner, moved, body{"targetId": first}).Want(200)
		if i%50 < 2 {
			require.Equal(t, name, inOrder(t, s.Owner, nil)[1])
		}
	}
	var digits int
	s.Scan(t, &digits, `select max(scale(rank)) from entries`)
	require.Less(t, digits, 310)
}

func TestEqualRanksAreSortedOut(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	var list []int64
	for _, name := range []string{"a", "b", "c", "d"} {
		list = append(list, newEntry(s.Owner, name, nil))
	}
	s.Exec(t, `update entries set rank = 7`)
	require.Equal(t, []string{"a", "b", "c", "d"}, inOrder(t, s.Owner, nil))
	reposition(s.Owner, list[3], body{"targetId": list[1], "placement": "before"}).Want(200)
	require.Equal(t, []string{"a", "d", "b", "c"}, inOrder(t, s.Owner, nil))
}

// Whatever happens at the same time, each container stays one order.
func TestConcurrentChangesKeepPositionsUnique(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	web, shared := newFolder(s.Owner, "Web", nil), newFolder(s.Owner, "Shared", body{"organizationId": s.Organization})
	inner := newFolder(s.Owner, "Inner", body{"parentId": web})
	var list []int64
	for i := range 6 {
		list = append(list, newEntry(s.Owner, fmt.Sprint("old ", i), body{"folderId": web}))
	}
	var group errgroup.Group
	group.SetLimit(12)
	for i := range 90 {
		group.Go(func() error {
			id, target := list[i%6], list[(i*5+1)%6]
			var answer *testserver.Response
			switch i % 6 {
			case 0:
				answer = s.Owner.Put("/api/entry", entryNamed(fmt.Sprint("new ", i), body{"folderId": web}))
			case 1:
				answer = reposition(s.Owner, id, body{"targetId": target, "placement": "before"})
			case 2:
				answer = s.Owner.Patch(entryPath(id), body{"folderId": []int64{web, shared, inner}[i%3]})
			case 3:
				answer = s.Owner.Post(entryPath(id)+"/duplicate", nil)
			case 4:
				answer = reposition(s.Owner, id, body{"folderId": nil, "organizationId": []any{nil, s.Organization}[i%2]})
			case 5:
				answer = s.Owner.Patch(fmt.Sprintf("/api/folder/%d", inner), body{"parentId": []int64{web, shared}[i%2]})
			}
			if answer.Status != 200 && answer.Status != 404 {
				return fmt.Errorf("%d: %s", answer.Status, answer.Body)
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
	var ties, strays int
	s.Scan(t, &ties, `select count(*) from (select from entries group by scope, folder_id, rank having count(*) > 1) t`)
	require.Zero(t, ties)
	s.Scan(t, &strays, `select count(*) from entries e join folders f on f.id = e.folder_id where f.scope <> e.scope`)
	require.Zero(t, strays)
	var entries []body
	s.Owner.Get("/api/entry/list").Want(200).Into(&entries)
	next := map[string]float64{}
	for _, entry := range entries {
		container := fmt.Sprint(entry["organizationId"], entry["folderId"])
		require.Equal(t, next[container], entry["position"], "positions have no gaps")
		next[container]++
	}
}

func TestTwoMovesOfOneEntry(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	other := s.NewOrganization(t, s.Owner)
	id := newEntry(s.Owner, "web", nil)
	var group errgroup.Group
	for i := range 20 {
		group.Go(func() error {
			target := []int64{s.Organization, other}[i%2]
			if answer := s.Owner.Patch(entryPath(id), body{"organizationId": target}); answer.Status != 200 {
				return fmt.Errorf("%d: %s", answer.Status, answer.Body)
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
	require.Contains(t, []any{number(s.Organization), number(other)}, getEntry(s.Owner, id)["organizationId"])
}
