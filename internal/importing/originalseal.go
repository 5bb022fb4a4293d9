package importing

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

// originalSeal opens what the original has encrypted: AES-256-GCM with nonces of 16
// bytes, nonce and tag as hexadecimal digits beside the text.
type originalSeal struct {
	aead           cipher.AEAD
	opened, failed int
}

func newOriginalSeal(key nexterm.Secret) (*originalSeal, error) {
	decoded, err := hex.DecodeString(string(key))
	if err != nil || len(decoded) != 32 {
		return nil, errors.New("the key is not 64 hexadecimal digits, as in the original's ENCRYPTION_KEY")
	}
	block, err := aes.NewCipher(decoded)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithNonceSize(block, 16)
	return &originalSeal{aead: aead}, err
}

// open decrypts a text, which is bytes or, in some versions, their digits.
func (s *originalSeal) open(sealed, nonce, tag string) (nexterm.Secret, error) {
	iv, err1 := hex.DecodeString(nonce)
	mac, err2 := hex.DecodeString(tag)
	if err1 == nil && err2 == nil && len(iv) == 16 && len(mac) == 16 {
		digits, err := hex.DecodeString(sealed)
		for _, text := range [][]byte{digits, []byte(sealed)} {
			if text == nil && err != nil {
				continue
			}
			if plain, err := s.aead.Open(nil, iv, slices.Concat(text, mac), nil); err == nil {
				s.opened++
				return nexterm.Secret(plain), nil
			}
		}
	}
	s.failed++
	return "", errSealed
}

// readIdentities reads identities with their secrets, which lie in a table of their
// own or, in older versions, beside the name, in the oldest not encrypted.
func (r *originalReader) readIdentities() error {
	err := r.each("identities", []string{"id", "name", "username", "type", "accountId", "organizationId"}, func(row record) error {
		thing := &Row{File: r.name, Kind: KindIdentity, Name: row.texts["name"]}
		login := Login{Name: row.texts["name"], Username: row.texts["username"], Type: nexterm.IdentityType(row.texts["type"])}
		known := []nexterm.IdentityType{nexterm.IdentityTypePassword, nexterm.IdentityTypeSSH, nexterm.IdentityTypeBoth, nexterm.IdentityTypePasswordOnly}
		if !slices.Contains(known, login.Type) {
			thing.Skip = fmt.Sprintf("its type is %.20q", row.texts["type"])
		}
		if login.Type == nexterm.IdentityTypePasswordOnly {
			login.Username = ""
		}
		owner := ownerOf(row)
		if owner == (Owner{}) {
			thing.Skip = "it belongs to nobody"
		}
		thing.Logins = []Login{login}
		r.identities[row.numbers["id"]] = &originalIdentity{owner, thing}
		r.Things[owner] = append(r.Things[owner], thing)
		return nil
	})
	if err != nil {
		return err
	}
	err = r.each("credentials", []string{"id", "identityId", "type", "secretEncrypted", "secretIV", "secretAuthTag"}, func(row record) error {
		if identity := r.identities[row.numbers["identityId"]]; identity != nil {
			r.secret(identity, row.texts["type"], row.texts["secretEncrypted"], row.texts["secretIV"], row.texts["secretAuthTag"], true)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for kind, column := range map[string]string{"password": "password", "ssh-key": "sshKey", "passphrase": "passphrase"} {
		sealed := r.has("identities", column+"IV", column+"AuthTag")
		err := r.each("identities", []string{"id", column, column + "IV", column + "AuthTag"}, func(row record) error {
			if identity := r.identities[row.numbers["id"]]; row.texts[column] != "" && identity != nil {
				r.secret(identity, kind, row.texts[column], row.texts[column+"IV"], row.texts[column+"AuthTag"], sealed)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *originalReader) secret(identity *originalIdentity, kind, text, nonce, tag string, sealed bool) {
	secret, err := nexterm.Secret(text), error(nil)
	if sealed {
		secret, err = r.seal.open(text, nonce, tag)
	}
	login := &identity.row.Logins[0]
	switch {
	case err != nil:
		identity.row.note(fmt.Sprintf("its %.20q cannot be decrypted", kind))
	case kind == "password":
		login.Password = secret
	case kind == "ssh-key":
		login.Key = secret
	case kind == "passphrase":
		login.Passphrase = secret
	default:
		identity.row.note(fmt.Sprintf("its %.20q is not known", kind))
	}
}
