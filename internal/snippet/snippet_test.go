package snippet_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

type body = map[string]any

const (
	notFound  = "Snippet does not exist"
	denied    = "Access denied to this organization"
	forbidden = "You don't have permission to manage snippets"
)

func path(id int64) string { return fmt.Sprintf("/api/snippet/%d", id) }

func inOrganization(id, organization int64) string {
	return fmt.Sprintf("/api/snippet/%d?organizationId=%d", id, organization)
}

func create(c *testserver.Client, name string, more ...body) int64 {
	snippet := body{"name": name, "command": "echo " + name}
	for _, members := range more {
		for member, value := range members {
			snippet[member] = value
		}
	}
	return c.Put("/api/snippet", snippet).Want(200).ID()
}

func of(organization int64) body { return body{"organizationId": organization} }

func names(r *testserver.Response) []string {
	var list []struct{ Name string }
	r.Want(200).Into(&list)
	found := make([]string, len(list))
	for i, snippet := range list {
		found[i] = snippet.Name
	}
	return found
}

func namesOf(c *testserver.Client, organization int64) []string {
	var list []struct {
		Name           string
		OrganizationID int64
	}
	c.Get("/api/snippet/all").Want(200).Into(&list)
	var found []string
	for _, snippet := range list {
		if snippet.OrganizationID == organization {
			found = append(found, snippet.Name)
		}
	}
	return found
}

// synced adds a source with one snippet.
func synced(t *testing.T, s *testserver.Server, enabled bool) (source, snippet int64) {
	t.Helper()
	s.Scan(t, &source, `insert into sources (name, url, enabled) values ('Source', 'https://example.org/' || gen_random_uuid(), $1) returning id`, enabled)
	s.Scan(t, &snippet, `insert into snippets (source_id, path, hash, name, command, os_filter)
		values ($1, 'a.txt', '', 'Synced', 'echo', '{Debian}') returning id`, source)
	return source, snippet
}

func pending(t *testing.T, s *testserver.Server) *testserver.Client {
	t.Helper()
	invitee := s.NewAccount(t, "invitee")
	s.Exec(t, `insert into organization_members (organization_id, account_id, invited_by) values ($1, $2, $3)`,
		s.Organization, invitee.AccountID, s.Owner.AccountID)
	return invitee
}

func TestCreateAppendsToItsScope(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	created := s.Owner.Put("/api/snippet", body{
		"name": "Personal", "command": "df -h\n", "description": "", "organizationId": nil, "osFilter": []string{},
	}).Want(200)
	require.Equal(t, "Snippet created successfully", created.Message())
	second := create(s.Owner, "Personal")
	shared := create(s.Colleague, "Shared", body{"organizationId": s.Organization, "description": "text", "osFilter": []string{"Debian", "Alpine Linux"}})

	var snippet body
	s.Owner.Get(path(created.ID())).Want(200).Into(&snippet)
	require.Equal(t, body{
		"id": float64(created.ID()), "name": "Personal", "command": "df -h\n", "description": nil, "osFilter": nil,
		"organizationId": nil, "accountId": float64(s.Owner.AccountID), "sourceId": nil, "sortOrder": 0.0,
	}, snippet)
	s.Owner.Get(path(second)).Want(200).Into(&snippet)
	require.Equal(t, 1.0, snippet["sortOrder"], "names need not be unique")
	s.Owner.Get(inOrganization(shared, s.Organization)).Want(200).Into(&snippet)
	require.Equal(t, body{
		"id": float64(shared), "name": "Shared", "command": "echo Shared", "description": "text", "osFilter": []any{"Debian", "Alpine Linux"},
		"organizationId": float64(s.Organization), "accountId": float64(s.Colleague.AccountID), "sourceId": nil, "sortOrder": 0.0,
	}, snippet)
}

func TestCreateRefusesInvalidBodies(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	valid := func(change body) body {
		snippet := body{"name": "Snippet", "command": "echo"}
		for member, value := range change {
			snippet[member] = value
		}
		return snippet
	}
	for message, invalid := range map[string]body{
		"name is required":                                                      {"command": "echo"},
		"command is required":                                                   {"name": "Snippet"},
		"name is not allowed to be empty":                                       valid(body{"name": ""}),
		"command is not allowed to be empty":                                    valid(body{"command": ""}),
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
		s.Owner.Put("/api/snippet", invalid).WantError(400, message)
	}
	s.Owner.Put("/api/snippet", valid(body{"command": strings.Repeat("x", 64<<10+1)})).WantError(400, "command length must be less than or equal to 65536 characters long")
	s.Owner.Put("/api/snippet", valid(body{"command": strings.Repeat("ü", 32<<10+1)})).WantError(400, "command length must be less than or equal to 65536 bytes long")
	s.Owner.Put("/api/snippet", valid(body{"command": strings.Repeat("x", 1<<20)})).Want(413)
	s.Owner.Put("/api/snippet", valid(body{"command": strings.Repeat("ü", 32<<10), "name": strings.Repeat("ü", 255), "osFilter": strings.Split(strings.Repeat("x", 50), "")})).Want(200)
	require.Len(t, names(s.Owner.Get("/api/snippet/all")), 1)
}

