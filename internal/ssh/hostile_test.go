package ssh_test

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"reflect"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	xssh "golang.org/x/crypto/ssh"

	"github.com/nexterm-go/nexterm/internal/ssh"
	"github.com/nexterm-go/nexterm/internal/testssh"
)

// patience is what a host may cost that has a second for each step.
const patience = 5 * time.Second

// hang keeps a connection until the other end has enough.
func hang(conn io.Reader) { _, _ = io.Copy(io.Discard, conn) }

// flood writes until the other end has enough.
func flood(conn io.Writer, p []byte) {
	for {
		if _, err := conn.Write(p); err != nil {
			return
		}
	}
}

// Each gets its error in time, directly and behind a hop, and leaves nothing.
func TestHostsThatDoNotLetIn(t *testing.T) {
	key, _ := testssh.NewKey(t, xssh.KeyAlgoED25519, "")
	keys := []xssh.Signer{key}
	t.Run("all", func(t *testing.T) {
		for name, c := range map[string]struct {
			server  *testssh.Server
			want    error
			timeout bool
		}{
			"silent":               {&testssh.Server{Play: func(conn net.Conn) { hang(conn) }}, ssh.ErrHandshake, true},
			"hangs up at once":     {&testssh.Server{Play: func(net.Conn) {}}, ssh.ErrHandshake, false},
			"hangs up after hello": {&testssh.Server{Play: func(conn net.Conn) { _, _ = io.WriteString(conn, "SSH-2.0-x\r\n") }}, ssh.ErrHandshake, false},
			"garbage": {&testssh.Server{Play: func(conn net.Conn) {
				p := make([]byte, 1<<16)
				_, _ = rand.Read(p)
				flood(conn, p)
			}}, ssh.ErrHandshake, false},
			"endless lines":  {&testssh.Server{Play: func(conn net.Conn) { flood(conn, []byte("welcome\r\n")) }}, ssh.ErrHandshake, false},
			"endless packet": {&testssh.Server{Play: func(conn net.Conn) { _, _ = io.WriteString(conn, "SSH-2.0-x\r\n"); flood(conn, make([]byte, 1<<16)) }}, ssh.ErrHandshake, false},
			"slow": {&testssh.Server{Play: func(conn net.Conn) {
				for {
					if _, err := io.WriteString(conn, "x"); err != nil {
						return
					}
					time.Sleep(10 * time.Millisecond)
				}
			}}, ssh.ErrHandshake, true},
			"no SSH": {&testssh.Server{Play: func(conn net.Conn) {
				_, _ = conn.Read(make([]byte, 100))
				_, _ = io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\n\r\n")
			}}, ssh.ErrHandshake, false},
			"hangs up before the login": {&testssh.Server{HostKeys: keys, Play: func(conn net.Conn) {
				c := &xssh.ServerConfig{NoClientAuth: true, NoClientAuthCallback: func(xssh.ConnMetadata) (*xssh.Permissions, error) {
					return nil, conn.Close()
				}}
				c.AddHostKey(key)
				_, _, _, _ = xssh.NewServerConn(conn, c)
			}}, ssh.ErrHandshake, false},
			"refuses the login": {&testssh.Server{Configure: func(c *xssh.ServerConfig) {
				c.PasswordCallback = func(xssh.ConnMetadata, []byte) (*xssh.Permissions, error) { return nil, errors.New("no") }
			}}, ssh.ErrRefused, false},
			"hangs up at the login": {&testssh.Server{Configure: func(c *xssh.ServerConfig) {
				c.MaxAuthTries = 1
				c.PasswordCallback = func(xssh.ConnMetadata, []byte) (*xssh.Permissions, error) { return nil, errors.New("no") }
			}}, ssh.ErrRefused, false},
			"thinks about the login": {&testssh.Server{Configure: func(c *xssh.ServerConfig) {
				c.PasswordCallback = func(xssh.ConnMetadata, []byte) (*xssh.Permissions, error) {
					time.Sleep(1200 * time.Millisecond)
					return nil, nil
				}
			}}, ssh.ErrHandshake, true},
			"endless banners": {&testssh.Server{Configure: func(c *xssh.ServerConfig) {
				c.NoClientAuth = true
				c.PreAuthConnCallback = func(conn xssh.ServerPreAuthConn) {
					for conn.SendAuthBanner("welcome") == nil {
					}
				}
			}}, ssh.ErrHandshake, false},
			"endless questions": {&testssh.Server{Configure: func(c *xssh.ServerConfig) {
				c.KeyboardInteractiveCallback = func(_ xssh.ConnMetadata, ask xssh.KeyboardInteractiveChallenge) (*xssh.Permissions, error) {
					for {
						if _, err := ask("", "", nil, nil); err != nil {
							return nil, err
						}
					}
				}
			}}, ssh.ErrRefused, false},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				server, jump := testssh.Start(t, c.server), testssh.Start(t, &testssh.Server{})
				check := func(err error, want error) {
					t.Helper()
					require.ErrorIs(t, err, want)
					require.Equal(t, c.timeout, errors.Is(err, context.DeadlineExceeded), err)
					require.NotContains(t, err.Error(), testssh.Password)
					requireClosed(t, server, jump)
				}
				d := new(ssh.Dialer)
				if c.timeout {
					d = hasty()
				}
				start := time.Now()
				_, err := d.Dial(t.Context(), []ssh.Hop{hop(server)})
				require.Less(t, time.Since(start), patience)
				check(err, c.want)
				var onTheWay *ssh.HopError
				require.NotErrorAs(t, err, &onTheWay)

				start = time.Now()
				_, err = d.Dial(t.Context(), []ssh.Hop{hop(jump), hop(server)})
				require.Less(t, time.Since(start), patience)
				check(err, c.want)
				require.NotErrorAs(t, err, &onTheWay)

				err = d.Reach(t.Context(), []ssh.Hop{hop(jump), hop(server), hop(jump)})
				check(err, c.want)
				require.ErrorAs(t, err, &onTheWay)
				require.Equal(t, 2, onTheWay.Hop)

				// Whoever has waited long enough is not kept.
				ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
				defer cancel()
				_, err = new(ssh.Dialer).Dial(ctx, []ssh.Hop{hop(jump), hop(server)})
				require.Error(t, err)
				requireClosed(t, server, jump)
			})
		}
	})
	requireNothingLeft(t)
}

