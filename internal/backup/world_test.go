package backup_test

import (
	"encoding/hex"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/backup"
	"github.com/nexterm-go/nexterm/internal/testdb"
	"github.com/nexterm-go/nexterm/internal/vault"
)

const version = "0.0.0-test"

var (
	master = vault.MasterKey{1, 2, 3}
	keys   = backup.Keys{Masters: []vault.MasterKey{master}}
)

// awkward is what rows as text have to keep apart.
const awkward = "tab\t line\n return\r back\\slash \\N \\. 'quoted' \"twice\" {a,b} é 日本 \u2028 \U0001f512"

// steps give every table rows. Each is run with the text above.
var steps = []string{
	`insert into accounts (username, folded_username, first_name, last_name, password_hash, preferences, avatar_hash, totp_last_step, created_at)
		select 'user-' || n, 'user-' || n, $1, '', '', jsonb_build_object('a', $1::text, 'b', array [1.5, null]), 'x', 9007199254740993, '0044-03-15 12:00:00.123456+00 BC' from generate_series(1, 40) n`,
	`insert into sessions (account_id, token_hash, ip, user_agent) select id, sha256(username::bytea), '192.0.2.1', $1 from accounts`,
	`insert into api_keys (account_id, name, token_hash, prefix, expires_at) select id, left($1, 20), sha256(username::bytea), 'nxt_', 'infinity' from accounts`,
	`insert into group_members (group_id, account_id) select g.id, a.id from permission_groups g, accounts a where $1 <> ''`,
	`insert into account_permissions (account_id, permission, value) select id, 'audit.view', 'deny' from accounts where $1 <> ''`,
	`with o as (insert into organizations (name, description) select 'Company ' || n, $1 from generate_series(1, 3) n returning id)
		insert into organization_members (organization_id, account_id, invited_by) select o.id, a.id, 0 from o, accounts a`,
	`insert into organization_member_permissions (organization_id, account_id, permission, value) select organization_id, account_id, $1, 'allow' from organization_members`,
	`insert into folders (account_id, name, position, config) select id, left($1, 50), 1, jsonb_build_object('x', $1::text) from accounts`,
	`insert into folders (account_id, parent_id, name, position) select account_id, id, 'child', 2 from folders where $1 <> ''`,
	// A parent that comes after its child.
	`update folders p set parent_id = (select max(c.id) from folders c where c.account_id = p.account_id) where p.parent_id is null and p.id % 2 = 0 and $1 <> ''
		and not exists (select from folders c where c.parent_id = p.id)`,
	`insert into entries (account_id, folder_id, type, name, rank, config) select account_id, id, 'server', left($1, 200), 1.0000000000000000000000001 / id,
		jsonb_build_object('protocol', 'ssh', 'monitoringEnabled', true, 'ip', '192.0.2.1', 'notes', $1::text) from folders`,
	`insert into identities (account_id, name, username, type) select id, $1, 'root', 'both' from accounts`,
	`insert into identities (organization_id, name, type) select id, $1, 'password-only' from organizations`,
	`insert into entries_identities (entry_id, identity_id, position, route) select e.id, i.id, 0, array [$1, null, ''] from entries e join identities i using (scope)`,
	`insert into recent_connections (account_id, entry_id, action) select account_id, id, 'entry.ssh_connect' from entries where $1 <> ''`,
	`insert into tags (account_id, name, color) select id, $1, '#fff' from accounts`,
	`insert into entry_tags (entry_id, tag_id) select e.id, t.id from entries e join tags t using (account_id) where $1 <> ''`,
	`insert into sources (name, url) values ('Source', $1)`,
	`insert into scripts (source_id, name, content, os_filter, path, hash) select id, 'Script', $1, array ['a "b"', $1], 'p', 'h' from sources`,
	`insert into snippets (organization_id, creator_id, name, command) select organization_id, account_id, 'Snippet', $1 from organization_members`,
	`insert into avatars (account_id, image) select id, '\x00ff0a0d5c09' from accounts where $1 <> ''`,
	`insert into passkeys (account_id, credential_id, public_key, sign_count, backup_eligible, backed_up, transports, rp_id)
		select id, sha256(username::bytea), '\x00', 1, true, false, array [$1], 'localhost' from accounts`,
	`insert into passkey_challenges (challenge, kind, origin, rp_id) values ('\x5c6e', 'authentication', $1, '')`,
	`insert into device_codes (code, token_hash, client_type, ip_address, user_agent) values ('K7QX-2M9B', sha256('x'), 'web', '', $1)`,
	`insert into oidc_accounts (issuer, subject, account_id) select $1, username, id from accounts`,
	`insert into host_keys (account_id, host, port, type, public_key) select id, 'host', 22, $1, '\x00' from accounts`,
	`insert into entry_checks (entry_id, checked_at, took_ms) select id, now(), 1 from entries where $1 <> ''`,
	`insert into monitoring_snapshots (entry_id, updated_at, status, load_average, disk, took_ms) select id, now(), 'online', array [0.1, 'NaN', 1e300, 1/3::double precision],
		json_build_object('a', $1::text), 1 from entries`,
	`insert into monitoring_samples (entry_id, timestamp, status, error_message) select id, now(), 'error', $1 from entries`,
	`insert into monitoring_batches (service, batch, entry_ids, scopes) select 'status', 1, array_agg(id), '{}' from entries where $1 <> ''`,
	`insert into monitoring_lanes (service, lane, number, leased_until) values ('status', 1, length($1), '-infinity')`,
	`insert into audit_logs (account_id, subject_id, action, details, user_agent, timestamp) select id, id, 'entry.create', jsonb_build_object('name', $1::text), $1, now() - id * interval '10 days' from accounts`,
	`insert into events (actor, action, scope, resource) values ('system', 'entry.create', 0, $1)`,
	`insert into keymaps (account_id, action, key, enabled) select id, 'search', left($1, 50), true from accounts`,
	`insert into audit_details (audit_log_id, details) select id, jsonb_build_object('text', $1::text) from audit_logs limit 1`,
	`insert into nodes (id, url) values (gen_random_uuid(), $1)`,
	`insert into rate_limits (limiter, subject, hits, window_ends_at) values ('login', $1, 1, now())`,
}

