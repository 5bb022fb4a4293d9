package vault

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
)

// APIKeyPrefix begins every API key and no session token.
const APIKeyPrefix = "nxt_"

// NewSessionToken makes 48 random bytes as 96 lowercase hexadecimal characters.
func NewSessionToken() string { return randomHex(48) }

// NewAPIKey makes an API key: the prefix and 32 random bytes as 64 lowercase
// hexadecimal characters.
func NewAPIKey() string { return APIKeyPrefix + randomHex(32) }

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
