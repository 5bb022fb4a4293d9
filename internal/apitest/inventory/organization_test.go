package inventory_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/permission"
	"github.com/nexterm-go/nexterm/internal/testserver"
)

const (
	noAccess             = "You don't have access to this organization"
	organizationNotFound = "Organization not found"
	noOrganization       = 987654
	updateForbidden      = "You don't have permission to update this organization"
	deleteForbidden      = "You don't have permission to delete this organization or it doesn't exist"
)

// organizationPath writes a path below an organization.
func organizationPath(id int64, below string, args ...any) string {
	return fmt.Sprintf("/api/organization/%d", id) + fmt.Sprintf(below, args...)
}

// inviteByOwner makes an account an invitee of the organization.
func inviteByOwner(t *testing.T, s *testserver.Server, invitee *testserver.Client) {
	t.Helper()
	s.Owner.Post(organizationPath(s.Organization, "/invite"), body{"username": invitee.Username}).Want(200)
}

var (
	everyPermission      = permission.All(permission.Organization).Names()
	inheritedPermissions = []string{
		"resources.manage", "identities.manage", "snippets.manage", "scripts.manage", "scripts.execute",
		"connect.ssh", "connect.rdp", "connect.vnc", "connect.proxmox", "connect.tunnel",
		"files.view", "files.upload", "files.download", "files.modify",
	}
)

func TestOrganizationListShowsActiveMembershipsOnly(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	second := s.NewOrganization(t, s.Stranger, s.Owner)
	inviteByOwner(t, s, s.Stranger)

	var list []body
	s.Owner.Get("/api/organizations").Want(200).Into(&list)
	require.Len(t, list, 2)
	require.EqualValues(t, s.Organization, list[0]["id"])
	require.Equal(t, []any{"owner", true}, []any{list[0]["role"], list[0]["isOwner"]})
	require.ElementsMatch(t, everyPermission, list[0]["permissions"])
	require.EqualValues(t, second, list[1]["id"])
	require.Equal(t, []any{"member", false}, []any{list[1]["role"], list[1]["isOwner"]})
	require.ElementsMatch(t, inheritedPermissions, list[1]["permissions"])
	for _, row := range list {
		var whole body
		s.Owner.Get(fmt.Sprintf("/api/organization/%v", row["id"])).Want(200).Into(&whole)
		require.Equal(t, whole, row, "its settings included")
	}

	s.Stranger.Get("/api/organization").Want(200).Into(&list)
	require.Len(t, list, 1, "an invitation is no membership")
	s.Admin.Get("/api/organization").Want(200).Into(&list)
	require.Empty(t, list, "administrators see their memberships only")
}

func TestOrganizationListShowsAdministratorsAsTheMembersTheyAre(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id := s.NewOrganization(t, s.Owner, s.Admin)
	var list []body
	s.Admin.Get("/api/organization").Want(200).Into(&list)
	require.Len(t, list, 1)
	require.EqualValues(t, id, list[0]["id"])
	require.Equal(t, []any{"member", false}, []any{list[0]["role"], list[0]["isOwner"]})
	require.ElementsMatch(t, everyPermission, list[0]["permissions"])
}

func TestOrganizationListFollowsOverrides(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	s.OverrideMember(t, s.Colleague, permission.OrgManage, "allow")
	s.OverrideMember(t, s.Colleague, permission.ConnectSSH, "deny")
	s.Deny(t, s.Colleague, "files.view")
	var list []struct{ Permissions []string }
	s.Colleague.Get("/api/organization").Want(200).Into(&list)
	require.Contains(t, list[0].Permissions, "org.manage")
	require.NotContains(t, list[0].Permissions, "connect.ssh")
	require.NotContains(t, list[0].Permissions, "files.view", "what the account lacks is not inherited")
}

