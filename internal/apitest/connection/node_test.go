package connection_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/app"
	"github.com/nexterm-go/nexterm/internal/server"
	"github.com/nexterm-go/nexterm/internal/testserver"
	"github.com/nexterm-go/nexterm/internal/testssh"
	"github.com/nexterm-go/nexterm/internal/vault"
)

// nodeVariable makes this program a server of the database that it names, for the
// test that kills one.
const nodeVariable = "NEXTERM_TEST_NODE"

func serveUntilKilled(database string) error {
	ctx := context.Background()
	pool, err := app.OpenPool(ctx, database)
	if err != nil {
		return err
	}
	keys, err := vault.Load(ctx, db.New(pool), vault.MasterKey{1, 2, 3})
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	url := "http://" + listener.Addr().String()
	a, err := app.New(app.Options{InsertOnly: true, Options: server.Options{
		Pool: pool, Vault: keys, Log: slog.New(slog.DiscardHandler), Connections: server.Connections{NodeURL: url},
	}})
	if err != nil {
		return err
	}
	return a.Run(ctx, func(context.Context) error {
		fmt.Println(url)
		return http.Serve(listener, a.Server)
	})
}

func TestSocketsFindTheServerThatHoldsTheConnection(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	other := testserver.Serve(t, s.Pool, s.Vault)
	there := s.Owner.On(other)
	entry, _ := played(t, s.Owner, &testssh.Server{Shell: echo}, nil)
	id := open(s.Owner, entry, nil)
	shell := attach(t, there, "sessionId", id)
	shell.see("ready$ ")
	shell.Send("through another server")
	shell.see("through another server")
	require.Eventually(t, func() bool { return connections(there)[0]["status"] == "active" }, patience, 5*time.Millisecond)
	there.Post("/api/connections/"+id+"/paste-password", nil).Want(200)
	shell.see(testssh.Password)
	s.Stranger.On(other).Post("/api/connections/"+id+"/paste-password", nil).WantError(404, "Session not found")
	attach(t, s.Stranger.On(other), "sessionId", id).closed(4007, "Session not found")
	// The client's address comes along, and nobody else can say one.
	require.Equal(t, 1, s.Count(t, `audit_logs where action = 'identity.credentials_access' and ip_address = '127.0.0.1'`))
	forged := there.With("X-Nexterm-Passed-On", "AAAA")
	forged.Post("/api/connections/"+id+"/paste-password", nil).Want(200)
	shell.see(testssh.Password)

	var share struct{ ShareID string }
	there.Post("/api/connections/"+id+"/share", nil).Want(200).Into(&share)
	guest := attach(t, other.Anonymous, "shareId", share.ShareID)
	guest.see(testssh.Password)
	there.Delete("/api/connections/" + id + "/share").Want(200)
	guest.closed(4016, "Sharing stopped")

	direct := open(s.Owner, entry, object{"directIdentity": object{"type": "password", "username": "x", "password": testssh.Password}})
	var made struct{ SessionID string }
	there.Post("/api/connections/"+direct+"/duplicate", nil).Want(201).Into(&made)
	attach(t, there, "sessionId", made.SessionID).see("ready$ ")

	// Deleted anywhere, ended everywhere.
	there.Delete("/api/connections/" + id).Want(200)
	shell.closed(1000, "Session terminated")
	id = open(s.Owner, entry, nil)
	shell = attach(t, there, "sessionId", id)
	shell.see("ready$ ")
	shell.Send(strings.Repeat("x", 1<<20+1))
	shell.closed(1009, "read limited at 1048577 bytes")
}

func TestServersThatCannotBeReachedSaySo(t *testing.T) {
	t.Parallel()
	alone := func(o *server.Options) { o.Connections.NodeURL = "" }
	const warning = "other servers share the database and cannot reach the live connections of this one: set NODE_URL"
	s := testserver.New(t)
	other := testserver.Serve(t, s.Pool, s.Vault, alone)
	require.Eventually(t, func() bool { return strings.Contains(other.Log.String(), warning) }, 2*time.Minute, time.Second)
	require.NotContains(t, s.Log.String(), warning)
}

