package ssh

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sync/singleflight"

	"github.com/nexterm-go/nexterm/internal/vault"
)

const (
	maxUnlocked  = 1024
	unlockedTime = time.Hour
)

// unlocked keeps what has become of keys and their passphrases for a while: opening
// one takes a processor for as long as a hundred handshakes, on purpose, and a host
// may be dialled every few seconds.
type unlocked struct {
	opening singleflight.Group
	mu      sync.Mutex
	keys    map[string]ssh.Signer
	from    time.Time
}

// open reads an encrypted key; nil is one that cannot be read.
func (u *unlocked) open(file, passphrase vault.Secret) ssh.Signer {
	fileSum, passphraseSum := sha256.Sum256([]byte(file)), sha256.Sum256([]byte(passphrase))
	sum := string(append(fileSum[:], passphraseSum[:]...))
	opened, _, _ := u.opening.Do(sum, func() (any, error) {
		u.mu.Lock()
		key, known := u.keys[sum]
		known = known && time.Since(u.from) < unlockedTime
		u.mu.Unlock()
		if known {
			return key, nil
		}
		key, err := ssh.ParsePrivateKeyWithPassphrase([]byte(file), []byte(passphrase))
		u.mu.Lock()
		defer u.mu.Unlock()
		if len(u.keys) == 0 || len(u.keys) == maxUnlocked || time.Since(u.from) >= unlockedTime {
			u.keys, u.from = map[string]ssh.Signer{}, time.Now()
		}
		u.keys[sum] = key
		return key, err
	})
	key, _ := opened.(ssh.Signer)
	return key
}

// errLocked is a key without the passphrase that it needs.
var errLocked = fmt.Errorf("%w: it is encrypted", ErrPrivateKey)

// privateKey is what a hop is logged in to with; nil if there is none. What is wrong
// with it is not said, which might quote it.
func (d *Dialer) privateKey(hop Hop) (ssh.Signer, error) {
	if hop.PrivateKey == "" {
		return nil, nil
	}
	key, err := ssh.ParsePrivateKey([]byte(hop.PrivateKey))
	var locked *ssh.PassphraseMissingError
	if errors.As(err, &locked) {
		key = d.unlocked.open(hop.PrivateKey, hop.Passphrase)
	}
	switch {
	case key == nil && locked != nil:
		return nil, errLocked
	case key == nil:
		return nil, ErrPrivateKey
	}
	return d.restrict(key)
}

// restrict lets keys of RSA sign by SHA-2 only.
func (d *Dialer) restrict(key ssh.Signer) (ssh.Signer, error) {
	signer, able := key.(ssh.AlgorithmSigner)
	if d.Legacy || !able || key.PublicKey().Type() != ssh.KeyAlgoRSA {
		return key, nil
	}
	return ssh.NewSignerWithAlgorithms(signer, []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256})
}