func TestCreateOrganizationMakesTheCallerOwner(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	var created body
	response := s.Stranger.Put("/api/organizations", body{"name": "  Engines\t", "description": "Weaving"}).Want(201).Into(&created)
	id := response.ID()
	require.Equal(t, "Engines", created["name"])
	require.Equal(t, "Weaving", created["description"])
	require.Equal(t, []any{"owner", true}, []any{created["role"], created["isOwner"]})
	require.ElementsMatch(t, everyPermission, created["permissions"])
	require.Equal(t, body{
		"requireConnectionReason": false, "enableFileOperationAudit": true, "enableServerConnectionAudit": true,
		"enableIdentityManagementAudit": true, "enableIdentityCredentialsAccessAudit": true,
		"enableServerManagementAudit": true, "enableFolderManagementAudit": true, "enableScriptExecutionAudit": true,
		"enableAIOperationAudit": true, "enableSessionRecording": false, "recordingRetentionDays": float64(90),
	}, created["auditSettings"])
	require.Equal(t, body{"enableLiveSessionSharing": false, "enablePublicShareLinks": true}, created["sessionSettings"])

	var role, status string
	var invitedBy int64
	require.NoError(t, s.Pool.QueryRow(t.Context(),
		`select role, status, invited_by from organization_members where organization_id = $1 and account_id = $2`,
		id, s.Stranger.AccountID).Scan(&role, &status, &invitedBy))
	require.Equal(t, []any{"owner", "active", s.Stranger.AccountID}, []any{role, status, invitedBy})

	var shown body
	s.Stranger.Get(organizationPath(id, "")).Want(200).Into(&shown)
	require.Equal(t, created, shown)
	var audited int
	s.Scan(t, &audited, `select count(*) from audit_logs where action = 'organization.create' and organization_id = $1`, id)
	require.Equal(t, 1, audited)
}

func TestCreateOrganizationNeedsThePermission(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	s.Deny(t, s.Stranger, "organizations.create")
	s.Stranger.Put("/api/organization", body{"name": "Engines"}).WantError(403, "Forbidden")
	s.Stranger.Put("/api/organization", body{}).WantError(403, "Forbidden")
	s.Anonymous.Put("/api/organization", body{"name": "Engines"}).Want(400)
}

func TestOrganizationNamesAndDescriptionsHaveLimits(t *testing.T) {
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
			s.Owner.Patch(organizationPath(s.Organization, ""), c.body).WantError(400, c.message)
		}
	}

	var created body
	name, description := strings.Repeat(long, 100), strings.Repeat(long, 500)
	s.Owner.Put("/api/organization", body{"name": "   " + name + "   ", "description": description}).Want(201).Into(&created)
	require.Equal(t, name, created["name"], "the length counts without surrounding white space")
	require.Equal(t, description, created["description"])
	s.Owner.Patch(organizationPath(s.Organization, ""), body{"name": "   " + name + "   "}).Want(200).Into(&created)
	require.Equal(t, name, created["name"])
}

func TestEmptyDescriptionIsNone(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	for _, description := range []any{nil, ""} {
		var answer body
		s.Owner.Put("/api/organization", body{"name": "Engines", "description": description}).Want(201).Into(&answer)
		require.Nil(t, answer["description"])
		s.Owner.Patch(organizationPath(s.Organization, ""), body{"description": "Weaving"}).Want(200).Into(&answer)
		require.Equal(t, "Weaving", answer["description"])
		s.Owner.Patch(organizationPath(s.Organization, ""), body{"description": description}).Want(200).Into(&answer)
		require.Nil(t, answer["description"])
	}
}

func TestGetOrganizationIsForActiveMembers(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	var shown body
	s.Colleague.Get(organizationPath(s.Organization, "")).Want(200).Into(&shown)
	require.Equal(t, []any{"member", false}, []any{shown["role"], shown["isOwner"]})
	require.ElementsMatch(t, inheritedPermissions, shown["permissions"])

	inviteByOwner(t, s, s.Stranger)
	s.Stranger.Get(organizationPath(s.Organization, "")).WantError(403, noAccess)
	s.Stranger.Get(organizationPath(noOrganization, "")).WantError(403, noAccess)
	s.Admin.Get(organizationPath(s.Organization, "")).WantError(403, noAccess)
	s.Admin.Get(organizationPath(noOrganization, "")).WantError(404, organizationNotFound)
	s.Owner.Get("/api/organization/0").WantError(400, "Invalid organization ID")
	s.Owner.Get("/api/organization/x").WantError(400, "Invalid organization ID")
}

func TestGetOrganizationMergesDefaultsIntoOldSettings(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	s.Exec(t, `update organizations set audit_settings = '{"enableScriptExecutionAudit": false}', session_settings = '{"enableLiveSessionSharing": true}'`)
	var shown struct{ AuditSettings, SessionSettings body }
	s.Colleague.Get(organizationPath(s.Organization, "")).Want(200).Into(&shown)
	require.Len(t, shown.AuditSettings, 11)
	require.Equal(t, false, shown.AuditSettings["enableScriptExecutionAudit"])
	require.Equal(t, true, shown.AuditSettings["enableFileOperationAudit"])
	require.Equal(t, body{"enableLiveSessionSharing": true, "enablePublicShareLinks": true}, shown.SessionSettings)
}

