package identity_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

type body = map[string]any

func TestListShowsPersonalFirstThenOrganizations(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	shared := s.Owner.Put("/api/identity", body{"name": "Shared", "type": "password", "organizationId": s.Organization}).Want(200).ID()
	own := s.Owner.Put("/api/identities", body{"name": "Personal", "type": "ssh", "username": "root"}).Want(200).ID()
	s.Stranger.Put("/api/identity", body{"name": "Elsewhere", "type": "password"}).Want(200)

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

func TestCreateRefuses(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	const shared = "You don't have permission to manage this organization's identities"
	in := func(organization int64) body {
		return body{"name": "Shared", "type": "password", "organizationId": organization}
	}
	s.Stranger.Put("/api/identity", in(s.Organization)).WantError(403, shared)
	s.Stranger.Put("/api/identity", in(987654)).WantError(403, shared)
	s.Admin.Put("/api/identity", in(987654)).WantError(404, "Organization not found")
	s.Admin.Put("/api/identity", in(s.Organization)).Want(200)

	s.Exec(t, `insert into organization_member_permissions values ($1, $2, 'identities.manage', 'deny')`, s.Organization, s.Colleague.AccountID)
	s.Colleague.Put("/api/identity", in(s.Organization)).WantError(403, shared)
	s.Colleague.Put("/api/identity", body{"name": "Mine", "type": "password"}).Want(200)
	s.Exec(t, `insert into account_permissions values ($1, 'identities.manage', 'deny')`, s.Stranger.AccountID)
	s.Stranger.Put("/api/identity", body{"name": "Mine", "type": "password"}).WantError(403, "You don't have permission to manage identities")
}

func path(id int64) string { return fmt.Sprintf("/api/identity/%d", id) }
