package library_test

import (
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/paging"
	"github.com/nexterm-go/nexterm/internal/permission"
	"github.com/nexterm-go/nexterm/internal/testserver"
)

const denied = "Access denied to this organization"

// kind is what the tests of scripts and snippets differ in.
type kind struct {
	one, plural, base, text string
	// lists are the paths that answer all that people have written.
	lists []string
	// create and update are methods, created is the status of what is created.
	create, update string
	created        int
	// file is what a source delivers.
	file string
}

var kinds = []kind{
	{
		one: "Script", plural: "scripts", base: "/api/scripts", text: "content",
		lists:  []string{"/api/scripts/all", "/api/scripts", "/api/scripts?search=", "/api/scripts?organizationId="},
		create: http.MethodPost, created: 201, update: http.MethodPut, file: "a.sh",
	},
	{
		one: "Snippet", plural: "snippets", base: "/api/snippet", text: "command",
		lists:  []string{"/api/snippet/all", "/api/snippets/all"},
		create: http.MethodPut, created: 200, update: http.MethodPatch, file: "a.txt",
	},
}

// each runs a test with scripts and with snippets.
func each(t *testing.T, test func(*testing.T, *testserver.Server, kind)) {
	t.Helper()
	t.Parallel()
	for _, k := range kinds {
		t.Run(k.plural, func(t *testing.T) {
			t.Parallel()
			test(t, testserver.New(t), k)
		})
	}
}

func (k kind) notFound() string  { return k.one + " does not exist" }
func (k kind) forbidden() string { return "You don't have permission to manage " + k.plural }

func (k kind) path(id int64) string { return fmt.Sprintf("%s/%d", k.base, id) }

func (k kind) inOrganization(id, organization int64) string {
	return fmt.Sprintf("%s/%d?organizationId=%d", k.base, id, organization)
}

func (k kind) post(c *testserver.Client, item body) *testserver.Response {
	return c.Do(k.create, k.base, item)
}

func (k kind) add(c *testserver.Client, name string, more ...body) int64 {
	item := body{"name": name, k.text: "echo " + name}
	for _, members := range more {
		maps.Copy(item, members)
	}
	return k.post(c, item).Want(k.created).ID()
}

func of(organization int64) body { return body{"organizationId": organization} }

type listedItem struct {
	Name           string
	OrganizationID int64
}

func listItems(c *testserver.Client, path string) (found []listedItem) {
	c.Get(path).Want(200).Into(&found)
	return found
}

func itemNames(found []listedItem) []string {
	list := make([]string, len(found))
	for i, item := range found {
		list[i] = item.Name
	}
	return list
}

// names lists what the caller and the caller's organizations have.
func (k kind) names(c *testserver.Client) []string { return itemNames(listItems(c, k.lists[0])) }

// namesIn lists what one organization has.
func (k kind) namesIn(c *testserver.Client, organization int64) []string {
	return itemNames(slices.DeleteFunc(listItems(c, k.lists[0]), func(item listedItem) bool { return item.OrganizationID != organization }))
}

// synced adds a source with one item.
func (k kind) synced(t *testing.T, s *testserver.Server, enabled bool) (source, item int64) {
	t.Helper()
	s.Scan(t, &source, `insert into sources (name, url, enabled) values ('Source', 'https://example.org/' || gen_random_uuid(), $1) returning id`, enabled)
	s.Scan(t, &item, fmt.Sprintf(`insert into %s (source_id, path, hash, name, %s, os_filter)
		values ($1, '%s', '', 'Synced', 'echo', '{Debian}') returning id`, k.plural, k.text, k.file), source)
	return source, item
}

func newInvitee(t *testing.T, s *testserver.Server) *testserver.Client {
	t.Helper()
	invitee := s.NewAccount(t, "invitee")
	s.Invite(t, invitee)
	return invitee
}

func TestCreateItemAppendsToItsScope(t *testing.T) {
	each(t, func(t *testing.T, s *testserver.Server, k kind) {
		created := k.post(s.Owner, body{
			"name": "Personal", k.text: "#!/bin/sh\n", "description": "", "organizationId": nil, "osFilter": []string{},
		}).Want(k.created)
		require.Equal(t, k.one+" created successfully", created.Message())
		second := k.add(s.Owner, "Personal")
		shared := k.add(s.Colleague, "Shared", body{"organizationId": s.Organization, "description": "text", "osFilter": []string{"Debian", "Alpine Linux"}})

		var item body
		s.Owner.Get(k.path(created.ID())).Want(200).Into(&item)
		require.Equal(t, body{
			"id": float64(created.ID()), "name": "Personal", k.text: "#!/bin/sh\n", "description": nil, "osFilter": nil,
			"organizationId": nil, "accountId": float64(s.Owner.AccountID), "sourceId": nil, "sortOrder": 0.0,
		}, item)
		s.Owner.Get(k.path(second)).Want(200).Into(&item)
		require.Equal(t, 1.0, item["sortOrder"], "names need not be unique")
		s.Owner.Get(k.inOrganization(shared, s.Organization)).Want(200).Into(&item)
		require.Equal(t, body{
			"id": float64(shared), "name": "Shared", k.text: "echo Shared", "description": "text", "osFilter": []any{"Debian", "Alpine Linux"},
			"organizationId": float64(s.Organization), "accountId": float64(s.Colleague.AccountID), "sourceId": nil, "sortOrder": 0.0,
		}, item)
	})
}

