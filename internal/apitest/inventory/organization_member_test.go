package inventory_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/permission"
	"github.com/nexterm-go/nexterm/internal/testserver"
)

const (
	inviteForbidden = "You don't have permission to invite users to this organization"
	removeForbidden = "You don't have permission to remove members from this organization"
	notInside       = "Member not found in this organization"
	notMember       = "You are not a member of this organization"
	noInvitation    = "Invitation not found"
)

func TestMembersAreListedWithInvitees(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	inviteByOwner(t, s, s.Stranger)
	s.Exec(t, `update accounts set avatar_hash = 'abc' where id = $1`, s.Colleague.AccountID)
	member := func(c *testserver.Client, firstName string, avatar any, role, status string) body {
		return body{
			"id": float64(c.AccountID), "accountId": float64(c.AccountID), "username": c.Username, "firstName": firstName,
			"lastName": "Test", "name": firstName + " Test", "avatarHash": avatar, "role": role, "status": status,
		}
	}
	var list []body
	s.Colleague.Get(organizationPath(s.Organization, "/members")).Want(200).Into(&list)
	require.Equal(t, []body{
		member(s.Owner, "Owner", nil, "owner", "active"),
		member(s.Colleague, "Colleague", "abc", "member", "active"),
		member(s.Stranger, "Stranger", nil, "member", "pending"),
	}, list)

	s.Stranger.Get(organizationPath(s.Organization, "/members")).WantError(403, noAccess)
	s.Stranger.Get(organizationPath(noOrganization, "/members")).WantError(403, noAccess)
	s.Admin.Get(organizationPath(s.Organization, "/members")).WantError(403, noAccess)
	s.Admin.Get(organizationPath(noOrganization, "/members")).WantError(404, organizationNotFound)
	s.Owner.Get("/api/organization/-1/members").WantError(400, "Invalid organization ID")
}

func TestInviteAddsAPendingMember(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	var confirmation body
	s.Owner.Post("/api/organizations/1/invite", body{"username": "stranger"}).Want(200).Into(&confirmation)
	require.Equal(t, body{"success": true, "message": "Invitation sent successfully"}, confirmation)

	var role, status string
	var invitedBy int64
	require.NoError(t, s.Pool.QueryRow(t.Context(),
		`select role, status, invited_by from organization_members where account_id = $1`, s.Stranger.AccountID,
	).Scan(&role, &status, &invitedBy))
	require.Equal(t, []any{"member", "pending", s.Owner.AccountID}, []any{role, status, invitedBy})
}

func TestInviteRefuses(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	path := organizationPath(s.Organization, "/invite")
	s.Owner.Post(path, body{"username": "nobody"}).WantError(404, "User not found")
	s.Owner.Post(path, body{"username": "colleague"}).WantError(409, "User is already a member of this organization")
	s.Owner.Post(path, body{"username": "owner"}).WantError(409, "User is already a member of this organization")
	inviteByOwner(t, s, s.Stranger)
	s.Owner.Post(path, body{"username": "stranger"}).WantError(409, "User already has a pending invitation")

	s.Owner.Post(path, body{}).WantError(400, "username is required")
	s.Owner.Post(path, body{"username": ""}).WantError(400, "username is not allowed to be empty")
	s.Owner.Post(path, body{"username": strings.Repeat("a", 256)}).WantError(400, "username length must be less than or equal to 255 characters long")
	s.Owner.Post(path, body{"username": "admin", "role": "owner"}).WantError(400, "role is not allowed")
	s.Owner.Post("/api/organization/x/invite", body{"username": "admin"}).WantError(400, "Invalid organization ID")
}

func TestInviteNeedsTheRight(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	guest := s.NewAccount(t, "guest")
	invitation := body{"username": "guest"}
	inviteByOwner(t, s, s.Stranger)
	s.Colleague.Post(organizationPath(s.Organization, "/invite"), invitation).WantError(403, inviteForbidden)
	s.Stranger.Post(organizationPath(s.Organization, "/invite"), invitation).WantError(403, inviteForbidden)
	s.Stranger.Post(organizationPath(noOrganization, "/invite"), invitation).WantError(403, inviteForbidden)
	s.Admin.Post(organizationPath(noOrganization, "/invite"), invitation).WantError(404, organizationNotFound)
	s.Admin.Post(organizationPath(noOrganization, "/invite"), body{"username": "nobody"}).WantError(404, organizationNotFound)

	s.OverrideMember(t, s.Colleague, permission.OrgMembersManage, "allow")
	s.Colleague.Post(organizationPath(s.Organization, "/invite"), invitation).Want(200)
	guest.Post(organizationPath(s.Organization, "/invite"), body{"username": "admin"}).WantError(403, inviteForbidden)
	s.Admin.Post(organizationPath(s.Organization, "/invite"), body{"username": "admin"}).Want(200)
}