func TestHostsThatTakeNoConnection(t *testing.T) {
	// A listener without room: the system does not answer who comes then.
	full, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	require.NoError(t, err)
	defer func() { _ = syscall.Close(full) }()
	require.NoError(t, syscall.Bind(full, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	require.NoError(t, syscall.Listen(full, 0))
	address, err := syscall.Getsockname(full)
	require.NoError(t, err)
	silent := address.(*syscall.SockaddrInet4).Port
	for range 3 {
		if conn, err := net.DialTimeout("tcp", (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: silent}).String(), 100*time.Millisecond); err == nil {
			defer conn.Close()
		}
	}
	refusing := testssh.Refusing(t)
	jump := testssh.Start(t, &testssh.Server{})

	t.Run("all", func(t *testing.T) {
		for name, c := range map[string]struct {
			host    string
			port    int
			timeout bool
		}{
			"refuses": {"127.0.0.1", refusing, false}, "silent": {"127.0.0.1", silent, true},
			"unknown": {"host.invalid", 22, false}, "no name": {"127.0.0.1\x00.example", jump.Port(), false}, "empty": {"", jump.Port(), false},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				for _, hops := range [][]ssh.Hop{nil, {hop(jump)}} {
					start := time.Now()
					err := hasty().Reach(t.Context(), append(hops, ssh.Hop{Host: c.host, Port: c.port}))
					require.ErrorIs(t, err, ssh.ErrUnreachable)
					require.Equal(t, c.timeout, errors.Is(err, context.DeadlineExceeded), err)
					var onTheWay *ssh.HopError
					require.NotErrorAs(t, err, &onTheWay)
					require.Less(t, time.Since(start), patience)

					target := hop(jump)
					target.Host, target.Port = c.host, c.port
					_, err = hasty().Dial(t.Context(), append(hops, target))
					require.ErrorIs(t, err, ssh.ErrUnreachable)
					require.NotErrorAs(t, err, &onTheWay)
					_, err = hasty().Dial(t.Context(), append(hops, target, hop(jump)))
					require.ErrorIs(t, err, ssh.ErrUnreachable)
					require.ErrorAs(t, err, &onTheWay)
					require.Equal(t, len(hops)+1, onTheWay.Hop)
				}
			})
		}
	})
	requireNothingLeft(t)
}

