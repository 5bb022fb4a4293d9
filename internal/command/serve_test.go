//go:build linux

package command

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/postgres"
	"github.com/nexterm-go/nexterm/internal/testdb"
)

func TestTrustInEverybodyIsWarnedOf(t *testing.T) {
	t.Parallel()
	url := testdb.URL(t)
	for setting, warned := range map[string]bool{"true": true, "1": false, "": false} {
		command := nexterm(t, url, "serve")
		command.Env = append(command.Env, "TRUST_PROXY="+setting)
		var log bytes.Buffer
		command.Stderr = &log
		_, stop := ready(t, command)
		stop()
		require.Equal(t, warned, strings.Contains(log.String(), "TRUST_PROXY=true lets every client choose"), setting)
	}
}

func TestAServerSaysWhatItCannotStartWith(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", ":0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = taken.Close() })
	port := taken.Addr().(*net.TCPAddr).Port
	dir := dataDir(t)
	for settings, message := range map[string]string{
		// Everything at once, before anything starts.
		fmt.Sprint("ENCRYPTION_KEY=short HTTPS_PORT=1 LOGIN_LIMIT=x DATABASE_PASSWORD_FILE=/missing LOG_LEVEL=loud WEB_DIR=/missing SERVER_PORT=", port): `LOGIN_LIMIT: "x" is no whole number
LOG_LEVEL: "loud" is neither debug, info, warn nor error
DATABASE_PASSWORD_FILE: open /missing: no such file or directory
ENCRYPTION_KEY: the encryption key must be 64 hexadecimal characters, such as ` + "`openssl rand -hex 32`" + ` prints
HTTPS_PORT: open ` + dir + `/certs/cert.pem: no such file or directory
WEB_DIR: open /missing: no such file or directory
SERVER_PORT: listen tcp :` + fmt.Sprint(port) + `: bind: address already in use`,
		"DATABASE_URL=postgres://u:secret@h:x ENCRYPTION_KEY=" + someKey: "DATABASE_URL: cannot parse `postgres://u:xxxxx@h:x`: invalid port",
		"BACKUP_DIR=/dev/null/x BACKUP_RECIPIENTS=ssh-rsa":               "BACKUP_RECIPIENTS: error at line 1: unknown recipient type\nBACKUP_DIR: mkdir /dev/null: not a directory",
		"ENCRYPTION_KEY_FILE=/missing":                                   "read the encryption key: open /missing: no such file or directory",
		"SERVER_PORT=" + fmt.Sprint(port):                                fmt.Sprintf("SERVER_PORT: listen tcp :%d: bind: address already in use", port),
	} {
		command := nexterm(t, dir, "serve")
		command.Env = append(command.Env, strings.Split(settings, " ")...)
		var out, errs bytes.Buffer
		command.Stdout, command.Stderr = &out, &errs
		require.Error(t, command.Run())
		require.Equal(t, "nexterm: "+message+"\n", errs.String())
		require.Empty(t, out.String())
	}
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestAWebClientIsServed(t *testing.T) {
	t.Parallel()
	command, dir := nexterm(t, testdb.URL(t), "serve"), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "index.html"), []byte("client"), 0o600))
	command.Env = append(command.Env, "WEB_DIR="+dir)
	url, _ := ready(t, command)
	answer, err := http.Get(url + "/servers")
	require.NoError(t, err)
	defer answer.Body.Close()
	page, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Equal(t, "client", string(page))
}

// A start says first where everything is, in case it is not where somebody looks.
func TestAServerSaysWhereItsDataIs(t *testing.T) {
	t.Parallel()
	dir, database := dataDir(t), testdb.URL(t)
	for place, said := range map[string]string{
		dir:      "data in " + dir + ", master key in " + filepath.Join(dir, "encryption.key") + "\n",
		database: "data in the database of DATABASE_URL, master key in ENCRYPTION_KEY\n",
	} {
		command := nexterm(t, place, "serve")
		output, err := command.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, command.Start())
		line := make([]byte, len(said))
		_, err = io.ReadFull(output, line)
		require.NoError(t, err)
		require.Equal(t, said, string(line))
		require.NoError(t, command.Process.Signal(syscall.SIGTERM))
		_, _ = io.Copy(io.Discard, output)
		_ = command.Wait() // wherever the signal has met it
	}
}

func TestAMissingMasterKeyIsNotReplaced(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	_, stop := start(t, dir)
	stop()
	key := filepath.Join(dir, "encryption.key")
	require.NoError(t, os.Rename(key, key+".away"))
	_, err := run(t, dir, "", "serve")
	require.ErrorContains(t, err, "nexterm: "+key+" is missing, and the database is sealed with the master key of fingerprint ")
	require.NoFileExists(t, key)

	require.NoError(t, os.Rename(key+".away", key))
	require.NoError(t, os.Chmod(key, 0o644))
	command := nexterm(t, dir, "serve")
	var log bytes.Buffer
	command.Stderr = &log
	_, stop = ready(t, command)
	stop()
	require.Contains(t, log.String(), "every account of this machine can read the master key")
}

// A supervisor starts all of it again; a server without a database is no use.
func TestTheEndOfThePrivateDatabaseIsTheServers(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	command := nexterm(t, dir, "serve")
	var errs bytes.Buffer
	command.Stderr = &errs
	output, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	for lines := bufio.NewScanner(output); lines.Scan() && !strings.Contains(lines.Text(), "is ready"); {
	}
	text, err := os.ReadFile(filepath.Join(dir, "postgres", "data", "postmaster.pid"))
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.Split(string(text), "\n")[0])
	require.NoError(t, err)
	// The process of a busy session goes on after the postmaster's end, and holds its
	// output open.
	url, err := postgres.Attach(t.Context(), dir)
	require.NoError(t, err)
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	busy, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	_, err = conn.Exec(busy, "do $$ declare n int := 0; begin for i in 1..150000000 loop n := n + 1; end loop; end $$")
	cancel()
	require.Error(t, err)

	began := time.Now()
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	_, _ = io.Copy(io.Discard, output)
	require.Error(t, command.Wait())
	require.Contains(t, errs.String(), "nexterm: the private database has ended")
	require.Less(t, time.Since(began), 8*time.Second, "it takes one, and the session at least nine")
}
