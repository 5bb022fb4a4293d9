package vault

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/aead/subtle"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/nexterm-go/nexterm/gen/db"
)

// keysetPurpose binds the sealed data keys to their place.
var keysetPurpose = []byte("nexterm encryption_keysets")

// Keyset are the data keys of a database. All of them open, and the primary one
// seals.
type Keyset struct {
	// Revision is the one that is stored.
	Revision int64
	// Primary is the data key that seals.
	Primary int64
	// IDs are all data keys, the newest last.
	IDs []int64

	handle    *keyset.Handle
	primitive tink.AEAD
	master    MasterKey
}

func newKeyset(handle *keyset.Handle, master MasterKey) *Keyset {
	info := handle.KeysetInfo()
	k := &Keyset{Primary: int64(info.GetPrimaryKeyId()), handle: handle, master: master}
	for _, key := range info.GetKeyInfo() {
		k.IDs = append(k.IDs, int64(key.GetKeyId()))
	}
	return k
}

func create(ctx context.Context, q *db.Queries, masters func() ([]MasterKey, error)) error {
	known, err := masters()
	if err != nil {
		return err
	}
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return fmt.Errorf("create data keys: %w", err)
	}
	k := newKeyset(handle, known[0])
	sealed, err := k.SealedBy(k.master)
	if err != nil {
		return err
	}
	return q.CreateKeyset(ctx, db.CreateKeysetParams{Fingerprint: k.master.Fingerprint(), Keyset: sealed, KeyID: k.Primary})
}

func openKeyset(stored db.ListKeysetsRow, master MasterKey) (*Keyset, error) {
	wrapper, err := subtle.NewAESGCM(master[:])
	if err != nil {
		return nil, fmt.Errorf("master key: %w", err)
	}
	handle, err := keyset.ReadWithAssociatedData(keyset.NewBinaryReader(bytes.NewReader(stored.Keyset)), wrapper, keysetPurpose)
	if err != nil {
		return nil, fmt.Errorf("open data keys: %w", err)
	}
	k := newKeyset(handle, master)
	k.Revision = stored.Revision
	if k.primitive, err = aead.New(handle); err != nil {
		return nil, fmt.Errorf("use data keys: %w", err)
	}
	return k, nil
}

// SealedBy is how the data keys are stored for a master key.
func (k *Keyset) SealedBy(master MasterKey) ([]byte, error) {
	wrapper, err := subtle.NewAESGCM(master[:])
	if err != nil {
		return nil, fmt.Errorf("master key: %w", err)
	}
	var sealed bytes.Buffer
	if err := k.handle.WriteWithAssociatedData(keyset.NewBinaryWriter(&sealed), wrapper, keysetPurpose); err != nil {
		return nil, fmt.Errorf("seal data keys: %w", err)
	}
	return sealed.Bytes(), nil
}

// Fingerprint names the master key that the data keys were read with.
func (k *Keyset) Fingerprint() string { return k.master.Fingerprint() }

// named tells whether the ciphertext names a data key that is there. Tink begins
// each with a byte for its version and the key.
func (k *Keyset) named(ciphertext []byte) bool {
	return len(ciphertext) < 5 || slices.Contains(k.IDs, int64(binary.BigEndian.Uint32(ciphertext[1:5])))
}

// WithNew returns the stored form of the keyset with one more key, which does not
// seal yet.
func (k *Keyset) WithNew() (id int64, sealed []byte, err error) {
	sealed, err = k.changed(func(m *keyset.Manager) error {
		added, err := m.Add(aead.AES256GCMKeyTemplate())
		id = int64(added)
		return err
	})
	return id, sealed, err
}

// WithNewestPrimary returns the stored form of the keyset whose newest key seals.
func (k *Keyset) WithNewestPrimary() ([]byte, error) {
	return k.changed(func(m *keyset.Manager) error { return m.SetPrimary(uint32(k.IDs[len(k.IDs)-1])) })
}

// WithPrimaryOnly returns the stored form of the keyset without all keys but the
// one that seals.
func (k *Keyset) WithPrimaryOnly() ([]byte, error) {
	return k.changed(func(m *keyset.Manager) error {
		for _, id := range k.IDs {
			if id == k.Primary {
				continue
			}
			if err := m.Delete(uint32(id)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (k *Keyset) changed(change func(*keyset.Manager) error) ([]byte, error) {
	manager := keyset.NewManagerFromHandle(k.handle)
	if err := change(manager); err != nil {
		return nil, fmt.Errorf("change data keys: %w", err)
	}
	handle, err := manager.Handle()
	if err != nil {
		return nil, fmt.Errorf("change data keys: %w", err)
	}
	return newKeyset(handle, k.master).SealedBy(k.master)
}
