package tag_test

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

type body = map[string]any

func create(c *testserver.Client, name string) int64 {
	return c.Put("/api/tag", body{"name": name, "color": "#ff8800"}).Want(200).ID()
}

func entry(c *testserver.Client, organization any) int64 {
	return c.Put("/api/entry", body{"name": "web", "config": body{}, "organizationId": organization}).Want(200).ID()
}

func path(tag int64) string          { return fmt.Sprintf("/api/tag/%d", tag) }
func assign(tag, entry int64) string { return fmt.Sprintf("/api/tags/%d/assign/%d", tag, entry) }
func tagsOf(entry int64) string      { return fmt.Sprintf("/api/tag/entry/%d", entry) }

func names(c *testserver.Client, path string) []string {
	var tags []body
	c.Get(path).Want(200).Into(&tags)
	list := make([]string, len(tags))
	for i, tag := range tags {
		list[i] = tag["name"].(string)
	}
	return list
}

func deny(t testing.TB, s *testserver.Server, c *testserver.Client) {
	t.Helper()
	s.Exec(t, `insert into account_permissions values ($1, 'resources.manage', 'deny')`, c.AccountID)
}

func TestTagsArePrivate(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id := create(s.Owner, "prod")
	for _, name := range []string{"Prod", "ärger", "a"} {
		create(s.Owner, name)
	}
	create(s.Colleague, "prod")
	require.Equal(t, []string{"Prod", "a", "prod", "ärger"}, names(s.Owner, "/api/tags/list"))
	require.Equal(t, []string{"prod"}, names(s.Colleague, "/api/tag/list"))
	require.Empty(t, names(s.Admin, "/api/tag/list"))
	var tags []body
	s.Owner.Get("/api/tag/list").Want(200).Into(&tags)
	require.Equal(t, []any{float64(id), float64(s.Owner.AccountID), "#ff8800"}, []any{tags[2]["id"], tags[2]["accountId"], tags[2]["color"]})
	for _, c := range []*testserver.Client{s.Colleague, s.Admin} {
		c.Patch(path(id), body{"name": "x"}).WantError(404, "Tag not found")
		c.Delete(path(id)).WantError(404, "Tag not found")
	}
}

func TestCreate(t *testing.T) {
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
	deny(t, s, s.Owner)
	put(body{"name": "denied", "color": "#fff"}).WantError(403, "You don't have permission to manage resources")
}

func TestUpdateAndDelete(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id := create(s.Owner, "prod")
	create(s.Owner, "taken")
	require.Equal(t, "Tag successfully updated", s.Owner.Patch(path(id), body{"name": "prod"}).Want(200).Message())
	s.Owner.Patch(path(id), body{"color": "#000"}).Want(200)
	s.Owner.Patch(path(id), body{"name": "live"}).Want(200)
	require.Equal(t, []string{"live", "taken"}, names(s.Owner, "/api/tag/list"))
	s.Owner.Patch(path(id), body{}).WantError(400, "Name or color is required")
	s.Owner.Patch(path(id), body{"name": ""}).WantError(400, "name is not allowed to be empty")
	s.Owner.Patch(path(id), body{"color": "red"}).WantError(400, "Invalid color")
	s.Owner.Patch(path(id), body{"name": "taken"}).WantError(409, "A tag with this name already exists")
	s.Owner.Patch(path(987654), body{"name": "x"}).WantError(404, "Tag not found")
	s.Owner.Patch("/api/tag/0", body{"name": "x"}).WantError(400, "Invalid tag ID")

	tagged := entry(s.Owner, nil)
	s.Owner.Post(assign(id, tagged), nil).Want(200)
	deny(t, s, s.Owner)
	s.Owner.Patch(path(id), body{"name": "x"}).WantError(403, "You don't have permission to manage resources")
	s.Owner.Delete(path(id)).WantError(403, "You don't have permission to manage resources")
	s.Owner.Delete(path(987654)).WantError(404, "Tag not found")
	s.Exec(t, `delete from account_permissions`)
	require.Equal(t, "Tag successfully deleted", s.Owner.Delete(path(id)).Want(200).Message())
	s.Owner.Delete(path(id)).WantError(404, "Tag not found")
	require.Empty(t, names(s.Owner, tagsOf(tagged)))
}

