package ssh

import (
	"reflect"
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
