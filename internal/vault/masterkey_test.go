package vault_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/nexterm-go/nexterm/internal/vault"
)

const keyText = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

func TestParseMasterKey(t *testing.T) {
	t.Parallel()
	for _, text := range []string{keyText, " " + keyText + "\r\n", strings.ToUpper(keyText)} {
		key, err := vault.ParseMasterKey(text)
		require.NoError(t, err)
		require.Equal(t, keyText, hex.EncodeToString(key[:]))
	}
	for _, text := range []string{"", keyText[:62], keyText[:63], keyText + "00", keyText[:63] + "g", "0x" + keyText[:62]} {
		_, err := vault.ParseMasterKey(text)
		require.ErrorContains(t, err, "64 hexadecimal characters")
		if text != "" {
			require.NotContains(t, err.Error(), text, "not even a wrong key is printed")
		}
	}
}

func TestEnsureMasterKey(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "new", "encryption.key")
	created, err := vault.EnsureMasterKey(file)
	require.NoError(t, err)
	require.NotEqual(t, vault.MasterKey{}, created)
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode())
	again, err := vault.EnsureMasterKey(file)
	require.NoError(t, err)
	require.Equal(t, created, again)
	left, err := os.ReadDir(filepath.Dir(file))
	require.NoError(t, err)
	require.Len(t, left, 1, "no draft stays behind")
}

// A file that is there is the key or a mistake, never overwritten.
func TestEnsureMasterKeyRefusesHalfKeys(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "\n", keyText[:32], "not a key"} {
		file := filepath.Join(t.TempDir(), "encryption.key")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		_, err := vault.EnsureMasterKey(file)
		require.ErrorContains(t, err, file)
		kept, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, text, string(kept))
	}
	_, err := vault.EnsureMasterKey(t.TempDir())
	require.Error(t, err, "a folder is no key")
}

func TestEnsureMasterKeyAtOnce(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "encryption.key")
	keys := make([]vault.MasterKey, 16)
	var group errgroup.Group
	for i := range keys {
		group.Go(func() (err error) {
			keys[i], err = vault.EnsureMasterKey(file)
			return err
		})
	}
	require.NoError(t, group.Wait())
	for _, key := range keys {
		require.Equal(t, keys[0], key)
	}
}

func TestReadMasterKey(t *testing.T) {
	t.Parallel()
	_, err := vault.ReadMasterKey(filepath.Join(t.TempDir(), "missing"))
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestMasterKeyIsNotPrinted(t *testing.T) {
	t.Parallel()
	key, err := vault.ParseMasterKey(keyText)
	require.NoError(t, err)
	settings := struct{ Key vault.MasterKey }{key}
	encoded, err := json.Marshal(settings)
	require.NoError(t, err)
	for _, printed := range []string{
		fmt.Sprint(key), fmt.Sprintf("%v %+v %s %#v %d %x %X %q", key, key, key, key, key, key, key, key),
		fmt.Sprintf("%v %+v %#v %x", settings, settings, settings, &settings), string(encoded),
	} {
		require.NotContains(t, strings.ToLower(printed), keyText[:16])
		require.NotContains(t, printed, "8, 9, 10")
		require.NotContains(t, printed, "8 9 10")
		require.NotContains(t, printed, "8,9,10")
		require.NotContains(t, printed, "0x8, 0x9")
	}
}
