package server

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/nexterm-go/nexterm/internal/caller"
)

// warnPause is the least time between two lines of the same warning.
const warnPause = 10 * time.Second

// LimitConnections lets one network have so many connections at a time, 0 as many as
// it likes; trusted proxies, behind whom there are many, too. It warns of what it
// refuses, and of connections that cannot be accepted: the server is deaf then.
func LimitConnections(listener net.Listener, most int, trust ProxyTrust, log *slog.Logger) net.Listener {
	return &limitedListener{Listener: listener, most: most, trust: trust, log: log, open: map[string]int{}}
}

type limitedListener struct {
	net.Listener
	most  int
	trust ProxyTrust
	log   *slog.Logger

	mu   sync.Mutex
	open map[string]int
	// refused and failed are warnings of their own.
	refused, failed warning
}

// warning is logged now and then, with how often it would have been.
type warning struct {
	times int
	last  time.Time
}

func (w *warning) log(log *slog.Logger, message string, about ...any) {
	w.times++
	if time.Since(w.last) < warnPause {
		return
	}
	log.Warn(message, append(about, "times", w.times)...)
	*w = warning{last: time.Now()}
}

// Accept returns the next connection that is within its network's limit.
func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				l.mu.Lock()
				l.failed.log(l.log, "connections cannot be accepted", "error", err)
				l.mu.Unlock()
			}
			return nil, err
		}
		if network, admitted := l.admit(conn.RemoteAddr()); admitted {
			return &countedConn{Conn: conn, leave: sync.OnceFunc(func() { l.leave(network) })}, nil
		}
		_ = conn.Close()
	}
}

func (l *limitedListener) admit(peer net.Addr) (network string, admitted bool) {
	address, err := netip.ParseAddrPort(peer.String())
	if err != nil || l.most == 0 || l.trust.trusts(0, address.Addr().Unmap().WithZone("")) {
		return "", true
	}
	network = caller.Client{IP: address.Addr().Unmap().WithZone("").String()}.Network()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[network] >= l.most {
		l.refused.log(l.log, "a network has too many connections", "network", network, "limit", l.most)
		return network, false
	}
	l.open[network]++
	return network, true
}

func (l *limitedListener) leave(network string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[network]--; l.open[network] <= 0 {
		delete(l.open, network)
	}
}

type countedConn struct {
	net.Conn
	leave func()
}

func (c *countedConn) Close() error {
	c.leave()
	return c.Conn.Close()
}
