package organization_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/permission"
	"github.com/nexterm-go/nexterm/internal/testserver"
)

type body = map[string]any

const (
	noAccess        = "You don't have access to this organization"
	notFound        = "Organization not found"
	noOrganization  = 987654
	updateForbidden = "You don't have permission to update this organization"
	deleteForbidden = "You don't have permission to delete this organization or it doesn't exist"
)

// organization writes a path below an organization.
func organization(id int64, below string, args ...any) string {
	return fmt.Sprintf("/api/organization/%d", id) + fmt.Sprintf(below, args...)
}

// override sets a member's permission behind the server's back.
func override(t *testing.T, s *testserver.Server, member *testserver.Client, name permission.Name, value string) {
	t.Helper()
	s.Exec(t, `insert into organization_member_permissions (organization_id, account_id, permission, value) values ($1, $2, $3, $4)
		on conflict (organization_id, account_id, permission) do update set value = excluded.value`,
		s.Organization, member.AccountID, name, value)
}

// pending makes an account an invitee of the organization.
func pending(t *testing.T, s *testserver.Server, invitee *testserver.Client) {
	t.Helper()
	s.Owner.Post(organization(s.Organization, "/invite"), body{"username": invitee.Username}).Want(200)
}

// members counts the rows of an organization's members and invitees.
func members(t *testing.T, s *testserver.Server, organizationID int64) (count int) {
	t.Helper()
	s.Scan(t, &count, `select count(*) from organization_members where organization_id = $1`, organizationID)
	return count
}

var (
	every     = permission.All(permission.Organization).Names()
	inherited = []string{
		"resources.manage", "identities.manage", "snippets.manage", "scripts.manage", "scripts.execute",
		"connect.ssh", "connect.rdp", "connect.vnc", "connect.proxmox", "connect.tunnel",
		"files.view", "files.upload", "files.download", "files.modify",
	}
)

func TestListShowsActiveMembershipsOnly(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	second := s.NewOrganization(t, s.Stranger, s.Owner)
	pending(t, s, s.Stranger)

	var list []body
	s.Owner.Get("/api/organizations").Want(200).Into(&list)
	require.Len(t, list, 2)
	require.EqualValues(t, s.Organization, list[0]["id"])
	require.Equal(t, []any{"owner", true}, []any{list[0]["role"], list[0]["isOwner"]})
	require.ElementsMatch(t, every, list[0]["permissions"])
	require.EqualValues(t, second, list[1]["id"])
	require.Equal(t, []any{"member", false}, []any{list[1]["role"], list[1]["isOwner"]})
	require.ElementsMatch(t, inherited, list[1]["permissions"])
	require.NotContains(t, list[0], "auditSettings")

	s.Stranger.Get("/api/organization").Want(200).Into(&list)
	require.Len(t, list, 1, "an invitation is no membership")
	s.Admin.Get("/api/organization").Want(200).Into(&list)
	require.Empty(t, list, "administrators see their memberships only")
}

func TestListShowsAdministratorsAsTheMembersTheyAre(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id := s.NewOrganization(t, s.Owner, s.Admin)
	var list []body
	s.Admin.Get("/api/organization").Want(200).Into(&list)
	require.Len(t, list, 1)
	require.EqualValues(t, id, list[0]["id"])
	require.Equal(t, []any{"member", false}, []any{list[0]["role"], list[0]["isOwner"]})
	require.ElementsMatch(t, every, list[0]["permissions"])
}

func TestListFollowsOverrides(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	override(t, s, s.Colleague, permission.OrgManage, "allow")
	override(t, s, s.Colleague, permission.ConnectSSH, "deny")
	s.Exec(t, `insert into account_permissions values ($1, 'files.view', 'deny')`, s.Colleague.AccountID)
	var list []struct{ Permissions []string }
	s.Colleague.Get("/api/organization").Want(200).Into(&list)
	require.Contains(t, list[0].Permissions, "org.manage")
	require.NotContains(t, list[0].Permissions, "connect.ssh")
	require.NotContains(t, list[0].Permissions, "files.view", "what the account lacks is not inherited")
}

