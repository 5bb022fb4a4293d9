package inventory_test

import (
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

type logPage struct {
	Logs            []body
	Total           int64
	TotalIsEstimate bool
	NextCursor      string
	Filters         body
}

// logRow is one line of the log; zero values stand for null.
type logRow struct {
	by, in   int64
	action   string
	resource string
	id       int64
	details  string
	at       string
}

func seedLog(t *testing.T, s *testserver.Server, r logRow) int64 {
	t.Helper()
	if r.action == "" {
		r.action = "identity.create"
	}
	if r.at == "" {
		r.at = "2026-01-15T12:00:00Z"
	}
	var id int64
	s.Scan(t, &id, `insert into audit_logs (account_id, organization_id, action, resource, resource_id, details, timestamp)
		values ($1, nullif($2::bigint, 0), $3, nullif($4, ''), nullif($5::bigint, 0), nullif($6, '')::jsonb, $7::timestamptz) returning id`,
		r.by, r.in, r.action, r.resource, r.id, r.details, r.at)
	return id
}

// searchLogs asks with filters in pairs of name and value.
func searchLogs(c *testserver.Client, filters ...string) *testserver.Response {
	query := url.Values{}
	for i := 0; i < len(filters); i += 2 {
		query.Set(filters[i], filters[i+1])
	}
	return c.Get("/api/audit/logs?" + query.Encode())
}

// foundLogs lists the ids of a page and checks that the total agrees.
func foundLogs(t *testing.T, c *testserver.Client, filters ...string) []int64 {
	t.Helper()
	var p logPage
	searchLogs(c, filters...).Want(200).Into(&p)
	ids := make([]int64, len(p.Logs))
	for i, log := range p.Logs {
		ids[i] = int64(log["id"].(float64))
	}
	require.EqualValues(t, len(ids), p.Total)
	return ids
}

func text(id int64) string { return fmt.Sprint(id) }

func TestLogsShowWhatOneDidAndTheOrganizationsThatOneAudits(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	elsewhere := s.NewOrganization(t, s.Stranger, s.Owner)
	own := seedLog(t, s, logRow{by: s.Owner.AccountID})
	shared := seedLog(t, s, logRow{by: s.Owner.AccountID, in: s.Organization})
	others := seedLog(t, s, logRow{by: s.Colleague.AccountID, in: s.Organization})
	private := seedLog(t, s, logRow{by: s.Colleague.AccountID})
	asMember := seedLog(t, s, logRow{by: s.Owner.AccountID, in: elsewhere})
	theirs := seedLog(t, s, logRow{by: s.Stranger.AccountID, in: elsewhere})
	gone := seedLog(t, s, logRow{by: s.Colleague.AccountID, in: 987654})

	require.Equal(t, []int64{asMember, others, shared, own}, foundLogs(t, s.Owner))
	require.Equal(t, []int64{gone, private, others}, foundLogs(t, s.Colleague))
	require.Equal(t, []int64{theirs, asMember}, foundLogs(t, s.Stranger))
	require.Empty(t, foundLogs(t, s.Admin), "administrators see organizations as members only, unless they ask for one")
	require.Equal(t, []int64{theirs, asMember}, foundLogs(t, s.Admin, "organizationId", text(elsewhere)))

	s.OverrideMember(t, s.Colleague, "org.audit.view", "allow")
	require.Equal(t, []int64{gone, private, others, shared}, foundLogs(t, s.Colleague))
}

func TestLogsOfOneOrganizationOrPersonal(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	own := seedLog(t, s, logRow{by: s.Owner.AccountID})
	shared := seedLog(t, s, logRow{by: s.Owner.AccountID, in: s.Organization})
	others := seedLog(t, s, logRow{by: s.Colleague.AccountID, in: s.Organization})
	seedLog(t, s, logRow{by: s.Colleague.AccountID})

	require.Equal(t, []int64{own}, foundLogs(t, s.Owner, "organizationId", "personal"))
	require.Equal(t, []int64{others, shared}, foundLogs(t, s.Owner, "organizationId", text(s.Organization)))
	require.Equal(t, []int64{others, shared}, foundLogs(t, s.Admin, "organizationId", text(s.Organization)))
	require.Empty(t, foundLogs(t, s.Admin, "organizationId", "personal"))
	require.Equal(t, []int64{others, shared, own}, foundLogs(t, s.Owner, "organizationId", "", "action", "", "startDate", ""), "empty counts as absent")
}

func TestLogsRefuseOrganizationsThatOneMayNotAudit(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	const refused = "You don't have access to this organization's audit logs"
	searchLogs(s.Stranger, "organizationId", text(s.Organization)).WantError(403, refused)
	searchLogs(s.Stranger, "organizationId", "987654").WantError(403, refused)
	searchLogs(s.Colleague, "organizationId", text(s.Organization)).WantError(403, refused)
	searchLogs(s.Admin, "organizationId", "987654").WantError(404, "Organization not found")

	s.OverrideMember(t, s.Colleague, "org.audit.view", "allow")
	searchLogs(s.Colleague, "organizationId", text(s.Organization)).Want(200)
	s.Exec(t, `update organization_members set status = 'pending' where account_id = $1`, s.Colleague.AccountID)
	searchLogs(s.Colleague, "organizationId", text(s.Organization)).WantError(403, refused)

	s.Grant(t, s.Stranger, "organizations.manage_all")
	searchLogs(s.Stranger, "organizationId", text(s.Organization)).Want(200)
	searchLogs(s.Stranger, "organizationId", "987654").WantError(404, "Organization not found")
}

func TestLogsNeedTheSystemPermission(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	s.Deny(t, s.Owner, "audit.view")
	searchLogs(s.Owner, "limit", "0").WantError(403, "Forbidden")
	searchLogs(s.Owner, "organizationId", text(s.Organization)).WantError(403, "Forbidden")
}

func TestLogsFilterByActionAndResource(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	me := s.Owner.AccountID
	folder := seedLog(t, s, logRow{by: me, action: "folder.create", resource: "folder"})
	managed := seedLog(t, s, logRow{by: me, action: "folder_mgmt.create", resource: "folder"})
	lookalike := seedLog(t, s, logRow{by: me, action: "folderXmgmt.create", resource: "file"})

	require.Equal(t, []int64{folder}, foundLogs(t, s.Owner, "action", "folder.create"))
	require.Equal(t, []int64{folder}, foundLogs(t, s.Owner, "action", "folder.*"))
	require.Equal(t, []int64{managed}, foundLogs(t, s.Owner, "action", "folder_mgmt.*"), "an underscore is no wildcard")
	require.Equal(t, []int64{lookalike}, foundLogs(t, s.Owner, "resource", "file"))
	require.Equal(t, []int64{managed}, foundLogs(t, s.Owner, "resource", "folder", "action", "folder_mgmt.create"))
	for _, action := range []string{"folder", "%", "folder%", "FOLDER.*", "folder.create.*", "nothing.*"} {
		require.Empty(t, foundLogs(t, s.Owner, "action", action), action)
	}
	for _, action := range []string{"*", ".*", "folder*", "f*.create", "folder.**", "*.create", "folder.*.*"} {
		searchLogs(s.Owner, "action", action).WantError(400, "action must be an action or <category>.*, of at most 100 characters")
	}
}

func TestLogsFilterByTime(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	me := s.Owner.AccountID
	midnight := seedLog(t, s, logRow{by: me, at: "2026-01-15T00:00:00Z"})
	noon := seedLog(t, s, logRow{by: me, at: "2026-01-15T12:00:00.123456Z"})
	night := seedLog(t, s, logRow{by: me, at: "2026-01-15T23:59:59.999999Z"})
	next := seedLog(t, s, logRow{by: me, at: "2026-01-16T00:00:00Z"})

	for _, c := range []struct {
		start, end string
		want       []int64
	}{
		{"2026-01-15", "2026-01-15", []int64{night, noon, midnight}},
		{"2026-01-15T13:00", "2026-01-15", []int64{night}},
		{"", "2026-01-15T00:00", []int64{midnight}},
		{"2026-01-16", "", []int64{next}},
		{"2026-01-15T12:00:00.123Z", "", []int64{next, night, noon}},
		{"", "2026-01-15T12:00:00.123Z", []int64{noon, midnight}},
		{"2026-01-15T13:00+01:00", "2026-01-15T12:01", []int64{noon}},
		{"2026-01-17", "", []int64{}},
		{"0000-01-01", "9999-12-31", []int64{next, night, noon, midnight}},
	} {
		require.Equal(t, c.want, foundLogs(t, s.Owner, "startDate", c.start, "endDate", c.end), "%+v", c)
	}
}

func TestLogsRefuseFilters(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	for _, c := range []struct{ name, value, message string }{
		{"organizationId", "0", "organizationId must be a positive number or personal"},
		{"organizationId", "-1", "organizationId must be a positive number or personal"},
		{"organizationId", "1.5", "organizationId must be a positive number or personal"},
		{"organizationId", "Personal", "organizationId must be a positive number or personal"},
		{"organizationId", "9223372036854775808", "organizationId must be a positive number or personal"},
		{"organizationId", "1\n", "organizationId must be a positive number or personal"},
		{"resource", fmt.Sprintf("%051d", 0), "resource length must be less than or equal to 50 characters long"},
		{"action", fmt.Sprintf("%0101d", 0), "action must be an action or <category>.*, of at most 100 characters"},
		{"startDate", "yesterday", "startDate must be an ISO 8601 date or time"},
		{"startDate", "2026-02-30", "startDate must be an ISO 8601 date or time"},
		{"endDate", "1769860800", "endDate must be an ISO 8601 date or time"},
		{"limit", "0", "limit must be a positive number"},
		{"limit", "1001", "limit must be less than or equal to 1000"},
		{"limit", "many", "limit must be a number"},
		{"limit", "1.5", "limit must be an integer"},
		{"offset", "-1", "offset must be greater than or equal to 0"},
		{"offset", "9223372036854775808", "offset must be an integer"},
		{"offset", "10001", "offset must be less than or equal to 10000"},
		{"cursor", "1", "cursor must be the nextCursor of an earlier page"},
		{"cursor", "999999999999999999_1", "cursor must be the nextCursor of an earlier page"},
	} {
		searchLogs(s.Owner, c.name, c.value).WantError(400, c.message)
	}
	searchLogs(s.Owner, "actions", "identity.*", "foo", "").WantError(400, "actions is not allowed")
	s.Owner.Get("/api/audit/logs?foo").WantError(400, "foo is not allowed")
	searchLogs(s.Owner, "cursor", "1_1", "offset", "0").WantError(400, "cursor and offset exclude each other")
	searchLogs(s.Owner, "startDate", "2026-01-15T12:00", "endDate", "2026-01-15T12:00Z").WantError(400, "endDate must be later than startDate")
	searchLogs(s.Owner, "startDate", "2026-01-16", "endDate", "2026-01-15").WantError(400, "endDate must be later than startDate")
}

func TestLogsAcceptNumbersInAnyNotation(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	seedLog(t, s, logRow{by: s.Owner.AccountID})
	var p logPage
	searchLogs(s.Owner, "limit", "1e1", "offset", "0.0").Want(200).Into(&p)
	require.Len(t, p.Logs, 1)
	require.EqualValues(t, 10, p.Filters["limit"])
}

func TestLogsEchoTheFilters(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	var p logPage
	searchLogs(s.Owner).Want(200).Into(&p)
	require.Equal(t, body{"organizationId": nil, "action": nil, "resource": nil, "startDate": nil, "endDate": nil, "limit": 50., "offset": 0.}, p.Filters)
	searchLogs(s.Owner, "organizationId", "personal").Want(200).Into(&p)
	require.Equal(t, "personal", p.Filters["organizationId"])
	searchLogs(s.Owner, "organizationId", text(s.Organization), "action", "identity.*", "resource", "identity",
		"startDate", "2026-01-01", "endDate", "2026-01-31T12:00", "limit", "5", "offset", "2").Want(200).Into(&p)
	require.Equal(t, body{"organizationId": float64(s.Organization), "action": "identity.*", "resource": "identity",
		"startDate": "2026-01-01", "endDate": "2026-01-31T12:00", "limit": 5., "offset": 2.}, p.Filters)
}

func TestLogsTellWhoDidWhatWhere(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	identity := s.Colleague.With("User-Agent", "curl/8").Put("/api/identity", body{"name": "Shared", "type": "password", "organizationId": s.Organization}).Want(200).ID()

	var p logPage
	searchLogs(s.Owner).Want(200).Into(&p)
	require.Len(t, p.Logs, 1)
	log := p.Logs[0]
	at, err := time.Parse(time.RFC3339, log["timestamp"].(string))
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), at, time.Minute)
	delete(log, "timestamp")
	delete(log, "id")
	require.Equal(t, body{
		"actor": "session", "impersonatorId": nil, "subjectId": nil,
		"accountId": float64(s.Colleague.AccountID), "organizationId": float64(s.Organization),
		"action": "identity.create", "resource": "identity", "resourceId": float64(identity), "resourceName": "Shared",
		"ipAddress": "127.0.0.1", "userAgent": "curl/8", "reason": nil,
		"details":        body{"identityName": "Shared", "identityType": "password", "scope": "organization"},
		"actorFirstName": "Colleague", "actorLastName": "Test", "organizationName": "owner's organization",
	}, log)
}