// Whoever sets a deadline waits for as long as that, whatever the steps have otherwise.
func TestADeadlineIsTheLimit(t *testing.T) {
	slow := testssh.Start(t, &testssh.Server{Play: func(conn net.Conn) { hang(conn) }})
	jump := testssh.Start(t, &testssh.Server{})
	const limit = 2 * time.Second
	for _, hops := range [][]ssh.Hop{{hop(slow)}, {hop(jump), hop(slow)}} {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		start := time.Now()
		_, err := new(ssh.Dialer).Hasten(limit/2, limit/4, time.Hour).Dial(ctx, hops)
		cancel()
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.GreaterOrEqual(t, time.Since(start), limit)
	}
	requireClosed(t, slow, jump)
	requireNothingLeft(t)
}

func TestCommandsThatDoNotEndWell(t *testing.T) {
	const limit = 1 << 16
	t.Run("all", func(t *testing.T) {
		for name, c := range map[string]struct {
			run       func(string, xssh.Channel) int
			stdout    int
			truncated bool
			want      error
		}{
			"prints megabytes": {func(_ string, out xssh.Channel) int { flood(out, make([]byte, 1<<15)); return 0 }, limit, true, nil},
			"prints the limit": {func(_ string, out xssh.Channel) int { _, _ = out.Write(make([]byte, limit)); return 0 }, limit, false, nil},
			"prints errors":    {func(_ string, out xssh.Channel) int { flood(out.Stderr(), make([]byte, 1<<15)); return 0 }, 0, false, context.DeadlineExceeded},
			"hangs":            {func(_ string, out xssh.Channel) int { hang(out); return 0 }, 0, false, context.DeadlineExceeded},
			"stops":            {func(_ string, out xssh.Channel) int { _, _ = io.WriteString(out, "half"); hang(out); return 0 }, 0, false, context.DeadlineExceeded},
			"fails":            {func(_ string, out xssh.Channel) int { _, _ = io.WriteString(out, "half"); return 1 }, 4, false, nil},
			"says nothing":     {func(_ string, out xssh.Channel) int { _, _ = io.WriteString(out, "half"); return -1 }, 4, false, ssh.ErrLost},
			"says nonsense": {func(_ string, out xssh.Channel) int {
				for range 100 {
					_, _ = out.SendRequest("exit-status", false, []byte{1})
				}
				hang(out)
				return -1
			}, 0, false, context.DeadlineExceeded},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				server, jump := testssh.Start(t, &testssh.Server{Run: c.run}), testssh.Start(t, &testssh.Server{})
				for _, hops := range [][]ssh.Hop{{hop(server)}, {hop(jump), hop(server)}} {
					login, err := new(ssh.Dialer).Dial(t.Context(), hops)
					require.NoError(t, err)
					ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
					defer cancel()
					start := time.Now()
					stdout, truncated, err := login.Run(ctx, "anything", limit)
					require.ErrorIs(t, err, c.want)
					require.Len(t, stdout, c.stdout)
					require.Equal(t, c.truncated, truncated)
					require.Less(t, time.Since(start), patience)
					login.Close()
					requireClosed(t, server, jump)
				}
			})
		}
	})
	requireNothingLeft(t)
}