func TestAnInvitationShowsWhoSentIt(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	host := s.NewAccount(t, "host")
	other := s.NewOrganization(t, s.Owner)
	s.Exec(t, `update organizations set name = 'Engines', description = 'Weaving' where id = $1`, other)
	s.Exec(t, `insert into organization_members (organization_id, account_id, invited_by, created_at) values
		($1, $3, $4, '2026-01-31 12:00:00.5+00'), ($2, $3, $5, '2026-01-30 12:00:00+00')`,
		s.Organization, other, s.Stranger.AccountID, s.Owner.AccountID, host.AccountID)
	s.Exec(t, `delete from accounts where id = $1`, host.AccountID)

	var list []body
	s.Stranger.Get("/api/organizations/invitations/pending").Want(200).Into(&list)
	require.Equal(t, []body{
		{
			"id":           float64(s.Organization),
			"organization": body{"id": float64(s.Organization), "name": "owner's organization", "description": nil},
			"invitedBy": body{
				"id": float64(s.Owner.AccountID), "username": "owner", "firstName": "Owner", "lastName": "Test",
				"avatarHash": nil, "name": "Owner Test",
			},
			"createdAt": "2026-01-31T12:00:00.500Z",
		},
		{
			"id":           float64(other),
			"organization": body{"id": float64(other), "name": "Engines", "description": "Weaving"},
			"invitedBy": body{
				"id": nil, "username": nil, "firstName": nil, "lastName": nil, "avatarHash": nil, "name": "Unknown user",
			},
			"createdAt": "2026-01-30T12:00:00.000Z",
		},
	}, list)
	s.Owner.Get("/api/organization/invitations/pending").Want(200).Into(&list)
	require.Empty(t, list)
}

func TestAcceptingMakesAnActiveMember(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	inviteByOwner(t, s, s.Stranger)
	path := "/api/organizations/invitations/1/respond"
	var confirmation body
	s.Stranger.Post(path, body{"accept": true}).Want(200).Into(&confirmation)
	require.Equal(t, body{"success": true, "message": "Invitation accepted"}, confirmation)
	s.Stranger.Get(organizationPath(s.Organization, "")).Want(200)
	s.Stranger.Post(path, body{"accept": true}).WantError(404, noInvitation)
	s.Stranger.Post(path, body{"accept": false}).WantError(404, noInvitation)
	s.Stranger.Get(organizationPath(s.Organization, "")).Want(200)
}

func TestDecliningLeavesNothing(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	inviteByOwner(t, s, s.Stranger)
	path := "/api/organization/invitations/1/respond"
	require.Equal(t, "Invitation declined", s.Stranger.Post(path, body{"accept": false}).Want(200).Message())
	require.Equal(t, 2, s.Count(t, "organization_members where organization_id = $1", s.Organization))
	s.Stranger.Post(path, body{"accept": true}).WantError(404, noInvitation)
	inviteByOwner(t, s, s.Stranger)
}

func TestOnlyTheInvitedAccountAnswers(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	inviteByOwner(t, s, s.Stranger)
	for _, c := range []*testserver.Client{s.Owner, s.Colleague, s.Admin} {
		c.Post("/api/organization/invitations/1/respond", body{"accept": false}).WantError(404, noInvitation)
	}
	s.Stranger.Post("/api/organization/invitations/987654/respond", body{"accept": true}).WantError(404, noInvitation)
	s.Stranger.Post("/api/organization/invitations/x/respond", body{"accept": true}).WantError(400, "Invalid organization ID")
	s.Stranger.Post("/api/organization/invitations/1/respond", body{}).WantError(400, "accept is required")
	s.Stranger.Post("/api/organization/invitations/1/respond", body{"accept": "true"}).WantError(400, "accept must be a boolean")
	require.Equal(t, 3, s.Count(t, "organization_members where organization_id = $1", s.Organization))
}

