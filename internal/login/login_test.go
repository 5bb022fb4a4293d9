package login_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	xssh "golang.org/x/crypto/ssh"

	"github.com/nexterm-go/nexterm/internal/login"
	"github.com/nexterm-go/nexterm/internal/ssh"
	"github.com/nexterm-go/nexterm/internal/testssh"
)

var key = login.Key{SessionID: 1, EntryID: 2, IdentityID: 3, Owner: 4, Way: "jump:22,web:22"}

// host is a server with the way to log in there.
func host(t *testing.T) (*testssh.Server, login.Dial) {
	t.Helper()
	server, dialer := testssh.Start(t, &testssh.Server{}), new(ssh.Dialer)
	return server, func(ctx context.Context) (*ssh.Login, error) {
		return dialer.Dial(ctx, []ssh.Hop{{
			Host: "127.0.0.1", Port: server.Port(), Username: "somebody", Password: testssh.Password,
			HostKeys: ssh.HostKeys{Known: []xssh.PublicKey{server.HostKeys[0].PublicKey()}},
		}})
	}
}

func open(t *testing.T, p *login.Pool, key login.Key, dial login.Dial) *login.Channel {
	t.Helper()
	c, err := p.Open(t.Context(), key, false, dial, nil)
	require.NoError(t, err)
	return c
}

func requireOpen(t *testing.T, server *testssh.Server, connections int) {
	t.Helper()
	require.Eventually(t, func() bool { return server.Open() == connections }, 5*time.Second, 5*time.Millisecond)
}

func TestChannelsShareALogin(t *testing.T) {
	t.Parallel()
	server, dial := host(t)
	p := login.New().Hasten(50 * time.Millisecond)
	defer p.Close()
	var all []*login.Channel
	var mu sync.Mutex
	var together sync.WaitGroup
	for range 65 {
		together.Go(func() {
			c, err := p.Open(t.Context(), key, false, dial, nil)
			if err == nil {
				mu.Lock()
				all = append(all, c)
				mu.Unlock()
			}
		})
	}
	together.Wait()
	require.Len(t, all, 65)
	require.Equal(t, 2, server.Accepted(), "the 65th opens another one")
	other := key
	other.SessionID = 9
	mine := open(t, p, other, dial)
	require.Equal(t, 3, server.Accepted())
	for _, c := range all {
		c.Close()
		c.Close() // once more does nothing
	}
	requireOpen(t, server, 1)
	_, _, err := mine.Run(t.Context(), "true", 1)
	require.NoError(t, err)
	mine.Close()
	again := open(t, p, other, dial)
	time.Sleep(100 * time.Millisecond)
	require.Equal(t, 3, server.Accepted(), "it has waited")
	again.Close()
	requireOpen(t, server, 0)
}

func TestFailuresAreShared(t *testing.T) {
	t.Parallel()
	p := login.New()
	begun, fail := make(chan struct{}), make(chan struct{})
	dials := 0
	dial := func(context.Context) (*ssh.Login, error) {
		dials++
		close(begun)
		<-fail
		return nil, ssh.ErrFurther
	}
	failed := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := p.Open(t.Context(), key, false, dial, nil)
			failed <- err
		}()
	}
	<-begun
	_, good := host(t)
	asked := make(chan *login.Channel)
	go func() {
		c, _ := p.Open(t.Context(), key, true, good, nil)
		asked <- c
	}()
	time.Sleep(50 * time.Millisecond) // the others wait by now
	close(fail)
	require.ErrorIs(t, <-failed, ssh.ErrFurther)
	require.ErrorIs(t, <-failed, ssh.ErrFurther)
	require.Equal(t, 1, dials)
	c := <-asked
	require.NotNil(t, c, "whoever can be asked dials")
	c.Close()
	p.Close()
}

func TestWhoeverGivesUpLeavesOthersTheLogin(t *testing.T) {
	t.Parallel()
	server, dial := host(t)
	p := login.New()
	ctx, cancel := context.WithCancel(t.Context())
	begun := make(chan struct{})
	first := make(chan error)
	go func() {
		_, err := p.Open(ctx, key, false, func(ctx context.Context) (*ssh.Login, error) {
			close(begun)
			<-ctx.Done()
			return nil, ctx.Err()
		}, nil)
		first <- err
	}()
	<-begun
	second := make(chan *login.Channel)
	go func() {
		c, _ := p.Open(t.Context(), key, false, dial, nil)
		second <- c
	}()
	cancel()
	require.ErrorIs(t, <-first, context.Canceled)
	c := <-second
	require.NotNil(t, c)
	p.End(func(k login.Key) bool { return k == key })
	<-c.Done()
	c.Close()
	requireOpen(t, server, 0)
}

func TestLoginsEnd(t *testing.T) {
	t.Parallel()
	server, dial := host(t)
	p := login.New()
	running := open(t, p, key, dial)
	p.Retire(key.Owner, "jump:22", "other:22")
	p.Retire(9, "", "jump:22")
	open(t, p, key, dial).Close()
	require.Equal(t, 1, server.Accepted())
	p.Retire(key.Owner, "", "jump:22")
	next := open(t, p, key, dial)
	require.Equal(t, 2, server.Accepted(), "the next one checks the key anew")
	_, _, err := running.Run(t.Context(), "true", 1)
	require.NoError(t, err, "what runs stays")
	running.Close()
	requireOpen(t, server, 1)
	p.Retire(key.Owner, "jump:22", "web:22")
	next.Close()
	requireOpen(t, server, 0)

	lost := open(t, p, key, dial)
	server.Close()
	<-lost.Done()
	lost.Close()
	p.Close()
	_, err = p.Open(t.Context(), key, false, dial, nil)
	require.Error(t, err)
}
