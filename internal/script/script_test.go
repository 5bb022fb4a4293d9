package script_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

type body = map[string]any

const (
	notFound  = "Script does not exist"
	denied    = "Access denied to this organization"
	forbidden = "You don't have permission to manage scripts"
)

func path(id int64) string { return fmt.Sprintf("/api/scripts/%d", id) }

func inOrganization(id, organization int64) string {
	return fmt.Sprintf("/api/scripts/%d?organizationId=%d", id, organization)
}

func create(c *testserver.Client, name string, more ...body) int64 {
	script := body{"name": name, "content": "echo " + name}
	for _, members := range more {
		for member, value := range members {
			script[member] = value
		}
	}
	return c.Post("/api/scripts", script).Want(201).ID()
}

func of(organization int64) body { return body{"organizationId": organization} }

func names(r *testserver.Response) []string {
	var list []struct{ Name string }
	r.Want(200).Into(&list)
	found := make([]string, len(list))
	for i, script := range list {
		found[i] = script.Name
	}
	return found
}

// synced adds a source with one script.
func synced(t *testing.T, s *testserver.Server, enabled bool) (source, script int64) {
	t.Helper()
	s.Scan(t, &source, `insert into sources (name, url, enabled) values ('Source', 'https://example.org/' || gen_random_uuid(), $1) returning id`, enabled)
	s.Scan(t, &script, `insert into scripts (source_id, path, hash, name, content, os_filter)
		values ($1, 'a.sh', '', 'Synced', 'echo', '{Debian}') returning id`, source)
	return source, script
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
	created := s.Owner.Post("/api/scripts", body{
		"name": "Personal", "content": "#!/bin/sh\n", "description": "", "organizationId": nil, "osFilter": []string{},
	}).Want(201)
	require.Equal(t, "Script created successfully", created.Message())
	second := create(s.Owner, "Personal")
	shared := create(s.Colleague, "Shared", body{"organizationId": s.Organization, "description": "text", "osFilter": []string{"Debian", "Alpine Linux"}})

	var script body
	s.Owner.Get(path(created.ID())).Want(200).Into(&script)
	require.Equal(t, body{
		"id": float64(created.ID()), "name": "Personal", "content": "#!/bin/sh\n", "description": nil, "osFilter": nil,
		"organizationId": nil, "accountId": float64(s.Owner.AccountID), "sourceId": nil, "sortOrder": 0.0,
	}, script)
	s.Owner.Get(path(second)).Want(200).Into(&script)
	require.Equal(t, 1.0, script["sortOrder"], "names need not be unique")
	s.Owner.Get(inOrganization(shared, s.Organization)).Want(200).Into(&script)
	require.Equal(t, body{
		"id": float64(shared), "name": "Shared", "content": "echo Shared", "description": "text", "osFilter": []any{"Debian", "Alpine Linux"},
		"organizationId": float64(s.Organization), "accountId": float64(s.Colleague.AccountID), "sourceId": nil, "sortOrder": 0.0,
	}, script)
}

func TestCreateRefusesInvalidBodies(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	valid := func(change body) body {
		script := body{"name": "Script", "content": "echo"}
		for member, value := range change {
			script[member] = value
		}
		return script
	}
	for message, invalid := range map[string]body{
		"name is required":                                                      {"content": "echo"},
		"content is required":                                                   {"name": "Script"},
		"name is not allowed to be empty":                                       valid(body{"name": ""}),
		"content is not allowed to be empty":                                    valid(body{"content": ""}),
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
		s.Owner.Post("/api/scripts", invalid).WantError(400, message)
	}
	s.Owner.Post("/api/scripts", valid(body{"content": strings.Repeat("x", 1<<20)})).Want(413)
	s.Owner.Post("/api/scripts", valid(body{"content": strings.Repeat("x", 1<<19), "name": strings.Repeat("ü", 255), "osFilter": strings.Split(strings.Repeat("x", 50), "")})).Want(201)
	require.Len(t, names(s.Owner.Get("/api/scripts")), 1)
}