// world is a database with rows in every table, and secrets in every place.
func world(t *testing.T) *pgxpool.Pool {
	t.Helper()
	pool := testdb.New(t)
	exec(t, pool, `select make_partitions('audit_logs', '1 month', now() - interval '200 days', now()), make_partitions('monitoring_samples', '3 hours', now(), now() + interval '1 minute')`)
	for _, step := range steps {
		exec(t, pool, step, awkward)
	}
	v, err := vault.Load(t.Context(), db.New(pool), master)
	require.NoError(t, err)
	seal := func(place string, id int64, kind string, bound ...string) []byte {
		sealed, err := v.Seal(place, id, kind, "canary", bound...)
		require.NoError(t, err)
		return sealed.Ciphertext
	}
	key := v.Keys().Primary
	var identities []int64
	require.NoError(t, pool.QueryRow(t.Context(), `select array_agg(id) from identities`).Scan(&identities))
	for _, id := range identities {
		exec(t, pool, `insert into credentials (identity_id, kind, key_id, ciphertext) values ($1, 'password', $2, $3)`, id, key, seal("credentials", id, "password"))
	}
	exec(t, pool, `insert into totp_secrets (account_id, kind, key_id, ciphertext) values (1, 'active', $1, $2)`, key, seal("totp_secrets", 1, "active"))
	exec(t, pool, `insert into auth_providers (id, name, issuer, client_id, key_id, client_secret) overriding system value values (77, 'Company', 'https://id.example', 'c', $1, $2)`,
		key, seal("auth_providers", 77, "client-secret", "https://id.example", "c"))
	exec(t, pool, `insert into connections (id, number, account_id, entry_id, kind, protocol, node_id, share_key_hash, key_id, share_key)
		overriding system value select gen_random_uuid(), 99, account_id, id, 'terminal', 'ssh', gen_random_uuid(), '', $1, $2 from entries limit 1`, key, seal("connections", 99, "share-key"))
	exec(t, pool, `insert into connection_viewers (viewer_id, connection_id, node_id, kind, writable) select gen_random_uuid(), id, node_id, 'owner', true from connections`)
	exec(t, pool, `insert into recordings (audit_log_id, organization_id, type, node_id) select 7, id, 'cast', gen_random_uuid() from organizations limit 1`)
	exec(t, pool, `insert into recording_chunks (audit_log_id, seq, key_id, data) values (7, 0, $1, $2)`, key, seal("recording_chunks", 7, "0"))
	state := vault.HashToken("state")
	exec(t, pool, `insert into oidc_logins (state_hash, provider_id, provider_revision, nonce_hash, key_id, code_verifier) values ($1, 77, 1, $1, $2, $3)`,
		state, key, seal("oidc_logins", 77, hex.EncodeToString(state)))
	return pool
}

func exec(t *testing.T, pool *pgxpool.Pool, statement string, args ...any) {
	t.Helper()
	_, err := pool.Exec(t.Context(), statement, args...)
	require.NoError(t, err, statement)
}

// write makes a backup of a database.
func write(t *testing.T, pool *pgxpool.Pool, keys backup.Keys) string {
	t.Helper()
	path, err := backup.Create(t.Context(), pool.Config().ConnConfig, filepath.Join(t.TempDir(), "backup.age"), keys, version, quiet)
	require.NoError(t, err)
	return path
}

func quiet(int64, int64) {}
