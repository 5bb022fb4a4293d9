package testssh

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
)

// NewKey makes a key of a type, such as ssh.KeyAlgoED25519, and the text of its
// file, which is encrypted if there is a passphrase.
func NewKey(t testing.TB, keyType, passphrase string) (key ssh.Signer, file string) {
	t.Helper()
	key, file, err := MakeKey(keyType, passphrase)
	require.NoError(t, err)
	return key, file
}

// MakeKey is NewKey without a test.
func MakeKey(keyType, passphrase string) (key ssh.Signer, file string, err error) {
	var private crypto.Signer
	switch keyType {
	case ssh.KeyAlgoED25519:
		_, private, err = ed25519.GenerateKey(rand.Reader)
	case ssh.KeyAlgoECDSA256:
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case ssh.KeyAlgoRSA:
		private, err = rsa.GenerateKey(rand.Reader, 2048)
	default:
		err = fmt.Errorf("no keys of type %s are made here", keyType)
	}
	if err != nil {
		return nil, "", err
	}
	if key, err = ssh.NewSignerFromSigner(private); err != nil {
		return nil, "", err
	}
	var block *pem.Block
	if passphrase == "" {
		block, err = ssh.MarshalPrivateKey(private, "")
	} else {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte(passphrase))
	}
	if err != nil {
		return nil, "", err
	}
	return key, string(pem.EncodeToMemory(block)), nil
}