func TestAssign(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	shared, mine := entry(s.Owner, s.Organization), entry(s.Owner, nil)
	prod, urgent, colleagues := create(s.Owner, "prod"), create(s.Owner, "Urgent"), create(s.Colleague, "theirs")
	require.Equal(t, "Tag successfully assigned to entry", s.Owner.Post(assign(prod, shared), nil).Want(200).Message())
	s.Owner.Post(assign(prod, shared), nil).WantError(409, "This entry is already tagged with this tag")
	s.Owner.Post(assign(urgent, shared), nil).Want(200)
	s.Colleague.Post(assign(colleagues, shared), nil).Want(200)
	require.Equal(t, []string{"Urgent", "prod"}, names(s.Owner, tagsOf(shared)))
	require.Equal(t, []string{"theirs"}, names(s.Colleague, tagsOf(shared)))

	require.Equal(t, "Tag successfully removed from entry", s.Owner.Delete(assign(prod, shared)).Want(200).Message())
	s.Owner.Delete(assign(prod, shared)).Want(200)
	require.Equal(t, []string{"Urgent"}, names(s.Owner, tagsOf(shared)))
	require.Equal(t, []string{"theirs"}, names(s.Colleague, tagsOf(shared)))

	for _, method := range []string{"POST", "DELETE"} {
		s.Owner.Do(method, assign(prod, 987654), nil).WantError(404, "Entry not found")
		s.Owner.Do(method, assign(987654, shared), nil).WantError(404, "Tag not found")
		s.Owner.Do(method, assign(colleagues, shared), nil).WantError(404, "Tag not found")
		s.Stranger.Do(method, assign(prod, shared), nil).WantError(404, "Entry not found")
		s.Colleague.Do(method, assign(colleagues, mine), nil).WantError(404, "Entry not found")
	}
	s.Stranger.Get(tagsOf(shared)).WantError(404, "Entry not found")
	s.Admin.Get(tagsOf(shared)).WantError(404, "Entry not found")
	s.Owner.Get(tagsOf(987654)).WantError(404, "Entry not found")

	s.Exec(t, `insert into organization_member_permissions values ($1, $2, 'resources.manage', 'deny')`, s.Organization, s.Colleague.AccountID)
	deny(t, s, s.Owner)
	for method, personal := range map[string]string{
		"POST": "You don't have permission to tag this entry", "DELETE": "You don't have permission to untag this entry",
	} {
		s.Colleague.Do(method, assign(colleagues, shared), nil).WantError(403, "You don't have access to this organization's entry")
		s.Owner.Do(method, assign(prod, mine), nil).WantError(403, personal)
	}
	require.Equal(t, []string{"theirs"}, names(s.Colleague, tagsOf(shared)))
	var records int
	s.Scan(t, &records, `select count(*) from audit_logs where action not in ('entry.create')`)
	require.Zero(t, records)
}

func TestRaces(t *testing.T) {
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
	id, tagged := create(s.Owner, "prod"), entry(s.Owner, nil)
	require.Equal(t, []int{200, 409}, statuses(func() *testserver.Response { return s.Owner.Post(assign(id, tagged), nil) }))
	require.Equal(t, []int{200, 404}, statuses(func() *testserver.Response { return s.Owner.Delete(path(id)) }))
}

// A tag that meets a move does not stay where its owner cannot read.
func TestTagsDoNotOutrunAMove(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	tag := create(s.Colleague, "mine")
	for range 20 {
		id := entry(s.Owner, s.Organization)
		var group errgroup.Group
		group.Go(func() error {
			s.Owner.Patch(fmt.Sprintf("/api/entry/%d", id), body{"organizationId": nil}).Want(200)
			return nil
		})
		group.Go(func() error { s.Colleague.Post(assign(tag, id), nil); return nil })
		require.NoError(t, group.Wait())
	}
	var left int
	s.Scan(t, &left, `select count(*) from entry_tags`)
	require.Zero(t, left)
}
