// Package testssh owns the SSH hosts of tests: OpenSSH servers on loopback ports,
// and a server within the process that answers as it is told, well or badly.
package testssh

import (
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
)

// Password opens a Server whose logins nobody has configured, for every name.
const Password = "correct horse battery staple"

// Server plays a host within the test's process, or a thousand of them: all that
// are reached at its port. Without anything set it lets everybody in who has the
// password, forwards connections, and answers every command with nothing.
type Server struct {
	// HostKeys are its keys; of ed25519 if there are none.
	HostKeys []ssh.Signer
	// Configure says for each connection who is let in.
	Configure func(*ssh.ServerConfig)
	// Run answers a command and returns its exit status; a negative one is not sent.
	// It may write for as long as the channel is open.
	Run func(command string, channel ssh.Channel) (status int)
	// Shell plays a login shell on a terminal, and returns its exit status. Without it,
	// there is none.
	Shell func(channel ssh.Channel) (status int)
	// Subsystem plays a service that is asked for by name. Without it, there is none.
	Subsystem func(name string, channel ssh.Channel)
	// Play takes the connections instead, which are closed when it returns.
	Play func(net.Conn)

	listener net.Listener
	mu       sync.Mutex
	closed   bool
	open     map[net.Conn]bool
	accepted int
	work     sync.WaitGroup
}

// Start starts a server for the duration of the test.
func Start(t testing.TB, s *Server) *Server {
	t.Helper()
	require.NoError(t, s.Listen())
	t.Cleanup(s.Close)
	return s
}

// Listen starts the server on a free port of 127.0.0.1.
func (s *Server) Listen() (err error) {
	if s.HostKeys == nil {
		key, _, err := MakeKey(ssh.KeyAlgoED25519, "")
		if err != nil {
			return err
		}
		s.HostKeys = []ssh.Signer{key}
	}
	if s.Play == nil {
		s.Play = s.serve
	}
	s.open = map[net.Conn]bool{}
	s.listener, err = new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err == nil {
		s.work.Go(s.accept)
	}
	return err
}

// Close ends the server and its connections.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	_ = s.listener.Close()
	for conn := range s.open {
		conn.Close()
	}
	s.mu.Unlock()
	s.work.Wait()
}

// Port is where the server listens on 127.0.0.1.
func (s *Server) Port() int { return port(s.listener) }

// Open counts the connections that are open.
func (s *Server) Open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
}

// Accepted counts the connections that there have been.
func (s *Server) Accepted() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accepted
}

func (s *Server) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		if s.closed {
			conn.Close()
		}
		s.open[conn] = true
		s.accepted++
		s.mu.Unlock()
		s.work.Go(func() {
			s.Play(conn)
			conn.Close()
			s.mu.Lock()
			delete(s.open, conn)
			s.mu.Unlock()
		})
	}
}

// serve speaks SSH on a connection until that ends.
func (s *Server) serve(conn net.Conn) {
	config := &ssh.ServerConfig{}
	for _, key := range s.HostKeys {
		config.AddHostKey(key)
	}
	if s.Configure != nil {
		s.Configure(config)
	} else {
		config.PasswordCallback = func(_ ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
			if string(password) != Password {
				return nil, errors.New("wrong password")
			}
			return nil, nil
		}
	}
	server, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	defer server.Close()
	s.work.Go(func() { ssh.DiscardRequests(requests) })
	for channel := range channels {
		switch channel.ChannelType() {
		case "session":
			s.work.Go(func() { s.session(channel) })
		case "direct-tcpip":
			s.work.Go(func() { s.forward(channel) })
		default:
			_ = channel.Reject(ssh.UnknownChannelType, channel.ChannelType())
		}
	}
}

// session runs the command that it is asked for.
func (s *Server) session(asked ssh.NewChannel) {
	channel, requests, err := asked.Accept()
	if err != nil {
		return
	}
	defer channel.Close()
	for request := range requests {
		if s.Shell != nil && (request.Type == "pty-req" || request.Type == "shell") {
			_ = request.Reply(true, nil)
			if request.Type == "pty-req" {
				continue
			}
			s.work.Go(func() { ssh.DiscardRequests(requests) })
			exit(channel, s.Shell(channel))
			return
		}
		var exec struct{ Command string }
		if s.Subsystem != nil && request.Type == "subsystem" && ssh.Unmarshal(request.Payload, &exec) == nil {
			_ = request.Reply(true, nil)
			s.work.Go(func() { ssh.DiscardRequests(requests) })
			s.Subsystem(exec.Command, channel)
			return
		}
		if request.Type != "exec" || ssh.Unmarshal(request.Payload, &exec) != nil {
			_ = request.Reply(false, nil)
			continue
		}
		_ = request.Reply(true, nil)
		s.work.Go(func() { ssh.DiscardRequests(requests) })
		status := 0
		if s.Run != nil {
			status = s.Run(exec.Command, channel)
		}
		exit(channel, status)
		return
	}
}

func exit(channel ssh.Channel, status int) {
	if status >= 0 {
		_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{uint32(status)}))
	}
}

// forward opens a TCP connection for the client.
func (s *Server) forward(asked ssh.NewChannel) {
	var target struct {
		Host       string
		Port       uint32
		Origin     string
		OriginPort uint32
	}
	if err := ssh.Unmarshal(asked.ExtraData(), &target); err != nil {
		_ = asked.Reject(ssh.ConnectionFailed, err.Error())
		return
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(context.Background(), "tcp", net.JoinHostPort(target.Host, strconv.Itoa(int(target.Port))))
	if err != nil {
		_ = asked.Reject(ssh.ConnectionFailed, err.Error())
		return
	}
	defer conn.Close()
	channel, requests, err := asked.Accept()
	if err != nil {
		return
	}
	s.work.Go(func() { ssh.DiscardRequests(requests) })
	s.work.Go(func() {
		_, _ = io.Copy(channel, conn)
		channel.Close()
	})
	_, _ = io.Copy(conn, channel)
}

func port(listener net.Listener) int { return listener.Addr().(*net.TCPAddr).Port }

// Refusing is a port on which connections are refused for the duration of the test:
// nobody else can listen there, as they could where somebody has stopped to.
func Refusing(t testing.TB) int {
	t.Helper()
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = syscall.Close(socket) })
	require.NoError(t, syscall.Bind(socket, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	address, err := syscall.Getsockname(socket)
	require.NoError(t, err)
	return address.(*syscall.SockaddrInet4).Port
}
