// Package ssh owns getting to a host: through its hops, each with a login of its
// own and its host key checked, to a login that gives channels. It does not know
// whose the logins are, nor where host keys are kept.
package ssh

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/crypto/ssh"

	"github.com/nexterm-go/nexterm/internal/vault"
)

// Hop is a host on the way, the last one being where the way leads.
type Hop struct {
	// Host is a name or an address, resolved by the hop before it.
	Host string
	Port int

	// Owner is for whom the login is tried: an account, or an organization below zero.
	// Hosts that have been tried for it again and again are left alone for a while.
	Owner int64

	Username string
	// Secrets that there are none of are empty.
	Password, PrivateKey, Passphrase vault.Secret

	HostKeys HostKeys

	// Ask puts a question to whoever waits for the login: what the host wants to know
	// besides the secrets, or a passphrase. Its time is not the host's. Its error ends
	// the login, which fails with it. With nobody to ask it is nil.
	Ask func(ctx context.Context, question string) (vault.Secret, error)
}

// HostKeys is what is known of a host, and what becomes of what is not.
type HostKeys struct {
	// Known are the trusted keys. With any, the host is asked for keys of their
	// types alone, so that another of its keys does not count as changed.
	Known []ssh.PublicKey
	// Unknown judges the key of a host of which none is known, and Changed the key
	// that it shows instead of a known one; their error refuses it, and is what
	// dialling fails with; nobody to judge refuses too. Seen hears of a known key.
	// No secret is sent before. Where people are asked, Unhurried gives them time.
	Unknown, Changed func(context.Context, ssh.PublicKey) error
	Seen             func(ssh.PublicKey)
}

// Why a host is not reached. Those of a hop come in a HopError.
var (
	// ErrDenied refuses an address that is not to be dialled.
	ErrDenied = errors.New("target address is not allowed")
	// ErrUnreachable is a host that nobody finds, or that takes no connection.
	ErrUnreachable = errors.New("the host does not answer")
	// ErrHandshake is a host that does not speak SSH, or not as we do.
	ErrHandshake = errors.New("the SSH handshake has failed")
	// ErrRefused is a login that the host does not let in.
	ErrRefused = errors.New("the host has refused the login")
	// ErrFurther is a refusal of a host that wants to know more than the secrets, with
	// nobody to ask.
	ErrFurther = fmt.Errorf("%w: it asks for more than is stored", ErrRefused)
	// ErrTooOften is a host that is left alone because it has refused the owner, or
	// been dialled for it, so often.
	ErrTooOften = errors.New("the host has been tried too often")
	// ErrPrivateKey is a key that cannot be read, or not with its passphrase.
	ErrPrivateKey = errors.New("the private key could not be read")
	// ErrLost is a login that has ended before what was to be done on it.
	ErrLost = errors.New("the connection to the host is lost")
	// ErrHostKeyChanged and ErrHostKeyUnknown are the refusals of host keys.
	ErrHostKeyChanged = errors.New("host key has changed")
	ErrHostKeyUnknown = errors.New("host key is not known")
)

// HopError says at which hop the way ends, counted from 1. Failures of the last
// host are not wrapped in it.
type HopError struct {
	Hop int
	Err error
}

func (e *HopError) Error() string { return fmt.Sprintf("jump host %d: %s", e.Hop, e.Err) }

func (e *HopError) Unwrap() error { return e.Err }
