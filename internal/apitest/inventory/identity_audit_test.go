package inventory_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

type identityAudit struct {
	Account, Resource int64
	Organization      *int64
	Action            string
	Details           body
	IP, Agent         string
}

func identityAudits(t *testing.T, s *testserver.Server) []identityAudit {
	t.Helper()
	rows, err := s.Pool.Query(t.Context(), `select account_id, organization_id, action, resource_id, details, ip_address, user_agent
		from audit_logs where resource = 'identity' order by id`)
	require.NoError(t, err)
	defer rows.Close()
	var all []identityAudit
	for rows.Next() {
		var row identityAudit
		var details []byte
		require.NoError(t, rows.Scan(&row.Account, &row.Organization, &row.Action, &row.Resource, &details, &row.IP, &row.Agent))
		require.NoError(t, json.Unmarshal(details, &row.Details))
		all = append(all, row)
	}
	require.NoError(t, rows.Err())
	return all
}

func TestEveryIdentityChangeThatConcernsAnOrganizationIsRecorded(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	other := s.NewOrganization(t, s.Owner)
	c := s.Owner.With("User-Agent", "test/1.0")
	id := createIdentity(c, body{"name": "Before", "type": "password", "password": "p"})
	c.Patch(identityPath(id), body{"name": "After", "type": "both", "sshKey": "k"}).Want(200)
	c.Post(identityPath(id)+"/move", body{"organizationId": s.Organization}).Want(200)
	c.Patch(identityPath(id), body{"organizationId": other}).Want(200)
	c.Delete(identityPath(id)).Want(200)

	first, second := float64(s.Organization), float64(other)
	want := []identityAudit{
		{Action: "identity.update", Organization: &s.Organization, Details: body{"identityName": "After", "targetOrganizationId": first}},
		{Action: "identity.update", Organization: &s.Organization, Details: body{"identityName": "After", "identityType": "both", "updatedFields": []any{"organizationId"}, "sourceOrganizationId": first, "targetOrganizationId": second}},
		{Action: "identity.update", Organization: &other, Details: body{"identityName": "After", "identityType": "both", "updatedFields": []any{"organizationId"}, "sourceOrganizationId": first, "targetOrganizationId": second}},
		{Action: "identity.delete", Organization: &other, Details: body{"identityName": "After", "identityType": "both"}},
	}
	for i := range want {
		want[i].Account, want[i].Resource, want[i].IP, want[i].Agent = s.Owner.AccountID, id, "127.0.0.1", "test/1.0"
	}
	require.Equal(t, want, identityAudits(t, s))
}

func TestOrganizationMaySwitchIdentityRecordingOff(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	s.Exec(t, `update organizations set audit_settings = '{"enableIdentityManagementAudit": false}' where id = $1`, s.Organization)
	id := createIdentity(s.Owner, body{"name": "Shared", "type": "password", "organizationId": s.Organization})
	s.Owner.Delete(identityPath(id)).Want(200)
	require.Empty(t, identityAudits(t, s))
	createIdentity(s.Owner, body{"name": "Personal", "type": "password"})
	require.Empty(t, identityAudits(t, s), "what concerns no organization is no matter of the log")
}

func TestRefusedIdentityChangeIsNotRecorded(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	s.Admin.Put("/api/identity", body{"name": "Nowhere", "type": "password", "organizationId": 987654}).Want(404)
	require.Empty(t, identityAudits(t, s))
}
