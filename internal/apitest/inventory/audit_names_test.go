package inventory_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

// resourceNames maps the rows of a page to their resource names.
func resourceNames(t *testing.T, c *testserver.Client, filters ...string) map[int64]any {
	t.Helper()
	var p logPage
	searchLogs(c, filters...).Want(200).Into(&p)
	byID := map[int64]any{}
	for _, log := range p.Logs {
		byID[int64(log["id"].(float64))] = log["resourceName"]
	}
	return byID
}

func TestLogNamesAreCurrentOrFromTheDetails(t *testing.T) {
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
		seedLog(t, s, logRow{by: me, resource: "identity", id: identity, details: details}): "After",
		seedLog(t, s, logRow{by: me, resource: "folder", id: folder, details: details}):     "Current folder",
		seedLog(t, s, logRow{by: me, resource: "entry", id: entry, details: details}):       "Current entry",
		seedLog(t, s, logRow{by: me, resource: "script", id: script, details: details}):     "Current script",
		seedLog(t, s, logRow{by: me, resource: "identity", id: 987654, details: details}):   "Old identity",
		seedLog(t, s, logRow{by: me, resource: "identity", id: 987654, details: `{}`}):      nil,
		seedLog(t, s, logRow{by: me, resource: "identity", id: 987654}):                     nil,
		seedLog(t, s, logRow{by: me, resource: "folder", id: 987654, details: details}):     "Old folder",
		seedLog(t, s, logRow{by: me, resource: "entry", id: 987654, details: details}):      "Old entry",
		seedLog(t, s, logRow{by: me, resource: "script", id: 987654, details: details}):     "Old entry",
		seedLog(t, s, logRow{by: me, resource: "file", id: identity, details: details}):     nil,
		seedLog(t, s, logRow{by: me, id: identity, details: details}):                       nil,
	}
	require.Equal(t, want, resourceNames(t, s.Owner))
}

func TestLogNamesOutOfReachStayHidden(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	elsewhere := s.NewOrganization(t, s.Stranger)
	identity := s.Colleague.Put("/api/identity", body{"name": "Private", "type": "password"}).Want(200).ID()
	foreign := s.Stranger.Put("/api/identity", body{"name": "Foreign", "type": "password", "organizationId": elsewhere}).Want(200).ID()
	s.Exec(t, `delete from audit_logs`)

	const details = `{"identityName": "As recorded"}`
	private := seedLog(t, s, logRow{by: s.Colleague.AccountID, in: s.Organization, resource: "identity", id: identity, details: details})
	moved := seedLog(t, s, logRow{by: s.Colleague.AccountID, in: s.Organization, resource: "identity", id: foreign, details: details})

	require.Equal(t, map[int64]any{private: "As recorded", moved: "As recorded"}, resourceNames(t, s.Owner))
	require.Equal(t, map[int64]any{private: "As recorded", moved: "As recorded"}, resourceNames(t, s.Admin, "organizationId", text(s.Organization)))
	require.Equal(t, map[int64]any{private: "Private", moved: "As recorded"}, resourceNames(t, s.Colleague))
}

func TestLogNamesAreHiddenFromFormerMembers(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	identity := s.Colleague.Put("/api/identity", body{"name": "Shared", "type": "password", "organizationId": s.Organization}).Want(200).ID()
	s.Exec(t, `delete from organization_members where account_id = $1`, s.Colleague.AccountID)
	s.Owner.Patch(fmt.Sprintf("/api/identity/%d", identity), body{"name": "Renamed"}).Want(200)

	var p logPage
	searchLogs(s.Colleague).Want(200).Into(&p)
	require.Len(t, p.Logs, 1)
	require.Equal(t, "Shared", p.Logs[0]["resourceName"])

	searchLogs(s.Admin, "organizationId", text(s.Organization), "action", "identity.create").Want(200).Into(&p)
	require.Equal(t, "Renamed", p.Logs[0]["resourceName"])
}
