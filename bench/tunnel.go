package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/coder/websocket"

	"github.com/nexterm-go/nexterm/internal/testssh"
)

const (
	tunnelGoal = 0.7
	// tunnelBytes are sent either way in a round, in frames of tunnelFrame.
	tunnelBytes = 128 << 20
	tunnelFrame = 32 << 10
	// tunnelConnections are opened one after the other.
	tunnelConnections = 1000
	bareTunnelPath    = "/tunnel"
)

// measureTunnels sends bytes through a real OpenSSH server, by the server and by a relay
// that is nothing but the two libraries, and opens many connections.
func measureTunnels(ctx context.Context, p plan, binary, dir string) (err error) {
	counting := &testssh.Server{}
	if err := counting.Listen(); err != nil {
		return err
	}
	defer counting.Close()
	h, err := reachHost(ctx, binary, dir, hosting{ports: []int{counting.Port()}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.close()) }()
	service, err := playService(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = service.Close() }()
	target := strconv.Itoa(service.Addr().(*net.TCPAddr).Port)
	tunnel := func(entry, identity int64) string {
		return "ws://" + h.server.address + "/api/ws/tunnel?" + url.Values{
			"sessionToken": {h.tokens[watcher]}, "entryId": {strconv.FormatInt(entry, 10)}, "identityId": {strconv.FormatInt(identity, 10)}, "remotePort": {target},
		}.Encode()
	}
	ours, counted := tunnel(h.entries[0], h.key), tunnel(h.entries[1], h.identity)
	bare := h.bareAddress("ws", bareTunnelPath, "target", target)
	var rates [2][2][]float64 // of down and up, the server's and the bare relay's, in MB/s
	for range p.rounds {
		for way, begin := range []string{"d", "u"} {
			for i, address := range []string{ours, bare} {
				took, err := through(ctx, address, begin)
				if err != nil {
					return err
				}
				rates[way][i] = append(rates[way][i], tunnelBytes/took.Seconds()/1e6)
			}
		}
	}
	began := time.Now()
	for range tunnelConnections {
		conn, err := openTunnel(ctx, counted)
		if err != nil {
			return err
		}
		_ = conn.CloseNow()
	}
	took := time.Since(began)
	same := func(v float64) float64 { return v }
	for way, name := range []string{"download", "upload"} {
		server, relay := median(rates[way][0], same), median(rates[way][1], same)
		fmt.Printf("tunnel, %s: %.0f MB/s, bare %.0f MB/s, ratio %.2f (goal %.1f): %s\n", name, server, relay, server/relay, tunnelGoal, verdict(server/relay >= tunnelGoal))
	}
	fmt.Printf("tunnel, %d connections: %.1f ms each, %d SSH login (goal 1): %s\n", tunnelConnections,
		took.Seconds()*1e3/tunnelConnections, counting.Accepted(), verdict(counting.Accepted() == 1))
	return nil
}

// playService pours out or takes in, as the first byte of a connection says.
func playService(ctx context.Context) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				begin := make([]byte, 1)
				if _, err := io.ReadFull(conn, begin); err != nil {
					return
				}
				if begin[0] == 'u' {
					_, _ = io.CopyN(io.Discard, conn, tunnelBytes)
					_, _ = conn.Write(begin)
				} else {
					part := make([]byte, tunnelFrame)
					for range tunnelBytes / tunnelFrame {
						if _, err := conn.Write(part); err != nil {
							return
						}
					}
				}
				_, _ = conn.Read(begin)
			}()
		}
	}()
	return listener, nil
}

// openTunnel waits until a tunnel is ready.
func openTunnel(ctx context.Context, address string) (*websocket.Conn, error) {
	conn, _, err := websocket.Dial(ctx, address, nil) //nolint:bodyclose // the library closes it
	if err != nil {
		return nil, err
	}
	_, _, err = conn.Read(ctx)
	return conn, err
}

// through sends all bytes one way and takes the time.
func through(ctx context.Context, address, begin string) (time.Duration, error) {
	conn, err := openTunnel(ctx, address)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.CloseNow() }()
	began := time.Now()
	if err := conn.Write(ctx, websocket.MessageBinary, []byte(begin)); err != nil {
		return 0, err
	}
	want := int64(tunnelBytes)
	if begin == "u" {
		part := make([]byte, tunnelFrame)
		for range tunnelBytes / tunnelFrame {
			if err := conn.Write(ctx, websocket.MessageBinary, part); err != nil {
				return 0, err
			}
		}
		want = 1
	}
	for want > 0 {
		_, frame, err := conn.Reader(ctx)
		if err != nil {
			return 0, err
		}
		n, err := io.Copy(io.Discard, frame)
		if err != nil {
			return 0, err
		}
		want -= n
	}
	return time.Since(began), nil
}

// bareTunnel is a relay that does nothing else.
func bareTunnel(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	client, err := dialBare(query)
	if err != nil {
		return err
	}
	defer client.Close()
	remote, err := client.Dial("tcp", net.JoinHostPort("127.0.0.1", query.Get("target")))
	if err != nil {
		return err
	}
	defer remote.Close()
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return err
	}
	conn.SetReadLimit(-1)
	if err := conn.Write(r.Context(), websocket.MessageText, []byte(`{"type":"ready"}`)); err != nil {
		return err
	}
	local := websocket.NetConn(context.Background(), conn, websocket.MessageBinary)
	defer local.Close()
	go func() { _, _ = io.Copy(remote, local); _ = remote.Close() }()
	_, _ = io.Copy(local, remote)
	return nil
}