func TestCreateNeedsTheRightToManage(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	snippet := func(organization int64) body {
		return body{"name": "x", "command": "x", "organizationId": organization}
	}
	s.Stranger.Put("/api/snippet", snippet(s.Organization)).WantError(403, denied)
	s.Stranger.Put("/api/snippet", snippet(987654)).WantError(403, denied)
	pending(t, s).Put("/api/snippet", snippet(s.Organization)).WantError(403, denied)
	s.Admin.Put("/api/snippet", snippet(987654)).WantError(404, "Organization not found")
	s.Admin.Put("/api/snippet", snippet(s.Organization)).Want(200)

	s.Exec(t, `insert into organization_member_permissions values ($1, $2, 'snippets.manage', 'deny')`, s.Organization, s.Colleague.AccountID)
	s.Colleague.Put("/api/snippet", snippet(s.Organization)).WantError(403, forbidden)
	create(s.Colleague, "Personal")
	s.Exec(t, `insert into account_permissions values ($1, 'snippets.manage', 'deny')`, s.Stranger.AccountID)
	s.Stranger.Put("/api/snippet", body{"name": "x", "command": "x"}).WantError(403, forbidden)
	s.Owner.Put("/api/snippet", snippet(s.Organization)).Want(200)
}

func TestListsShowWhatTheCallerReaches(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	elsewhere := s.NewOrganization(t, s.Stranger)
	create(s.Owner, "A")
	create(s.Owner, "B")
	create(s.Owner, "S", of(s.Organization))
	create(s.Stranger, "X")
	create(s.Stranger, "Y", of(elsewhere))
	synced(t, s, true)

	for _, list := range []string{"/api/snippet/all", "/api/snippets/all"} {
		require.Equal(t, []string{"A", "S", "B"}, names(s.Owner.Get(list)), "by sort order, then by id")
		require.Equal(t, []string{"S"}, names(s.Colleague.Get(list)))
		require.Empty(t, names(s.Admin.Get(list)), "administrators see only their own and their memberships'")
	}
	invitee := pending(t, s)
	require.Empty(t, names(invitee.Get("/api/snippet/all")))
}

func TestOrganizationOfAQuery(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id := create(s.Owner, "Shared", of(s.Organization))
	invitee := pending(t, s)
	for _, read := range []string{inOrganization(id, s.Organization), strings.Replace(inOrganization(id, s.Organization), "snippet", "snippets", 1)} {
		s.Stranger.Get(read).WantError(403, denied)
		invitee.Get(read).WantError(403, denied)
		s.Admin.Get(read).WantError(403, denied)
	}
	s.Stranger.Get(inOrganization(id, 987654)).WantError(403, denied)
	s.Admin.Get(inOrganization(id, 987654)).WantError(404, "Organization not found")
	for _, organization := range []string{"personal", "0", "-1", "1.5", "99999999999999999999"} {
		s.Owner.Get(path(id) + "?organizationId=" + organization).Want(400)
	}
}

func TestGetLooksInOneScope(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	personal := create(s.Owner, "Personal")
	shared := create(s.Owner, "Shared", of(s.Organization))
	source, fromSource := synced(t, s, true)
	_, hidden := synced(t, s, false)

	s.Owner.Get(path(shared)).WantError(404, notFound)
	s.Owner.Get(inOrganization(personal, s.Organization)).WantError(404, notFound)
	s.Owner.Get(inOrganization(fromSource, s.Organization)).WantError(404, notFound)
	s.Stranger.Get(path(personal)).WantError(404, notFound)
	s.Admin.Get(path(personal)).WantError(404, notFound)
	s.Owner.Get(path(987654)).WantError(404, notFound)
	s.Owner.Get(path(hidden)).WantError(404, notFound)
	s.Owner.Get("/api/snippet/x").WantError(400, "Invalid snippet ID")

	var snippet body
	s.Stranger.Get(path(fromSource)).Want(200).Into(&snippet)
	require.Equal(t, body{
		"id": float64(fromSource), "name": "Synced", "command": "echo", "description": nil, "osFilter": []any{"Debian"},
		"organizationId": nil, "accountId": nil, "sourceId": float64(source), "sortOrder": 0.0,
	}, snippet)
	require.Equal(t, []string{"Synced"}, names(s.Stranger.Get("/api/snippet/sources")), "not what disabled sources deliver")
}

func TestOrganizationSnippetsOutliveTheirCreator(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	create(s.Colleague, "Personal")
	id := create(s.Colleague, "Shared", of(s.Organization))
	s.Exec(t, `delete from accounts where id = $1`, s.Colleague.AccountID)
	var snippet body
	s.Owner.Get(inOrganization(id, s.Organization)).Want(200).Into(&snippet)
	require.Nil(t, snippet["accountId"])
	s.Exec(t, `delete from organizations where id = $1`, s.Organization)
	var left int
	s.Scan(t, &left, `select count(*) from snippets`)
	require.Zero(t, left)
}