func TestUpdateOrganizationChangesWhatIsNamed(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	var before, after body
	s.Owner.Patch(organizationPath(s.Organization, ""), body{"name": "Old", "description": "Kept"}).Want(200).Into(&before)
	s.Owner.Patch(organizationPath(s.Organization, ""), body{"name": " New "}).Want(200).Into(&after)
	require.Equal(t, []any{"New", "Kept", "owner", true}, []any{after["name"], after["description"], after["role"], after["isOwner"]})
	require.Equal(t, before["createdAt"], after["createdAt"])
	require.GreaterOrEqual(t, after["updatedAt"], before["updatedAt"])
	s.Owner.Patch(organizationPath(s.Organization, ""), body{}).WantError(400, "At least one field is required")
	s.Owner.Patch(organizationPath(s.Organization, ""), nil).WantError(400, "At least one field is required")
}

func TestUpdateOrganizationNeedsTheRight(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	change := body{"name": "New"}
	inviteByOwner(t, s, s.Stranger)
	s.Colleague.Patch(organizationPath(s.Organization, ""), change).WantError(403, updateForbidden)
	s.Stranger.Patch(organizationPath(s.Organization, ""), change).WantError(403, updateForbidden)
	s.Stranger.Patch(organizationPath(noOrganization, ""), change).WantError(403, updateForbidden)
	s.Admin.Patch(organizationPath(noOrganization, ""), change).WantError(404, organizationNotFound)

	var answer body
	s.Admin.Patch(organizationPath(s.Organization, ""), change).Want(200).Into(&answer)
	require.Equal(t, []any{"member", false}, []any{answer["role"], answer["isOwner"]})
	s.OverrideMember(t, s.Colleague, permission.OrgManage, "allow")
	s.Colleague.Patch(organizationPath(s.Organization, ""), change).Want(200)
	s.OverrideMember(t, s.Colleague, permission.OrgManage, "deny")
	s.Colleague.Patch(organizationPath(s.Organization, ""), change).WantError(403, updateForbidden)
}

func TestManagingAllOrganizationsNeedsNoMembership(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	s.Grant(t, s.Stranger, "organizations.manage_all")
	s.Stranger.Patch(organizationPath(s.Organization, ""), body{"name": "New"}).Want(200)
	s.Stranger.Patch(organizationPath(noOrganization, ""), body{"name": "New"}).WantError(404, organizationNotFound)
	s.Stranger.Get(organizationPath(s.Organization, "")).WantError(403, noAccess)
	s.Stranger.Delete(organizationPath(s.Organization, "")).Want(200)
}

func TestDeleteOrganizationTakesEverythingButTheTrail(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	inviteByOwner(t, s, s.Stranger)
	s.OverrideMember(t, s.Colleague, permission.OrgManage, "deny")
	kept := s.Owner.Put("/api/identity", body{"name": "Personal", "type": "password", "password": "one"}).Want(200).ID()
	s.Owner.Put("/api/identity", body{"name": "Shared", "type": "password", "password": "two", "organizationId": s.Organization}).Want(200)

	var confirmation body
	s.Owner.Delete(organizationPath(s.Organization, "")).Want(200).Into(&confirmation)
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
	require.EqualValues(t, 3, trail, "the invitation, the identity and the deletion")

	var invitations []body
	s.Stranger.Get("/api/organization/invitations/pending").Want(200).Into(&invitations)
	require.Empty(t, invitations)
	s.Colleague.Get(organizationPath(s.Organization, "")).WantError(403, noAccess)
	s.Admin.Delete(organizationPath(s.Organization, "")).WantError(404, organizationNotFound)
}

func TestDeleteOrganizationNeedsTheRight(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	inviteByOwner(t, s, s.Stranger)
	s.OverrideMember(t, s.Colleague, permission.OrgManage, "allow")
	s.Colleague.Delete(organizationPath(s.Organization, "")).WantError(403, deleteForbidden)
	s.Stranger.Delete(organizationPath(s.Organization, "")).WantError(403, deleteForbidden)
	s.Stranger.Delete(organizationPath(noOrganization, "")).WantError(403, deleteForbidden)
	s.Admin.Delete(organizationPath(noOrganization, "")).WantError(404, organizationNotFound)
	s.Owner.Delete("/api/organization/01").WantError(400, "Invalid organization ID")

	s.OverrideMember(t, s.Colleague, permission.OrgDelete, "allow")
	s.Colleague.Delete(organizationPath(s.Organization, "")).Want(200)
	another := s.NewOrganization(t, s.Stranger)
	s.Admin.Delete(organizationPath(another, "")).Want(200)
}
