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

// deviceAlphabet leaves out what people confuse: I, L, O, 0 and 1.
const deviceAlphabet = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"

// NewDeviceCode makes a code for people to type, such as K7QX-2M9B (39 bits).
func NewDeviceCode() string {
	// The largest multiple of the alphabet in a byte: what is beyond would make
	// its first characters likelier.
	const fair = 256 / len(deviceAlphabet) * len(deviceAlphabet)
	code := make([]byte, 0, 9)
	for random := make([]byte, 1); len(code) < cap(code); {
		if len(code) == 4 {
			code = append(code, '-')
		}
		rand.Read(random) // never fails, by its documentation
		if int(random[0]) < fair {
			code = append(code, deviceAlphabet[int(random[0])%len(deviceAlphabet)])
		}
	}
	return string(code)
}

// NewTOTPSecret makes 20 random bytes, as RFC 4226 recommends, in base32.
func NewTOTPSecret() Secret {
	random := make([]byte, 20)
	rand.Read(random) // never fails, by its documentation
	return Secret(base32.StdEncoding.EncodeToString(random))
}

// NewChallenge makes 32 random bytes for an authenticator to sign.
func NewChallenge() []byte {
	random := make([]byte, 32)
	rand.Read(random) // never fails, by its documentation
	return random
}

// NewNonce makes 32 random bytes, in base64url, to tie the end of a sign-in to
// its beginning.
func NewNonce() string { return base64.RawURLEncoding.EncodeToString(NewChallenge()) }

// HashToken is what is stored of a token: its SHA-256. Tokens are random, so
// neither salt nor stretching adds anything.
func HashToken(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

func randomHex(bytes int) string {
	random := make([]byte, bytes)
	rand.Read(random) // never fails, by its documentation
	return hex.EncodeToString(random)
}
