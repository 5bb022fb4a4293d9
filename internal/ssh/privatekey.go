package ssh

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sync/singleflight"

	"github.com/nexterm-go/nexterm/internal/turn"
	"github.com/nexterm-go/nexterm/internal/vault"
)

const (
	maxUnlocked  = 1024
	unlockedTime = time.Hour
	// unlockTime is how long a key waits to be opened, whoever has asked for it.
	unlockTime = time.Minute

	// maxKeyBits is what ssh-keygen makes, and maxKeyBytes is more than such a key has.
	maxKeyBits  = 16384
	maxKeyBytes = 16 << 10
	// maxKeyRounds of bcrypt take a few seconds; ssh-keygen's default is 16 or 24.
	maxKeyRounds = 512
	// heavyBits are those of RSA from which on a signature takes a processor for longer
	// than all else of a login.
	heavyBits = 4096
)

// Whoever has made a key decides how long opening it and signing with it take. That is
// done one after the other for each owner, and never with more than half of the processors.
var (
	owners     = turn.Lines[int64]{Most: 1}
	processors = turn.Lines[struct{}]{Most: max(1, runtime.GOMAXPROCS(0)/2)}
)

// laborious waits for its turn to work with a key of an owner's.
func laborious(ctx context.Context, owner int64, work func()) error {
	leave, err := owners.Enter(ctx, owner)
	if err != nil {
		return err
	}
	defer leave()
	stop, err := processors.Enter(ctx, struct{}{})
	if err != nil {
		return err
	}
	defer stop()
	work()
	return nil
}

// affordable tells keys from those that would take a processor for minutes.
func affordable(file vault.Secret) bool {
	block, _ := pem.Decode([]byte(file))
	if block == nil {
		return true // and no key
	}
	if opaque, is := bytes.CutPrefix(block.Bytes, []byte("openssh-key-v1\x00")); is {
		var key struct {
			Cipher, KDF, Options string
			Rest                 []byte `ssh:"rest"`
		}
		var bcrypt struct {
			Salt   string
			Rounds uint32
		}
		if ssh.Unmarshal(opaque, &key) == nil && ssh.Unmarshal([]byte(key.Options), &bcrypt) == nil && bcrypt.Rounds > maxKeyRounds {
			return false
		}
	}
	return len(block.Bytes) <= maxKeyBytes
}

func unlock(ctx context.Context, owner int64, file, passphrase vault.Secret) (key ssh.Signer, err error) {
	waited := laborious(ctx, owner, func() { key, err = ssh.ParsePrivateKeyWithPassphrase([]byte(file), []byte(passphrase)) })
	return key, cmp.Or(waited, err)
}

// unlocked keeps what has become of keys and their passphrases for a while: opening
// one takes a processor for as long as a hundred handshakes, on purpose, and a host
// may be dialled every few seconds.
type unlocked struct {
	opening singleflight.Group
	mu      sync.Mutex
	keys    map[string]ssh.Signer
	from    time.Time
}

// open reads an encrypted key; nil is one that cannot be read. Who does not wait for it
// finds it later.
func (u *unlocked) open(ctx context.Context, owner int64, file, passphrase vault.Secret) (ssh.Signer, error) {
	fileSum, passphraseSum := sha256.Sum256([]byte(file)), sha256.Sum256([]byte(passphrase))
	sum := string(append(fileSum[:], passphraseSum[:]...))
	opened := u.opening.DoChan(sum, func() (any, error) {
		u.mu.Lock()
		key, known := u.keys[sum]
		known = known && time.Since(u.from) < unlockedTime
		u.mu.Unlock()
		if known {
			return key, nil
		}
		waiting, cancel := context.WithTimeout(context.WithoutCancel(ctx), unlockTime)
		defer cancel()
		key, err := unlock(waiting, owner, file, passphrase)
		if waiting.Err() != nil && key == nil {
			return nil, err
		}
		u.mu.Lock()
		defer u.mu.Unlock()
		if len(u.keys) == 0 || len(u.keys) == maxUnlocked || time.Since(u.from) >= unlockedTime {
			u.keys, u.from = map[string]ssh.Signer{}, time.Now()
		}
		u.keys[sum] = key
		return key, nil
	})
	select {
	case result := <-opened:
		key, _ := result.Val.(ssh.Signer)
		return key, result.Err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// errLocked is a key without the passphrase that it needs.
var errLocked = fmt.Errorf("%w: it is encrypted", ErrPrivateKey)

// privateKey is what a hop is logged in to with; nil if there is none. What is wrong
// with it is not said, which might quote it.
func (d *Dialer) privateKey(ctx context.Context, hop Hop) (ssh.Signer, error) {
	if hop.PrivateKey == "" {
		return nil, nil
	}
	if !affordable(hop.PrivateKey) {
		return nil, ErrPrivateKey
	}
	key, err := ssh.ParsePrivateKey([]byte(hop.PrivateKey))
	var locked *ssh.PassphraseMissingError
	if errors.As(err, &locked) {
		if key, err = d.unlocked.open(ctx, hop.Owner, hop.PrivateKey, hop.Passphrase); err != nil {
			return nil, err
		}
	}
	switch {
	case key == nil && locked != nil:
		return nil, errLocked
	case key == nil:
		return nil, ErrPrivateKey
	}
	return d.usable(ctx, hop.Owner, key)
}

// usable lets keys of RSA sign by SHA-2 only, and long ones in turn.
func (d *Dialer) usable(ctx context.Context, owner int64, key ssh.Signer) (ssh.Signer, error) {
	signer, able := key.(ssh.AlgorithmSigner)
	public, exported := key.PublicKey().(ssh.CryptoPublicKey)
	if !able || !exported {
		return key, nil
	}
	numbers, is := public.CryptoPublicKey().(*rsa.PublicKey)
	if !is {
		return key, nil
	}
	bits := numbers.N.BitLen()
	if bits > maxKeyBits {
		return nil, ErrPrivateKey
	}
	if bits > heavyBits {
		signer = heavyKey{signer, ctx, owner}
	}
	algorithms := []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
	if d.Legacy {
		algorithms = append(algorithms, ssh.KeyAlgoRSA)
	}
	return ssh.NewSignerWithAlgorithms(signer, algorithms)
}

// heavyKey signs in turn, for a login.
type heavyKey struct {
	ssh.AlgorithmSigner
	ctx   context.Context
	owner int64
}

func (k heavyKey) Sign(random io.Reader, data []byte) (*ssh.Signature, error) {
	return k.SignWithAlgorithm(random, data, "")
}

func (k heavyKey) SignWithAlgorithm(random io.Reader, data []byte, algorithm string) (signature *ssh.Signature, err error) {
	waited := laborious(k.ctx, k.owner, func() { signature, err = k.AlgorithmSigner.SignWithAlgorithm(random, data, algorithm) })
	return signature, cmp.Or(waited, err)
}