func TestCreateItemRefusesInvalidBodies(t *testing.T) {
	each(t, func(t *testing.T, s *testserver.Server, k kind) {
		valid := func(change body) body {
			item := body{"name": "Item", k.text: "echo"}
			for member, value := range change {
				item[member] = value
			}
			return item
		}
		for message, invalid := range map[string]body{
			"name is required":                                                      {k.text: "echo"},
			k.text + " is required":                                                 {"name": "Item"},
			"name is not allowed to be empty":                                       valid(body{"name": ""}),
			k.text + " is not allowed to be empty":                                  valid(body{k.text: ""}),
			"name must be a string":                                                 valid(body{"name": nil}),
			"description must be a string":                                          valid(body{"description": 5}),
			"organizationId must be a number":                                       valid(body{"organizationId": "x"}),
			"osFilter must be an array":                                             valid(body{"osFilter": "Debian"}),
			"osFilter[1] must be a string":                                          valid(body{"osFilter": []any{"Debian", 5}}),
			"osFilter[0] is not allowed to be empty":                                valid(body{"osFilter": []string{""}}),
			"scope is not allowed":                                                  valid(body{"scope": "x"}),
			"name length must be less than or equal to 255 characters long":         valid(body{"name": strings.Repeat("x", 256)}),
			"description length must be less than or equal to 5000 characters long": valid(body{"description": strings.Repeat("x", 5001)}),
			"osFilter[0] length must be less than or equal to 64 characters long":   valid(body{"osFilter": []string{strings.Repeat("x", 65)}}),
			"osFilter must contain less than or equal to 50 items":                  valid(body{"osFilter": strings.Split(strings.Repeat("x", 51), "")}),
			"organizationId must be a positive number":                              valid(of(0)),
		} {
			k.post(s.Owner, invalid).WantError(400, message)
		}
		k.post(s.Owner, valid(body{k.text: strings.Repeat("x", 1<<20)})).Want(413)
		k.post(s.Owner, valid(body{"name": strings.Repeat("ü", 255), "osFilter": strings.Split(strings.Repeat("x", 50), "")})).Want(k.created)
		require.Len(t, k.names(s.Owner), 1)
	})
}

func TestCreateItemNeedsTheRightToManage(t *testing.T) {
	each(t, func(t *testing.T, s *testserver.Server, k kind) {
		item := func(organization int64) body {
			return body{"name": "x", k.text: "x", "organizationId": organization}
		}
		k.post(s.Stranger, item(s.Organization)).WantError(403, denied)
		k.post(s.Stranger, item(987654)).WantError(403, denied)
		k.post(newInvitee(t, s), item(s.Organization)).WantError(403, denied)
		k.post(s.Admin, item(987654)).WantError(404, "Organization not found")
		k.post(s.Admin, item(s.Organization)).Want(k.created)

		s.OverrideMember(t, s.Colleague, permission.Name(k.plural+".manage"), "deny")
		k.post(s.Colleague, item(s.Organization)).WantError(403, k.forbidden())
		k.add(s.Colleague, "Personal")
		s.Deny(t, s.Stranger, permission.Name(k.plural+".manage"))
		k.post(s.Stranger, body{"name": "x", k.text: "x"}).WantError(403, k.forbidden())
		k.post(s.Owner, item(s.Organization)).Want(k.created)
	})
}

func TestItemListsShowWhatTheCallerReaches(t *testing.T) {
	each(t, func(t *testing.T, s *testserver.Server, k kind) {
		elsewhere := s.NewOrganization(t, s.Stranger)
		k.add(s.Owner, "A")
		k.add(s.Owner, "B")
		k.add(s.Owner, "S", of(s.Organization))
		k.add(s.Stranger, "X")
		k.add(s.Stranger, "Y", of(elsewhere))
		k.synced(t, s, true)

		for _, path := range k.lists {
			require.Equal(t, []string{"A", "S", "B"}, itemNames(listItems(s.Owner, path)), "by sort order, then by id")
			require.Equal(t, []string{"S"}, itemNames(listItems(s.Colleague, path)))
			require.Empty(t, itemNames(listItems(s.Admin, path)), "administrators see only their own and their memberships'")
		}
		invitee := newInvitee(t, s)
		require.Empty(t, k.names(invitee))
	})
}

