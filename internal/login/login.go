// Package login owns the SSH logins that connections share: one for what a login
// session (or an API key) does at an entry with an identity, opened by the first
// channel and closed some time after the last one. Terminals, files, commands and
// tunnels all take their channels here, which is how a host that asks for a second
// factor is asked once. It does not know how hosts are reached, nor who may do what:
// whoever takes a channel hands in how to dial.
package login

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nexterm-go/nexterm/internal/ssh"
)

const (
	// lingerTime is how long a login stays after its last channel.
	lingerTime = time.Minute
	// maxChannels is how many channels a login has; the next one opens another login.
	maxChannels = 64
)

// Key is what shares a login. Ids that do not apply are 0.
type Key struct {
	SessionID, APIKeyID, EntryID, IdentityID int64
	// Username is the identity's as it was then.
	Username string
	// Owner is the entry's, an account or an organization below zero.
	Owner int64
	// Way are the hosts on it, the last one being the entry's own, each as host:port as
	// host keys are kept for it, joined by commas. An entry that leads elsewhere now
	// shares nothing with what it was.
	Way string
}

// Dial logs in.
type Dial func(context.Context) (*ssh.Login, error)

// Pool is the logins of one server.
type Pool struct {
	// linger replaces lingerTime in tests.
	linger time.Duration

	mu     sync.Mutex
	logins map[Key][]*login
	closed bool
}

// login is one that is shared, or about to be.
type login struct {
	// dialled is closed when it is known what has become of it.
	dialled chan struct{}
	ssh     *ssh.Login
	err     error
	// asks tells that whoever dials can answer the host's questions.
	asks     bool
	channels int
	// room is how many channels there may be: fewer where the host has refused another.
	room int
	// idle closes it.
	idle *time.Timer
}

// New returns a pool.
func New() *Pool { return &Pool{linger: lingerTime, logins: map[Key][]*login{}} }

// Channel is a place on a login, for one channel or for what belongs to one. It has
// to be closed, whoever has ended the login.
type Channel struct {
	*ssh.Login
	release func()
}

// Close gives the place back. It does not end the login.
func (c *Channel) Close() { c.release() }

// errClosed is for channels that are wanted while the server stops.
var errClosed = errors.New("the server is shutting down")

// Use begins what a channel is for; nil begins nothing yet.
type Use func(*ssh.Login) error

// begin uses a channel, or closes it.
func (c *Channel) begin(use Use) (*Channel, error) {
	if use == nil {
		return c, nil
	}
	if err := use(c.Login); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Open takes a place on the login of a key, which is dialled where there is none with
// room, also for the host (ssh.ErrFull). Those who come meanwhile wait, and share the
// failure as well; but where only the others can answer the host's questions, or the
// first one has given up, they dial themselves.
func (p *Pool) Open(ctx context.Context, key Key, asks bool, dial Dial, use Use) (*Channel, error) {
	for {
		l, first, err := p.take(key, asks)
		if err != nil {
			return nil, err
		}
		if first {
			c, err := p.dial(ctx, key, l, dial)
			if err != nil {
				return nil, err
			}
			return c.begin(use)
		}
		select {
		case <-l.dialled:
		case <-ctx.Done():
			p.release(key, l)
			return nil, ctx.Err()
		}
		if l.err != nil {
			p.release(key, l)
			if !errors.Is(l.err, context.Canceled) && (!asks || l.asks) {
				return nil, l.err
			}
			continue
		}
		c, err := p.channel(key, l).begin(use)
		if !errors.Is(err, ssh.ErrFull) {
			return c, err
		}
		p.fill(l)
	}
}

// Alone is a login of its own, for what nobody is to share.
func (p *Pool) Alone(ctx context.Context, dial Dial, use Use) (*Channel, error) {
	l, err := dial(ctx)
	if err != nil {
		return nil, err
	}
	return (&Channel{l, sync.OnceFunc(l.Close)}).begin(use)
}

// take counts a channel in, on a login that is there or on a new one.
func (p *Pool) take(key Key, asks bool) (l *login, first bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, false, errClosed
	}
	for _, l := range p.logins[key] {
		if l.channels < l.room {
			l.channels++
			if l.idle != nil {
				l.idle.Stop()
			}
			return l, false, nil
		}
	}
	l = &login{dialled: make(chan struct{}), asks: asks, channels: 1, room: maxChannels}
	p.logins[key] = append(p.logins[key], l)
	return l, true, nil
}

func (p *Pool) dial(ctx context.Context, key Key, l *login, dial Dial) (*Channel, error) {
	// The login outlives whoever has opened it, but not while it is dialled.
	alive, end := context.WithCancel(context.WithoutCancel(ctx))
	giveUp := context.AfterFunc(ctx, end)
	dialled, err := dial(alive)
	if !giveUp() && err == nil {
		dialled.Close()
		err = ctx.Err()
	}
	if err != nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	p.mu.Lock()
	if err == nil && p.closed {
		defer dialled.Close()
		err = errClosed
	}
	l.ssh, l.err = dialled, err
	close(l.dialled)
	if err != nil {
		p.drop(key, l)
	}
	p.mu.Unlock()
	if err != nil {
		end()
		return nil, err
	}
	go func() {
		defer end()
		<-dialled.Done()
		dialled.Close()
		p.mu.Lock()
		defer p.mu.Unlock()
		p.drop(key, l)
	}()
	return p.channel(key, l), nil
}

func (p *Pool) channel(key Key, l *login) *Channel {
	return &Channel{l.ssh, sync.OnceFunc(func() { p.release(key, l) })}
}

// fill takes a login for full with what is on it.
func (p *Pool) fill(l *login) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l.room = min(l.room, l.channels)
}

// release counts a channel out. A login that nobody can find any more ends with its
// last channel, the others some time after it.
func (p *Pool) release(key Key, l *login) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l.channels--
	if l.channels > 0 || l.ssh == nil {
		return
	}
	if !slices.Contains(p.logins[key], l) {
		go l.ssh.Close()
		return
	}
	l.idle = time.AfterFunc(p.linger, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if l.channels == 0 {
			p.drop(key, l)
			go l.ssh.Close()
		}
	})
}

// drop takes a login out of the pool; the caller holds the lock.
func (p *Pool) drop(key Key, l *login) {
	p.logins[key] = slices.DeleteFunc(p.logins[key], func(other *login) bool { return other == l })
	if len(p.logins[key]) == 0 {
		delete(p.logins, key)
	}
}

// Retire keeps new channels off the logins on whose way a host is, one whose key is
// not what it was for that owner: the next ones dial, and so check the key. Via are
// the hosts before it, and address is its own as host:port.
func (p *Pool) Retire(owner int64, via, address string) {
	place := strings.TrimPrefix(via+","+address, ",")
	p.end(func(key Key) bool {
		return key.Owner == owner && (key.Way == place || strings.HasPrefix(key.Way, place+","))
	}, false)
}

// End closes the logins that match, with all that runs on them.
func (p *Pool) End(matches func(Key) bool) { p.end(matches, true) }

// Close closes all logins, and lets nobody open another one.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.End(func(Key) bool { return true })
}

func (p *Pool) end(matches func(Key) bool, now bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, logins := range p.logins {
		if !matches(key) {
			continue
		}
		delete(p.logins, key)
		for _, l := range logins {
			if l.ssh != nil && (now || l.channels == 0) {
				go l.ssh.Close()
			}
		}
	}
}
