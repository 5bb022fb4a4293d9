package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/crypto/ssh"

	"github.com/nexterm-go/nexterm/internal/postgres"
	"github.com/nexterm-go/nexterm/internal/testssh"
)

const (
	tunnelOnly = "tunnel" // for -only
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
	pool, closeDatabase, err := openDatabase(ctx, postgres.Options{DataDir: filepath.Join(dir, "tunnel")})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeDatabase()) }()
	w := &watched{seeded: newSeeded(pool)}
	if err := w.account(ctx, watcher); err != nil {
		return err
	}
	if w.server, w.bare, err = startBoth(ctx, binary, pool.Config().ConnString()); err != nil {
		return err
	}
	defer w.server.stop()
	defer w.bare.stop()
	counting := &testssh.Server{}
	if err := counting.Listen(); err != nil {
		return err
	}
	defer counting.Close()
	host, keyFile, err := startHost(dir)
	if err != nil {
		return err
	}
	defer host.Close()
	key, err := os.ReadFile(keyFile)
	if err != nil {
		return err
	}
	// The first entry is the one that counts logins, the second OpenSSH's.
	if err := w.addHosts(ctx, []int{counting.Port(), host.Port}); err != nil {
		return err
	}
	identity, err := w.addIdentity(ctx, map[string]any{"name": "Key", "type": "ssh", "username": host.Username, "sshKey": string(key)})
	if err != nil {
		return err
	}
	service, err := playService(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = service.Close() }()
	target := strconv.Itoa(service.Addr().(*net.TCPAddr).Port)
	entry := func(rank int, identity int64) string {
		var id int64
		if err == nil {
			err = pool.QueryRow(ctx, `select id from entries where rank = $1`, rank).Scan(&id)
		}
		return "ws://" + w.server.address + "/api/ws/tunnel?" + url.Values{
			"sessionToken": {w.tokens[watcher]}, "entryId": {strconv.FormatInt(id, 10)}, "identityId": {strconv.FormatInt(identity, 10)}, "remotePort": {target},
		}.Encode()
	}
	counted, ours := entry(1, w.identity), entry(2, identity)
	if err != nil {
		return err
	}
	bare := "ws://" + w.bare.address + bareTunnelPath + "?" + url.Values{
		"port": {strconv.Itoa(host.Port)}, "user": {host.Username}, "key": {keyFile}, "target": {target},
	}.Encode()
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

// startHost starts an OpenSSH server with a key of its own and one to get in by.
func startHost(dir string) (host *testssh.Daemon, keyFile string, err error) {
	var files [2][]byte
	var public [2]ssh.PublicKey
	for i := range files {
		_, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, "", err
		}
		block, err := ssh.MarshalPrivateKey(private, "")
		if err != nil {
			return nil, "", err
		}
		if public[i], err = ssh.NewPublicKey(private.Public()); err != nil {
			return nil, "", err
		}
		files[i] = pem.EncodeToMemory(block)
	}
	keyFile = filepath.Join(dir, "tunnel-key")
	if err := os.WriteFile(keyFile, files[1], 0o600); err != nil {
		return nil, "", err
	}
	at := filepath.Join(dir, "sshd")
	if err := os.Mkdir(at, 0o700); err != nil {
		return nil, "", err
	}
	host, err = testssh.Listen(at, string(files[0]), public[1:])
	return host, keyFile, err
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
	file, err := os.ReadFile(query.Get("key"))
	if err != nil {
		return err
	}
	key, err := ssh.ParsePrivateKey(file)
	if err != nil {
		return err
	}
	client, err := ssh.Dial("tcp", net.JoinHostPort("127.0.0.1", query.Get("port")), &ssh.ClientConfig{
		User: query.Get("user"), Auth: []ssh.AuthMethod{ssh.PublicKeys(key)},
		HostKeyCallback: ssh.InsecureIgnoreHostKey(), //nolint:gosec // G106: it is one of ours, on this machine
	})
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