func TestRemoveEndsAMembershipWithItsOverrides(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	s.OverrideMember(t, s.Colleague, permission.OrgManage, "allow")
	var confirmation body
	s.Owner.Delete(organizationPath(s.Organization, "/members/%d", s.Colleague.AccountID)).Want(200).Into(&confirmation)
	require.Equal(t, body{"success": true, "message": "Member removed successfully"}, confirmation)
	s.Colleague.Get(organizationPath(s.Organization, "")).WantError(403, noAccess)

	inviteByOwner(t, s, s.Colleague)
	s.Colleague.Post("/api/organization/invitations/1/respond", body{"accept": true}).Want(200)
	s.Colleague.Patch(organizationPath(s.Organization, ""), body{"name": "New"}).WantError(403, updateForbidden)
}

func TestRemoveWithdrawsAnInvitation(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	inviteByOwner(t, s, s.Stranger)
	s.Owner.Delete(organizationPath(s.Organization, "/members/%d", s.Stranger.AccountID)).Want(200)
	s.Stranger.Post("/api/organization/invitations/1/respond", body{"accept": true}).WantError(404, noInvitation)
}

func TestRemoveRefuses(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	inviteByOwner(t, s, s.Stranger)
	colleague := func(organizationID int64) string {
		return organizationPath(organizationID, "/members/%d", s.Colleague.AccountID)
	}
	s.Colleague.Delete(colleague(s.Organization)).WantError(403, removeForbidden)
	s.Stranger.Delete(colleague(s.Organization)).WantError(403, removeForbidden)
	s.Stranger.Delete(organizationPath(s.Organization, "/members/%d", s.Stranger.AccountID)).WantError(403, removeForbidden)
	s.Stranger.Delete(colleague(noOrganization)).WantError(403, removeForbidden)
	s.Admin.Delete(colleague(noOrganization)).WantError(404, organizationNotFound)

	s.Owner.Delete(organizationPath(s.Organization, "/members/%d", s.Owner.AccountID)).WantError(403, "Cannot remove the organization owner")
	s.Admin.Delete(organizationPath(s.Organization, "/members/%d", s.Owner.AccountID)).WantError(403, "Cannot remove the organization owner")
	s.Owner.Delete(organizationPath(s.Organization, "/members/%d", s.Admin.AccountID)).WantError(404, notInside)
	s.Owner.Delete(organizationPath(s.Organization, "/members/987654")).WantError(404, notInside)
	s.Owner.Delete(organizationPath(s.Organization, "/members/x")).WantError(400, "Invalid member account ID")
	s.Owner.Delete("/api/organization/x/members/1").WantError(400, "Invalid organization ID")

	s.OverrideMember(t, s.Colleague, permission.OrgMembersManage, "allow")
	s.Colleague.Delete(organizationPath(s.Organization, "/members/%d", s.Stranger.AccountID)).Want(200)
	s.Admin.Delete(colleague(s.Organization)).Want(200)
}

func TestLeaveEndsOnesOwnMembership(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	s.OverrideMember(t, s.Colleague, permission.OrgManage, "allow")
	var confirmation body
	s.Colleague.Post(organizationPath(s.Organization, "/leave"), nil).Want(200).Into(&confirmation)
	require.Equal(t, body{"success": true, "message": "You have left the organization"}, confirmation)
	var overrides int
	s.Scan(t, &overrides, `select count(*) from organization_member_permissions`)
	require.Zero(t, overrides)
	s.Colleague.Post(organizationPath(s.Organization, "/leave"), body{}).WantError(404, notMember)
}

func TestLeaveRefuses(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	inviteByOwner(t, s, s.Stranger)
	s.Owner.Post(organizationPath(s.Organization, "/leave"), body{}).
		WantError(403, "As the owner, you cannot leave the organization. You must delete it instead")
	s.Stranger.Post(organizationPath(s.Organization, "/leave"), body{}).WantError(404, notMember)
	s.Admin.Post(organizationPath(s.Organization, "/leave"), nil).WantError(404, notMember)
	s.Admin.Post(organizationPath(noOrganization, "/leave"), nil).WantError(404, notMember)
	s.Colleague.Post(organizationPath(s.Organization, "/leave"), body{"sure": true}).WantError(400, "sure is not allowed")
	s.Colleague.Post("/api/organization/x/leave", nil).WantError(400, "Invalid organization ID")
	require.Equal(t, 3, s.Count(t, "organization_members where organization_id = $1", s.Organization))
}