func TestLogsOutliveWhatTheyName(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id := seedLog(t, s, logRow{by: s.Colleague.AccountID, in: s.Organization, details: "", resource: ""})
	s.Exec(t, `update audit_logs set reason = 'maintenance'`)
	s.Exec(t, `delete from accounts where id = $1`, s.Colleague.AccountID)
	var p logPage
	searchLogs(s.Owner).Want(200).Into(&p)
	require.EqualValues(t, id, p.Logs[0]["id"])
	for _, member := range []string{"actorFirstName", "actorLastName", "resource", "resourceId", "resourceName", "details", "ipAddress", "userAgent"} {
		require.Nil(t, p.Logs[0][member], member)
	}
	require.Equal(t, "maintenance", p.Logs[0]["reason"])

	own := seedLog(t, s, logRow{by: s.Owner.AccountID, in: s.Organization})
	s.Exec(t, `delete from organizations where id = $1`, s.Organization)
	searchLogs(s.Owner).Want(200).Into(&p)
	require.Len(t, p.Logs, 1, "only the actor still sees a row of a deleted organization")
	require.EqualValues(t, own, p.Logs[0]["id"])
	require.EqualValues(t, s.Organization, p.Logs[0]["organizationId"])
	require.Nil(t, p.Logs[0]["organizationName"])
}