func TestCreateNeedsTheRightToManage(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	script := func(organization int64) body {
		return body{"name": "x", "content": "x", "organizationId": organization}
	}
	s.Stranger.Post("/api/scripts", script(s.Organization)).WantError(403, denied)
	s.Stranger.Post("/api/scripts", script(987654)).WantError(403, denied)
	pending(t, s).Post("/api/scripts", script(s.Organization)).WantError(403, denied)
	s.Admin.Post("/api/scripts", script(987654)).WantError(404, "Organization not found")
	s.Admin.Post("/api/scripts", script(s.Organization)).Want(201)

	s.Exec(t, `insert into organization_member_permissions values ($1, $2, 'scripts.manage', 'deny')`, s.Organization, s.Colleague.AccountID)
	s.Colleague.Post("/api/scripts", script(s.Organization)).WantError(403, forbidden)
	create(s.Colleague, "Personal")
	s.Exec(t, `insert into account_permissions values ($1, 'scripts.manage', 'deny')`, s.Stranger.AccountID)
	s.Stranger.Post("/api/scripts", body{"name": "x", "content": "x"}).WantError(403, forbidden)
	s.Owner.Post("/api/scripts", script(s.Organization)).Want(201)
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

	for _, list := range []string{"/api/scripts", "/api/scripts/all", "/api/scripts?search=", "/api/scripts?organizationId="} {
		require.Equal(t, []string{"A", "S", "B"}, names(s.Owner.Get(list)), "by sort order, then by id")
		require.Equal(t, []string{"S"}, names(s.Colleague.Get(list)))
		require.Empty(t, names(s.Admin.Get(list)), "administrators see only their own and their memberships'")
	}
	require.Equal(t, []string{"S"}, names(s.Owner.Get(fmt.Sprintf("/api/scripts?organizationId=%d", s.Organization))))
	invitee := pending(t, s)
	require.Empty(t, names(invitee.Get("/api/scripts")))
	require.Empty(t, names(invitee.Get("/api/scripts/all")))
}

func TestSearchTakesTextLiterally(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	create(s.Owner, "100% Backup")
	create(s.Owner, "1000 files", body{"description": "With_Under\\Score"})
	create(s.Owner, "Shared backup", of(s.Organization))
	for search, found := range map[string][]string{
		"BACK": {"100% Backup", "Shared backup"}, "0%25": {"100% Backup"}, "h_u": {"1000 files"}, "r%5Cs": {"1000 files"},
		"%25": {"100% Backup"}, "_": {"1000 files"}, "nothing": {},
	} {
		require.ElementsMatch(t, found, names(s.Owner.Get("/api/scripts?search="+search)), search)
	}
	require.Equal(t, []string{"Shared backup"}, names(s.Owner.Get(fmt.Sprintf("/api/scripts?search=back&organizationId=%d", s.Organization))))
	s.Owner.Get("/api/scripts?search="+strings.Repeat("x", 256)).WantError(400, "search length must be less than or equal to 255 characters long")
}

func TestOrganizationOfAQuery(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id := create(s.Owner, "Shared", of(s.Organization))
	invitee := pending(t, s)
	for _, read := range []string{fmt.Sprintf("/api/scripts?organizationId=%d", s.Organization), inOrganization(id, s.Organization)} {
		s.Stranger.Get(read).WantError(403, denied)
		invitee.Get(read).WantError(403, denied)
		s.Admin.Get(read).WantError(403, denied)
	}
	for _, read := range []string{"/api/scripts?organizationId=987654", inOrganization(id, 987654)} {
		s.Stranger.Get(read).WantError(403, denied)
		s.Admin.Get(read).WantError(404, "Organization not found")
	}
	for _, organization := range []string{"personal", "0", "-1", "1.5", "99999999999999999999"} {
		s.Owner.Get("/api/scripts?organizationId=" + organization).Want(400)
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
	s.Owner.Get("/api/scripts/x").WantError(400, "Invalid script ID")

	var script body
	s.Stranger.Get(path(fromSource)).Want(200).Into(&script)
	require.Equal(t, body{
		"id": float64(fromSource), "name": "Synced", "content": "echo", "description": nil, "osFilter": []any{"Debian"},
		"organizationId": nil, "accountId": nil, "sourceId": float64(source), "sortOrder": 0.0,
	}, script)
	require.Equal(t, []string{"Synced"}, names(s.Stranger.Get("/api/scripts/sources")), "not what disabled sources deliver")
}

func TestOrganizationScriptsOutliveTheirCreator(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	create(s.Colleague, "Personal")
	id := create(s.Colleague, "Shared", of(s.Organization))
	s.Exec(t, `delete from accounts where id = $1`, s.Colleague.AccountID)
	var script body
	s.Owner.Get(inOrganization(id, s.Organization)).Want(200).Into(&script)
	require.Nil(t, script["accountId"])
	s.Exec(t, `delete from organizations where id = $1`, s.Organization)
	var left int
	s.Scan(t, &left, `select count(*) from scripts`)
	require.Zero(t, left)
}