func TestOrganizationOfAnItemQuery(t *testing.T) {
	each(t, func(t *testing.T, s *testserver.Server, k kind) {
		id := k.add(s.Owner, "Shared", of(s.Organization))
		invitee := newInvitee(t, s)
		for _, c := range []*testserver.Client{s.Stranger, invitee, s.Admin} {
			c.Get(k.inOrganization(id, s.Organization)).WantError(403, denied)
		}
		s.Stranger.Get(k.inOrganization(id, 987654)).WantError(403, denied)
		s.Admin.Get(k.inOrganization(id, 987654)).WantError(404, "Organization not found")
		for _, organization := range []string{"personal", "0", "-1", "1.5", "99999999999999999999"} {
			s.Owner.Get(k.path(id) + "?organizationId=" + organization).Want(400)
		}
	})
}

func TestGetItemLooksInOneScope(t *testing.T) {
	each(t, func(t *testing.T, s *testserver.Server, k kind) {
		personal := k.add(s.Owner, "Personal")
		shared := k.add(s.Owner, "Shared", of(s.Organization))
		source, fromSource := k.synced(t, s, true)
		_, hidden := k.synced(t, s, false)

		s.Owner.Get(k.path(shared)).WantError(404, k.notFound())
		s.Owner.Get(k.inOrganization(personal, s.Organization)).WantError(404, k.notFound())
		s.Owner.Get(k.inOrganization(fromSource, s.Organization)).WantError(404, k.notFound())
		s.Stranger.Get(k.path(personal)).WantError(404, k.notFound())
		s.Admin.Get(k.path(personal)).WantError(404, k.notFound())
		s.Owner.Get(k.path(987654)).WantError(404, k.notFound())
		s.Owner.Get(k.path(hidden)).WantError(404, k.notFound())
		s.Owner.Get(k.base+"/x").WantError(400, "Invalid "+strings.ToLower(k.one)+" ID")

		var item body
		s.Stranger.Get(k.path(fromSource)).Want(200).Into(&item)
		require.Equal(t, body{
			"id": float64(fromSource), "name": "Synced", k.text: "echo", "description": nil, "osFilter": []any{"Debian"},
			"organizationId": nil, "accountId": nil, "sourceId": float64(source), "sortOrder": 0.0,
		}, item)
		require.Equal(t, []string{"Synced"}, itemNames(listItems(s.Stranger, k.base+"/sources")), "not what disabled sources deliver")
	})
}

func TestOrganizationItemsOutliveTheirCreator(t *testing.T) {
	each(t, func(t *testing.T, s *testserver.Server, k kind) {
		k.add(s.Colleague, "Personal")
		id := k.add(s.Colleague, "Shared", of(s.Organization))
		s.Exec(t, `delete from accounts where id = $1`, s.Colleague.AccountID)
		var item body
		s.Owner.Get(k.inOrganization(id, s.Organization)).Want(200).Into(&item)
		require.Nil(t, item["accountId"])
		s.Exec(t, `delete from organizations where id = $1`, s.Organization)
		var left int
		s.Scan(t, &left, `select count(*) from `+k.plural+``)
		require.Zero(t, left)
	})
}

// What an owner has may be gigabytes: it is read as it is written, a little at a time.
func TestLongListsComeInPages(t *testing.T) {
	each(t, func(t *testing.T, s *testserver.Server, k kind) {
		source, _ := k.synced(t, s, true)
		insert := fmt.Sprintf(`insert into %s (%%s, name, %s, description, sort_order%%s) select $1, 'item ' || n, repeat('x', $2), 'y', n %%%% 7%%s from generate_series(1, $3::integer) n`, k.plural, k.text)
		mine, delivered := fmt.Sprintf(insert, "account_id", "", ""), fmt.Sprintf(insert, "source_id", ", path, hash", ", 'item ' || n, ''")
		for _, add := range []struct{ length, count int }{{10, 1100}, {60_000, 40}} {
			s.Exec(t, mine, s.Owner.AccountID, add.length, add.count)
			s.Exec(t, fmt.Sprintf(`delete from %s where source_id = $1`, k.plural), source)
			s.Exec(t, delivered, source, add.length, add.count)
		}
		var ids, sources []int64
		order := `select array_agg(id order by sort_order, id) from ` + k.plural
		s.Scan(t, &ids, order+` where account_id = $1`, s.Owner.AccountID)
		s.Scan(t, &sources, order+` where source_id = $1`, source)
		for path, want := range map[string][]int64{k.lists[0]: ids, k.base + "/sources": sources} {
			var found []struct{ ID int64 }
			s.Owner.Get(path).Want(200).Into(&found)
			listed := make([]int64, len(found))
			for i, item := range found {
				listed[i] = item.ID
			}
			require.Equal(t, want, listed, path)
		}
	})
}

func TestPagesAreAsLongAsTheirTexts(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	s.Exec(t, `insert into scripts (account_id, name, content) select $1, n, repeat('x', 400000) from generate_series(1, 9) n`, s.Owner.AccountID)
	rows, err := db.New(s.Pool).ListScripts(t.Context(), db.ListScriptsParams{
		Reach: []int64{s.Owner.AccountID}, AfterOrder: math.MinInt32, Most: paging.Length, MostBytes: paging.Bytes,
	})
	require.NoError(t, err)
	require.Len(t, rows, 3)
}
