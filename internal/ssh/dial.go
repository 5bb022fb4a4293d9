package ssh

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/nexterm-go/nexterm/internal/outbound"
)

const (
	// connectTime is how long a host has to take a connection, and loginTime to let
	// us in after that, where the context has no deadline.
	connectTime = 15 * time.Second
	loginTime   = 30 * time.Second
	// keepAliveTime is how often a login is asked whether it lives. It has three
	// such times to say so.
	keepAliveTime = 30 * time.Second
)

// Dialer reaches hosts. One serves them all.
type Dialer struct {
	// Deny are the networks in which nothing is dialled. The addresses of names are
	// checked as they are dialled; behind a hop, which resolves them itself, only
	// addresses can be.
	Deny outbound.Networks
	// Legacy adds algorithms that are broken by now, for old devices.
	Legacy bool

	unlocked unlocked
	// refusals are by address and port, dials by address.
	refusals, dials tally
	// Shorter times and a lower bound, for tests.
	connectTime, loginTime, keepAliveTime time.Duration
	maxDials                              int
}

// Dial logs in to one hop after the other, through the one before, and leads to the
// last. There is at least one. The login ends with the context.
//
// Errors are those of this package; one that comes with context.DeadlineExceeded
// tells of a host that has kept us waiting.
func (d *Dialer) Dial(ctx context.Context, hops []Hop) (*Login, error) {
	return d.login(ctx, hops, len(hops)-1)
}

// Reach tries whether the last of hops takes connections, to which it does not log
// in. There is at least one.
func (d *Dialer) Reach(ctx context.Context, hops []Hop) error {
	last := hops[len(hops)-1]
	l := &Login{dialer: d, owner: last.Owner}
	if jumps := len(hops) - 1; jumps > 0 {
		var err error
		if l, err = d.login(ctx, hops[:jumps], jumps); err != nil {
			return err
		}
		defer l.Close()
	}
	conn, err := l.Connect(ctx, last.Host, last.Port)
	if err != nil {
		return err
	}
	return conn.Close()
}

// Connect opens a TCP connection to a host for what is not SSH.
func (d *Dialer) Connect(ctx context.Context, host Hop) (net.Conn, error) {
	return (&Login{dialer: d, owner: host.Owner}).Connect(ctx, host.Host, host.Port)
}

// Resolve is an address of a host that may be dialled, for a program that logs in there
// for us. Refused has to be called when the host has not let it in.
func (d *Dialer) Resolve(ctx context.Context, host Hop) (address string, refused func(), err error) {
	if !isHost(host.Host) {
		return "", nil, fmt.Errorf("%w: %q is no host", ErrUnreachable, host.Host)
	}
	if slices.ContainsFunc(readings(host.Host), d.denies) {
		return "", nil, ErrDenied
	}
	ctx, cancel := within(ctx, cmp.Or(d.connectTime, connectTime))
	defer cancel()
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host.Host)
	if err != nil {
		return "", nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	allowed := slices.IndexFunc(addresses, func(address netip.Addr) bool { return !d.denies(address) })
	if allowed < 0 {
		return "", nil, ErrDenied
	}
	address = addresses[allowed].Unmap().String()
	place := bothered{host.Owner, net.JoinHostPort(address, strconv.Itoa(host.Port))}
	if d.hasRefusedOften(place) {
		return "", nil, ErrTooOften
	}
	return address, func() { d.refusals.add(place, 1) }, nil
}

// hasRefusedOften tells of a host that is to be left alone for now.
func (d *Dialer) hasRefusedOften(place bothered) bool { return d.refusals.add(place, 0) >= maxRefusals }

// within gives a step its time, unless the context has a deadline that all steps share.
func within(ctx context.Context, most time.Duration) (context.Context, context.CancelFunc) {
	if _, limited := ctx.Deadline(); limited {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, most)
}

// login logs in to all hops, the first so many of which are on the way only.
func (d *Dialer) login(ctx context.Context, hops []Hop, jumps int) (*Login, error) {
	failed := func(i int, err error) (*Login, error) {
		if i < jumps {
			err = &HopError{Hop: i + 1, Err: err}
		}
		return nil, err
	}
	keys := make([]ssh.Signer, len(hops))
	for i, hop := range hops {
		var err error
		// A passphrase is not asked for before the host is there.
		if keys[i], err = d.privateKey(ctx, hop); err != nil && (hop.Ask == nil || !errors.Is(err, errLocked)) {
			return failed(i, err)
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	l := &Login{dialer: d, cancel: cancel, owner: hops[0].Owner, done: make(chan struct{})}
	for i, hop := range hops {
		if err := l.enter(ctx, hop, keys[i]); err != nil {
			l.Close()
			return failed(i, err)
		}
	}
	context.AfterFunc(ctx, func() { l.conn.Close() })
	go func() {
		defer close(l.done)
		_ = l.client().Wait() // that it has ended is all
	}()
	go l.keepAlive(ctx)
	return l, nil
}

// connect opens a TCP connection to any address of a host. That it is kept alive
// and not delayed is Go's default.
func (d *Dialer) connect(ctx context.Context, owner int64, address string) (net.Conn, error) {
	dialer := net.Dialer{Control: func(_, address string, _ syscall.RawConn) error {
		peer, err := netip.ParseAddrPort(address)
		if err != nil || d.denies(peer.Addr()) {
			return ErrDenied
		}
		if d.dials.add(bothered{owner, peer.Addr().Unmap().String()}, 1) > cmp.Or(d.maxDials, maxDials) {
			return ErrTooOften
		}
		return nil
	}}
	return dialer.DialContext(ctx, "tcp", address)
}
