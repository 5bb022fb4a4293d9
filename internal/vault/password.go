package vault

import (
	"context"
	"encoding/base64"
	"fmt"
	"runtime"
	"sync/atomic"

	"github.com/alexedwards/argon2id"

	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/turn"
)

// argon2 follows OWASP's advice: 19 MiB, two passes, one lane.
var argon2 = argon2id.Params{Memory: 19 * 1024, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}

// hashing bounds the hashes that run at a time; the others queue. Half of the
// processors are left to other requests, which would otherwise wait for a turn
// of the scheduler at each of their steps; and of many processors no more are
// used than keep the memory small.
var hashing = make(chan struct{}, max(1, min(runtime.GOMAXPROCS(0)/2, 4)))

// waiting are those in the queue, at most maxWaiting: a longer one would only be
// waited in by clients that are gone.
var waiting atomic.Int32

const maxWaiting = 64

var errBusy = fail.Busy("Too many passwords are being checked. Please try again later.")

// accounts keep who changes many passwords from filling the queue: the others of an
// account wait in front of it.
var accounts = turn.Lines[int64]{Most: 2}

// unknownAccountHash is verified against when an account does not exist, so
// that the answer takes as long as for one that does. No password is behind it.
var unknownAccountHash = func() string {
	text := func(bytes uint32) string { return base64.RawStdEncoding.EncodeToString(random(int(bytes))) }
	return fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=%d$%s$%s",
		argon2.Memory, argon2.Iterations, argon2.Parallelism, text(argon2.SaltLength), text(argon2.KeyLength))
}()

// HashPassword derives what is stored of a password (argon2id), for an account
// that is signed in, or 0. It waits for its turn; a cancelled context ends the
// wait, and a full queue is a 503.
func HashPassword(ctx context.Context, account int64, password Secret) (string, error) {
	if account != 0 {
		leave, err := accounts.Enter(ctx, account)
		if err != nil {
			return "", err
		}
		defer leave()
	}
	if err := enter(ctx); err != nil {
		return "", err
	}
	defer leave()
	return argon2id.CreateHash(string(password), &argon2)
}

// VerifyPassword compares a password with a stored hash. An empty hash, of an
// account that does not exist, costs the same and never matches. It waits as
// HashPassword does.
func VerifyPassword(ctx context.Context, password Secret, hash string) (bool, error) {
	known := hash != ""
	if !known {
		hash = unknownAccountHash
	}
	if err := enter(ctx); err != nil {
		return false, err
	}
	defer leave()
	match, err := argon2id.ComparePasswordAndHash(string(password), hash)
	return match && known, err
}

func enter(ctx context.Context) error {
	select {
	case hashing <- struct{}{}:
		return nil
	default:
	}
	defer waiting.Add(-1)
	if waiting.Add(1) > maxWaiting {
		return errBusy
	}
	select {
	case hashing <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func leave() { <-hashing }
