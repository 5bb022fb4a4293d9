package access_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

// referring lists the columns that hold an account's id, and how many of them
// hold this one.
func referring(t *testing.T, s *testserver.Server, account int64) map[string]int {
	t.Helper()
	rows, err := s.Pool.Query(t.Context(), `select c.table_name || '.' || c.column_name
		from information_schema.columns c
				 join information_schema.tables b using (table_schema, table_name)
		where c.table_schema = 'public' and b.table_type = 'BASE TABLE'
		  and not (select relispartition from pg_class where oid = c.table_name::regclass)
		  and (c.column_name like '%account_id' or c.column_name = 'creator_id')`)
	require.NoError(t, err)
	columns, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	counts := map[string]int{}
	for _, column := range columns {
		table, name, _ := strings.Cut(column, ".")
		counts[column] = s.Count(t, fmt.Sprintf("%s where %s = $1", table, name), account)
	}
	return counts
}

// A table that the account of this test has nothing in fails it: whoever adds
// one says here what becomes of it.
func TestDeleteUserLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	c := s.Stranger
	id := c.AccountID
	s.NewAPIKey(t, c)
	s.Grant(t, c, "users.view")
	addGroup(t, s, "Operators", 3, c)
	shared := s.NewOrganization(t, s.Owner, c)
	s.Exec(t, `insert into organization_member_permissions values ($1, $2, 'org.audit.view', 'allow')`, shared, id)
	s.Invite(t, c)
	s.Exec(t, `insert into passkeys (account_id, credential_id, public_key, sign_count, backup_eligible, backed_up, rp_id)
		values ($1, 'a', '', 0, false, false, 'localhost')`, id)
	s.Exec(t, `insert into oidc_accounts (issuer, subject, account_id) values ('https://id.example.com', 'a', $1)`, id)
	s.Exec(t, `insert into passkey_challenges (challenge, kind, account_id, origin, rp_id) values ('a', 'registration', $1, '', '')`, id)
	c.Get("/api/account/totp/secret").Want(200)
	s.Exec(t, `insert into avatars (account_id, image) values ($1, '')`, id)
	for _, by := range []string{"created_by_account_id", "authorized_by_account_id"} {
		s.Exec(t, `insert into device_codes (code, token_hash, client_type, ip_address, user_agent, `+by+`)
			values ($1::text, sha256($1::text::bytea), 'web', '', '', $2)`, by, id)
	}
	folder := c.Put("/api/folder", body{"name": "Folder"}).Want(200).ID()
	entry := c.Put("/api/entry", body{"name": "Entry", "folderId": folder, "config": body{"protocol": "ssh", "ip": "192.0.2.1"}}).Want(200).ID()
	c.Put(fmt.Sprintf("/api/entry/%d/host-keys", entry), body{
		"publicKey": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIP8He7nWZgzYdzkFqhE92olpjiH+JcvV8qaGDpGCp3lH",
	}).Want(200)
	s.Exec(t, `insert into recent_connections (account_id, entry_id, action) values ($1, $2, 'entry.ssh_connect')`, id, entry)
	s.Exec(t, `with opened as (insert into connections (id, account_id, entry_id, kind, protocol, node_id)
		values (gen_random_uuid(), $1, $2, 'terminal', 'ssh', gen_random_uuid()) returning id, node_id, account_id)
		insert into connection_viewers (viewer_id, connection_id, node_id, account_id, kind, writable)
		select gen_random_uuid(), id, node_id, account_id, 'owner', true from opened`, id, entry)
	c.Put("/api/identity", body{"name": "Identity", "type": "password", "password": "secret"}).Want(200)
	c.Put("/api/tag", body{"name": "Tag", "color": "#fff"}).Want(200)
	c.Get("/api/keymaps").Want(200)
	for _, organization := range []any{nil, shared} {
		c.Put("/api/snippet", body{"name": "Snippet", "command": "ls", "organizationId": organization}).Want(200)
		c.Post("/api/scripts", body{"name": "Script", "content": "ls", "organizationId": organization}).Want(201)
	}

	for column, rows := range referring(t, s, id) {
		require.NotZero(t, rows, "%s: give the account something in it", column)
	}
	s.Admin.Delete(userPath(id)).Want(200)
	// The trail tells of accounts that are gone.
	stay := []string{"audit_logs.account_id", "events.account_id"}
	for column, rows := range referring(t, s, id) {
		if !slices.Contains(stay, column) {
			require.Zero(t, rows, column)
		}
	}
	require.Equal(t, 1, s.Count(t, "snippets where organization_id = $1", shared), "an organization keeps what members gave it")
	require.Equal(t, 1, s.Count(t, "scripts where organization_id = $1", shared))
	require.Zero(t, s.Count(t, "credentials"))
}