func TestServersThatAreKilled(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	node := exec.CommandContext(t.Context(), os.Args[0])
	node.Env = append(os.Environ(), nodeVariable+"="+s.Pool.Config().ConnString())
	node.Stderr = os.Stderr
	output, err := node.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, node.Start())
	t.Cleanup(func() { _ = node.Process.Kill(); _ = node.Wait() })
	var url string
	_, err = fmt.Fscanln(output, &url)
	require.NoError(t, err)

	entry, _ := played(t, s.Owner, &testssh.Server{Shell: echo}, nil)
	there := s.Owner.On(&testserver.Server{URL: url})
	id := open(there, entry, nil)
	shell := attach(t, s.Owner, "sessionId", id)
	shell.see("ready$ ")
	require.NoError(t, node.Process.Kill())
	shell.closed(4014, "Connection not available")
	s.Owner.Post("/api/connections/"+id+"/paste-password", nil).WantError(503, "Connection not available")
	attach(t, s.Owner, "sessionId", id).closed(4014, "Connection not available")
	s.Exec(t, `update nodes set seen_at = now() - interval '21 seconds' where url = $1`, url)
	require.Eventually(t, func() bool {
		return state(t, s, id) == "failed: The server that held this connection has stopped"
	}, patience, 50*time.Millisecond)
	require.Equal(t, "failed", connections(s.Owner)[0]["status"])
	attach(t, s.Owner, "sessionId", id).closed(4017, "The server that held this connection has stopped")
}

// Connections do not survive a server that stops, and nobody has to guess.
func TestServersThatStop(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	ctx, stop := context.WithCancel(t.Context())
	options := server.Options{Pool: s.Pool, Vault: s.Vault, Log: slog.New(slog.DiscardHandler)}
	startGuacd(t, &guacd{}).use(&options)
	a, err := app.New(app.Options{InsertOnly: true, Options: options})
	require.NoError(t, err)
	listener := &http.Server{Handler: a.Server}
	socket, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	stopped := make(chan error, 1)
	go func() {
		stopped <- a.Run(ctx, func(ctx context.Context) error {
			go func() { _ = listener.Serve(socket) }()
			<-ctx.Done()
			return nil
		})
	}()
	t.Cleanup(func() { _ = listener.Close() })
	host := &testssh.Server{Shell: echo}
	entry, _ := played(t, s.Owner, host, nil)
	there := s.Owner.On(&testserver.Server{URL: "http://" + socket.Addr().String()})
	id := open(there, entry, nil)
	shell := attach(t, there, "sessionId", id)
	shell.see("ready$ ")
	stocked, _ := openSSH(t, s.Owner, nil, sftpSubsystem)
	_, files := browse(t, there, stocked, nil)
	files.ready()
	desktop := look(t, there, "sessionId", open(there, desktopEntry(s.Owner, nil, newIdentity(s.Owner, "secret")), nil))
	desktop.greeted()
	require.Eventually(t, func() bool { return s.Count(t, "connection_viewers") == 3 }, patience, 5*time.Millisecond)
	stop()
	shell.closed(1001, "The server is shutting down")
	files.closed(1001, "The server is shutting down")
	desktop.closed(1001, "The server is shutting down")
	require.NoError(t, <-stopped)
	require.Equal(t, "ended", state(t, s, id))
	require.Equal(t, 1, s.Count(t, "nodes"))
	require.Eventually(t, func() bool { return host.Open() == 0 }, patience, 5*time.Millisecond)
}

// A server that others have taken for dead does not go on as if nothing had been.
func TestServersThatAreTakenForDead(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	entry, _ := played(t, s.Owner, &testssh.Server{Shell: echo}, nil)
	id := open(s.Owner, entry, nil)
	shell := attach(t, s.Owner, "sessionId", id)
	shell.see("ready$ ")
	other := open(s.Owner, entry, nil)
	s.Exec(t, `update connections set state = 'failed', failure = 'The server that held this connection has stopped', ended_at = now() where id = $1`, id)
	s.Owner.Post("/api/connections/"+other+"/hibernate", nil).Want(200) // lets it look
	shell.closed(4017, "The server that held this connection has stopped")
}
