package server_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/app"
	"github.com/nexterm-go/nexterm/internal/server"
	"github.com/nexterm-go/nexterm/internal/testserver"
	"github.com/nexterm-go/nexterm/internal/vault"
)

// serveVariable makes this program a server on the database that it names, for
// tests that kill one.
const serveVariable = "NEXTERM_TEST_SERVE"

func serveUntilKilled(url string) error {
	ctx := context.Background()
	pool, err := app.OpenPool(ctx, url)
	if err != nil {
		return err
	}
	keys, err := vault.Load(ctx, db.New(pool), vault.MasterKey{1, 2, 3})
	if err != nil {
		return err
	}
	a, err := app.New(app.Options{
		Options: server.Options{Pool: pool, Vault: keys, Log: slog.New(slog.DiscardHandler)}, InsertOnly: true,
	})
	if err != nil {
		return err
	}
	return a.Run(ctx, func(ctx context.Context) error {
		fmt.Println(httptest.NewServer(a.Server).URL)
		<-ctx.Done()
		return nil
	})
}

// process is one more server of a deployment, which can be killed.
func process(t *testing.T, s *testserver.Server) (url string, kill func()) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), serveVariable+"="+s.Pool.Config().ConnString())
	output, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	t.Cleanup(func() { _ = child.Wait() })
	kill = func() { _ = child.Process.Signal(syscall.SIGKILL) }
	t.Cleanup(kill)
	line, err := bufio.NewReader(output).ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSpace(line), kill
}

// Between a commit and its announcement a server has a moment to be killed in.
// The other servers hear of the change all the same.
func TestAKilledServersLastChangeIsHeardOf(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	socket := openState(t, s.Owner)
	conn, err := pgx.ConnectConfig(t.Context(), s.Pool.Config().ConnConfig)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	_, err = conn.Exec(t.Context(), "listen nexterm")
	require.NoError(t, err)
	announced := func() bool {
		quiet, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		_, err := conn.WaitForNotification(quiet)
		return err == nil
	}

	for attempt := range 10 {
		url, kill := process(t, s)
		name := fmt.Sprint("Last ", attempt)
		answer := s.Owner.On(&testserver.Server{URL: url}).Put("/api/identity", object{"name": name, "type": "ssh"})
		kill()
		require.Equal(t, http.StatusOK, answer.Status)
		late := announced()
		require.Contains(t, nextIdentities(t, socket), name)
		if !late {
			return
		}
	}
	require.Fail(t, "every server was faster than its end")
}
