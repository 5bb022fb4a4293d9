package inventory_test

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

func newTag(c *testserver.Client, name string) int64 {
	return c.Put("/api/tag", body{"name": name, "color": "#ff8800"}).Want(200).ID()
}

func tagPath(tag int64) string           { return fmt.Sprintf("/api/tag/%d", tag) }
func assignPath(tag, entry int64) string { return fmt.Sprintf("/api/tags/%d/assign/%d", tag, entry) }
func tagsOf(entry int64) string          { return fmt.Sprintf("/api/tag/entry/%d", entry) }

func tagNames(c *testserver.Client, path string) []string {
	var tags []body
	c.Get(path).Want(200).Into(&tags)
	list := make([]string, len(tags))
	for i, tag := range tags {
		list[i] = tag["name"].(string)
	}
	return list
}

func TestTagsArePrivate(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id := newTag(s.Owner, "prod")
	for _, name := range []string{"Prod", "ärger", "a"} {
		newTag(s.Owner, name)
	}
	newTag(s.Colleague, "prod")
	require.Equal(t, []string{"Prod", "a", "prod", "ärger"}, tagNames(s.Owner, "/api/tags/list"))
	require.Equal(t, []string{"prod"}, tagNames(s.Colleague, "/api/tag/list"))
	require.Empty(t, tagNames(s.Admin, "/api/tag/list"))
	var tags []body
	s.Owner.Get("/api/tag/list").Want(200).Into(&tags)
	require.Equal(t, []any{float64(id), float64(s.Owner.AccountID), "#ff8800"}, []any{tags[2]["id"], tags[2]["accountId"], tags[2]["color"]})
	for _, c := range []*testserver.Client{s.Colleague, s.Admin} {
		c.Patch(tagPath(id), body{"name": "x"}).WantError(404, "Tag not found")
		c.Delete(tagPath(id)).WantError(404, "Tag not found")
	}
}

func TestCreateTag(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	put := func(b body) *testserver.Response { return s.Owner.Put("/api/tags", b) }
	for _, color := range []string{"#fff", "#FF8800", "#ff880080"} {
		require.Equal(t, "Tag successfully created", put(body{"name": color, "color": color}).Want(200).Message())
	}
	const missing = "Name and color are required"
	for _, b := range []body{{}, {"name": "x"}, {"color": "#fff"}, {"name": "", "color": "#fff"}, {"name": "x", "color": ""}} {
		put(b).WantError(400, missing)
	}
	for _, color := range []any{"red", "#ff", "#fffff", "#ggg", "fff", 5, nil, "#fff\n"} {
		put(body{"name": "x", "color": color}).WantError(400, "Invalid color")
	}
	put(body{"name": 5, "color": "#fff"}).WantError(400, "name must be a string")
	put(body{"name": strings.Repeat("x", 256), "color": "#fff"}).WantError(400, "name length must be less than or equal to 255 characters long")
	put(body{"name": "x", "color": "#fff", "icon": "x"}).WantError(400, "icon is not allowed")
	put(body{"name": "#fff", "color": "#000"}).WantError(409, "A tag with this name already exists")
	s.Exec(t, `insert into tags (account_id, name, color) select $1, 'tag ' || n, '#fff' from generate_series(1, 996) n`, s.Owner.AccountID)
	put(body{"name": "the 1000th", "color": "#fff"}).Want(200)
	put(body{"name": "one too many", "color": "#fff"}).WantError(400, "You cannot have more than 1000 tags")
	s.Deny(t, s.Owner, "resources.manage")
	put(body{"name": "denied", "color": "#fff"}).WantError(403, "You don't have permission to manage resources")
}

func TestUpdateAndDeleteTag(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id := newTag(s.Owner, "prod")
	newTag(s.Owner, "taken")
	require.Equal(t, "Tag successfully updated", s.Owner.Patch(tagPath(id), body{"name": "prod"}).Want(200).Message())
	s.Owner.Patch(tagPath(id), body{"color": "#000"}).Want(200)
	s.Owner.Patch(tagPath(id), body{"name": "live"}).Want(200)
	require.Equal(t, []string{"live", "taken"}, tagNames(s.Owner, "/api/tag/list"))
	s.Owner.Patch(tagPath(id), body{}).WantError(400, "Name or color is required")
	s.Owner.Patch(tagPath(id), body{"name": ""}).WantError(400, "name is not allowed to be empty")
	s.Owner.Patch(tagPath(id), body{"color": "red"}).WantError(400, "Invalid color")
	s.Owner.Patch(tagPath(id), body{"name": "taken"}).WantError(409, "A tag with this name already exists")
	s.Owner.Patch(tagPath(987654), body{"name": "x"}).WantError(404, "Tag not found")
	s.Owner.Patch("/api/tag/0", body{"name": "x"}).WantError(400, "Invalid tag ID")

	tagged := newEntry(s.Owner, "web", body{"config": body{}, "organizationId": nil})
	s.Owner.Post(assignPath(id, tagged), nil).Want(200)
	s.Deny(t, s.Owner, "resources.manage")
	s.Owner.Patch(tagPath(id), body{"name": "x"}).WantError(403, "You don't have permission to manage resources")
	s.Owner.Delete(tagPath(id)).WantError(403, "You don't have permission to manage resources")
	s.Owner.Delete(tagPath(987654)).WantError(404, "Tag not found")
	s.Exec(t, `delete from account_permissions`)
	require.Equal(t, "Tag successfully deleted", s.Owner.Delete(tagPath(id)).Want(200).Message())
	s.Owner.Delete(tagPath(id)).WantError(404, "Tag not found")
	require.Empty(t, tagNames(s.Owner, tagsOf(tagged)))
}

