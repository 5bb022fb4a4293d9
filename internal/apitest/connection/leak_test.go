package connection_test

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/server"
	"github.com/nexterm-go/nexterm/internal/testserver"
	"github.com/nexterm-go/nexterm/internal/testssh"
)

// left are the goroutines of connections that are there.
func left() (stacks []string) {
	all := make([]byte, 8<<20)
	for stack := range strings.SplitSeq(string(all[:runtime.Stack(all, true)]), "\n\n") {
		for _, name := range []string{"crypto/ssh.", "nexterm/internal/ssh.", "nexterm/internal/login.", "nexterm/internal/guacamole.", "live.(*live)", "live.(*viewer)"} {
			if strings.Contains(stack, name) {
				stacks = append(stacks, stack)
				break
			}
		}
	}
	return stacks
}

// Whatever becomes of connections, nothing of them stays. It is not parallel, because
// others' goroutines look the same.
func TestNothingStaysOfConnections(t *testing.T) { //nolint:paralleltest // see above
	s := testserver.New(t)
	host := &testssh.Server{Shell: echo}
	entry, _ := played(t, s.Owner, host, nil)
	hanging := &testssh.Server{Play: hang}
	silent, _ := played(t, s.Owner, hanging, nil)
	factors, _ := played(t, s.Owner, twoFactors(), nil)
	script := s.Owner.Post("/api/scripts", object{"name": "script", "content": "true"}).Want(201).ID()
	var ids []string
	for i := range 6 {
		ids = append(ids, open(s.Owner, entry, object{"scriptId": script}), open(s.Owner, entry, nil), open(s.Owner, silent, nil), open(s.Owner, factors, nil),
			open(s.Owner, entry, object{"type": "sftp"}),
			open(s.Owner, entry, object{"directIdentity": object{"type": "password", "username": "x", "password": testssh.Password}}))
		shell := attach(t, s.Owner, "sessionId", ids[len(ids)-5])
		shell.see("ready$ ")
		if i%2 == 0 {
			require.NoError(t, shell.CloseNow())
		}
		attach(t, s.Owner, "sessionId", ids[len(ids)-4])
	}
	for _, id := range ids {
		s.Owner.Delete("/api/connections/" + id).Want(200)
	}
	require.Zero(t, s.Count(t, `connections where state in ('connecting', 'active')`))
	require.Eventually(t, func() bool { return hanging.Open() == 0 }, patience, 5*time.Millisecond)
	// The shared logins go with the session.
	s.Owner.Post("/api/auth/logout", object{"token": s.Owner.Token}).Want(200)
	require.Eventually(t, func() bool { return host.Open() == 0 }, patience, 5*time.Millisecond)
	host.Close()
	require.Eventually(t, func() bool { return len(left()) == 0 }, patience, 20*time.Millisecond, "%s", strings.Join(left(), "\n\n"))
	require.Eventually(t, func() bool { return s.Count(t, "connection_viewers") == 0 }, patience, 10*time.Millisecond)
}

// Clients that are no good for anybody harm nobody else.
func TestHostileClients(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, func(o *server.Options) { o.WriteTimeout = 2 * time.Second })
	host := &testssh.Server{Shell: echo}
	entry, _ := played(t, s.Owner, host, nil)
	id := open(s.Owner, entry, nil)
	shell := attach(t, s.Owner, "sessionId", id)
	shell.see("ready$ ")

	// One that does not read slows down those of its own connection alone, for as long
	// as it may.
	silent := attach(t, s.Owner, "sessionId", id)
	go func() {
		for range 48 {
			if shell.Write(t.Context(), 1, []byte(strings.Repeat("y", 512<<10))) != nil {
				return
			}
		}
		_ = shell.Write(t.Context(), 1, []byte("the end"))
	}()
	for last := ""; !strings.HasSuffix(last, "the end"); {
		frame, err := shell.next()
		require.NoError(t, err)
		last = (last + frame)[max(0, len(last)+len(frame)-7):]
	}
	for err := error(nil); err == nil; {
		_, err = silent.next() // what had been sent, and no more
		if err != nil {
			require.NotContains(t, err.Error(), "deadline")
		}
	}

	// More than there may be of one.
	var many []*terminal
	for range 40 { // in whichever order they are served
		many = append(many, attach(t, s.Owner, "sessionId", id))
	}
	require.Eventually(t, func() bool { return s.Count(t, "connection_viewers") >= 31 }, patience, 10*time.Millisecond)
	refused := 0
	for _, one := range many {
		_, err := one.next()
		if err != nil && strings.Contains(err.Error(), "Too many viewers") {
			refused++
		}
	}
	require.Positive(t, refused)
	// Frames that are none of the terminal's.
	for _, frame := range []string{"", "\x01", "\x02", "\x03", "\x1f{}", "\x01999999,1", "\x01a,b", "\xff\xfe"} {
		require.NoError(t, shell.Write(t.Context(), 2, []byte(frame)))
	}
	require.Equal(t, "active", state(t, s, id))
}

// An account that dials many hosts waits for itself.
func TestDialsWaitForEachOther(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	hanging := &testssh.Server{Play: hang}
	slow, _ := played(t, s.Owner, hanging, nil)
	var ids []string
	for range 17 {
		ids = append(ids, open(s.Owner, slow, object{"directIdentity": object{"type": "password", "username": "x", "password": "x"}}))
	}
	require.Eventually(t, func() bool { return hanging.Open() == 16 }, patience, 5*time.Millisecond)
	time.Sleep(50 * time.Millisecond)
	require.Equal(t, 16, hanging.Accepted())
	entry, _ := played(t, s.Stranger, &testssh.Server{Shell: echo}, nil)
	attach(t, s.Stranger, "sessionId", open(s.Stranger, entry, nil)).see("ready$ ")
	s.Owner.Delete("/api/connections/" + ids[0]).Want(200)
	require.Eventually(t, func() bool { return hanging.Accepted() == 17 }, patience, 5*time.Millisecond)
}
