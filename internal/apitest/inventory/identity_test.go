package inventory_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

const (
	identityNotFound        = "Identity does not exist"
	personalIdentityRefused = "You don't have permission to manage identities"
	sharedIdentityRefused   = "You don't have permission to manage this organization's identities"
)

func TestIdentityListShowsPersonalFirstThenOrganizations(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	shared := createIdentity(s.Owner, body{"name": "Shared", "type": "password", "organizationId": s.Organization})
	own := s.Owner.Put("/api/identities", body{"name": "Personal", "type": "ssh", "username": "root"}).Want(200).ID()
	createIdentity(s.Stranger, body{"name": "Elsewhere", "type": "password"})

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

func TestCreateIdentityNeedsTheRightInItsScope(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	in := func(organization int64) body {
		return body{"name": "Shared", "type": "password", "organizationId": organization}
	}
	s.Stranger.Put("/api/identity", in(s.Organization)).WantError(403, sharedIdentityRefused)
	s.Stranger.Put("/api/identity", in(987654)).WantError(403, sharedIdentityRefused)
	s.Admin.Put("/api/identity", in(987654)).WantError(404, "Organization not found")
	s.Admin.Put("/api/identity", in(s.Organization)).Want(200)

	s.OverrideMember(t, s.Colleague, "identities.manage", "deny")
	s.Colleague.Put("/api/identity", in(s.Organization)).WantError(403, sharedIdentityRefused)
	createIdentity(s.Colleague, body{"name": "Mine", "type": "password"})
	s.Deny(t, s.Stranger, "identities.manage")
	s.Stranger.Put("/api/identity", body{"name": "Mine", "type": "password"}).WantError(403, personalIdentityRefused)
}

func TestPendingInviteeReachesNoIdentity(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	shared := createIdentity(s.Owner, body{"name": "Shared", "type": "password", "organizationId": s.Organization})
	s.Invite(t, s.Stranger)
	s.Stranger.Put("/api/identity", body{"name": "Shared", "type": "password", "organizationId": s.Organization}).WantError(403, sharedIdentityRefused)
	s.Stranger.Patch(identityPath(shared), body{"name": "Mine now"}).WantError(404, identityNotFound)
	s.Stranger.Delete(identityPath(shared)).WantError(404, identityNotFound)
}

func TestUpdateIdentityChangesOnlyWhatIsNamed(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id := createIdentity(s.Owner, body{"name": "Before", "type": "password", "username": "root", "password": "p"})
	require.Equal(t, "Identity got successfully edited", s.Owner.Patch(identityPath(id), body{"name": "After"}).Want(200).Message())
	require.Equal(t, body{"name": "After", "username": "root", "type": "password"}, readIdentity(t, s.Owner, id))
	s.Owner.Patch(identityPath(id), body{"username": "admin"}).Want(200)
	require.Equal(t, body{"name": "After", "username": "admin", "type": "password"}, readIdentity(t, s.Owner, id))
	s.Owner.Patch(identityPath(id), body{"type": "password-only"}).Want(200)
	require.Equal(t, body{"name": "After", "username": nil, "type": "password-only"}, readIdentity(t, s.Owner, id))
	s.Owner.Patch(identityPath(id), body{"username": "ignored"}).Want(200)
	require.Nil(t, readIdentity(t, s.Owner, id)["username"])
	s.Owner.Patch(identityPath(id), body{}).WantError(400,
		"value must contain at least one of [name, username, type, password, sshKey, passphrase, organizationId]")
}

func TestUpdateIdentityRefuses(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	personal := createIdentity(s.Owner, body{"name": "Personal", "type": "password"})
	shared := createIdentity(s.Owner, body{"name": "Shared", "type": "password", "organizationId": s.Organization})
	rename := body{"name": "Renamed"}

	s.Stranger.Patch(identityPath(personal), rename).WantError(404, identityNotFound)
	s.Admin.Patch(identityPath(personal), rename).WantError(404, identityNotFound)
	s.Stranger.Patch(identityPath(shared), rename).WantError(404, identityNotFound)
	s.Owner.Patch(identityPath(987654), rename).WantError(404, identityNotFound)
	s.Admin.Patch(identityPath(shared), rename).Want(200)
	s.Colleague.Patch(identityPath(shared), rename).Want(200)
	s.OverrideMember(t, s.Colleague, "identities.manage", "deny")
	s.Colleague.Patch(identityPath(shared), rename).WantError(403, sharedIdentityRefused)
	s.Deny(t, s.Owner, "identities.manage")
	s.Owner.Patch(identityPath(personal), rename).WantError(403, personalIdentityRefused)
	s.Owner.Patch(identityPath(shared), rename).Want(200)
}

func TestUpdateIdentityMovesBetweenOrganizationsOrChangesNothing(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	other := s.NewOrganization(t, s.Owner)
	foreign := s.NewOrganization(t, s.Stranger)
	id := createIdentity(s.Owner, body{"name": "Personal", "type": "password", "password": "p"})

	s.Owner.Patch(identityPath(id), body{"name": "Changed", "organizationId": foreign}).WantError(403, sharedIdentityRefused)
	s.Owner.Patch(identityPath(id), body{"name": "Changed", "organizationId": nil}).WantError(400, "organizationId must be a number")
	require.Equal(t, "Personal", readIdentity(t, s.Owner, id)["name"])
	s.Owner.Patch(identityPath(id), body{"organizationId": fmt.Sprint(s.Organization)}).Want(200)
	s.Owner.Patch(identityPath(id), body{"organizationId": s.Organization, "name": "Same place"}).Want(200)
	s.Colleague.Patch(identityPath(id), body{"organizationId": other}).WantError(403, sharedIdentityRefused)
	s.Admin.Patch(identityPath(id), body{"organizationId": 987654}).WantError(404, "Organization not found")
	s.Owner.Patch(identityPath(id), body{"organizationId": other}).Want(200)
	s.Colleague.Delete(identityPath(id)).WantError(404, identityNotFound)
	require.Equal(t, map[string]string{"password": "p"}, secrets(t, s, id), "secrets survive moves")
}

func TestDeleteIdentityByAnyMemberUnlessDenied(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	make := func() int64 {
		return createIdentity(s.Owner, body{"name": "Shared", "type": "password", "password": "p", "organizationId": s.Organization})
	}
	first, second := make(), make()
	require.Equal(t, "Identity got successfully deleted", s.Colleague.Delete(identityPath(first)).Want(200).Message())
	s.Colleague.Delete(identityPath(first)).WantError(404, identityNotFound)
	require.Empty(t, secrets(t, s, first))
	s.OverrideMember(t, s.Colleague, "identities.manage", "deny")
	s.Colleague.Delete(identityPath(second)).WantError(403, sharedIdentityRefused)
	s.Stranger.Delete(identityPath(second)).WantError(404, identityNotFound)
	s.Admin.Delete(identityPath(second)).Want(200)
}

func TestTwoIdentityDeletesAtOnceSucceedOnce(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id := createIdentity(s.Owner, body{"name": "Shared", "type": "password", "organizationId": s.Organization})
	statuses := testserver.AtOnce(
		func() *testserver.Response { return s.Owner.Delete(identityPath(id)) },
		func() *testserver.Response { return s.Colleague.Delete(identityPath(id)) },
	)
	require.ElementsMatch(t, []int{http.StatusOK, http.StatusNotFound}, statuses)
}

func TestMoveHandsOverAPersonalIdentity(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	foreign := s.NewOrganization(t, s.Stranger)
	id := createIdentity(s.Owner, body{"name": "Key", "type": "ssh", "username": "deploy", "sshKey": "k"})
	move := func(c *testserver.Client, organization any) *testserver.Response {
		return c.Post(identityPath(id)+"/move", body{"organizationId": organization})
	}
	s.Owner.Post(identityPath(id)+"/move", body{}).WantError(400, "organizationId is required")
	move(s.Stranger, foreign).WantError(404, identityNotFound)
	move(s.Owner, foreign).WantError(403, sharedIdentityRefused)
	move(s.Owner, 987654).WantError(403, sharedIdentityRefused)
	var moved struct {
		Message  string
		Identity body
	}
	move(s.Owner, s.Organization).Want(200).Into(&moved)
	require.Equal(t, "Identity successfully moved to organization", moved.Message)
	require.Equal(t, body{"id": float64(id), "name": "Key", "username": "deploy", "type": "ssh", "organizationId": float64(s.Organization), "accountId": nil, "scope": "organization"}, moved.Identity)
	move(s.Owner, s.Organization).WantError(403, "Can only move your own personal identities")
	move(s.Colleague, s.Organization).WantError(403, "Can only move your own personal identities")

	own := createIdentity(s.Admin, body{"name": "Admin's", "type": "password"})
	s.Admin.Post(identityPath(own)+"/move", body{"organizationId": 987654}).WantError(404, "Organization not found")
}

func TestKeyIsBoundedInBytes(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	most := strings.Repeat("é", 32768)
	id := createIdentity(s.Owner, body{"name": "Key", "type": "ssh", "sshKey": most})
	require.Equal(t, map[string]string{"ssh-key": most}, secrets(t, s, id))
	s.Owner.Put("/api/identity", body{"name": "Key", "type": "ssh", "sshKey": most + "x"}).
		WantError(400, "sshKey length must be less than or equal to 65536 bytes long")
}

func createIdentity(c *testserver.Client, b body) int64 {
	return c.Put("/api/identity", b).Want(200).ID()
}

func identityPath(id int64) string { return fmt.Sprintf("/api/identity/%d", id) }

// readIdentity returns what people change of an identity.
func readIdentity(t *testing.T, c *testserver.Client, id int64) body {
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

func TestLongListsOfIdentitiesComeInPages(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	s.Exec(t, `insert into identities (account_id, organization_id, name, type)
		select case when n % 2 = 0 then $1::bigint end, case when n % 2 = 1 then $2::bigint end, n, 'ssh' from generate_series(1, 1400) n`, s.Owner.AccountID, s.Organization)
	var want []int64
	s.Scan(t, &want, `select array_agg(id order by organization_id nulls first, id) from identities`)
	var found []struct{ ID int64 }
	s.Owner.Get("/api/identity/list").Want(200).Into(&found)
	listed := make([]int64, len(found))
	for i, identity := range found {
		listed[i] = identity.ID
	}
	require.Equal(t, want, listed)
}
