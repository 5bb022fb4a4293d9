package vault

import (
	"cmp"
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/nexterm-go/nexterm/gen/db"
)

// MasterKey is the 256-bit key from the settings. Like a Secret, it shows as
// [redacted] wherever it is printed.
type MasterKey [32]byte

// Fingerprint names a key without revealing it: 16 hexadecimal characters.
func (k MasterKey) Fingerprint() string {
	mac := hmac.New(sha256.New, k[:])
	mac.Write([]byte("nexterm master key fingerprint"))
	return hex.EncodeToString(mac.Sum(nil)[:8])
}

// BackupPassphrase is what backups are sealed with. It opens nothing else.
func (k MasterKey) BackupPassphrase() Secret {
	key, err := hkdf.Key(sha256.New, k[:], nil, "nexterm backup", sha256.Size)
	if err != nil {
		panic(err) // only of a key that is too long
	}
	return Secret(base64.RawURLEncoding.EncodeToString(key))
}

func (MasterKey) String() string               { return redacted }
func (MasterKey) Format(out fmt.State, _ rune) { _, _ = io.WriteString(out, redacted) }
func (MasterKey) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (MasterKey) MarshalText() ([]byte, error) { return []byte(redacted), nil }

func fingerprints(keys []MasterKey) string {
	var all []string
	for _, key := range keys {
		all = append(all, key.Fingerprint())
	}
	return strings.Join(all, " or ")
}

// ParseMasterKey reads 64 hexadecimal characters; white space around them is ignored.
func ParseMasterKey(text string) (MasterKey, error) {
	var key MasterKey
	decoded, err := hex.DecodeString(strings.TrimSpace(text))
	if err != nil || len(decoded) != len(key) {
		return key, errors.New("the encryption key must be 64 hexadecimal characters, such as `openssl rand -hex 32` prints")
	}
	copy(key[:], decoded)
	return key, nil
}

// ReadMasterKey reads the key from a file.
func ReadMasterKey(file string) (MasterKey, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return MasterKey{}, fmt.Errorf("read the encryption key: %w", err)
	}
	key, err := ParseMasterKey(string(text))
	if err != nil {
		return key, fmt.Errorf("%s: %w", file, err)
	}
	return key, nil
}

// CreateMasterKey makes the key of a new database. One that is sealed already
// needs the key that it was sealed with.
func CreateMasterKey(ctx context.Context, q *db.Queries, file string) (MasterKey, error) {
	stored, err := q.ListKeysets(ctx)
	if err != nil {
		return MasterKey{}, fmt.Errorf("read data keys: %w", err)
	}
	if len(stored) > 0 {
		return MasterKey{}, fmt.Errorf("%s is missing, and the database is sealed with the master key of fingerprint %s: put that back", file, stored[0].Fingerprint)
	}
	if sealed, err := q.IsAnythingSealed(ctx); err != nil || sealed {
		return MasterKey{}, cmp.Or(err, errKeysLost)
	}
	return EnsureMasterKey(file)
}

// EnsureMasterKey reads the key from a file and creates it, mode 0600, when
// there is none. The file appears whole or not at all, so that a crash cannot
// leave half a key behind.
func EnsureMasterKey(file string) (MasterKey, error) {
	key, err := ReadMasterKey(file)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if _, err := rand.Read(key[:]); err != nil {
		return key, err
	}
	// The private cluster runs as another account and has to get through this folder.
	if err := os.MkdirAll(filepath.Dir(file), 0o711); err != nil { //nolint:gosec // see above
		return key, fmt.Errorf("create the encryption key: %w", err)
	}
	if err := writeOnce(file, hex.EncodeToString(key[:])+"\n"); err != nil {
		return key, fmt.Errorf("create the encryption key: %w", err)
	}
	return ReadMasterKey(file)
}

func writeOnce(file, text string) error {
	draft, err := os.CreateTemp(filepath.Dir(file), ".key-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(draft.Name()) }()
	_, writeErr := draft.WriteString(text)
	if err := errors.Join(writeErr, draft.Sync(), draft.Close()); err != nil {
		return err
	}
	// Unlike a rename, a link refuses to replace a key that somebody else has
	// created meanwhile.
	if err := os.Link(draft.Name(), file); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}
