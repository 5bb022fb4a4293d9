// Package vault owns all cryptography: sealing secrets, hashing passwords and
// making tokens. It does not decide who may use them.
package vault

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nexterm-go/nexterm/gen/db"
)

// reloadTime bounds how long who opens a secret waits for data keys.
const reloadTime = 5 * time.Second

// ErrCannotOpen means that a stored secret cannot be read: the row was changed,
// moved, or sealed with a key that is gone. It is never "no secret".
var ErrCannotOpen = errors.New("credential cannot be decrypted")

// errKeysLost refuses a database whose secrets new data keys would bury.
var errKeysLost = errors.New("this database holds sealed secrets, but not the data keys that open them: restore the table encryption_keysets from a backup")

// Vault seals and opens secrets with data keys (AES-256-GCM, a fresh nonce for
// each write) that live in the database, themselves sealed by the master key.
type Vault struct {
	queries *db.Queries
	masters func() ([]MasterKey, error)
	keys    atomic.Pointer[Keyset]
	reading sync.Mutex
}

// Sealed is what is stored of a secret. KeyID names the data key.
type Sealed struct {
	KeyID      int64
	Ciphertext []byte
}

// Load reads the data keys with one of the master keys, of which there are two
// while one replaces the other, and creates them in a new database. Of several
// servers that start at once on one database, all end up with the same keys. A
// wrong master key is refused by its fingerprint.
func Load(ctx context.Context, q *db.Queries, masters ...MasterKey) (*Vault, error) {
	return LoadFrom(ctx, q, func() ([]MasterKey, error) { return masters, nil })
}

// LoadFrom is Load with master keys that are asked for again when the data keys
// are sealed with another one.
func LoadFrom(ctx context.Context, q *db.Queries, masters func() ([]MasterKey, error)) (*Vault, error) {
	sealed, err := q.IsAnythingSealed(ctx)
	if err == nil && !sealed {
		err = create(ctx, q, masters)
	}
	if err != nil {
		return nil, fmt.Errorf("store data keys: %w", err)
	}
	v := &Vault{queries: q, masters: masters}
	if err := v.Reload(ctx); err != nil {
		return nil, err
	}
	return v, nil
}

// Keys are the data keys as they were last read.
func (v *Vault) Keys() *Keyset { return v.keys.Load() }

// Reload reads the data keys anew if they are others. Those that were read before
// stay when that fails.
func (v *Vault) Reload(ctx context.Context) error { return v.reload(ctx, v.queries) }

func (v *Vault) reload(ctx context.Context, q *db.Queries) error {
	v.reading.Lock()
	defer v.reading.Unlock()
	stored, err := q.ListKeysets(ctx)
	if err != nil {
		return fmt.Errorf("read data keys: %w", err)
	}
	if len(stored) == 0 {
		return errKeysLost
	}
	known := v.keys.Load()
	if known != nil && known.Revision == stored[0].Revision {
		return nil
	}
	masters, err := v.masters()
	if err != nil {
		return err
	}
	for _, row := range stored {
		if known != nil && known.Revision == row.Revision {
			return nil
		}
		for _, master := range masters {
			if master.Fingerprint() != row.Fingerprint {
				continue
			}
			keys, err := openKeyset(row, master)
			if err == nil {
				v.keys.Store(keys)
			}
			return err
		}
	}
	return fmt.Errorf("this database is sealed with the master key of fingerprint %s, but the configured one has fingerprint %s", stored[0].Fingerprint, fingerprints(masters))
}

// Seal encrypts a secret for one place: a row of a table and what it is there.
// Moved to another place, the result does not open, nor does it when the row says
// something else of what it is bound to.
func (v *Vault) Seal(table string, id int64, kind string, secret Secret, bound ...string) (Sealed, error) {
	keys := v.Keys()
	ciphertext, err := keys.primitive.Encrypt([]byte(secret), place(table, id, kind, bound))
	if err != nil {
		return Sealed{}, fmt.Errorf("seal %s of %s %d: %w", kind, table, id, err)
	}
	return Sealed{KeyID: keys.Primary, Ciphertext: ciphertext}, nil
}

// Open decrypts what Seal made for the same place, else ErrCannotOpen. What a data
// key has sealed that is not known makes it read the data keys anew.
func (v *Vault) Open(table string, id int64, kind string, ciphertext []byte, bound ...string) (Secret, error) {
	if !v.Keys().named(ciphertext) {
		ctx, cancel := context.WithTimeout(context.Background(), reloadTime)
		defer cancel()
		if err := v.Reload(ctx); err != nil {
			return "", fmt.Errorf("%s of %s %d: %w: %w", kind, table, id, ErrCannotOpen, err)
		}
	}
	plaintext, err := v.Keys().primitive.Decrypt(ciphertext, place(table, id, kind, bound))
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