func TestCreateMakesTheCallerOwner(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	var created body
	response := s.Stranger.Put("/api/organizations", body{"name": "  Engines\t", "description": "Weaving"}).Want(201).Into(&created)
	id := response.ID()
	require.Equal(t, "Engines", created["name"])
	require.Equal(t, "Weaving", created["description"])
	require.Equal(t, []any{"owner", true}, []any{created["role"], created["isOwner"]})
	require.ElementsMatch(t, every, created["permissions"])
	require.Equal(t, body{
		"requireConnectionReason": false, "enableFileOperationAudit": true, "enableServerConnectionAudit": true,
		"enableIdentityManagementAudit": true, "enableIdentityCredentialsAccessAudit": true,
		"enableServerManagementAudit": true, "enableFolderManagementAudit": true, "enableScriptExecutionAudit": true,
		"enableAIOperationAudit": true, "enableSessionRecording": false, "recordingRetentionDays": float64(90),
	}, created["auditSettings"])
	require.Equal(t, body{"enableLiveSessionSharing": false}, created["sessionSettings"])

	var role, status string
	var invitedBy int64
	require.NoError(t, s.Pool.QueryRow(t.Context(),
		`select role, status, invited_by from organization_members where organization_id = $1 and account_id = $2`,
		id, s.Stranger.AccountID).Scan(&role, &status, &invitedBy))
	require.Equal(t, []any{"owner", "active", s.Stranger.AccountID}, []any{role, status, invitedBy})

	var shown body
	s.Stranger.Get(organization(id, "")).Want(200).Into(&shown)
	require.Equal(t, created, shown)
	var audited int
	s.Scan(t, &audited, `select count(*) from audit_logs`)
	require.Zero(t, audited, "the vocabulary has no action for organizations")
}

func TestCreateNeedsThePermission(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	s.Exec(t, `insert into account_permissions values ($1, 'organizations.create', 'deny')`, s.Stranger.AccountID)
	s.Stranger.Put("/api/organization", body{"name": "Engines"}).WantError(403, "Forbidden")
	s.Stranger.Put("/api/organization", body{}).WantError(403, "Forbidden")
	s.Anonymous.Put("/api/organization", body{"name": "Engines"}).Want(400)
}

func TestNamesAndDescriptionsHaveLimits(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	const long = "é"
	for _, c := range []struct {
		body    any
		message string
	}{
		{body{}, "name is required"},
		{body{"name": " \u00a0\n"}, "name is not allowed to be empty"},
		{body{"name": ""}, "name is not allowed to be empty"},
		{body{"name": nil}, "name must be a string"},
		{body{"name": 5}, "name must be a string"},
		{body{"name": strings.Repeat(long, 101)}, "name length must be less than or equal to 100 characters long"},
		{body{"name": "Engines", "description": strings.Repeat(long, 501)}, "description length must be less than or equal to 500 characters long"},
		{body{"name": "Engines", "description": 5}, "description must be a string"},
		{body{"name": "Engines", "role": "owner"}, "role is not allowed"},
	} {
		s.Owner.Put("/api/organization", c.body).WantError(400, c.message)
		if c.message != "name is required" {
			s.Owner.Patch(organization(s.Organization, ""), c.body).WantError(400, c.message)
		}
	}

	var created body
	name, description := strings.Repeat(long, 100), strings.Repeat(long, 500)
	s.Owner.Put("/api/organization", body{"name": "   " + name + "   ", "description": description}).Want(201).Into(&created)
	require.Equal(t, name, created["name"], "the length counts without surrounding white space")
	require.Equal(t, description, created["description"])
	s.Owner.Patch(organization(s.Organization, ""), body{"name": "   " + name + "   "}).Want(200).Into(&created)
	require.Equal(t, name, created["name"])
}

func TestEmptyDescriptionIsNone(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	for _, description := range []any{nil, ""} {
		var answer body
		s.Owner.Put("/api/organization", body{"name": "Engines", "description": description}).Want(201).Into(&answer)
		require.Nil(t, answer["description"])
		s.Owner.Patch(organization(s.Organization, ""), body{"description": "Weaving"}).Want(200).Into(&answer)
		require.Equal(t, "Weaving", answer["description"])
		s.Owner.Patch(organization(s.Organization, ""), body{"description": description}).Want(200).Into(&answer)
		require.Nil(t, answer["description"])
	}
}

func TestGetIsForActiveMembers(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	var shown body
	s.Colleague.Get(organization(s.Organization, "")).Want(200).Into(&shown)
	require.Equal(t, []any{"member", false}, []any{shown["role"], shown["isOwner"]})
	require.ElementsMatch(t, inherited, shown["permissions"])

	pending(t, s, s.Stranger)
	s.Stranger.Get(organization(s.Organization, "")).WantError(403, noAccess)
	s.Stranger.Get(organization(noOrganization, "")).WantError(403, noAccess)
	s.Admin.Get(organization(s.Organization, "")).WantError(403, noAccess)
	s.Admin.Get(organization(noOrganization, "")).WantError(404, notFound)
	s.Owner.Get("/api/organization/0").WantError(400, "Invalid organization ID")
	s.Owner.Get("/api/organization/x").WantError(400, "Invalid organization ID")
}

func TestGetMergesDefaultsIntoOldSettings(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	s.Exec(t, `update organizations set audit_settings = '{"enableScriptExecutionAudit": false}', session_settings = '{"enableLiveSessionSharing": true}'`)
	var shown struct{ AuditSettings, SessionSettings body }
	s.Colleague.Get(organization(s.Organization, "")).Want(200).Into(&shown)
	require.Len(t, shown.AuditSettings, 11)
	require.Equal(t, false, shown.AuditSettings["enableScriptExecutionAudit"])
	require.Equal(t, true, shown.AuditSettings["enableFileOperationAudit"])
	require.Equal(t, body{"enableLiveSessionSharing": true}, shown.SessionSettings)
}

