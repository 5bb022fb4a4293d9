package identity_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

type body = map[string]any

const (
	notFound        = "Identity does not exist"
	personalRefused = "You don't have permission to manage identities"
	sharedRefused   = "You don't have permission to manage this organization's identities"
)

func TestListShowsPersonalFirstThenOrganizations(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	shared := create(s.Owner, body{"name": "Shared", "type": "password", "organizationId": s.Organization})
	own := s.Owner.Put("/api/identities", body{"name": "Personal", "type": "ssh", "username": "root"}).Want(200).ID()
	create(s.Stranger, body{"name": "Elsewhere", "type": "password"})

	var list []body
	s.Owner.Get("/api/identities/list").Want(200).Into(&list)
	require.Equal(t, []body{
		{"id": float64(own), "name": "Personal", "username": "root", "type": "ssh", "organizationId": nil, "accountId": float64(s.Owner.AccountID), "scope": "personal"},
		{"id": float64(shared), "name": "Shared", "username": nil, "type": "password", "organizationId": float64(s.Organization), "accountId": nil, "scope": "organization"},
	}, list)

	s.Colleague.Get("/api/identity/list").Want(200).Into(&list)
	require.Len(t, list, 1)
	s.Admin.Get("/api/identity/list").Want(200).Into(&list)
	require.Empty(t, list, "administrators see only their own and their memberships'")
}

func TestCreateNeedsTheRightInItsScope(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	in := func(organization int64) body {
		return body{"name": "Shared", "type": "password", "organizationId": organization}
	}
	s.Stranger.Put("/api/identity", in(s.Organization)).WantError(403, sharedRefused)
	s.Stranger.Put("/api/identity", in(987654)).WantError(403, sharedRefused)
	s.Admin.Put("/api/identity", in(987654)).WantError(404, "Organization not found")
	s.Admin.Put("/api/identity", in(s.Organization)).Want(200)

	deny(t, s, s.Colleague)
	s.Colleague.Put("/api/identity", in(s.Organization)).WantError(403, sharedRefused)
	create(s.Colleague, body{"name": "Mine", "type": "password"})
	s.Exec(t, `insert into account_permissions values ($1, 'identities.manage', 'deny')`, s.Stranger.AccountID)
	s.Stranger.Put("/api/identity", body{"name": "Mine", "type": "password"}).WantError(403, personalRefused)
}

func TestPendingInviteeReachesNothing(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	shared := create(s.Owner, body{"name": "Shared", "type": "password", "organizationId": s.Organization})
	s.Exec(t, `insert into organization_members (organization_id, account_id, invited_by) values ($1, $2, $3)`,
		s.Organization, s.Stranger.AccountID, s.Owner.AccountID)
	s.Stranger.Put("/api/identity", body{"name": "Shared", "type": "password", "organizationId": s.Organization}).WantError(403, sharedRefused)
	s.Stranger.Patch(path(shared), body{"name": "Mine now"}).WantError(404, notFound)
	s.Stranger.Delete(path(shared)).WantError(404, notFound)
}

func TestUpdateChangesOnlyWhatIsNamed(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id := create(s.Owner, body{"name": "Before", "type": "password", "username": "root", "password": "p"})
	require.Equal(t, "Identity got successfully edited", s.Owner.Patch(path(id), body{"name": "After"}).Want(200).Message())
	require.Equal(t, body{"name": "After", "username": "root", "type": "password"}, read(t, s.Owner, id))
	s.Owner.Patch(path(id), body{"username": "admin"}).Want(200)
	require.Equal(t, body{"name": "After", "username": "admin", "type": "password"}, read(t, s.Owner, id))
	s.Owner.Patch(path(id), body{"type": "password-only"}).Want(200)
	require.Equal(t, body{"name": "After", "username": nil, "type": "password-only"}, read(t, s.Owner, id))
	s.Owner.Patch(path(id), body{"username": "ignored"}).Want(200)
	require.Nil(t, read(t, s.Owner, id)["username"])
	s.Owner.Patch(path(id), body{}).WantError(400,
		"value must contain at least one of [name, username, type, password, sshKey, passphrase, organizationId]")
}

func TestUpdateRefuses(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	personal := create(s.Owner, body{"name": "Personal", "type": "password"})
	shared := create(s.Owner, body{"name": "Shared", "type": "password", "organizationId": s.Organization})
	rename := body{"name": "Renamed"}

	s.Stranger.Patch(path(personal), rename).WantError(404, notFound)
	s.Admin.Patch(path(personal), rename).WantError(404, notFound)
	s.Stranger.Patch(path(shared), rename).WantError(404, notFound)
	s.Owner.Patch(path(987654), rename).WantError(404, notFound)
	s.Admin.Patch(path(shared), rename).Want(200)
	s.Colleague.Patch(path(shared), rename).Want(200)
	deny(t, s, s.Colleague)
	s.Colleague.Patch(path(shared), rename).WantError(403, sharedRefused)
	s.Exec(t, `insert into account_permissions values ($1, 'identities.manage', 'deny')`, s.Owner.AccountID)
	s.Owner.Patch(path(personal), rename).WantError(403, personalRefused)
	s.Owner.Patch(path(shared), rename).Want(200)
}