func TestAssignTag(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	shared, mine := newEntry(s.Owner, "web", body{"config": body{}, "organizationId": s.Organization}), newEntry(s.Owner, "web", body{"config": body{}, "organizationId": nil})
	prod, urgent, colleagues := newTag(s.Owner, "prod"), newTag(s.Owner, "Urgent"), newTag(s.Colleague, "theirs")
	require.Equal(t, "Tag successfully assigned to entry", s.Owner.Post(assignPath(prod, shared), nil).Want(200).Message())
	s.Owner.Post(assignPath(prod, shared), nil).WantError(409, "This entry is already tagged with this tag")
	s.Owner.Post(assignPath(urgent, shared), nil).Want(200)
	s.Colleague.Post(assignPath(colleagues, shared), nil).Want(200)
	require.Equal(t, []string{"Urgent", "prod"}, tagNames(s.Owner, tagsOf(shared)))
	require.Equal(t, []string{"theirs"}, tagNames(s.Colleague, tagsOf(shared)))

	require.Equal(t, "Tag successfully removed from entry", s.Owner.Delete(assignPath(prod, shared)).Want(200).Message())
	s.Owner.Delete(assignPath(prod, shared)).Want(200)
	require.Equal(t, []string{"Urgent"}, tagNames(s.Owner, tagsOf(shared)))
	require.Equal(t, []string{"theirs"}, tagNames(s.Colleague, tagsOf(shared)))

	for _, method := range []string{"POST", "DELETE"} {
		s.Owner.Do(method, assignPath(prod, 987654), nil).WantError(404, "Entry not found")
		s.Owner.Do(method, assignPath(987654, shared), nil).WantError(404, "Tag not found")
		s.Owner.Do(method, assignPath(colleagues, shared), nil).WantError(404, "Tag not found")
		s.Stranger.Do(method, assignPath(prod, shared), nil).WantError(404, "Entry not found")
		s.Colleague.Do(method, assignPath(colleagues, mine), nil).WantError(404, "Entry not found")
	}
	s.Stranger.Get(tagsOf(shared)).WantError(404, "Entry not found")
	s.Admin.Get(tagsOf(shared)).WantError(404, "Entry not found")
	s.Owner.Get(tagsOf(987654)).WantError(404, "Entry not found")

	s.OverrideMember(t, s.Colleague, "resources.manage", "deny")
	s.Deny(t, s.Owner, "resources.manage")
	for method, personal := range map[string]string{
		"POST": "You don't have permission to tag this entry", "DELETE": "You don't have permission to untag this entry",
	} {
		s.Colleague.Do(method, assignPath(colleagues, shared), nil).WantError(403, "You don't have access to this organization's entry")
		s.Owner.Do(method, assignPath(prod, mine), nil).WantError(403, personal)
	}
	require.Equal(t, []string{"theirs"}, tagNames(s.Colleague, tagsOf(shared)))
	var records int
	s.Scan(t, &records, `select count(*) from audit_logs where action like 'tag.%' and subject_id is distinct from account_id`)
	require.Zero(t, records, "tags are their owner's business, on shared entries too")
}

func TestTagRaces(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	together := func(count int, f func() *testserver.Response) []int {
		found := make([]int, count)
		var group errgroup.Group
		for i := range found {
			group.Go(func() error { found[i] = f().Status; return nil })
		}
		require.NoError(t, group.Wait())
		slices.Sort(found)
		return found
	}
	statuses := func(f func() *testserver.Response) []int { return together(2, f) }
	require.Equal(t, []int{200, 409}, statuses(func() *testserver.Response {
		return s.Owner.Put("/api/tag", body{"name": "same", "color": "#fff"})
	}))
	s.Exec(t, `insert into tags (account_id, name, color) select $1, 'tag ' || n, '#fff' from generate_series(1, 998) n`, s.Owner.AccountID)
	for range 5 {
		found := together(10, func() *testserver.Response {
			return s.Owner.Put("/api/tag", body{"name": rand.Text(), "color": "#fff"})
		})
		require.Equal(t, []int{200, 400}, slices.Compact(found))
		require.Equal(t, 1, slices.Index(found, 400), "one has room")
		s.Exec(t, `delete from tags where id = (select max(id) from tags)`)
	}
	s.Exec(t, `delete from tags`)
	id, tagged := newTag(s.Owner, "prod"), newEntry(s.Owner, "web", body{"config": body{}, "organizationId": nil})
	require.Equal(t, []int{200, 409}, statuses(func() *testserver.Response { return s.Owner.Post(assignPath(id, tagged), nil) }))
	require.Equal(t, []int{200, 404}, statuses(func() *testserver.Response { return s.Owner.Delete(tagPath(id)) }))
}

// A tag that meets a move does not stay where its owner cannot read.
func TestTagsDoNotOutrunAMove(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	tag := newTag(s.Colleague, "mine")
	for range 20 {
		id := newEntry(s.Owner, "web", body{"config": body{}, "organizationId": s.Organization})
		var group errgroup.Group
		group.Go(func() error {
			s.Owner.Patch(fmt.Sprintf("/api/entry/%d", id), body{"organizationId": nil}).Want(200)
			return nil
		})
		group.Go(func() error { s.Colleague.Post(assignPath(tag, id), nil); return nil })
		require.NoError(t, group.Wait())
	}
	var left int
	s.Scan(t, &left, `select count(*) from entry_tags`)
	require.Zero(t, left)
}
