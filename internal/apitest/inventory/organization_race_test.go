package inventory_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

// rounds repeats a race so that the requests meet in different places.
const rounds = 10

func TestOfTwoInvitationsAtOnceOneIsSent(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	invite := func(c *testserver.Client) func() *testserver.Response {
		return func() *testserver.Response {
			return c.Post(organizationPath(s.Organization, "/invite"), body{"username": "stranger"})
		}
	}
	for range rounds {
		statuses := testserver.AtOnce(invite(s.Owner), invite(s.Admin))
		slices.Sort(statuses)
		require.Equal(t, []int{200, 409}, statuses)
		require.Equal(t, 3, s.Count(t, "organization_members where organization_id = $1", s.Organization))
		s.Stranger.Post("/api/organization/invitations/1/respond", body{"accept": false}).Want(200)
	}
}

func TestOfTwoAnswersAtOnceOneCounts(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	answer := func(accept bool) func() *testserver.Response {
		return func() *testserver.Response {
			return s.Stranger.Post("/api/organization/invitations/1/respond", body{"accept": accept})
		}
	}
	for range rounds {
		inviteByOwner(t, s, s.Stranger)
		statuses := testserver.AtOnce(answer(true), answer(false))
		if statuses[0] == 200 {
			require.Equal(t, []int{200, 404}, statuses)
			s.Stranger.Post(organizationPath(s.Organization, "/leave"), nil).Want(200)
		} else {
			require.Equal(t, []int{404, 200}, statuses)
			require.Equal(t, 2, s.Count(t, "organization_members where organization_id = $1", s.Organization))
		}
	}
}

func TestRemovingAMemberThatLeavesEndsItOnce(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	for range rounds {
		statuses := testserver.AtOnce(
			func() *testserver.Response {
				return s.Owner.Delete(organizationPath(s.Organization, "/members/%d", s.Colleague.AccountID))
			},
			func() *testserver.Response { return s.Colleague.Post(organizationPath(s.Organization, "/leave"), nil) },
		)
		slices.Sort(statuses)
		require.Equal(t, []int{200, 404}, statuses)
		require.Equal(t, 1, s.Count(t, "organization_members where organization_id = $1", s.Organization))
		inviteByOwner(t, s, s.Colleague)
		s.Colleague.Post("/api/organization/invitations/1/respond", body{"accept": true}).Want(200)
	}
}

func TestAcceptingAWithdrawnInvitationGivesNoMembership(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	for range rounds {
		inviteByOwner(t, s, s.Stranger)
		statuses := testserver.AtOnce(
			func() *testserver.Response {
				return s.Owner.Delete(organizationPath(s.Organization, "/members/%d", s.Stranger.AccountID))
			},
			func() *testserver.Response {
				return s.Stranger.Post("/api/organization/invitations/1/respond", body{"accept": true})
			},
		)
		require.Equal(t, 200, statuses[0], "an invitee or a member, it is removed")
		require.Contains(t, []int{200, 404}, statuses[1])
		require.Equal(t, 2, s.Count(t, "organization_members where organization_id = $1", s.Organization))
	}
}

func TestInvitingIntoAnOrganizationThatGoesIsNoFault(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	for range rounds {
		id := s.NewOrganization(t, s.Owner)
		statuses := testserver.AtOnce(
			func() *testserver.Response { return s.Owner.Delete(organizationPath(id, "")) },
			func() *testserver.Response {
				return s.Admin.Post(organizationPath(id, "/invite"), body{"username": "stranger"})
			},
		)
		require.Equal(t, 200, statuses[0])
		require.Contains(t, []int{200, 404}, statuses[1])
		require.Zero(t, s.Count(t, "organization_members where organization_id = $1", id))
	}
}

func TestChangesOfATreeWhoseOrganizationGoesAreNoFault(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	for range rounds {
		id := s.NewOrganization(t, s.Owner)
		folder := s.Owner.Put("/api/folder", body{"name": "Folder", "organizationId": id}).Want(200).ID()
		entry := s.Owner.Put("/api/entry", body{"name": "entry", "config": body{}, "folderId": folder}).Want(200).ID()
		moves := s.Owner.Put("/api/entry", body{"name": "entry", "config": body{}}).Want(200).ID()
		statuses := testserver.AtOnce(
			func() *testserver.Response { return s.Owner.Delete(organizationPath(id, "")) },
			func() *testserver.Response { return s.Owner.Post(fmt.Sprintf("/api/entry/%d/duplicate", entry), nil) },
			func() *testserver.Response {
				return s.Owner.Post("/api/entry/import/ssh-config", body{"folderId": folder, "servers": []body{{"name": "x", "ip": "x"}}})
			},
			func() *testserver.Response {
				return s.Owner.Put("/api/folder", body{"name": "Inner", "parentId": folder})
			},
			func() *testserver.Response {
				return s.Owner.Patch(fmt.Sprintf("/api/entry/%d", moves), body{"organizationId": id})
			},
		)
		require.Equal(t, 200, statuses[0])
		for _, status := range statuses[1:] {
			require.Contains(t, []int{200, 403, 404}, status)
		}
	}
}
