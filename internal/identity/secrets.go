package identity

import (
	"context"
	"slices"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/vault"
)

// The kinds of secrets, as stored.
const (
	password   = "password"
	sshKey     = "ssh-key"
	passphrase = "passphrase"
)

var kinds = []string{password, sshKey, passphrase}

// used tells which secrets an identity of a type has.
var used = map[api.IdentityType][]string{
	api.IdentityTypePassword:     {password},
	api.IdentityTypePasswordOnly: {password},
	api.IdentityTypeSSH:          {sshKey, passphrase},
	api.IdentityTypeBoth:         {password, sshKey, passphrase},
}

// maxKeyBytes bounds a key in bytes; the schema bounds it in characters.
const maxKeyBytes = 64 << 10

// secrets are those of one request; nil where absent.
type secrets struct{ password, sshKey, passphrase *string }

func (s secrets) check() error {
	if s.sshKey != nil && len(*s.sshKey) > maxKeyBytes {
		return fail.BadRequest("sshKey length must be less than or equal to 65536 bytes long")
	}
	return nil
}

// storeSecrets brings what is stored in line with the type and the request:
// given secrets that the type uses replace the stored ones, absent ones stay,
// what the type does not use goes. A new key ends the old key's passphrase, and
// a passphrase without any key is dropped.
func (h *Handlers) storeSecrets(ctx context.Context, tx *change.Tx, id int64, identityType api.IdentityType, given secrets, exists bool) error {
	set := map[string]*string{password: given.password, sshKey: given.sshKey, passphrase: given.passphrase}
	var gone []string
	for _, kind := range kinds {
		if !slices.Contains(used[identityType], kind) {
			set[kind] = nil
			gone = append(gone, kind)
		}
	}
	if set[sshKey] != nil && set[passphrase] == nil {
		gone = append(gone, passphrase)
	}
	if set[sshKey] == nil && set[passphrase] != nil {
		stored, err := tx.HasCredential(ctx, db.HasCredentialParams{IdentityID: id, Kind: sshKey})
		if err != nil {
			return err
		}
		if !stored {
			set[passphrase] = nil
		}
	}
	if exists && len(gone) > 0 {
		if err := tx.DeleteCredentials(ctx, db.DeleteCredentialsParams{IdentityID: id, Kinds: gone}); err != nil {
			return err
		}
	}
	return h.seal(ctx, tx, id, set)
}

func (h *Handlers) seal(ctx context.Context, tx *change.Tx, id int64, set map[string]*string) error {
	row := db.SetCredentialsParams{IdentityID: id}
	for _, kind := range kinds {
		if set[kind] == nil {
			continue
		}
		sealed, err := h.vault.Seal("credentials", id, kind, vault.Secret(*set[kind]))
		if err != nil {
			return err
		}
		row.KeyID = sealed.KeyID
		row.Kinds = append(row.Kinds, kind)
		row.Ciphertexts = append(row.Ciphertexts, sealed.Ciphertext)
	}
	if len(row.Kinds) == 0 {
		return nil
	}
	return tx.Defer(func(q *db.Queries) error { return q.SetCredentials(ctx, row) })
}
