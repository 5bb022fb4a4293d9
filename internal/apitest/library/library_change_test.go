package library_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/nexterm-go/nexterm/internal/permission"
	"github.com/nexterm-go/nexterm/internal/testserver"
)

func TestUpdateItemChangesTheNamedFields(t *testing.T) {
	each(t, func(t *testing.T, s *testserver.Server, k kind) {
		id := k.add(s.Owner, "Before", body{"description": "text", "osFilter": []string{"Debian"}})
		update := func(change body) body {
			require.Equal(t, k.one+" updated successfully", s.Owner.Do(k.update, k.path(id), change).Want(200).Message())
			var item body
			s.Owner.Get(k.path(id)).Want(200).Into(&item)
			return item
		}
		require.Equal(t, body{
			"id": float64(id), "name": "After", k.text: "echo Before", "description": "text", "osFilter": []any{"Debian"},
			"organizationId": nil, "accountId": float64(s.Owner.AccountID), "sourceId": nil, "sortOrder": 0.0,
		}, update(body{"name": "After"}))
		require.Equal(t, "new", update(body{k.text: "new"})[k.text])
		require.Equal(t, []any{"Fedora"}, update(body{"osFilter": []string{"Fedora"}})["osFilter"])
		require.Nil(t, update(body{"osFilter": nil})["osFilter"])
		update(body{"osFilter": []string{"Fedora"}})
		require.Nil(t, update(body{"osFilter": []string{}})["osFilter"])
		require.Nil(t, update(body{"description": nil})["description"])
		require.Equal(t, "again", update(body{"description": "again"})["description"])
		require.Nil(t, update(body{"description": ""})["description"])
	})
}

func TestUpdateItemRefusesInvalidBodies(t *testing.T) {
	each(t, func(t *testing.T, s *testserver.Server, k kind) {
		id := k.add(s.Owner, "Item")
		for message, invalid := range map[string]any{
			"At least one field is required":       body{},
			"name is not allowed to be empty":      body{"name": ""},
			k.text + " must be a string":           body{k.text: nil},
			k.text + " is not allowed to be empty": body{k.text: ""},
			"organizationId is not allowed":        body{"organizationId": s.Organization},
		} {
			s.Owner.Do(k.update, k.path(id), invalid).WantError(400, message)
		}
		s.Owner.Do(k.update, k.path(id), nil).WantError(400, "At least one field is required")
		s.Owner.Do(k.update, k.path(id), body{k.text: strings.Repeat("x", 1<<20)}).Want(413)
		s.Owner.With("Content-Type", "text/plain").Do(k.update, k.path(id), body{"name": "x"}).Want(415)
	})
}

// changes are the requests that change an item, each with the refusal of one
// that a source delivers.
func (k kind) changes(id int64, query string) map[string]func(*testserver.Client) *testserver.Response {
	return map[string]func(*testserver.Client) *testserver.Response{
		"Cannot reorder source-synced " + k.plural: func(c *testserver.Client) *testserver.Response {
			return c.Patch(k.path(id)+"/reposition"+query, body{"targetId": id})
		},
		"Cannot edit source-synced " + k.plural: func(c *testserver.Client) *testserver.Response {
			return c.Do(k.update, k.path(id)+query, body{"name": "Changed"})
		},
		"Cannot delete source-synced " + k.plural: func(c *testserver.Client) *testserver.Response {
			return c.Delete(k.path(id) + query)
		},
	}
}

func TestItemChangesOfOneScope(t *testing.T) {
	each(t, func(t *testing.T, s *testserver.Server, k kind) {
		personal := k.add(s.Owner, "Personal")
		shared := k.add(s.Owner, "Shared", of(s.Organization))
		_, fromSource := k.synced(t, s, true)
		_, hidden := k.synced(t, s, false)
		organization := fmt.Sprintf("?organizationId=%d", s.Organization)
		invitee := newInvitee(t, s)

		for _, change := range k.changes(personal, "") {
			change(s.Stranger).WantError(404, k.notFound())
			change(s.Admin).WantError(404, k.notFound())
		}
		for _, change := range k.changes(personal, organization) {
			change(s.Owner).WantError(404, k.notFound())
		}
		for _, change := range k.changes(shared, "") {
			change(s.Owner).WantError(404, k.notFound())
		}
		for _, change := range k.changes(shared, organization) {
			change(s.Stranger).WantError(403, denied)
			change(invitee).WantError(403, denied)
		}
		for _, change := range k.changes(shared, "?organizationId=987654") {
			change(s.Owner).WantError(403, denied)
			change(s.Admin).WantError(404, k.notFound())
		}
		for _, change := range k.changes(hidden, "") {
			change(s.Owner).WantError(404, k.notFound())
		}
		for refusal, change := range k.changes(fromSource, "") {
			change(s.Owner).WantError(403, refusal)
		}
		require.Equal(t, []string{"Personal", "Shared"}, k.names(s.Owner))
	})
}

