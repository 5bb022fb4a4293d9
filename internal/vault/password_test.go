package vault_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/vault"
)

func TestPasswords(t *testing.T) {
	t.Parallel()
	hash, err := vault.HashPassword(t.Context(), 0, "secret")
	require.NoError(t, err)
	require.Regexp(t, `^\$argon2id\$v=19\$m=19456,t=2,p=1\$`, hash)
	again, err := vault.HashPassword(t.Context(), 0, "secret")
	require.NoError(t, err)
	require.NotEqual(t, hash, again, "salted")
	for password, matches := range map[vault.Secret]bool{"secret": true, "Secret": false, "secret ": false, "": false} {
		match, err := vault.VerifyPassword(t.Context(), password, hash)
		require.NoError(t, err)
		require.Equal(t, matches, match, string(password))
	}
}

// All of a password counts, however long it is.
func TestEveryByteOfAPasswordCounts(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 75) // 150 bytes
	hash, err := vault.HashPassword(t.Context(), 0, vault.Secret(long))
	require.NoError(t, err)
	for _, at := range []int{0, 71, 72, 73, 100, 149} {
		changed := []byte(long)
		changed[at] ^= 1
		match, err := vault.VerifyPassword(t.Context(), vault.Secret(changed), hash)
		require.NoError(t, err)
		require.False(t, match, "byte %d", at)
	}
	match, err := vault.VerifyPassword(t.Context(), vault.Secret(long), hash)
	require.NoError(t, err)
	require.True(t, match)
	match, err = vault.VerifyPassword(t.Context(), vault.Secret(long[:72]), hash)
	require.NoError(t, err)
	require.False(t, match)
}

func TestUnknownAccountNeverMatches(t *testing.T) {
	t.Parallel()
	for _, password := range []vault.Secret{"", "secret"} {
		match, err := vault.VerifyPassword(t.Context(), password, "")
		require.NoError(t, err)
		require.False(t, match)
	}
	_, err := vault.VerifyPassword(t.Context(), "secret", "no hash")
	require.Error(t, err)
}