// A host that sends what makes no sense, and much after it, which nobody takes.
func TestHostsThatBreakTheProtocol(t *testing.T) {
	key, _ := testssh.NewKey(t, xssh.KeyAlgoED25519, "")
	server := testssh.Start(t, &testssh.Server{HostKeys: []xssh.Signer{key}, Play: func(conn net.Conn) {
		c := &xssh.ServerConfig{NoClientAuth: true}
		c.AddHostKey(key)
		server, channels, requests, err := xssh.NewServerConn(conn, c)
		if err != nil {
			return
		}
		go xssh.DiscardRequests(requests)
		for channel := range channels {
			// One that is accepted again and again.
			var copies []xssh.NewChannel
			for range 1000 {
				copied := reflect.New(reflect.TypeOf(channel).Elem())
				copied.Elem().Set(reflect.ValueOf(channel).Elem())
				copies = append(copies, copied.Interface().(xssh.NewChannel))
			}
			for _, copied := range copies {
				if _, _, err := copied.Accept(); err != nil {
					break
				}
			}
		}
		_ = server.Wait()
	}})
	for range 3 {
		login, err := new(ssh.Dialer).Dial(t.Context(), []ssh.Hop{hop(server)})
		require.NoError(t, err)
		_, _, err = login.Run(t.Context(), "anything", 1)
		require.ErrorIs(t, err, ssh.ErrLost)
		login.Close()
	}
	requireClosed(t, server)
	requireNothingLeft(t)
}

// A host of which nothing comes any more, though nobody says that it has gone.
func TestSilentLoginsEnd(t *testing.T) {
	server := testssh.Start(t, &testssh.Server{Run: func(_ string, out xssh.Channel) int { hang(out); return 0 }})
	var frozen atomic.Bool
	relay := testssh.Start(t, &testssh.Server{Play: func(conn net.Conn) {
		behind, err := net.Dial("tcp", (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: server.Port()}).String())
		if err != nil {
			return
		}
		defer behind.Close()
		go func() {
			p := make([]byte, 1<<16)
			for {
				n, err := behind.Read(p)
				if err != nil {
					return
				}
				if !frozen.Load() {
					_, _ = conn.Write(p[:n])
				}
			}
		}()
		_, _ = io.Copy(behind, conn)
	}})
	way := hop(server)
	way.Port = relay.Port()
	for _, hops := range [][]ssh.Hop{{way}, {way, hop(server)}} {
		frozen.Store(false)
		login, err := new(ssh.Dialer).Hasten(0, 0, 200*time.Millisecond).Dial(t.Context(), hops)
		require.NoError(t, err)
		// Asked several times meanwhile.
		ctx, cancel := context.WithTimeout(t.Context(), 900*time.Millisecond)
		_, _, err = login.Run(ctx, "anything", 1)
		cancel()
		require.ErrorIs(t, err, context.DeadlineExceeded, "it lives")

		frozen.Store(true)
		start := time.Now()
		_, _, err = login.Run(t.Context(), "anything", 1)
		require.ErrorIs(t, err, ssh.ErrLost)
		require.Less(t, time.Since(start), patience)
		_, err = login.Connect(t.Context(), "127.0.0.1", server.Port())
		require.ErrorIs(t, err, ssh.ErrUnreachable)
		login.Close()
		requireClosed(t, server, relay)
	}
	requireNothingLeft(t)
}

func TestLoginsEndWithTheirContext(t *testing.T) {
	server, jump := testssh.Start(t, &testssh.Server{}), testssh.Start(t, &testssh.Server{})
	ctx, cancel := context.WithCancel(t.Context())
	login, err := new(ssh.Dialer).Dial(ctx, []ssh.Hop{hop(jump), hop(server)})
	require.NoError(t, err)
	require.Equal(t, 1, server.Open())
	cancel()
	requireClosed(t, server, jump)
	_, _, err = login.Run(t.Context(), "anything", 1)
	require.ErrorIs(t, err, ssh.ErrLost)
	login.Close()
	login.Close()

	// A connection through the host, which the login closes.
	login, err = new(ssh.Dialer).Dial(t.Context(), []ssh.Hop{hop(jump)})
	require.NoError(t, err)
	conn, err := login.Connect(t.Context(), "127.0.0.1", server.Port())
	require.NoError(t, err)
	hello := make([]byte, 8)
	_, err = io.ReadFull(conn, hello)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(hello), "SSH-2.0"), string(hello))
	login.Close()
	_, err = io.ReadAll(conn)
	require.NoError(t, err)
	requireClosed(t, server, jump)
	requireNothingLeft(t)
}