func TestItemChangesNeedTheRightToManage(t *testing.T) {
	each(t, func(t *testing.T, s *testserver.Server, k kind) {
		organization := fmt.Sprintf("?organizationId=%d", s.Organization)
		shared := k.add(s.Colleague, "Shared", of(s.Organization))
		personal := k.add(s.Stranger, "Personal")
		s.OverrideMember(t, s.Colleague, permission.Name(k.plural+".manage"), "deny")
		s.Deny(t, s.Stranger, permission.Name(k.plural+".manage"))
		for _, change := range k.changes(shared, organization) {
			change(s.Colleague).WantError(403, k.forbidden())
		}
		for _, change := range k.changes(personal, "") {
			change(s.Stranger).WantError(403, k.forbidden())
		}
		s.Admin.Do(k.update, k.path(shared)+organization, body{"name": "By an administrator"}).Want(200)
		require.Equal(t, []string{"By an administrator"}, k.names(s.Colleague))
	})
}

func TestDeleteItem(t *testing.T) {
	each(t, func(t *testing.T, s *testserver.Server, k kind) {
		personal := k.add(s.Owner, "Personal")
		shared := k.add(s.Owner, "Shared", of(s.Organization))
		require.Equal(t, k.one+" deleted successfully", s.Owner.Delete(k.path(personal)).Want(200).Message())
		s.Owner.Delete(k.path(personal)).WantError(404, k.notFound())
		s.Colleague.Delete(k.inOrganization(shared, s.Organization)).Want(200)
		require.Empty(t, k.names(s.Owner))
	})
}

func TestRepositionItemMovesWithinTheScope(t *testing.T) {
	each(t, func(t *testing.T, s *testserver.Server, k kind) {
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
				ids[name] = k.add(s.Owner, name, of(organization))
			}
			request := body{"targetId": ids[move.target]}
			if move.placement != "" {
				request["placement"] = move.placement
			}
			query := fmt.Sprintf("?organizationId=%d", organization)
			require.Equal(t, k.one+" repositioned successfully", s.Owner.Patch(k.path(ids[move.moved])+"/reposition"+query, request).Want(200).Message())
			require.Equal(t, strings.Fields(move.want), k.namesIn(s.Owner, organization), "%v", move)
			if move.moved != move.target {
				require.Equal(t, []int32{0, 1, 2, 3}, k.positions(t, s, organization), "%v", move)
			}
			k.add(s.Owner, "E", of(organization))
			require.Equal(t, append(strings.Fields(move.want), "E"), k.namesIn(s.Owner, organization), "new ones go to the end")
		}
	})
}

func (k kind) positions(t *testing.T, s *testserver.Server, organization int64) (found []int32) {
	t.Helper()
	s.Scan(t, &found, `select array_agg(sort_order order by sort_order) from `+k.plural+` where organization_id = $1`, organization)
	return found
}

func TestRepositionItemRefuses(t *testing.T) {
	each(t, func(t *testing.T, s *testserver.Server, k kind) {
		id, shared := k.add(s.Owner, "Personal"), k.add(s.Owner, "Shared", of(s.Organization))
		foreign := k.add(s.Stranger, "Foreign")
		_, fromSource := k.synced(t, s, true)
		for _, target := range []int64{shared, foreign, fromSource, 987654} {
			s.Owner.Patch(k.path(id)+"/reposition", body{"targetId": target}).WantError(404, k.one+" not found")
		}
		for message, invalid := range map[string]body{
			"targetId is required":                     {},
			"targetId must be a positive number":       {"targetId": 0},
			"targetId must be a number":                {"targetId": nil},
			"placement must be one of [before, after]": {"targetId": id, "placement": "inside"},
			"position is not allowed":                  {"targetId": id, "position": 1},
		} {
			s.Owner.Patch(k.path(id)+"/reposition", invalid).WantError(400, message)
		}
		s.Owner.Patch(k.path(id)+"/reposition", body{"targetId": fmt.Sprint(id)}).Want(200)
	})
}

func TestItemsCreatedTogetherGetPlacesOfTheirOwn(t *testing.T) {
	each(t, func(t *testing.T, s *testserver.Server, k kind) {
		var group errgroup.Group
		for i := range 16 {
			c := []*testserver.Client{s.Owner, s.Colleague}[i%2]
			group.Go(func() error {
				k.add(c, fmt.Sprint(i), of(s.Organization))
				return nil
			})
		}
		require.NoError(t, group.Wait())
		require.Equal(t, []int32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, k.positions(t, s, s.Organization))
	})
}

func TestItemsMovedTogetherLeaveEveryPlaceTakenOnce(t *testing.T) {
	each(t, func(t *testing.T, s *testserver.Server, k kind) {
		const count = 8
		ids := make([]int64, count)
		for i := range ids {
			ids[i] = k.add(s.Owner, fmt.Sprint(i), of(s.Organization))
		}
		var group errgroup.Group
		for i := range 24 {
			c := []*testserver.Client{s.Owner, s.Colleague}[i%2]
			group.Go(func() error {
				c.Patch(fmt.Sprintf("%s/reposition?organizationId=%d", k.path(ids[i%count]), s.Organization), body{"targetId": ids[(i*5+3)%count]}).Want(200)
				return nil
			})
		}
		group.Go(func() error {
			k.add(s.Owner, "new", of(s.Organization))
			return nil
		})
		require.NoError(t, group.Wait())
		found := k.positions(t, s, s.Organization)
		for i := 1; i < len(found); i++ {
			require.Greater(t, found[i], found[i-1], "%v", found)
		}
		require.Len(t, found, count+1)
	})
}
