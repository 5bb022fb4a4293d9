package guacamole

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// openTime is how long guacd has to begin a connection, and writeTime to read what
	// it is sent.
	openTime  = 15 * time.Second
	writeTime = 15 * time.Second
	// keepAliveTime is the pause between two signs of life.
	keepAliveTime = 5 * time.Second
	// chunk is how much is read at a time.
	chunk = 16 << 10
	// version is the newest of the protocol that is known here.
	version = "VERSION_1_5_0"
	// maxID bounds what guacd calls a connection, in bytes.
	maxID = 256
)

// Why there is no link.
var (
	// ErrUnreachable is a guacd that is not there, and ErrLost one that goes, or does not
	// speak the protocol.
	ErrUnreachable = errors.New("guacd does not answer")
	ErrLost        = errors.New("guacd is lost")
)

// Error is what guacd says when it gives up.
type Error struct {
	Instruction Instruction
	// Status is one of the protocol's, 0 if it is none.
	Status int
}

func (e *Error) Error() string { return fmt.Sprintf("guacd gives up with status %d", e.Status) }

// ErrorOf reads an instruction that says an error.
func ErrorOf(i Instruction) *Error {
	e := &Error{Instruction: i}
	if said := i.Elements(); len(said) > 2 {
		e.Status, _ = strconv.Atoi(said[2])
	}
	return e
}

// Daemon is where guacd is reached.
type Daemon struct {
	// Address is its host and port, empty where there is none.
	Address string
	TLS     bool
	// CheckCertificates refuses RDP hosts whose certificates it does not trust.
	CheckCertificates bool
}

// Link is a place at a desktop. What is read of it are whole instructions. It has to be
// closed.
type Link struct {
	// ID is what others join the connection by.
	ID     string
	conn   net.Conn
	unread []byte
	// closed is closed with it.
	closed chan struct{}
	once   sync.Once
}

// Open connects to a host by a protocol and its parameters, or joins a connection by its
// ID. Sound is taken where it is wanted. The context ends the beginning alone.
func (d Daemon) Open(ctx context.Context, selected string, audio bool, parameters map[string]string) (*Link, error) {
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	dial := (&net.Dialer{}).DialContext
	if d.TLS {
		dial = (&tls.Dialer{}).DialContext
	}
	conn, err := dial(ctx, "tcp", d.Address)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	l := &Link{conn: conn, closed: make(chan struct{})}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	err = l.begin(selected, audio, parameters)
	var said *Error
	switch {
	case !stop():
		err = ctx.Err()
	case err != nil && !errors.As(err, &said):
		err = fmt.Errorf("%w: %w", ErrLost, err)
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	go l.keepAlive()
	return l, nil
}

func (l *Link) begin(selected string, audio bool, parameters map[string]string) error {
	if err := l.Send(New("select", selected)); err != nil {
		return err
	}
	names, err := l.expect("args")
	if err != nil {
		return err
	}
	connect := []string{"connect"}
	for i, name := range names {
		value := parameters[name]
		if i == 0 && strings.HasPrefix(name, "VERSION_") {
			value = min(name, version)
		}
		connect = append(connect, value)
	}
	sound := []string{"audio"}
	if audio {
		sound = append(sound, "audio/L8", "audio/L16")
	}
	for _, i := range [][]string{
		{"size", "1024", "768", "96"}, sound, {"video"}, {"image", "image/png", "image/jpeg", "image/webp"}, connect,
	} {
		if err := l.Send(New(i...)); err != nil {
			return err
		}
	}
	ready, err := l.expect("ready")
	if err != nil {
		return err
	}
	if len(ready) == 0 || ready[0] == "" || len(ready[0]) > maxID {
		return ErrMalformed
	}
	l.ID = ready[0]
	return nil
}

// expect reads the arguments of the instruction that has to be the next.
func (l *Link) expect(opcode string) ([]string, error) {
	next, err := l.Next()
	if err != nil {
		return nil, err
	}
	switch next.Opcode() {
	case opcode:
		return next.Elements()[1:], nil
	case "error":
		return nil, ErrorOf(next)
	}
	return nil, ErrMalformed
}

// Next waits for the next instruction, which is the caller's.
func (l *Link) Next() (Instruction, error) {
	for {
		first, rest, err := Cut(l.unread)
		if first != nil || err != nil {
			l.unread = rest
			return first, err
		}
		if cap(l.unread)-len(l.unread) < chunk/4 {
			l.unread = append(make([]byte, 0, len(l.unread)+chunk), l.unread...)
		}
		n, err := l.conn.Read(l.unread[len(l.unread):cap(l.unread)])
		l.unread = l.unread[:len(l.unread)+n]
		if n == 0 && err != nil {
			return nil, err
		}
	}
}

// Send sends whole instructions. Whoever does not read them loses the link.
func (l *Link) Send(instructions []byte) error {
	_ = l.conn.SetWriteDeadline(time.Now().Add(writeTime))
	_, err := l.conn.Write(instructions)
	return err
}

// keepAlive says something now and then: guacd leaves those who are silent.
func (l *Link) keepAlive() {
	ticker := time.NewTicker(keepAliveTime)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			_ = l.Send(New("nop")) // the next read tells of what is lost
		case <-l.closed:
			return
		}
	}
}

// Close leaves.
func (l *Link) Close() {
	l.once.Do(func() {
		close(l.closed)
		_ = l.conn.SetWriteDeadline(time.Now().Add(time.Second))
		_, _ = l.conn.Write(New("disconnect")) // out of politeness
		_ = l.conn.Close()
	})
}
