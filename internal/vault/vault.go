// Package vault owns all cryptography: sealing secrets, hashing passwords and
// making tokens. It does not decide who may use them.
package vault

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/aead/subtle"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/nexterm-go/nexterm/gen/db"
)

// ErrCannotOpen means that a stored secret cannot be read: the row was changed,
// moved, or sealed with a key that is gone. It is never "no secret".
var ErrCannotOpen = errors.New("credential cannot be decrypted")

// errKeysLost refuses a database whose secrets new data keys would bury.
var errKeysLost = errors.New("this database holds sealed secrets, but not the data keys that open them: restore the table encryption_keysets from a backup")

// keysetPurpose binds the sealed data keys to their place.
var keysetPurpose = []byte("nexterm encryption_keysets")

// Vault seals and opens secrets with data keys (AES-256-GCM, a fresh nonce for
// each write) that live in the database, themselves sealed by the master key.
type Vault struct {
	primitive tink.AEAD
	keyID     int64
}

// Sealed is what is stored of a secret. KeyID names the data key.
type Sealed struct {
	KeyID      int64
	Ciphertext []byte
}

// Load reads the data keys with the master key, and creates them in a new
// database. Of several servers that start at once on one database, all end up
// with the same keys. A wrong master key is refused by its fingerprint.
func Load(ctx context.Context, q *db.Queries, master MasterKey) (*Vault, error) {
	wrapper, err := subtle.NewAESGCM(master[:])
	if err != nil {
		return nil, fmt.Errorf("master key: %w", err)
	}
	created, err := newKeyset(wrapper)
	if err != nil {
		return nil, err
	}
	sealed, err := q.IsAnythingSealed(ctx)
	if err == nil && !sealed {
		err = q.CreateKeyset(ctx, db.CreateKeysetParams{Fingerprint: master.Fingerprint(), Keyset: created})
	}
	if err != nil {
		return nil, fmt.Errorf("store data keys: %w", err)
	}
	stored, err := q.GetKeyset(ctx)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, errKeysLost
	}
	if err != nil {
		return nil, fmt.Errorf("read data keys: %w", err)
	}
	if stored.Fingerprint != master.Fingerprint() {
		return nil, fmt.Errorf("this database is sealed with the master key of fingerprint %s, but the configured one has fingerprint %s", stored.Fingerprint, master.Fingerprint())
	}
	handle, err := keyset.ReadWithAssociatedData(keyset.NewBinaryReader(bytes.NewReader(stored.Keyset)), wrapper, keysetPurpose)
	if err != nil {
		return nil, fmt.Errorf("open data keys: %w", err)
	}
	primitive, err := aead.New(handle)
	if err != nil {
		return nil, fmt.Errorf("use data keys: %w", err)
	}
	return &Vault{primitive: primitive, keyID: int64(handle.KeysetInfo().GetPrimaryKeyId())}, nil
}

func newKeyset(wrapper tink.AEAD) ([]byte, error) {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, fmt.Errorf("create data keys: %w", err)
	}
	var sealed bytes.Buffer
	if err := handle.WriteWithAssociatedData(keyset.NewBinaryWriter(&sealed), wrapper, keysetPurpose); err != nil {
		return nil, fmt.Errorf("seal data keys: %w", err)
	}
	return sealed.Bytes(), nil
}

// Seal encrypts a secret for one place: a row of a table and what it is there.
// Moved to another place, the result does not open, nor does it when the row says
// something else of what it is bound to.
func (v *Vault) Seal(table string, id int64, kind string, secret Secret, bound ...string) (Sealed, error) {
	ciphertext, err := v.primitive.Encrypt([]byte(secret), place(table, id, kind, bound))
	if err != nil {
		return Sealed{}, fmt.Errorf("seal %s of %s %d: %w", kind, table, id, err)
	}
	return Sealed{KeyID: v.keyID, Ciphertext: ciphertext}, nil
}

// Open decrypts what Seal made for the same place, else ErrCannotOpen.
func (v *Vault) Open(table string, id int64, kind string, ciphertext []byte, bound ...string) (Secret, error) {
	plaintext, err := v.primitive.Decrypt(ciphertext, place(table, id, kind, bound))
	if err != nil {
		return "", fmt.Errorf("%s of %s %d: %w", kind, table, id, ErrCannotOpen)
	}
	return Secret(plaintext), nil
}

// place is unambiguous: all texts are written with their lengths.
func place(table string, id int64, kind string, bound []string) []byte {
	var text []byte
	for i, part := range append([]string{table, kind}, bound...) {
		text = binary.AppendUvarint(text, uint64(len(part)))
		text = append(text, part...)
		if i == 0 {
			text = binary.BigEndian.AppendUint64(text, uint64(id))
		}
	}
	return text
}

// MasterKey is the 256-bit key from the settings. Like a Secret, it shows as
// [redacted] wherever it is printed.
type MasterKey [32]byte

// Fingerprint names a key without revealing it: 16 hexadecimal characters.
func (k MasterKey) Fingerprint() string {
	mac := hmac.New(sha256.New, k[:])
	mac.Write([]byte("nexterm master key fingerprint"))
	return hex.EncodeToString(mac.Sum(nil)[:8])
}

func (MasterKey) String() string               { return redacted }
func (MasterKey) Format(out fmt.State, _ rune) { _, _ = io.WriteString(out, redacted) }
func (MasterKey) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (MasterKey) MarshalText() ([]byte, error) { return []byte(redacted), nil }
