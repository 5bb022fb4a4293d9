package importing

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/sha1" //nolint:gosec // mRemoteNG derives its keys with it.
	"encoding/base64"
	"errors"

	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

const (
	// mremotengPassword is what encrypts files for which nobody has set a password.
	mremotengPassword = "mR3m"
	// mremotengSalt, before the nonce and the text, is as long as these.
	mremotengSalt = 16
	// maxRounds is more than mRemoteNG lets people choose for a key. Each text has its
	// own key; maxEffort bounds the rounds of all together, to half a minute.
	maxRounds, maxEffort = 100_000, 30_000_000
)

var (
	errSealed = errors.New("it cannot be decrypted")
	errEffort = errors.New("it takes too long to decrypt: lower the iterations in mRemoteNG's options, under Security, and save it again")
)

// mremotengSeal opens what mRemoteNG has encrypted with AES-GCM under a password.
type mremotengSeal struct {
	password   string
	iterations int
	effort     int
	opened     map[string][]byte
}

// openMRemoteNG finds the password that the file's probe opens with.
func openMRemoteNG(iterations int, probe string, ask func() (nexterm.Secret, error)) (*mremotengSeal, error) {
	seal := &mremotengSeal{password: mremotengPassword, iterations: iterations, opened: map[string][]byte{}}
	_, err := seal.open(probe)
	if err == nil || errors.Is(err, errEffort) {
		return seal, err
	}
	password, err := ask()
	if err != nil {
		return nil, err
	}
	// The library that mRemoteNG uses takes the low byte of each character.
	seal.password = ""
	for _, r := range password {
		seal.password += string([]byte{byte(r)})
	}
	if _, err := seal.open(probe); err != nil {
		return nil, errors.New("the password is wrong, or the file is damaged")
	}
	return seal, nil
}

// open decrypts a text, which has its salt, which is authenticated too, and its nonce
// before it.
func (s *mremotengSeal) open(text string) ([]byte, error) {
	if plain, known := s.opened[text]; known {
		return plain, nil
	}
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(data) < 2*mremotengSalt {
		return nil, errSealed
	}
	if s.effort += s.iterations; s.iterations > maxRounds || s.effort > maxEffort {
		return nil, errEffort
	}
	salt, nonce, sealed := data[:mremotengSalt], data[mremotengSalt:2*mremotengSalt], data[2*mremotengSalt:]
	key, err := pbkdf2.Key(sha1.New, s.password, salt, s.iterations, 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCMWithNonceSize(block, mremotengSalt)
	if err != nil {
		return nil, err
	}
	plain, err := gcm.Open(nil, nonce, sealed, salt)
	if err != nil {
		return nil, errSealed
	}
	s.opened[text] = plain
	return plain, nil
}
