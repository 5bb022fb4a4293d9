package audit_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

// names maps the rows of a page to their resource names.
func names(t *testing.T, c *testserver.Client, filters ...string) map[int64]any {
	t.Helper()
	var p page
	search(c, filters...).Want(200).Into(&p)
	byID := map[int64]any{}
	for _, log := range p.Logs {
		byID[int64(log["id"].(float64))] = log["resourceName"]
	}
	return byID
}

func TestNamesAreCurrentOrFromTheDetails(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	me := s.Owner.AccountID
	identity := s.Owner.Put("/api/identity", body{"name": "Before", "type": "password"}).Want(200).ID()
	s.Owner.Patch(fmt.Sprintf("/api/identity/%d", identity), body{"name": "After"}).Want(200)
	folder := s.Owner.Put("/api/folder", body{"name": "Current folder"}).Want(200).ID()
	entry := s.Owner.Put("/api/entry", body{"name": "Current entry", "config": body{}}).Want(200).ID()
	script := s.Owner.Post("/api/scripts", body{"name": "Current script", "content": "uptime"}).Want(201).ID()
	s.Exec(t, `delete from audit_logs`)

	const details = `{"identityName": "Old identity", "folderName": "Old folder", "name": "Old entry"}`
	want := map[int64]any{
		seed(t, s, row{by: me, resource: "identity", id: identity, details: details}): "After",
		seed(t, s, row{by: me, resource: "folder", id: folder, details: details}):     "Current folder",
		seed(t, s, row{by: me, resource: "entry", id: entry, details: details}):       "Current entry",
		seed(t, s, row{by: me, resource: "script", id: script, details: details}):     "Current script",
		seed(t, s, row{by: me, resource: "identity", id: 987654, details: details}):   "Old identity",
		seed(t, s, row{by: me, resource: "identity", id: 987654, details: `{}`}):      nil,
		seed(t, s, row{by: me, resource: "identity", id: 987654}):                     nil,
		seed(t, s, row{by: me, resource: "folder", id: 987654, details: details}):     "Old folder",
		seed(t, s, row{by: me, resource: "entry", id: 987654, details: details}):      "Old entry",
		seed(t, s, row{by: me, resource: "script", id: 987654, details: details}):     "Old entry",
		seed(t, s, row{by: me, resource: "file", id: identity, details: details}):     nil,
		seed(t, s, row{by: me, id: identity, details: details}):                       nil,
	}
	require.Equal(t, want, names(t, s.Owner))
}

func TestNamesOutOfReachStayHidden(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	elsewhere := s.NewOrganization(t, s.Stranger)
	identity := s.Colleague.Put("/api/identity", body{"name": "Private", "type": "password"}).Want(200).ID()
	foreign := s.Stranger.Put("/api/identity", body{"name": "Foreign", "type": "password", "organizationId": elsewhere}).Want(200).ID()
	s.Exec(t, `delete from audit_logs`)

	const details = `{"identityName": "As recorded"}`
	private := seed(t, s, row{by: s.Colleague.AccountID, in: s.Organization, resource: "identity", id: identity, details: details})
	moved := seed(t, s, row{by: s.Colleague.AccountID, in: s.Organization, resource: "identity", id: foreign, details: details})

	require.Equal(t, map[int64]any{private: "As recorded", moved: "As recorded"}, names(t, s.Owner))
	require.Equal(t, map[int64]any{private: "As recorded", moved: "As recorded"}, names(t, s.Admin, "organizationId", text(s.Organization)))
	require.Equal(t, map[int64]any{private: "Private", moved: "As recorded"}, names(t, s.Colleague))
}

func TestNamesAreHiddenFromFormerMembers(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	identity := s.Colleague.Put("/api/identity", body{"name": "Shared", "type": "password", "organizationId": s.Organization}).Want(200).ID()
	s.Exec(t, `delete from organization_members where account_id = $1`, s.Colleague.AccountID)
	s.Owner.Patch(fmt.Sprintf("/api/identity/%d", identity), body{"name": "Renamed"}).Want(200)

	var p page
	search(s.Colleague).Want(200).Into(&p)
	require.Len(t, p.Logs, 1)
	require.Equal(t, "Shared", p.Logs[0]["resourceName"])

	search(s.Admin, "organizationId", text(s.Organization), "action", "identity.create").Want(200).Into(&p)
	require.Equal(t, "Renamed", p.Logs[0]["resourceName"])
}
