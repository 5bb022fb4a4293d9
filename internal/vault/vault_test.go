package vault_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/testdb"
	"github.com/nexterm-go/nexterm/internal/vault"
)

var master = vault.MasterKey{1, 2, 3}

func open(t *testing.T) *vault.Vault {
	t.Helper()
	v, err := vault.Load(t.Context(), db.New(testdb.New(t)), master)
	require.NoError(t, err)
	return v
}

func TestSealAndOpen(t *testing.T) {
	t.Parallel()
	v := open(t)
	for _, secret := range []vault.Secret{"secret", "", "\x00\xff", vault.Secret(strings.Repeat("x", 1<<20))} {
		sealed, err := v.Seal("credentials", 7, "password", secret)
		require.NoError(t, err)
		require.NotZero(t, sealed.KeyID)
		if secret != "" {
			require.NotContains(t, string(sealed.Ciphertext), string(secret))
		}
		opened, err := v.Open("credentials", 7, "password", sealed.Ciphertext)
		require.NoError(t, err)
		require.Equal(t, string(secret), string(opened))
	}
}

func TestEqualSecretsLookUnlike(t *testing.T) {
	t.Parallel()
	v := open(t)
	one, err := v.Seal("credentials", 7, "password", "secret")
	require.NoError(t, err)
	two, err := v.Seal("credentials", 7, "password", "secret")
	require.NoError(t, err)
	require.Equal(t, one.KeyID, two.KeyID)
	require.NotEqual(t, one.Ciphertext, two.Ciphertext)
}

func TestMovedOrChangedSecretsDoNotOpen(t *testing.T) {
	t.Parallel()
	v := open(t)
	sealed, err := v.Seal("credentials", 7, "password", "secret")
	require.NoError(t, err)
	for _, place := range []struct {
		table string
		id    int64
		kind  string
	}{
		{"credentials", 8, "password"}, {"credentials", 7, "passphrase"}, {"entries", 7, "password"},
		{"credential", 7, "spassword"}, {"credentials", -7, "password"}, {"", 7, ""}, {"credentialspassword", 7, ""},
	} {
		_, err := v.Open(place.table, place.id, place.kind, sealed.Ciphertext)
		require.ErrorIs(t, err, vault.ErrCannotOpen, "%+v", place)
		require.NotContains(t, err.Error(), "secret")
	}
	bound, err := v.Seal("credentials", 7, "password", "secret", "issuer", "client")
	require.NoError(t, err)
	opened, err := v.Open("credentials", 7, "password", bound.Ciphertext, "issuer", "client")
	require.NoError(t, err)
	require.Equal(t, "secret", string(opened))
	for _, other := range [][]string{nil, {"issuer"}, {"issuer", "other"}, {"issuerclient"}, {"issuer", "client", ""}} {
		_, err := v.Open("credentials", 7, "password", bound.Ciphertext, other...)
		require.ErrorIs(t, err, vault.ErrCannotOpen, "%q", other)
	}
	for i := range sealed.Ciphertext {
		changed := append([]byte{}, sealed.Ciphertext...)
		changed[i] ^= 1
		_, err := v.Open("credentials", 7, "password", changed)
		require.ErrorIs(t, err, vault.ErrCannotOpen)
	}
	for _, short := range [][]byte{nil, {}, sealed.Ciphertext[:5], sealed.Ciphertext[:len(sealed.Ciphertext)-1]} {
		_, err := v.Open("credentials", 7, "password", short)
		require.ErrorIs(t, err, vault.ErrCannotOpen)
	}
	_, err = open(t).Open("credentials", 7, "password", sealed.Ciphertext)
	require.ErrorIs(t, err, vault.ErrCannotOpen, "another database has other keys")
}

func TestKeysSurviveARestart(t *testing.T) {
	t.Parallel()
	q := db.New(testdb.New(t))
	before, err := vault.Load(t.Context(), q, master)
	require.NoError(t, err)
	sealed, err := before.Seal("credentials", 7, "password", "secret")
	require.NoError(t, err)
	after, err := vault.Load(t.Context(), q, master)
	require.NoError(t, err)
	opened, err := after.Open("credentials", 7, "password", sealed.Ciphertext)
	require.NoError(t, err)
	require.Equal(t, "secret", string(opened))
}

