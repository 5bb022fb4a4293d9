package telnet

import (
	"errors"
	"io"
	"net"
	"sync"

	"github.com/nexterm-go/nexterm/internal/ssh"
)

// Conn is a terminal on a host: text is read from it, and typed by writing.
type Conn struct {
	net.Conn

	// mu is held while the host is answered, so that the last size is the last it hears of.
	mu          sync.Mutex
	negotiation Negotiation
	// ended is why there is nothing more to read, and the reader's own until done is
	// closed.
	ended error
	done  chan struct{}
}

// New speaks the protocol on a connection.
func New(conn net.Conn, size ssh.Size) *Conn {
	return &Conn{Conn: conn, negotiation: Negotiation{Size: size}, done: make(chan struct{})}
}

// Read returns what the host shows, and answers the rest. A host that asks without
// reading the answers waits for itself.
func (c *Conn) Read(into []byte) (int, error) {
	for {
		n, err := c.Conn.Read(into)
		c.mu.Lock()
		shown, answer := c.negotiation.Receive(into[:n])
		if len(answer) > 0 {
			_, _ = c.Conn.Write(answer) // the next read tells of what is lost
		}
		c.mu.Unlock()
		if err != nil && c.ended == nil {
			c.ended = err
			close(c.done)
		}
		if len(shown) > 0 || err != nil {
			return len(shown), err
		}
	}
}

// Write types.
func (c *Conn) Write(input []byte) (int, error) {
	c.mu.Lock()
	sent := c.negotiation.Type(input)
	c.mu.Unlock()
	if _, err := c.Conn.Write(sent); err != nil {
		return 0, err
	}
	return len(input), nil
}

// Resize tells the host the size of the terminal.
func (c *Conn) Resize(size ssh.Size) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	told := c.negotiation.Resize(size)
	if told == nil {
		return nil
	}
	_, err := c.Conn.Write(told)
	return err
}

// Exit waits until the host shows nothing more. Not ok means that the connection is
// lost; there is no status.
func (c *Conn) Exit() (status int, ok bool) {
	<-c.done
	return 0, errors.Is(c.ended, io.EOF)
}
