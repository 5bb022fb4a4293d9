package rekey_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/rekey"
	"github.com/nexterm-go/nexterm/internal/vault"
)

var master, successor = vault.MasterKey{1, 2, 3}, vault.MasterKey{4, 5, 6}

func load(t *testing.T, pool *pgxpool.Pool, masters ...vault.MasterKey) *vault.Vault {
	t.Helper()
	v, err := vault.Load(t.Context(), db.New(pool), masters...)
	require.NoError(t, err)
	return v
}

// rotation is one with a vault and a session of its own, as another process has.
func rotation(t *testing.T, pool *pgxpool.Pool, masters ...vault.MasterKey) rekey.Rotation {
	t.Helper()
	session, err := pgx.ConnectConfig(t.Context(), pool.Config().ConnConfig)
	require.NoError(t, err)
	t.Cleanup(func() { _ = session.Close(context.Background()) })
	return rekey.Rotation{
		Session: db.New(session), Queries: db.New(pool), Vault: load(t, pool, masters...),
		Changes:  change.New(pool, event.NewLog(pool, slog.New(slog.DiscardHandler))),
		Progress: func(int64, int64) {}, Say: func(string) {}, Settle: 50 * time.Millisecond,
	}
}

// watch lets a vault work as a server's does until the test, or the server, ends.
func watch(t *testing.T, pool *pgxpool.Pool, v *vault.Vault) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	stop = func() { cancel(); watching.Wait() }
	t.Cleanup(stop)
	watching.Go(func() {
		v.Watch(ctx, func(ctx context.Context) (*pgx.Conn, error) { return pgx.ConnectConfig(ctx, pool.Config().ConnConfig) }, slog.New(slog.DiscardHandler))
	})
	before := readers(t, pool)
	require.Eventually(t, func() bool { return readers(t, pool) > before || before > 0 }, 5*time.Second, 5*time.Millisecond)
	return stop
}

func readers(t *testing.T, pool *pgxpool.Pool) (all int64) {
	t.Helper()
	rows, err := db.New(pool).ListKeysetReaders(t.Context())
	require.NoError(t, err)
	for _, row := range rows {
		all += row.Servers
	}
	return all
}

// fill puts a number of secrets into every place, and returns what they are.
func fill(t *testing.T, pool *pgxpool.Pool, v *vault.Vault, each int) map[string]string {
	t.Helper()
	exec := func(sql string, args ...any) {
		t.Helper()
		_, err := pool.Exec(t.Context(), sql, args...)
		require.NoError(t, err)
	}
	secrets := map[string]string{}
	seal := func(place string, id int64, kind string, bound ...string) []byte {
		secret := fmt.Sprintf("canary-%s-%d-%s", place, id, kind)
		sealed, err := v.Seal(place, id, kind, vault.Secret(secret), bound...)
		require.NoError(t, err)
		secrets[fmt.Sprint(place, " ", id, " ", kind)] = secret
		return sealed.Ciphertext
	}
	key := v.Keys().Primary
	exec(`insert into accounts (username, first_name, last_name, password_hash) select 'user-' || n, 'Ada', 'Lovelace', '' from generate_series(1, $1) n`, each)
	exec(`insert into identities (account_id, name, type) select id, 'Deploy', 'both' from accounts`)
	exec(`insert into auth_providers (name, issuer, client_id, redirect_uri, scope, username_attribute, first_name_attribute, last_name_attribute)
		select 'Provider ' || n, 'https://id.example/' || n, 'client', 'x', 'x', 'x', 'x', 'x' from generate_series(1, $1) n`, each)
	for _, id := range ids(t, pool, `select id from identities`) {
		for _, kind := range []string{"password", "ssh-key", "passphrase"} {
			exec(`insert into credentials (identity_id, kind, key_id, ciphertext) values ($1, $2, $3, $4)`, id, kind, key, seal("credentials", id, kind))
		}
	}
	for _, id := range ids(t, pool, `select id from accounts`) {
		for _, kind := range []string{"active", "pending"} {
			exec(`insert into totp_secrets (account_id, kind, key_id, ciphertext) values ($1, $2, $3, $4)`, id, kind, key, seal("totp_secrets", id, kind))
		}
	}
	for _, id := range ids(t, pool, `select id from auth_providers where not is_internal`) {
		var issuer string
		require.NoError(t, pool.QueryRow(t.Context(), `select issuer from auth_providers where id = $1`, id).Scan(&issuer))
		exec(`update auth_providers set key_id = $2, client_secret = $3 where id = $1`, id, key, seal("auth_providers", id, "client-secret", issuer, "client"))
		state := vault.HashToken(issuer)
		exec(`insert into oidc_logins (state_hash, provider_id, provider_revision, nonce_hash, key_id, code_verifier) values ($1, $2, 1, $1, $3, $4)`,
			state, id, key, seal("oidc_logins", id, hex.EncodeToString(state)))
	}
	exec(`insert into entries (account_id, type, name, rank) select id, 'server', 'Host', 0 from accounts`)
	exec(`insert into connections (id, account_id, entry_id, kind, protocol, node_id)
		select gen_random_uuid(), account_id, id, 'terminal', 'ssh', gen_random_uuid() from entries`)
	for _, id := range ids(t, pool, `select number from connections`) {
		exec(`update connections set key_id = $2, share_key = $3, share_key_hash = $4 where number = $1`,
			id, key, seal("connections", id, "share-key"), vault.HashToken(fmt.Sprint(id)))
	}
	exec(`insert into recordings (audit_log_id, type, node_id) select n, 'cast', gen_random_uuid() from generate_series(1, $1) n`, each)
	for _, id := range ids(t, pool, `select audit_log_id from recordings`) {
		for _, seq := range []string{"0", "1"} {
			exec(`insert into recording_chunks (audit_log_id, seq, key_id, data) values ($1, $2::text::integer, $3, $4)`, id, seq, key, seal("recording_chunks", id, seq))
		}
	}
	return secrets
}

func ids(t *testing.T, pool *pgxpool.Pool, sql string) []int64 {
	t.Helper()
	rows, err := pool.Query(t.Context(), sql)
	require.NoError(t, err)
	all, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	require.NoError(t, err)
	return all
}

// opened is what a vault reads of all that is sealed, and the keys that it is sealed with.
func opened(t *testing.T, pool *pgxpool.Pool, v *vault.Vault) (secrets map[string]string, keys []int64) {
	t.Helper()
	secrets = map[string]string{}
	rows, err := pool.Query(t.Context(), `select place, id, kind, bound, key_id, ciphertext from sealed_secrets`)
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var place, kind string
		var id, key int64
		var bound []string
		var ciphertext []byte
		require.NoError(t, rows.Scan(&place, &id, &kind, &bound, &key, &ciphertext))
		secret, err := v.Open(place, id, kind, ciphertext, bound...)
		require.NoError(t, err)
		secrets[fmt.Sprint(place, " ", id, " ", kind)] = string(secret)
		if !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	require.NoError(t, rows.Err())
	return secrets, keys
}
