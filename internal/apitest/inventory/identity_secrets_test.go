package inventory_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

// secrets opens everything that is stored for an identity.
func secrets(t *testing.T, s *testserver.Server, id int64) map[string]string {
	t.Helper()
	rows, err := s.Pool.Query(t.Context(), `select kind, ciphertext from credentials where identity_id = $1`, id)
	require.NoError(t, err)
	defer rows.Close()
	opened := map[string]string{}
	for rows.Next() {
		var kind string
		var ciphertext []byte
		require.NoError(t, rows.Scan(&kind, &ciphertext))
		secret, err := s.Vault.Open("credentials", id, kind, ciphertext)
		require.NoError(t, err)
		opened[kind] = string(secret)
	}
	require.NoError(t, rows.Err())
	return opened
}

type stored = map[string]string

// everySecret offers all secrets, whatever the type uses.
var everySecret = body{"name": "Identity", "username": "root", "password": "p1", "sshKey": "k1", "passphrase": "s1"}

func TestTypeDecidesWhichSecretsAreKept(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	for _, test := range []struct {
		from, to string
		change   body
		want     stored
	}{
		{"password", "password", nil, stored{"password": "p1"}},
		{"password", "password-only", nil, stored{"password": "p1"}},
		{"password", "ssh", nil, stored{}},
		{"password", "both", nil, stored{"password": "p1"}},
		{"password-only", "password", nil, stored{"password": "p1"}},
		{"password-only", "ssh", nil, stored{}},
		{"password-only", "both", nil, stored{"password": "p1"}},
		{"ssh", "password", nil, stored{}},
		{"ssh", "password-only", nil, stored{}},
		{"ssh", "ssh", nil, stored{"ssh-key": "k1", "passphrase": "s1"}},
		{"ssh", "both", nil, stored{"ssh-key": "k1", "passphrase": "s1"}},
		{"both", "password", nil, stored{"password": "p1"}},
		{"both", "password-only", nil, stored{"password": "p1"}},
		{"both", "ssh", nil, stored{"ssh-key": "k1", "passphrase": "s1"}},
		{"both", "both", nil, stored{"password": "p1", "ssh-key": "k1", "passphrase": "s1"}},

		{"both", "both", body{"password": "p2"}, stored{"password": "p2", "ssh-key": "k1", "passphrase": "s1"}},
		{"both", "both", body{"sshKey": "k2"}, stored{"password": "p1", "ssh-key": "k2"}},
		{"both", "both", body{"sshKey": "k2", "passphrase": "s2"}, stored{"password": "p1", "ssh-key": "k2", "passphrase": "s2"}},
		{"both", "both", body{"passphrase": "s2"}, stored{"password": "p1", "ssh-key": "k1", "passphrase": "s2"}},
		{"password", "ssh", body{"passphrase": "s2"}, stored{}},
		{"password", "ssh", body{"sshKey": "k2"}, stored{"ssh-key": "k2"}},
		{"ssh", "password", body{"sshKey": "k2", "password": "p2"}, stored{"password": "p2"}},
		{"ssh", "ssh", body{"password": "p2"}, stored{"ssh-key": "k1", "passphrase": "s1"}},
	} {
		id := createIdentity(s.Owner, merged(everySecret, body{"type": test.from}))
		s.Owner.Patch(identityPath(id), merged(test.change, body{"type": test.to})).Want(200)
		require.Equal(t, test.want, secrets(t, s, id), "%s to %s with %v", test.from, test.to, test.change)
	}
}

func TestAbsentTypeKeepsTheStoredOne(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id := createIdentity(s.Owner, merged(everySecret, body{"type": "ssh"}))
	s.Owner.Patch(identityPath(id), body{"password": "ignored", "name": "Renamed"}).Want(200)
	require.Equal(t, stored{"ssh-key": "k1", "passphrase": "s1"}, secrets(t, s, id))
}

func TestPassphraseWithoutKeyIsDropped(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id := createIdentity(s.Owner, body{"name": "Key to come", "type": "ssh", "passphrase": "s1"})
	require.Empty(t, secrets(t, s, id))
}

func TestMovedCiphertextDoesNotOpen(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	from := createIdentity(s.Owner, body{"name": "Identity", "type": "password", "password": "p1"})
	to := createIdentity(s.Owner, body{"name": "Identity", "type": "password", "password": "p2"})
	s.Exec(t, `update credentials set ciphertext = (select ciphertext from credentials where identity_id = $1) where identity_id = $2`, from, to)
	var ciphertext []byte
	s.Scan(t, &ciphertext, `select ciphertext from credentials where identity_id = $1`, to)
	_, err := s.Vault.Open("credentials", to, "password", ciphertext)
	require.ErrorContains(t, err, "credential cannot be decrypted")
}

func merged(parts ...body) body {
	whole := body{}
	for _, part := range parts {
		for name, value := range part {
			whole[name] = value
		}
	}
	return whole
}
