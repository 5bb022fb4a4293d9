package ssh

import (
	"net"
	"reflect"
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
}

func (p *paced) Read(b []byte) (int, error) {
	if p.free.Load() {
		return p.Conn.Read(b)
	}
	if p.keyed.Load() {
		time.Sleep(2 * time.Millisecond)
	}
	// Less than ten packets.
	return p.Conn.Read(b[:min(len(b), 256)])
}
