package snippet_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/testserver"
)

func TestUpdateChangesTheNamedFields(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id := create(s.Owner, "Before", body{"description": "text", "osFilter": []string{"Debian"}})
	update := func(change body) body {
		require.Equal(t, "Snippet updated successfully", s.Owner.Patch(path(id), change).Want(200).Message())
		var snippet body
		s.Owner.Get(path(id)).Want(200).Into(&snippet)
		return snippet
	}
	require.Equal(t, body{
		"id": float64(id), "name": "After", "command": "echo Before", "description": "text", "osFilter": []any{"Debian"},
		"organizationId": nil, "accountId": float64(s.Owner.AccountID), "sourceId": nil, "sortOrder": 0.0,
	}, update(body{"name": "After"}))
	require.Equal(t, "new", update(body{"command": "new"})["command"])
	require.Equal(t, []any{"Fedora"}, update(body{"osFilter": []string{"Fedora"}})["osFilter"])
	require.Nil(t, update(body{"osFilter": nil})["osFilter"])
	update(body{"osFilter": []string{"Fedora"}})
	require.Nil(t, update(body{"osFilter": []string{}})["osFilter"])
	require.Nil(t, update(body{"description": nil})["description"])
	require.Equal(t, "again", update(body{"description": "again"})["description"])
	require.Nil(t, update(body{"description": ""})["description"])
}

func TestUpdateRefusesInvalidBodies(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id := create(s.Owner, "Snippet")
	for message, invalid := range map[string]any{
		"At least one field is required":     body{},
		"name is not allowed to be empty":    body{"name": ""},
		"command must be a string":           body{"command": nil},
		"command is not allowed to be empty": body{"command": ""},
		"organizationId is not allowed":      body{"organizationId": s.Organization},
	} {
		s.Owner.Patch(path(id), invalid).WantError(400, message)
	}
	s.Owner.Patch(path(id), nil).WantError(400, "At least one field is required")
	s.Owner.Patch(path(id), body{"command": strings.Repeat("x", 1<<20)}).Want(413)
	s.Owner.With("Content-Type", "text/plain").Patch(path(id), body{"name": "x"}).Want(415)
}

// changes are the requests that change a snippet, each with the refusal of one
// that a source delivers.
func changes(id int64, query string) map[string]func(*testserver.Client) *testserver.Response {
	return map[string]func(*testserver.Client) *testserver.Response{
		"Cannot reorder source-synced snippets": func(c *testserver.Client) *testserver.Response {
			return c.Patch(path(id)+"/reposition"+query, body{"targetId": id})
		},
		"Cannot edit source-synced snippets": func(c *testserver.Client) *testserver.Response {
			return c.Patch(path(id)+query, body{"name": "Changed"})
		},
		"Cannot delete source-synced snippets": func(c *testserver.Client) *testserver.Response {
			return c.Delete(path(id) + query)
		},
	}
}

func TestChangesOfOneScope(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	personal := create(s.Owner, "Personal")
	shared := create(s.Owner, "Shared", of(s.Organization))
	_, fromSource := synced(t, s, true)
	_, hidden := synced(t, s, false)
	organization := fmt.Sprintf("?organizationId=%d", s.Organization)
	invitee := pending(t, s)

	for _, change := range changes(personal, "") {
		change(s.Stranger).WantError(404, notFound)
		change(s.Admin).WantError(404, notFound)
	}
	for _, change := range changes(personal, organization) {
		change(s.Owner).WantError(404, notFound)
	}
	for _, change := range changes(shared, "") {
		change(s.Owner).WantError(404, notFound)
	}
	for _, change := range changes(shared, organization) {
		change(s.Stranger).WantError(403, denied)
		change(invitee).WantError(403, denied)
	}
	for _, change := range changes(shared, "?organizationId=987654") {
		change(s.Owner).WantError(403, denied)
		change(s.Admin).WantError(404, notFound)
	}
	for _, change := range changes(hidden, "") {
		change(s.Owner).WantError(404, notFound)
	}
	for refusal, change := range changes(fromSource, "") {
		change(s.Owner).WantError(403, refusal)
	}
	require.Equal(t, []string{"Personal", "Shared"}, names(s.Owner.Get("/api/snippet/all")))
}

func TestChangesNeedTheRightToManage(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	organization := fmt.Sprintf("?organizationId=%d", s.Organization)
	shared := create(s.Colleague, "Shared", of(s.Organization))
	personal := create(s.Stranger, "Personal")
	s.Exec(t, `insert into organization_member_permissions values ($1, $2, 'snippets.manage', 'deny')`, s.Organization, s.Colleague.AccountID)
	s.Exec(t, `insert into account_permissions values ($1, 'snippets.manage', 'deny')`, s.Stranger.AccountID)
	for _, change := range changes(shared, organization) {
		change(s.Colleague).WantError(403, forbidden)
	}
	for _, change := range changes(personal, "") {
		change(s.Stranger).WantError(403, forbidden)
	}
	s.Admin.Patch(path(shared)+organization, body{"name": "By an administrator"}).Want(200)
	require.Equal(t, []string{"By an administrator"}, names(s.Colleague.Get("/api/snippet/all")))
}

func TestDelete(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	personal := create(s.Owner, "Personal")
	shared := create(s.Owner, "Shared", of(s.Organization))
	require.Equal(t, "Snippet deleted successfully", s.Owner.Delete(path(personal)).Want(200).Message())
	s.Owner.Delete(path(personal)).WantError(404, notFound)
	s.Colleague.Delete(inOrganization(shared, s.Organization)).Want(200)
	require.Empty(t, names(s.Owner.Get("/api/snippet/all")))
}

