package passkey_test

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

	"github.com/nexterm-go/nexterm/internal/testserver"
)

type body = map[string]any

const (
	userPresent    = 0x01
	userVerified   = 0x04
	backupEligible = 0x08
	backedUp       = 0x10
	attested       = 0x40
)

// authenticator is one credential of a security key in software, and the
// browser around it.
type authenticator struct {
	t   *testing.T
	key *ecdsa.PrivateKey
	id  []byte
	// What it says of itself and where it believes to be; tests falsify these.
	flags      byte
	counter    uint32
	origin     string
	rpID       string
	userHandle string
}

func newAuthenticator(t *testing.T, origin string) *authenticator {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	a := &authenticator{t: t, key: key, id: make([]byte, 32), flags: userPresent | userVerified, counter: 1, origin: origin, rpID: "localhost"}
	_, err = rand.Read(a.id)
	require.NoError(t, err)
	return a
}

func encode(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

func (a *authenticator) clientData(ceremony, challenge string) []byte {
	data, err := json.Marshal(body{"type": ceremony, "challenge": challenge, "origin": a.origin, "crossOrigin": false})
	require.NoError(a.t, err)
	return data
}

func (a *authenticator) data(flags byte) []byte {
	hash := sha256.Sum256([]byte(a.rpID))
	return binary.BigEndian.AppendUint32(append(hash[:], flags), a.counter)
}

// create answers navigator.credentials.create(), with the attestation "none".
func (a *authenticator) create(challenge string) body {
	a.t.Helper()
	point, err := a.key.PublicKey.Bytes()
	require.NoError(a.t, err)
	// A COSE key: EC2, ES256, P-256.
	key, err := webauthncbor.Marshal(map[int]any{1: 2, 3: -7, -1: 1, -2: point[1:33], -3: point[33:]})
	require.NoError(a.t, err)
	data := append(a.data(a.flags|attested), make([]byte, 16)...)
	data = binary.BigEndian.AppendUint16(data, uint16(len(a.id)))
	data = append(append(data, a.id...), key...)
	object, err := webauthncbor.Marshal(body{"fmt": "none", "attStmt": body{}, "authData": data})
	require.NoError(a.t, err)
	return body{
		"id": encode(a.id), "rawId": encode(a.id), "type": "public-key",
		"response": body{
			"clientDataJSON": encode(a.clientData("webauthn.create", challenge)), "attestationObject": encode(object),
			"transports": []string{"internal", "hybrid"},
		},
		"clientExtensionResults": body{"credProps": body{"rk": true}}, "authenticatorAttachment": "platform",
	}
}

// get answers navigator.credentials.get().
func (a *authenticator) get(challenge string) body {
	a.t.Helper()
	clientData, data := a.clientData("webauthn.get", challenge), a.data(a.flags)
	hash := sha256.Sum256(clientData)
	digest := sha256.Sum256(append(data[:len(data):len(data)], hash[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, a.key, digest[:])
	require.NoError(a.t, err)
	response := body{"clientDataJSON": encode(clientData), "authenticatorData": encode(data), "signature": encode(signature)}
	if a.userHandle != "" {
		response["userHandle"] = encode([]byte(a.userHandle))
	}
	return body{
		"id": encode(a.id), "rawId": encode(a.id), "type": "public-key",
		"response": response, "clientExtensionResults": body{},
	}
}

// page is a page of the server's own, at which passkeys are used.
type page struct {
	t      *testing.T
	server *testserver.Server
	origin string
}

func newPage(t *testing.T, s *testserver.Server) page {
	t.Helper()
	return page{t, s, "http://localhost:" + portOf(t, s)}
}

// as is a client whose requests are sent to localhost, as from the page.
func (p page) as(c *testserver.Client) *testserver.Client {
	return c.On(&testserver.Server{URL: p.origin})
}

func (p page) registrationChallenge(c *testserver.Client) string {
	p.t.Helper()
	var options struct{ Challenge string }
	p.as(c).Post("/api/account/passkeys/register/options", body{"origin": p.origin}).Want(200).Into(&options)
	return options.Challenge
}

// register gives the account a passkey.
func (p page) register(c *testserver.Client) *authenticator {
	p.t.Helper()
	a := newAuthenticator(p.t, p.origin)
	p.as(c).Post("/api/account/passkeys/register/verify", body{
		"response": a.create(p.registrationChallenge(c)), "origin": p.origin,
	}).Want(200)
	a.counter++
	return a
}

func (p page) loginChallenge(username string) string {
	p.t.Helper()
	start := body{"origin": p.origin}
	if username != "" {
		start["username"] = username
	}
	var options struct{ Challenge string }
	p.as(p.server.Anonymous).Post("/api/auth/passkey/options", start).Want(200).Into(&options)
	return options.Challenge
}

func (p page) verify(response body) *testserver.Response {
	p.t.Helper()
	return p.as(p.server.Anonymous).Post("/api/auth/passkey/verify", body{"response": response, "origin": p.origin})
}
