package library_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

// What scripts and snippets have in common is tested in library_test.go.

func newScript(c *testserver.Client, name string, more ...body) {
	script := body{"name": name, "content": "echo " + name}
	for _, members := range more {
		for member, value := range members {
			script[member] = value
		}
	}
	c.Post("/api/scripts", script).Want(201)
}

func scriptNames(r *testserver.Response) []string {
	var list []struct{ Name string }
	r.Want(200).Into(&list)
	found := make([]string, len(list))
	for i, script := range list {
		found[i] = script.Name
	}
	return found
}

func TestScriptContentMayFillTheBody(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	newScript(s.Owner, "large", body{"content": strings.Repeat("x", 1<<20-100)})
	s.Owner.Post("/api/scripts", body{"name": "larger", "content": strings.Repeat("x", 1<<20)}).Want(413)
	require.Equal(t, []string{"large"}, scriptNames(s.Owner.Get("/api/scripts")))
}

func TestScriptSearchTakesTextLiterally(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	newScript(s.Owner, "100% Backup")
	newScript(s.Owner, "1000 files", body{"description": "With_Under\\Score"})
	newScript(s.Owner, "Shared backup", body{"organizationId": s.Organization})
	for search, found := range map[string][]string{
		"BACK": {"100% Backup", "Shared backup"}, "0%25": {"100% Backup"}, "h_u": {"1000 files"}, "r%5Cs": {"1000 files"},
		"%25": {"100% Backup"}, "_": {"1000 files"}, "nothing": {},
	} {
		require.ElementsMatch(t, found, scriptNames(s.Owner.Get("/api/scripts?search="+search)), search)
	}
	require.Equal(t, []string{"Shared backup"}, scriptNames(s.Owner.Get(fmt.Sprintf("/api/scripts?search=back&organizationId=%d", s.Organization))))
	s.Owner.Get("/api/scripts?search="+strings.Repeat("x", 256)).WantError(400, "search length must be less than or equal to 255 characters long")
}

func TestScriptListOfOneOrganization(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	newScript(s.Owner, "Personal")
	newScript(s.Owner, "Shared", body{"organizationId": s.Organization})
	newScript(s.Owner, "Elsewhere", body{"organizationId": s.NewOrganization(t, s.Owner)})
	of := func(organization any) string { return fmt.Sprintf("/api/scripts?organizationId=%v", organization) }
	require.Equal(t, []string{"Shared"}, scriptNames(s.Owner.Get(of(s.Organization))))

	const denied = "Access denied to this organization"
	s.Invite(t, s.Stranger)
	s.Stranger.Get(of(s.Organization)).WantError(403, denied)
	s.Admin.Get(of(s.Organization)).WantError(403, denied)
	s.Stranger.Get(of(987654)).WantError(403, denied)
	s.Admin.Get(of(987654)).WantError(404, "Organization not found")
	for _, organization := range []string{"personal", "0", "-1", "1.5", "99999999999999999999"} {
		s.Owner.Get(of(organization)).Want(400)
	}
}