func TestUpdateChangesWhatIsNamed(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	var before, after body
	s.Owner.Patch(organization(s.Organization, ""), body{"name": "Old", "description": "Kept"}).Want(200).Into(&before)
	s.Owner.Patch(organization(s.Organization, ""), body{"name": " New "}).Want(200).Into(&after)
	require.Equal(t, []any{"New", "Kept", "owner", true}, []any{after["name"], after["description"], after["role"], after["isOwner"]})
	require.Equal(t, before["createdAt"], after["createdAt"])
	require.GreaterOrEqual(t, after["updatedAt"], before["updatedAt"])
	s.Owner.Patch(organization(s.Organization, ""), body{}).WantError(400, "At least one field is required")
	s.Owner.Patch(organization(s.Organization, ""), nil).WantError(400, "At least one field is required")
}

func TestUpdateNeedsTheRight(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	change := body{"name": "New"}
	pending(t, s, s.Stranger)
	s.Colleague.Patch(organization(s.Organization, ""), change).WantError(403, updateForbidden)
	s.Stranger.Patch(organization(s.Organization, ""), change).WantError(403, updateForbidden)
	s.Stranger.Patch(organization(noOrganization, ""), change).WantError(403, updateForbidden)
	s.Admin.Patch(organization(noOrganization, ""), change).WantError(404, notFound)

	var answer body
	s.Admin.Patch(organization(s.Organization, ""), change).Want(200).Into(&answer)
	require.Equal(t, []any{"member", false}, []any{answer["role"], answer["isOwner"]})
	override(t, s, s.Colleague, permission.OrgManage, "allow")
	s.Colleague.Patch(organization(s.Organization, ""), change).Want(200)
	override(t, s, s.Colleague, permission.OrgManage, "deny")
	s.Colleague.Patch(organization(s.Organization, ""), change).WantError(403, updateForbidden)
}

func TestManagingAllOrganizationsNeedsNoMembership(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	s.Exec(t, `insert into account_permissions values ($1, 'organizations.manage_all', 'allow')`, s.Stranger.AccountID)
	s.Stranger.Patch(organization(s.Organization, ""), body{"name": "New"}).Want(200)
	s.Stranger.Patch(organization(noOrganization, ""), body{"name": "New"}).WantError(404, notFound)
	s.Stranger.Get(organization(s.Organization, "")).WantError(403, noAccess)
	s.Stranger.Delete(organization(s.Organization, "")).Want(200)
}

func TestDeleteTakesEverythingButTheTrail(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	pending(t, s, s.Stranger)
	override(t, s, s.Colleague, permission.OrgManage, "deny")
	kept := s.Owner.Put("/api/identity", body{"name": "Personal", "type": "password", "password": "one"}).Want(200).ID()
	s.Owner.Put("/api/identity", body{"name": "Shared", "type": "password", "password": "two", "organizationId": s.Organization}).Want(200)

	var confirmation body
	s.Owner.Delete(organization(s.Organization, "")).Want(200).Into(&confirmation)
	require.Equal(t, body{"success": true, "message": "Organization deleted successfully"}, confirmation)

	for table, left := range map[string]int{
		"organizations": 0, "organization_members": 0, "organization_member_permissions": 0, "identities": 1, "credentials": 1,
	} {
		var count int
		s.Scan(t, &count, `select count(*) from `+table)
		require.Equal(t, left, count, table)
	}
	var identity, trail int64
	s.Scan(t, &identity, `select id from identities`)
	require.Equal(t, kept, identity)
	s.Scan(t, &trail, `select count(*) from audit_logs where organization_id = $1`, s.Organization)
	require.EqualValues(t, 1, trail)

	var invitations []body
	s.Stranger.Get("/api/organization/invitations/pending").Want(200).Into(&invitations)
	require.Empty(t, invitations)
	s.Colleague.Get(organization(s.Organization, "")).WantError(403, noAccess)
	s.Admin.Delete(organization(s.Organization, "")).WantError(404, notFound)
}

func TestDeleteNeedsTheRight(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	pending(t, s, s.Stranger)
	override(t, s, s.Colleague, permission.OrgManage, "allow")
	s.Colleague.Delete(organization(s.Organization, "")).WantError(403, deleteForbidden)
	s.Stranger.Delete(organization(s.Organization, "")).WantError(403, deleteForbidden)
	s.Stranger.Delete(organization(noOrganization, "")).WantError(403, deleteForbidden)
	s.Admin.Delete(organization(noOrganization, "")).WantError(404, notFound)
	s.Owner.Delete("/api/organization/01").WantError(400, "Invalid organization ID")

	override(t, s, s.Colleague, permission.OrgDelete, "allow")
	s.Colleague.Delete(organization(s.Organization, "")).Want(200)
	another := s.NewOrganization(t, s.Stranger)
	s.Admin.Delete(organization(another, "")).Want(200)
}
