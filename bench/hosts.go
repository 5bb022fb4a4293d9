package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/nexterm-go/nexterm/internal/testssh"
)

const (
	// hostCount are the hosts that are looked after, every silentEvery-th of which
	// says nothing, and hostTime is how long each is waited for.
	hostCount   = 1000
	silentEvery = 10
	hostTime    = 5 * time.Second
	// hostPlaces is how many of them are asked at the same time.
	hostPlaces = 50
	// hostOutput is what each of them prints, of a machine with so many processes
	// that the list of them is full.
	hostOutput = "internal/linux/testdata/busybox_vm.txt"
)

// hosts are played on 127.0.0.1, those that answer on a port each.
type hosts struct {
	answering []*testssh.Server
	// mute takes connections and says nothing, and full does not even take them.
	mute     *testssh.Server
	full     net.Listener
	fullPort int
	inLine   []net.Conn
}

// hostMarker is how the command that a host is sent puts its marker together.
var hostMarker = regexp.MustCompile(`m=(\w+);m=\$\{m\}(\w+);`)

func playHosts() (*hosts, error) {
	output, err := os.ReadFile(hostOutput)
	if err != nil {
		return nil, err
	}
	run := func(command string, channel ssh.Channel) int {
		halves := hostMarker.FindStringSubmatch(command)
		if halves == nil {
			return 1
		}
		_, _ = channel.Write(bytes.ReplaceAll(output, []byte("MARKER"), []byte(halves[1]+halves[2])))
		return 0
	}
	h := &hosts{mute: &testssh.Server{Play: func(conn net.Conn) {
		var b [1024]byte
		for read := 1; read > 0; read, _ = conn.Read(b[:]) {
		}
	}}}
	err = errors.Join(h.mute.Listen(), h.fill())
	for len(h.answering) < hostCount-hostCount/silentEvery && err == nil {
		s := &testssh.Server{Run: run}
		err = s.Listen()
		h.answering = append(h.answering, s)
	}
	if err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

// fill makes a port whose line of connections is full: the system lets none more in
// and says nothing to them, as if there were no host.
func (h *hosts) fill() (err error) {
	if h.full, err = new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0"); err != nil {
		return err
	}
	h.fullPort = h.full.Addr().(*net.TCPAddr).Port
	raw, err := h.full.(*net.TCPListener).SyscallConn()
	if err != nil {
		return err
	}
	controlErr := raw.Control(func(fd uintptr) { err = syscall.Listen(int(fd), 0) })
	if err := errors.Join(err, controlErr); err != nil {
		return err
	}
	dialer := net.Dialer{Timeout: 300 * time.Millisecond}
	for range 16 {
		conn, err := dialer.DialContext(context.Background(), "tcp", h.full.Addr().String())
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			return nil
		}
		if err != nil {
			return err
		}
		h.inLine = append(h.inLine, conn)
	}
	return fmt.Errorf("port %d takes connections without end", h.fullPort)
}

func (h *hosts) close() {
	for _, conn := range h.inLine {
		conn.Close()
	}
	if h.full != nil {
		_ = h.full.Close()
	}
	h.mute.Close()
	for _, s := range h.answering {
		s.Close()
	}
}

// toReach are the ports of hosts of which it is only tried whether they take
// connections, and toCollect those of hosts that are signed in to.
func (h *hosts) toReach() []int {
	return ports(h.fullPort, func(int) int { return h.mute.Port() })
}

func (h *hosts) toCollect() []int {
	return ports(h.mute.Port(), func(i int) int { return h.answering[i].Port() })
}

func ports(silent int, answering func(i int) int) (all []int) {
	for i := range hostCount - hostCount/silentEvery {
		if len(all)%silentEvery == 0 {
			all = append(all, silent)
		}
		all = append(all, answering(i))
	}
	return all
}
