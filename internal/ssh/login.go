package ssh

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"golang.org/x/crypto/ssh"
)

// Login is an account's presence on a host, on which channels are opened. It has to
// be closed.
type Login struct {
	dialer *Dialer
	cancel context.CancelFunc
	// owner is for whom the first hop is dialled.
	owner int64
	// conn is the connection to the first hop, which carries all the others.
	conn net.Conn
	// clients are those of the hops, the last one being the host's.
	clients []*ssh.Client
	// done is closed when the connection to the host has ended.
	done chan struct{}
}

// Done is closed when the login has ended, whoever has ended it.
func (l *Login) Done() <-chan struct{} { return l.done }

// Close ends the login and those of its hops.
func (l *Login) Close() {
	l.cancel()
	if l.conn != nil {
		l.conn.Close()
	}
	for _, client := range l.clients {
		drain(client.Conn)
		_ = client.Wait() // tells how the connection has ended
	}
}

// Connect opens a TCP connection from the host. The name is resolved there.
func (l *Login) Connect(ctx context.Context, host string, port int) (net.Conn, error) {
	if !isHost(host) {
		return nil, fmt.Errorf("%w: %q is no host", ErrUnreachable, host)
	}
	ctx, cancel := within(ctx, cmp.Or(l.dialer.connectTime, connectTime))
	defer cancel()
	address := net.JoinHostPort(host, strconv.Itoa(port))
	var conn net.Conn
	var err error
	switch {
	case len(l.clients) == 0:
		conn, err = l.dialer.connect(ctx, l.owner, address)
	case slices.ContainsFunc(readings(host), l.dialer.denies):
		return nil, ErrDenied
	default:
		conn, err = l.client().DialContext(ctx, "tcp", address)
	}
	var timeout net.Error
	switch {
	case err == nil:
		return conn, nil
	case errors.Is(err, ErrDenied):
		return nil, ErrDenied
	case errors.Is(err, ErrTooOften):
		return nil, ErrTooOften
	case errors.As(err, &timeout) && timeout.Timeout():
		err = context.DeadlineExceeded
	}
	return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
}

func (l *Login) client() *ssh.Client { return l.clients[len(l.clients)-1] }

func lost(err error) error { return fmt.Errorf("%w: %w", ErrLost, err) }

// aliveTime is how long a host has to say that it is there.
const aliveTime = 5 * time.Second

// Alive asks the host whether it is there.
func (l *Login) Alive(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, aliveTime)
	defer cancel()
	answered := make(chan error, 1)
	go func() {
		_, _, err := l.client().SendRequest("keepalive@openssh.com", true, nil)
		answered <- err
	}()
	select {
	case err := <-answered:
		return err == nil
	case <-ctx.Done():
		return true
	}
}

// keepAlive asks the host now and then whether it is there, which also keeps the
// connections through firewalls open, and ends the login if it is not.
func (l *Login) keepAlive(ctx context.Context) {
	interval := cmp.Or(l.dialer.keepAliveTime, keepAliveTime)
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		silent := time.AfterFunc(3*interval, func() { l.conn.Close() })
		_, _, err := l.client().SendRequest("keepalive@openssh.com", true, nil)
		silent.Stop()
		if err != nil {
			return
		}
	}
}