func TestRepositionMovesWithinTheScope(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	for _, move := range []struct{ moved, target, placement, want string }{
		{"A", "C", "", "B C A D"},
		{"D", "B", "", "A D B C"},
		{"A", "C", "before", "B A C D"},
		{"A", "C", "after", "B C A D"},
		{"D", "B", "after", "A B D C"},
		{"D", "B", "before", "A D B C"},
		{"A", "D", "", "B C D A"},
		{"D", "A", "", "D A B C"},
		{"B", "C", "before", "A B C D"},
		{"B", "A", "after", "A B C D"},
		{"A", "A", "", "A B C D"},
	} {
		organization := s.NewOrganization(t, s.Owner)
		ids := map[string]int64{}
		for _, name := range []string{"A", "B", "C", "D"} {
			ids[name] = create(s.Owner, name, of(organization))
		}
		request := body{"targetId": ids[move.target]}
		if move.placement != "" {
			request["placement"] = move.placement
		}
		query := fmt.Sprintf("?organizationId=%d", organization)
		require.Equal(t, "Snippet repositioned successfully", s.Owner.Patch(path(ids[move.moved])+"/reposition"+query, request).Want(200).Message())
		require.Equal(t, strings.Fields(move.want), namesOf(s.Owner, organization), "%v", move)
		if move.moved != move.target {
			require.Equal(t, []int32{1, 2, 3, 4}, positions(t, s, organization), "%v", move)
		}
		create(s.Owner, "E", of(organization))
		require.Equal(t, append(strings.Fields(move.want), "E"), namesOf(s.Owner, organization), "new ones go to the end")
	}
}

func positions(t *testing.T, s *testserver.Server, organization int64) (found []int32) {
	t.Helper()
	s.Scan(t, &found, `select array_agg(sort_order order by sort_order) from snippets where organization_id = $1`, organization)
	return found
}

func TestRepositionRefuses(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id, shared := create(s.Owner, "Personal"), create(s.Owner, "Shared", of(s.Organization))
	foreign := create(s.Stranger, "Foreign")
	_, fromSource := synced(t, s, true)
	for _, target := range []int64{shared, foreign, fromSource, 987654} {
		s.Owner.Patch(path(id)+"/reposition", body{"targetId": target}).WantError(404, "Snippet not found")
	}
	for message, invalid := range map[string]body{
		"targetId is required":                     {},
		"targetId must be a positive number":       {"targetId": 0},
		"targetId must be a number":                {"targetId": nil},
		"placement must be one of [before, after]": {"targetId": id, "placement": "inside"},
		"position is not allowed":                  {"targetId": id, "position": 1},
	} {
		s.Owner.Patch(path(id)+"/reposition", invalid).WantError(400, message)
	}
	s.Owner.Patch(path(id)+"/reposition", body{"targetId": fmt.Sprint(id)}).Want(200)
}

func TestSnippetsCreatedTogetherGetPlacesOfTheirOwn(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	var group errgroup.Group
	for i := range 16 {
		c := []*testserver.Client{s.Owner, s.Colleague}[i%2]
		group.Go(func() error {
			create(c, fmt.Sprint(i), of(s.Organization))
			return nil
		})
	}
	require.NoError(t, group.Wait())
	require.Equal(t, []int32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, positions(t, s, s.Organization))
}

func TestMovesTogetherLeaveEveryPlaceTakenOnce(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	const count = 8
	ids := make([]int64, count)
	for i := range ids {
		ids[i] = create(s.Owner, fmt.Sprint(i), of(s.Organization))
	}
	var group errgroup.Group
	for i := range 24 {
		c := []*testserver.Client{s.Owner, s.Colleague}[i%2]
		group.Go(func() error {
			c.Patch(fmt.Sprintf("%s/reposition?organizationId=%d", path(ids[i%count]), s.Organization), body{"targetId": ids[(i*5+3)%count]}).Want(200)
			return nil
		})
	}
	group.Go(func() error {
		create(s.Owner, "new", of(s.Organization))
		return nil
	})
	require.NoError(t, group.Wait())
	found := positions(t, s, s.Organization)
	for i := 1; i < len(found); i++ {
		require.Greater(t, found[i], found[i-1], "%v", found)
	}
	require.Len(t, found, count+1)
}

func TestChangesArePublished(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	next := s.Changes(t)
	personal := event.Change{Topics: []event.Topic{event.Snippets}, Accounts: []int64{s.Owner.AccountID}}
	shared := event.Change{Topics: []event.Topic{event.Snippets}, Accounts: []int64{s.Colleague.AccountID}, Organizations: []int64{s.Organization}}

	id := create(s.Owner, "Personal")
	require.Equal(t, personal, next())
	other := create(s.Owner, "Other")
	require.Equal(t, personal, next())
	s.Owner.Patch(path(id), body{"name": "Changed"}).Want(200)
	require.Equal(t, personal, next())
	s.Owner.Patch(path(id)+"/reposition", body{"targetId": other}).Want(200)
	require.Equal(t, personal, next())
	s.Owner.Delete(path(id)).Want(200)
	require.Equal(t, personal, next())
	id = create(s.Colleague, "Shared", of(s.Organization))
	require.Equal(t, shared, next())
	s.Colleague.Patch(inOrganization(id, s.Organization), body{"name": "Changed"}).Want(200)
	require.Equal(t, shared, next())
	s.Admin.Patch(inOrganization(id, s.Organization), body{"name": "Again"}).Want(200)
	require.Equal(t, event.Change{
		Topics: []event.Topic{event.Snippets}, Accounts: []int64{s.Admin.AccountID}, Organizations: []int64{s.Organization},
	}, next())
	s.Colleague.Delete(inOrganization(id, s.Organization)).Want(200)
	require.Equal(t, shared, next())
}
