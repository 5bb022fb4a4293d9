package vault

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
)

// APIKeyPrefix begins every API key and no session token.
const APIKeyPrefix = "nxt_"

// NewSessionToken makes 48 random bytes as 96 lowercase hexadecimal characters.
func NewSessionToken() string { return randomHex(48) }

// NewAPIKey makes an API key: the prefix and 32 random bytes as 64 lowercase
// hexadecimal characters.
func NewAPIKey() string { return APIKeyPrefix + randomHex(32) }

// NewDeviceToken makes 32 random bytes as 64 lowercase hexadecimal characters.
func NewDeviceToken() string { return randomHex(32) }

// NewShareKey makes 16 random bytes, in base64url, for a link.
func NewShareKey() string { return base64.RawURLEncoding.EncodeToString(random(16)) }

// deviceAlphabet leaves out what people confuse: I, L, O, 0 and 1.
const deviceAlphabet = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"

// NewDeviceCode makes a code for people to type, such as K7QX-2M9B (39 bits).
func NewDeviceCode() string {
	// The largest multiple of the alphabet in a byte: what is beyond would make
	// its first characters likelier.
	const fair = 256 / len(deviceAlphabet) * len(deviceAlphabet)
	code := make([]byte, 0, 9)
	for len(code) < cap(code) {
		if len(code) == 4 {
			code = append(code, '-')
		}
		if b := int(random(1)[0]); b < fair {
			code = append(code, deviceAlphabet[b%len(deviceAlphabet)])
		}
	}
	return string(code)
}

// NewTOTPSecret makes 20 random bytes, as RFC 4226 recommends, in base32.
func NewTOTPSecret() Secret {
	return Secret(base32.StdEncoding.EncodeToString(random(20)))
}

// NewChallenge makes 32 random bytes for an authenticator to sign.
func NewChallenge() []byte { return random(32) }

// NewNonce makes 32 random bytes, in base64url, to tie the end of a sign-in to
// its beginning.
func NewNonce() string { return base64.RawURLEncoding.EncodeToString(NewChallenge()) }

// HashToken is what is stored of a token: its SHA-256. Tokens are random, so
// neither salt nor stretching adds anything.
func HashToken(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

func randomHex(bytes int) string { return hex.EncodeToString(random(bytes)) }

func random(bytes int) []byte {
	b := make([]byte, bytes)
	rand.Read(b) // never fails, by its documentation
	return b
}
