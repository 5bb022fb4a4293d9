package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/crypto/ssh"
)

// Terminal is the type of the terminals that shells are given.
const Terminal = "xterm-256color"

// openTime is how long a host has to open a session and to begin what it is for,
// where the context has no deadline.
const openTime = 10 * time.Second

// ErrNotServed is a host that does not do what a session is for.
var ErrNotServed = errors.New("the host does not serve this")

// ErrFull is a host that opens no further session on a login.
var ErrFull = fmt.Errorf("%w: no further session", ErrNotServed)

// Size is that of a terminal, in characters.
type Size struct{ Columns, Rows int }

// Session is a channel on which the host does one thing: what it says is read from
// it, errors apart, and both have to be read. It has to be closed.
type Session struct {
	ssh.Channel
	exited chan struct{}
	status int
}

type request struct {
	name    string
	payload []byte
}

// Shell starts a login shell on a terminal.
func (l *Login) Shell(ctx context.Context, size Size) (*Session, error) {
	return l.start(ctx,
		request{"pty-req", ssh.Marshal(struct {
			Terminal      string
			Columns, Rows uint32
			Width, Height uint32
			Modes         string
		}{Terminal, uint32(size.Columns), uint32(size.Rows), 0, 0, "\x00"})},
		request{"shell", nil})
}

// Exec starts a command.
func (l *Login) Exec(ctx context.Context, command string) (*Session, error) {
	return l.start(ctx, request{"exec", ssh.Marshal(struct{ Command string }{command})})
}

// Subsystem starts a service that the host knows by name, such as sftp.
func (l *Login) Subsystem(ctx context.Context, name string) (*Session, error) {
	return l.start(ctx, request{"subsystem", ssh.Marshal(struct{ Name string }{name})})
}

// start opens a session. The host may keep any of the calls waiting: then they end
// with the login.
func (l *Login) start(ctx context.Context, requests ...request) (*Session, error) {
	ctx, cancel := within(ctx, openTime)
	defer cancel()
	type result struct {
		session *Session
		err     error
	}
	started := make(chan result)
	go func() {
		s, err := l.open(ctx, requests)
		select {
		case started <- result{s, err}:
		case <-ctx.Done():
			if s != nil {
				s.Close()
			}
		}
	}()
	select {
	case r := <-started:
		return r.session, r.err
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ErrLost, ctx.Err())
	}
}

func (l *Login) open(ctx context.Context, requests []request) (*Session, error) {
	channel, incoming, err := l.client().OpenChannel("session", nil)
	var refused *ssh.OpenChannelError
	switch {
	case errors.As(err, &refused):
		return nil, fmt.Errorf("%w: %w", ErrFull, err)
	case err != nil:
		return nil, lost(err)
	}
	s := &Session{Channel: channel, exited: make(chan struct{}), status: -1}
	go s.hear(incoming)
	defer context.AfterFunc(ctx, func() { channel.Close() })()
	for _, r := range requests {
		done, err := channel.SendRequest(r.name, true, r.payload)
		if err == nil && done {
			continue
		}
		channel.Close()
		if err != nil {
			return nil, lost(err)
		}
		return nil, fmt.Errorf("%w: %s", ErrNotServed, r.name)
	}
	return s, nil
}

// hear takes what the host says besides the output, all of it, or the connection
// would wait.
func (s *Session) hear(requests <-chan *ssh.Request) {
	said := false
	for r := range requests {
		if !said && (r.Type == "exit-status" || r.Type == "exit-signal") {
			var exit struct{ Status uint32 }
			if r.Type == "exit-status" && ssh.Unmarshal(r.Payload, &exit) == nil {
				s.status = int(exit.Status)
			}
			said = true
			close(s.exited)
		}
		if r.WantReply {
			_ = r.Reply(false, nil)
		}
	}
	if !said {
		s.status = -2
		close(s.exited)
	}
}

// Exit waits until what the host does has ended, and says how: with which status, -1
// after a signal. Not ok means that the host has not said so, as when the connection
// is lost.
func (s *Session) Exit() (status int, ok bool) {
	<-s.exited
	return s.status, s.status != -2
}

// Resize tells a shell the size of its terminal.
func (s *Session) Resize(size Size) error {
	_, err := s.SendRequest("window-change", false, ssh.Marshal(struct{ Columns, Rows, Width, Height uint32 }{
		uint32(size.Columns), uint32(size.Rows), 0, 0,
	}))
	return err
}

// Run runs a command and returns what it prints, at most so many bytes: then it is
// left alone. Its errors are not read, and its exit status is not looked at. With
// ErrLost comes what has been printed until then.
func (l *Login) Run(ctx context.Context, command string, limit int) (stdout []byte, truncated bool, err error) {
	s, err := l.Exec(ctx, command)
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, false, err
	}
	defer s.Close()
	defer context.AfterFunc(ctx, func() { s.Close() })()
	// What is over the limit fills the channel's window, and then the command waits.
	go func() { _, _ = io.CopyN(io.Discard, s.Stderr(), int64(limit)) }()
	type result struct {
		stdout []byte
		err    error
	}
	ended := make(chan result, 1)
	go func() {
		stdout, err := io.ReadAll(io.LimitReader(s, int64(limit)+1))
		if err == nil && len(stdout) <= limit {
			if _, said := s.Exit(); !said {
				err = io.ErrUnexpectedEOF
			}
		}
		ended <- result{stdout, err}
	}()
	select {
	case r := <-ended:
		switch {
		case ctx.Err() != nil:
		case r.err != nil:
			return r.stdout, false, lost(r.err)
		default:
			return r.stdout[:min(len(r.stdout), limit)], len(r.stdout) > limit, nil
		}
	case <-ctx.Done():
	}
	return nil, false, ctx.Err()
}
