package nexterm_test

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

// wire is a connection to the server that can be cut.
type wire struct {
	listener net.Listener
	mu       sync.Mutex
	open     []net.Conn
}

func newWire(t *testing.T) *wire {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{listener: listener}
	t.Cleanup(func() { _ = listener.Close(); w.cut() })
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", strings.TrimPrefix(address, "http://"))
			if err != nil {
				_ = near.Close()
				continue
			}
			w.mu.Lock()
			w.open = append(w.open, near, far)
			w.mu.Unlock()
			go func() { _, _ = io.Copy(far, near); _ = far.Close() }()
			go func() { _, _ = io.Copy(near, far); _ = near.Close() }()
		}
	}()
	return w
}

func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, conn := range w.open {
		_ = conn.Close()
	}
	w.open = nil
}

func TestWatch(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, wire := account(t, "watcher"), newWire(t)
	watcher := client(t, "http://"+wire.listener.Addr().String(), nexterm.WithToken(string(c.Token())), nexterm.WithRetries(1))
	// What comes in which order, and what is done then.
	steps := []struct {
		until func(nexterm.StateUpdate) bool
		then  func() error
	}{
		{func(u nexterm.StateUpdate) bool { return u.Type == nexterm.StateLiveSessions && string(u.Data) == "[]" }, func() error {
			_, err := c.Snippets.Create(ctx, nexterm.NewSnippet{Name: "disk", Command: "df"})
			return err
		}},
		{func(u nexterm.StateUpdate) bool { return len(u.Snippets) == 1 && u.Snippets[0].Name == "disk" }, func() error {
			wire.cut()
			_, err := c.Entries.Create(ctx, nexterm.NewEntry{Name: "web", Config: nexterm.EntryConfig{Protocol: "ssh", IP: "host"}})
			return err
		}},
		{func(u nexterm.StateUpdate) bool { return len(u.Entries) == 1 && u.Entries[0].Server.Name == "web" }, func() error {
			_, err := c.Identities.Create(ctx, nexterm.NewIdentity{Name: "deploy", Type: nexterm.IdentityTypePassword, Username: "deploy", Password: "secret"})
			wire.cut()
			return err
		}},
		{func(u nexterm.StateUpdate) bool { return len(u.Identities) == 1 && u.Identities[0].Name == "deploy" }, func() error {
			return c.Logout(ctx)
		}},
	}
	for update, err := range watcher.Watch(ctx) {
		if err != nil {
			failure(t, err, nexterm.ErrUnauthorized, 0, "Watch: ")
			if len(steps) > 0 {
				t.Errorf("%d steps to go", len(steps))
			}
			return
		}
		if len(steps) > 0 && steps[0].until(update) {
			if err := steps[0].then(); err != nil {
				t.Fatal(err)
			}
			steps = steps[1:]
		}
	}
	t.Error("ended without an error")
}

func TestWatchThatIsGivenUp(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	for _, err := range signIn(t).Watch(ctx) {
		cancel()
		last = err
	}
	failure(t, last, context.Canceled, 0, "given up")
}

func TestWatchOfSomethingElse(t *testing.T) {
	t.Parallel()
	for _, err := range client(t, address+"/nothing", nexterm.WithRetries(4)).Watch(t.Context()) {
		failure(t, err, nexterm.ErrUnexpected, 404, "no WebSocket")
	}
}
