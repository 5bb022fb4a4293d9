package ssh

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
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
}

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

// Run runs a command and returns what it prints, at most so many bytes: then it is
// left alone. Its errors are not read, and its exit status is not looked at. With
// ErrLost comes what has been printed until then.
func (l *Login) Run(ctx context.Context, command string, limit int) (stdout []byte, truncated bool, err error) {
	type result struct {
		stdout    []byte
		truncated bool
		err       error
	}
	// The host may keep any of the calls waiting. They end with the login.
	ended := make(chan result, 1)
	go func() {
		var r result
		r.stdout, r.truncated, r.err = l.run(ctx, command, limit)
		ended <- r
	}()
	select {
	case r := <-ended:
		if r.err == nil || ctx.Err() == nil {
			return r.stdout, r.truncated, r.err
		}
	case <-ctx.Done():
	}
	return nil, false, ctx.Err()
}

func (l *Login) run(ctx context.Context, command string, limit int) (stdout []byte, truncated bool, err error) {
	channel, requests, err := l.client().OpenChannel("session", nil)
	if err != nil {
		return nil, false, lost(err)
	}
	defer channel.Close()
	defer context.AfterFunc(ctx, func() { channel.Close() })()
	exited := make(chan struct{}, 1)
	go func() {
		defer close(exited)
		// All of them are taken, or the connection would wait.
		for request := range requests {
			if request.Type == "exit-status" || request.Type == "exit-signal" {
				select {
				case exited <- struct{}{}:
				default:
				}
			}
			if request.WantReply {
				_ = request.Reply(false, nil)
			}
		}
	}()
	// What is over the limit fills the channel's window, and then the command waits.
	go func() { _, _ = io.CopyN(io.Discard, channel.Stderr(), int64(limit)) }()
	done, err := channel.SendRequest("exec", true, ssh.Marshal(struct{ Command string }{command}))
	if err != nil {
		return nil, false, lost(err)
	}
	if !done {
		return nil, false, errors.New("the host does not run commands")
	}
	if stdout, err = io.ReadAll(io.LimitReader(channel, int64(limit)+1)); err != nil {
		return stdout, false, lost(err)
	}
	if len(stdout) > limit {
		return stdout[:limit], true, nil
	}
	if _, said := <-exited; !said {
		return stdout, false, lost(io.ErrUnexpectedEOF)
	}
	return stdout, false, nil
}

func lost(err error) error { return fmt.Errorf("%w: %w", ErrLost, err) }

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
