package testserver

import (
	"bytes"
	"compress/gzip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/permission"
	"github.com/nexterm-go/nexterm/internal/vault"
)

// What tests prepare and look up behind the server's back.

// Promote makes the account an administrator, if it is none.
func (s *Server) Promote(t testing.TB, c *Client) {
	t.Helper()
	s.Exec(t, `insert into group_members (group_id, account_id) select id, $1 from permission_groups where is_admin on conflict do nothing`, c.AccountID)
}

// Grant gives the account permissions of its own.
func (s *Server) Grant(t testing.TB, c *Client, names ...permission.Name) {
	t.Helper()
	s.override(t, c, "allow", names)
}

// Deny takes permissions from the account, whatever its groups give.
func (s *Server) Deny(t testing.TB, c *Client, names ...permission.Name) {
	t.Helper()
	s.override(t, c, "deny", names)
}

func (s *Server) override(t testing.TB, c *Client, value string, names []permission.Name) {
	t.Helper()
	for _, name := range names {
		s.Exec(t, `insert into account_permissions (account_id, permission, value) values ($1, $2, $3)
			on conflict (account_id, permission) do update set value = excluded.value`, c.AccountID, name, value)
	}
}

// OverrideMember sets a permission of a member of Organization to "allow" or "deny".
func (s *Server) OverrideMember(t testing.TB, member *Client, name permission.Name, value string) {
	t.Helper()
	s.Exec(t, `insert into organization_member_permissions (organization_id, account_id, permission, value) values ($1, $2, $3, $4)
		on conflict (organization_id, account_id, permission) do update set value = excluded.value`,
		s.Organization, member.AccountID, name, value)
}

// Invite leaves a membership of Organization pending.
func (s *Server) Invite(t testing.TB, invitee *Client) {
	t.Helper()
	s.Exec(t, `insert into organization_members (organization_id, account_id, status, invited_by) values ($1, $2, 'pending', $3)`,
		s.Organization, invitee.AccountID, s.Owner.AccountID)
}

// Count counts the rows of a table, or of a table and its condition: "tags where name = $1".
func (s *Server) Count(t testing.TB, rows string, args ...any) (count int) {
	t.Helper()
	s.Scan(t, &count, "select count(*) from "+rows, args...)
	return count
}

// Audits are the rows of an action in the audit log, oldest first.
func (s *Server) Audits(t testing.TB, action string) (rows []map[string]any) {
	t.Helper()
	s.Scan(t, &rows, `select coalesce(jsonb_agg(jsonb_build_object('organization', organization_id, 'resource', resource,
		'id', resource_id, 'account', account_id, 'details', details) order by id), '[]') from audit_logs where action = $1`, action)
	return rows
}

// NewRecording adds a row of Organization's to the audit log, with a recording, and returns its id.
func (s *Server) NewRecording(t testing.TB) (id int64) {
	t.Helper()
	const lines = `{"version":2,"width":80,"height":24,"timestamp":1767225600}` + "\n" + `[0.250000,"o","hello"]` + "\n"
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	_, err := zip.Write([]byte(lines))
	require.NoError(t, err)
	require.NoError(t, zip.Close())
	s.Scan(t, &id, `insert into audit_logs (account_id, organization_id, action, resource) values ($1, $2, 'entry.ssh_connect', 'entry') returning id`,
		s.Owner.AccountID, s.Organization)
	sealed, err := s.Vault.Seal("recording_chunks", id, "0", vault.Secret(packed.String()))
	require.NoError(t, err)
	s.Exec(t, `insert into recordings (audit_log_id, organization_id, type, node_id, size, bytes, finished_at)
		values ($1, $2, 'cast', gen_random_uuid(), $3, $4, now())`, id, s.Organization, packed.Len(), len(lines))
	s.Exec(t, `insert into recording_chunks (audit_log_id, seq, key_id, data) values ($1, 0, $2, $3)`, id, sealed.KeyID, sealed.Ciphertext)
	return id
}
