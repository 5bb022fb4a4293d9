package rekey_test

import (
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/testdb"
	"github.com/nexterm-go/nexterm/internal/vault"
)

// A server that runs takes the successor when it has it, and the old key opens until then.
func TestTheMasterKeyChangesUnderServers(t *testing.T) {
	t.Parallel()
	pool := testdb.New(t)
	var has atomic.Pointer[[]vault.MasterKey]
	has.Store(&[]vault.MasterKey{master})
	server, err := vault.LoadFrom(t.Context(), db.New(pool), func() ([]vault.MasterKey, error) { return *has.Load(), nil })
	require.NoError(t, err)
	secrets := fill(t, pool, server, 5)
	watch(t, pool, server)

	r := rotation(t, pool, master, successor)
	said, ended := make(chan string, 10), make(chan error, 1)
	r.Say = func(text string) { said <- text }
	go func() { ended <- r.MasterKey(t.Context(), successor) }()
	require.Contains(t, <-said, "new key: 1;")
	for _, key := range []vault.MasterKey{master, successor} {
		found, _ := opened(t, pool, load(t, pool, key))
		require.Equal(t, secrets, found)
	}
	require.Equal(t, master.Fingerprint(), server.Keys().Fingerprint())

	has.Store(&[]vault.MasterKey{master, successor})
	require.NoError(t, <-ended)
	require.Equal(t, successor.Fingerprint(), server.Keys().Fingerprint())
	found, _ := opened(t, pool, load(t, pool, successor))
	require.Equal(t, secrets, found)
	_, err = vault.Load(t.Context(), db.New(pool), master)
	require.ErrorContains(t, err, successor.Fingerprint())
	require.ErrorContains(t, err, master.Fingerprint())

	// The end of it, repeated, changes nothing; and the data key rotates under the new one.
	require.NoError(t, rotation(t, pool, successor).MasterKey(t.Context(), successor))
	_, err = rotation(t, pool, successor).DataKey(t.Context())
	require.NoError(t, err)
	found, _ = opened(t, pool, server)
	require.Equal(t, secrets, found)
}

// One change of keys at a time: half of one is finished before another one begins.
func TestTheMasterKeyIsChangedToOneSuccessor(t *testing.T) {
	t.Parallel()
	pool := testdb.New(t)
	server := load(t, pool, master)
	secrets := fill(t, pool, server, 5)
	stop := watch(t, pool, server)
	r := rotation(t, pool, master, successor)
	r.Say = func(string) { panic("cut off") } // while it waits for the server
	require.Panics(t, func() { _ = r.MasterKey(t.Context(), successor) })

	other := vault.MasterKey{7}
	require.ErrorContains(t, rotation(t, pool, master, other).MasterKey(t.Context(), other), successor.Fingerprint())
	_, err := rotation(t, pool, master).DataKey(t.Context())
	require.ErrorContains(t, err, "--master")
	_, err = vault.Load(t.Context(), db.New(pool), other)
	require.ErrorContains(t, err, other.Fingerprint())
	for _, key := range []vault.MasterKey{master, successor} {
		found, _ := opened(t, pool, load(t, pool, key))
		require.Equal(t, secrets, found)
	}
	stop() // the server is restarted with the new key
	restarted := load(t, pool, successor)
	watch(t, pool, restarted)
	require.NoError(t, rotation(t, pool, successor).MasterKey(t.Context(), successor))
	found, _ := opened(t, pool, restarted)
	require.Equal(t, secrets, found)
}

// A lost keyset is no reason to make another one.
func TestLostKeysAreSaid(t *testing.T) {
	t.Parallel()
	pool := testdb.New(t)
	r := rotation(t, pool, master)
	fill(t, pool, r.Vault, 1)
	_, err := pool.Exec(t.Context(), `delete from encryption_keysets`)
	require.NoError(t, err)
	_, err = r.DataKey(t.Context())
	require.ErrorContains(t, err, "restore the table encryption_keysets")
	_, err = vault.Load(t.Context(), db.New(pool), master)
	require.ErrorContains(t, err, "restore the table encryption_keysets")
}

// Whoever adds a sealed column puts it into the view sealed_secrets, or it would keep
// a key that is dropped.
func TestTheRegistryNamesEverySealedColumn(t *testing.T) {
	t.Parallel()
	pool := testdb.New(t)
	_, err := pool.Exec(t.Context(), `create table forgotten (key_id bigint, secret bytea)`)
	require.NoError(t, err)
	list := func(sql string) (all []string) {
		t.Helper()
		require.NoError(t, pool.QueryRow(t.Context(), sql).Scan(&all))
		return all
	}
	// The key of what is sealed is called key_id and refers to the data keys.
	require.Equal(t, []string{"auth_providers", "connections", "credentials", "forgotten", "oidc_logins", "recording_chunks", "totp_secrets"},
		list(`select array_agg(c.table_name::text order by c.table_name::text) from information_schema.columns c
			join information_schema.tables t using (table_schema, table_name)
			where c.column_name = 'key_id' and t.table_type = 'BASE TABLE'`))
	require.Equal(t, []string{"forgotten"},
		list(`select array_agg(c.table_name::text) from information_schema.columns c
			join information_schema.tables t using (table_schema, table_name)
			where c.column_name = 'key_id' and t.table_type = 'BASE TABLE'
			and not exists (select from pg_constraint k where k.contype = 'f' and k.confrelid = 'data_keys'::regclass and k.conrelid = c.table_name::regclass)`))
	// Every column of bytes is read by the view, or is known not to be sealed.
	require.Equal(t, []string{"forgotten.secret"},
		list(`select array_agg(c.table_name || '.' || c.column_name) from information_schema.columns c
			join information_schema.tables t using (table_schema, table_name)
			where c.data_type = 'bytea' and c.table_schema = 'public' and t.table_type = 'BASE TABLE'
			and not exists (select from information_schema.view_column_usage u
				where u.view_name = 'sealed_secrets' and u.table_name = c.table_name and u.column_name = c.column_name)
			and c.column_name not like '%\_hash'
			and (c.table_name, c.column_name) not in (('encryption_keysets', 'keyset'), ('passkeys', 'credential_id'), ('passkeys', 'public_key'),
				('passkey_challenges', 'challenge'), ('avatars', 'image'), ('host_keys', 'public_key'), ('host_keys', 'offered_key'), ('river_job', 'unique_key'))`))
}
