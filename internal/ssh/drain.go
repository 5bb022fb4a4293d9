package ssh

import (
	"net"
	"reflect"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/crypto/ssh"
)

// drain lets go what golang.org/x/crypto/ssh keeps of a connection that has failed:
// whoever reads packets waits for room in a queue that nobody takes from any more, if
// the host has sent enough of them, and closing waits for that in turn. The queue is
// out of reach for the language; the tests notice when it is no longer there.
func drain(conn ssh.ConnMetadata) {
	queue := reflect.ValueOf(conn).Elem().FieldByName("transport").Elem().Elem().FieldByName("incoming").UnsafePointer()
	go func() {
		for range *(*chan []byte)(unsafe.Pointer(&queue)) { //nolint:gosec // a channel is a pointer
		}
	}()
}

// paced is a connection of which so little is read at a time that the queue does not
// fill: from the host key to the host's first word about the login, where nothing
// gives access to the queue yet.
type paced struct {
	net.Conn
	keyed, free atomic.Bool

	// mu is held by whoever writes, who takes nothing meanwhile.
	mu sync.Mutex
	// untaken is how much has been read of which nobody knows whether it is taken.
	untaken int
}

const (
	// room is what fits into the queue, of 16 packets of at least 28 bytes. Honest hosts
	// say little more until the login, but for banners.
	room = 16 * 28
	// share is how much is read at a time, and the least of that what may wait when keys
	// are exchanged.
	share, least = room / 4, room / 8
	// pause lets whoever takes packets catch up.
	pause = 10 * time.Millisecond
)

func (p *paced) Read(b []byte) (int, error) {
	if p.free.Load() {
		return p.Conn.Read(b)
	}
	if !p.keyed.Load() {
		return p.Conn.Read(b[:min(len(b), least)])
	}
	if p.taken(0) > room-least-share {
		time.Sleep(pause)
	}
	n, err := p.Conn.Read(b[:min(len(b), share)])
	p.taken(-n)
	return n, err
}

// taken tells how much is left when so much has been taken.
func (p *paced) taken(n int) (untaken int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.untaken -= n
	return p.untaken
}

func (p *paced) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.Conn.Write(b)
}