func TestWrongMasterKeyIsRefused(t *testing.T) {
	t.Parallel()
	pool := testdb.New(t)
	_, err := vault.Load(t.Context(), db.New(pool), master)
	require.NoError(t, err)
	other := vault.MasterKey{4, 5, 6}
	_, err = vault.Load(t.Context(), db.New(pool), other)
	require.ErrorContains(t, err, master.Fingerprint())
	require.ErrorContains(t, err, other.Fingerprint())

	// Somebody has written the wanted fingerprint next to keys of another one.
	_, err = pool.Exec(t.Context(), `update encryption_keysets set fingerprint = $1`, other.Fingerprint())
	require.NoError(t, err)
	_, err = vault.Load(t.Context(), db.New(pool), other)
	require.ErrorContains(t, err, "open data keys")
	_, err = pool.Exec(t.Context(), `update encryption_keysets set keyset = 'x', fingerprint = $1`, master.Fingerprint())
	require.NoError(t, err)
	_, err = vault.Load(t.Context(), db.New(pool), master)
	require.ErrorContains(t, err, "open data keys")
}

// New data keys beside old secrets would make them unreadable for good.
func TestLostDataKeysAreNotReplaced(t *testing.T) {
	t.Parallel()
	for _, sealed := range []string{
		`with i as (insert into identities (account_id, name, type) select id, 'x', 'password' from a returning id)
			insert into credentials (identity_id, kind, key_id, ciphertext) select id, 'password', 1, 'x' from i`,
		`insert into totp_secrets (account_id, kind, key_id, ciphertext) select id, 'active', 1, 'x' from a`,
		`insert into auth_providers (name, issuer, client_id, redirect_uri, scope, username_attribute, first_name_attribute,
			last_name_attribute, key_id, client_secret) values ('x', 'x', 'x', 'x', 'x', 'x', 'x', 'x', 1, 'x')`,
	} {
		pool := testdb.New(t)
		_, err := pool.Exec(t.Context(), `insert into data_keys (id) values (1)`)
		require.NoError(t, err)
		_, err = pool.Exec(t.Context(), `with a as (insert into accounts (username, first_name, last_name, password_hash)
			values ('ada', 'Ada', 'Lovelace', '') returning id) `+strings.Replace(sealed, "with i", ", i", 1))
		require.NoError(t, err)
		_, err = vault.Load(t.Context(), db.New(pool), master)
		require.ErrorContains(t, err, "restore the table encryption_keysets")
		file := filepath.Join(t.TempDir(), "encryption.key")
		_, err = vault.CreateMasterKey(t.Context(), db.New(pool), file)
		require.ErrorContains(t, err, "restore the table encryption_keysets")
		require.NoFileExists(t, file)
	}
}

// Servers that start at once on an empty database end up with one set of keys.
func TestServersAgreeOnKeys(t *testing.T) {
	t.Parallel()
	pool := testdb.New(t)
	vaults := make([]*vault.Vault, 8)
	var group errgroup.Group
	for i := range vaults {
		group.Go(func() (err error) {
			vaults[i], err = vault.Load(t.Context(), db.New(pool), master)
			return err
		})
	}
	require.NoError(t, group.Wait())
	for i, v := range vaults {
		sealed, err := v.Seal("credentials", 7, "password", "secret")
		require.NoError(t, err)
		opened, err := vaults[(i+1)%len(vaults)].Open("credentials", 7, "password", sealed.Ciphertext)
		require.NoError(t, err)
		require.Equal(t, "secret", string(opened))
	}
	var rows int
	require.NoError(t, pool.QueryRow(t.Context(), `select count(*) from encryption_keysets`).Scan(&rows))
	require.Equal(t, 1, rows)
}

func TestDatabaseHoldsNoKey(t *testing.T) {
	t.Parallel()
	pool := testdb.New(t)
	_, err := vault.Load(t.Context(), db.New(pool), master)
	require.NoError(t, err)
	var stored []byte
	require.NoError(t, pool.QueryRow(t.Context(), `select convert_to(fingerprint, 'UTF8') || keyset from encryption_keysets`).Scan(&stored))
	require.NotContains(t, string(stored), string(master[:]))
	require.Len(t, master.Fingerprint(), 16)
}