func TestUpdateMovesBetweenOrganizationsOrChangesNothing(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	other := s.NewOrganization(t, s.Owner)
	foreign := s.NewOrganization(t, s.Stranger)
	id := create(s.Owner, body{"name": "Personal", "type": "password", "password": "p"})

	s.Owner.Patch(path(id), body{"name": "Changed", "organizationId": foreign}).WantError(403, sharedRefused)
	s.Owner.Patch(path(id), body{"name": "Changed", "organizationId": nil}).WantError(400, "organizationId must be a number")
	require.Equal(t, "Personal", read(t, s.Owner, id)["name"])
	s.Owner.Patch(path(id), body{"organizationId": fmt.Sprint(s.Organization)}).Want(200)
	s.Owner.Patch(path(id), body{"organizationId": s.Organization, "name": "Same place"}).Want(200)
	s.Colleague.Patch(path(id), body{"organizationId": other}).WantError(403, sharedRefused)
	s.Admin.Patch(path(id), body{"organizationId": 987654}).WantError(404, "Organization not found")
	s.Owner.Patch(path(id), body{"organizationId": other}).Want(200)
	s.Colleague.Delete(path(id)).WantError(404, notFound)
	require.Equal(t, map[string]string{"password": "p"}, secrets(t, s, id), "secrets survive moves")
}

func TestDeleteByAnyMemberUnlessDenied(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	make := func() int64 {
		return create(s.Owner, body{"name": "Shared", "type": "password", "password": "p", "organizationId": s.Organization})
	}
	first, second := make(), make()
	require.Equal(t, "Identity got successfully deleted", s.Colleague.Delete(path(first)).Want(200).Message())
	s.Colleague.Delete(path(first)).WantError(404, notFound)
	require.Empty(t, secrets(t, s, first))
	deny(t, s, s.Colleague)
	s.Colleague.Delete(path(second)).WantError(403, sharedRefused)
	s.Stranger.Delete(path(second)).WantError(404, notFound)
	s.Admin.Delete(path(second)).Want(200)
}

func TestTwoDeletesAtOnceSucceedOnce(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id := create(s.Owner, body{"name": "Shared", "type": "password", "organizationId": s.Organization})
	statuses := testserver.AtOnce(
		func() *testserver.Response { return s.Owner.Delete(path(id)) },
		func() *testserver.Response { return s.Colleague.Delete(path(id)) },
	)
	require.ElementsMatch(t, []int{http.StatusOK, http.StatusNotFound}, statuses)
}

func TestMoveHandsOverAPersonalIdentity(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	foreign := s.NewOrganization(t, s.Stranger)
	id := create(s.Owner, body{"name": "Key", "type": "ssh", "username": "deploy", "sshKey": "k"})
	move := func(c *testserver.Client, organization any) *testserver.Response {
		return c.Post(path(id)+"/move", body{"organizationId": organization})
	}
	s.Owner.Post(path(id)+"/move", body{}).WantError(400, "organizationId is required")
	move(s.Stranger, foreign).WantError(404, notFound)
	move(s.Owner, foreign).WantError(403, sharedRefused)
	move(s.Owner, 987654).WantError(403, sharedRefused)
	var moved struct {
		Message  string
		Identity body
	}
	move(s.Owner, s.Organization).Want(200).Into(&moved)
	require.Equal(t, "Identity successfully moved to organization", moved.Message)
	require.Equal(t, body{"id": float64(id), "name": "Key", "username": "deploy", "type": "ssh", "organizationId": float64(s.Organization), "accountId": nil, "scope": "organization"}, moved.Identity)
	move(s.Owner, s.Organization).WantError(403, "Can only move your own personal identities")
	move(s.Colleague, s.Organization).WantError(403, "Can only move your own personal identities")

	own := create(s.Admin, body{"name": "Admin's", "type": "password"})
	s.Admin.Post(path(own)+"/move", body{"organizationId": 987654}).WantError(404, "Organization not found")
}

func TestKeyIsBoundedInBytes(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	most := strings.Repeat("é", 32768)
	id := create(s.Owner, body{"name": "Key", "type": "ssh", "sshKey": most})
	require.Equal(t, map[string]string{"ssh-key": most}, secrets(t, s, id))
	s.Owner.Put("/api/identity", body{"name": "Key", "type": "ssh", "sshKey": most + "x"}).
		WantError(400, "sshKey length must be less than or equal to 65536 bytes long")
}

func create(c *testserver.Client, b body) int64 { return c.Put("/api/identity", b).Want(200).ID() }

func path(id int64) string { return fmt.Sprintf("/api/identity/%d", id) }

func deny(t *testing.T, s *testserver.Server, c *testserver.Client) {
	t.Helper()
	s.Exec(t, `insert into organization_member_permissions values ($1, $2, 'identities.manage', 'deny')`, s.Organization, c.AccountID)
}

// read returns what people change of an identity.
func read(t *testing.T, c *testserver.Client, id int64) body {
	t.Helper()
	var list []body
	c.Get("/api/identity/list").Want(200).Into(&list)
	for _, item := range list {
		if item["id"] == float64(id) {
			return body{"name": item["name"], "username": item["username"], "type": item["type"]}
		}
	}
	require.Fail(t, "not listed", "identity %d", id)
	return nil
}
