package testserver

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"testing"

	"github.com/go-webauthn/webauthn/protocol/webauthncbor"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/vault"
)

// Flags of an authenticator's answers (WebAuthn, section 6.1).
const (
	UserPresent    = 0x01
	UserVerified   = 0x04
	BackupEligible = 0x08
	BackedUp       = 0x10
	attested       = 0x40
)

// Authenticator is one credential of a security key in software, and the
// browser around it. It stands for people's devices, not for anything of ours.
type Authenticator struct {
	Key *ecdsa.PrivateKey
	ID  []byte
	// What it says of itself and where it believes to be; tests falsify these.
	Flags      byte
	Counter    uint32
	Origin     string
	RPID       string
	UserHandle string
	// Algorithm is what it calls its key, by COSE's numbers. PublicKey is shown instead
	// of its own, where there is one.
	Algorithm int
	PublicKey map[int]any

	t testing.TB
}

// NewAuthenticator makes a credential for a page of localhost.
func NewAuthenticator(t testing.TB, origin string) *Authenticator {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return &Authenticator{
		t: t, Key: key, ID: vault.NewChallenge(), Flags: UserPresent | UserVerified, Counter: 1, Origin: origin, RPID: "localhost",
		Algorithm: -7,
	}
}

func encode(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

type object = map[string]any

func (a *Authenticator) clientData(ceremony, challenge string) []byte {
	data, err := json.Marshal(object{"type": ceremony, "challenge": challenge, "origin": a.Origin, "crossOrigin": false})
	require.NoError(a.t, err)
	return data
}

func (a *Authenticator) data(flags byte) []byte {
	hash := sha256.Sum256([]byte(a.RPID))
	return binary.BigEndian.AppendUint32(append(hash[:], flags), a.Counter)
}

// Create answers navigator.credentials.create(), with the attestation "none".
func (a *Authenticator) Create(challenge string) object {
	a.t.Helper()
	point, err := a.Key.PublicKey.Bytes()
	require.NoError(a.t, err)
	// A COSE key: EC2, ES256 unless falsified, P-256.
	public := map[int]any{1: 2, 3: a.Algorithm, -1: 1, -2: point[1:33], -3: point[33:]}
	if a.PublicKey != nil {
		public = a.PublicKey
	}
	key, err := webauthncbor.Marshal(public)
	require.NoError(a.t, err)
	data := append(a.data(a.Flags|attested), make([]byte, 16)...)
	data = binary.BigEndian.AppendUint16(data, uint16(len(a.ID)))
	data = append(append(data, a.ID...), key...)
	attestation, err := webauthncbor.Marshal(object{"fmt": "none", "attStmt": object{}, "authData": data})
	require.NoError(a.t, err)
	return object{
		"id": encode(a.ID), "rawId": encode(a.ID), "type": "public-key",
		"response": object{
			"clientDataJSON": encode(a.clientData("webauthn.create", challenge)), "attestationObject": encode(attestation),
			"transports": []string{"internal", "hybrid"},
		},
		"clientExtensionResults": object{"credProps": object{"rk": true}}, "authenticatorAttachment": "platform",
	}
}

// Get answers navigator.credentials.get().
func (a *Authenticator) Get(challenge string) object {
	a.t.Helper()
	clientData, data := a.clientData("webauthn.get", challenge), a.data(a.Flags)
	hash := sha256.Sum256(clientData)
	digest := sha256.Sum256(append(data[:len(data):len(data)], hash[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, a.Key, digest[:])
	require.NoError(a.t, err)
	response := object{"clientDataJSON": encode(clientData), "authenticatorData": encode(data), "signature": encode(signature)}
	if a.UserHandle != "" {
		response["userHandle"] = encode([]byte(a.UserHandle))
	}
	return object{
		"id": encode(a.ID), "rawId": encode(a.ID), "type": "public-key",
		"response": response, "clientExtensionResults": object{},
	}
}
