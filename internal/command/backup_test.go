//go:build linux

package command

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/backup"
	"github.com/nexterm-go/nexterm/internal/postgres"
	"github.com/nexterm-go/nexterm/internal/testdb"
	"github.com/nexterm-go/nexterm/internal/vault"
)

// From a server that runs, with nothing but the file and the key, to a new one.
func TestABackupIsRestoredElsewhere(t *testing.T) {
	t.Parallel()
	dir, folder := dataDir(t), t.TempDir()
	mustRun(t, dir, "first", "account", "create", "ada", "--password-stdin")
	_, stop := start(t, dir)
	file := strings.TrimSpace(mustRun(t, dir, "", "backup", folder))
	require.Equal(t, folder, filepath.Dir(file))
	require.Regexp(t, `\d+ rows of \d+ tables of .* are all there, and 0 secrets open\n`, mustRun(t, dir, "", "backup", "verify", file))
	_, err := run(t, dir, "", "restore", file)
	require.ErrorContains(t, err, "a server runs on this database: stop it first")
	stop()
	_, err = run(t, dir, "", "restore", file)
	require.ErrorContains(t, err, "somebody has an account in it")
	require.Contains(t, mustRun(t, dir, "", "backup", "verify", file), "are all there", "without a server, too")

	other := dataDir(t)
	key := filepath.Join(other, "encryption.key")
	_, err = run(t, other, "", "restore", file)
	require.ErrorContains(t, err, "read the encryption key")
	require.NoError(t, os.WriteFile(key, []byte(strings.Repeat("0f", 32)), 0o600))
	_, err = run(t, other, "", "restore", file)
	require.ErrorContains(t, err, "is sealed neither for the master key of fingerprint "+masterKey.Fingerprint())
	left, err := os.ReadDir(other)
	require.NoError(t, err)
	require.Len(t, left, 1, "nothing is touched")
	text, err := os.ReadFile(filepath.Join(dir, "encryption.key"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(key, text, 0o600))
	require.Contains(t, mustRun(t, other, "", "restore", file), "the database is that of ")
	url, _ := start(t, other)
	status, _ := signIn(t, url, "ada", "first")
	require.Equal(t, 200, status)
}

// A backup is told before it is made, so that its own database tells of it, too.
func TestTheAuditLogTellsOfBackups(t *testing.T) {
	t.Parallel()
	url, pool := sealedDatabase(t, 1)
	file, target := filepath.Join(t.TempDir(), "file"), testdb.URL(t)
	identity, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	recipient := identity.Recipient().String()
	mustRun(t, url, "", "backup", "--recipient", recipient, "-")
	mustRun(t, url, "", "backup", file)
	told := func(pool *pgxpool.Pool) (rows []string) {
		require.NoError(t, pool.QueryRow(t.Context(), `select array_agg(concat_ws(' ', actor, action, details ->> 'name', details ->> 'recipients') order by timestamp, id)
			from audit_logs where resource = 'backup' and scope = 0`).Scan(&rows))
		return rows
	}
	made := []string{"operator backup.create - [\"" + recipient + "\"]", "operator backup.create " + file}
	require.Equal(t, made, told(pool))
	mustRun(t, target, "", "restore", file)
	restored, err := pgxpool.New(t.Context(), target)
	require.NoError(t, err)
	t.Cleanup(restored.Close)
	require.Equal(t, append(made, "operator backup.restore "+file), told(restored))

	// A database that only reads is backed up all the same.
	exec := func(statement string) {
		_, err := pool.Exec(t.Context(), `do $$ begin execute format('`+statement+`', current_database()); end $$`)
		require.NoError(t, err)
	}
	exec("alter database %I set default_transaction_read_only = on")
	command := nexterm(t, url, "backup", file+"2")
	said, err := command.CombinedOutput()
	require.NoError(t, err, string(said))
	require.Contains(t, string(said), "the audit log will not tell of this backup: ")
	require.FileExists(t, file+"2")
}

// A server that has just started on an empty database keeps it until it stops.
func TestNothingIsTakenFromUnderAServer(t *testing.T) {
	t.Parallel()
	url, _ := sealedDatabase(t, 3)
	file, target := filepath.Join(t.TempDir(), "file"), testdb.URL(t)
	mustRun(t, url, "", "backup", file)
	_, stop := start(t, target)
	require.Eventually(t, func() bool { return strings.Contains(mustRun(t, target, "", "key", "status"), "  1\n") }, 10*time.Second, 50*time.Millisecond)
	_, err := run(t, target, "", "restore", file)
	require.ErrorContains(t, err, "a server runs on this database")
	stop()
	require.Eventually(t, func() bool {
		_, err := run(t, target, "", "restore", file)
		return err == nil
	}, 10*time.Second, 100*time.Millisecond, "PostgreSQL may yet have to notice that it is gone")
	pool, err := pgxpool.New(t.Context(), target)
	require.NoError(t, err)
	defer pool.Close()
	require.Len(t, everythingOpens(t, pool, 3, masterKey), 1)
}

// Whenever it is killed, a backup is there whole or not at all.
func TestABackupThatIsKilledLeavesNothing(t *testing.T) {
	t.Parallel()
	url, _ := sealedDatabase(t, 2000)
	folder := t.TempDir()
	begun := time.Now()
	mustRun(t, url, "", "backup", filepath.Join(folder, "first"))
	whole := time.Since(begun)
	for n := range 10 {
		command := nexterm(t, url, "backup", filepath.Join(folder, fmt.Sprint(n)))
		require.NoError(t, command.Start())
		time.Sleep(whole/2 + rand.N(whole*3/4)) // the first half is spent on starting
		_ = command.Process.Kill()              // it may have ended
		_ = command.Wait()
	}
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	keys := backup.Keys{Masters: []vault.MasterKey{masterKey}}
	for _, entry := range entries {
		if strings.HasSuffix(entry.Name(), ".partial") {
			continue
		}
		_, err := backup.Check(filepath.Join(folder, entry.Name()), keys)
		require.NoError(t, err)
	}
	t.Log(len(entries), "files of 11; a whole backup takes", whole)
}

func TestARestorationThatIsKilledLeavesNothing(t *testing.T) {
	t.Parallel()
	const count = 2000
	url, _ := sealedDatabase(t, count)
	file := filepath.Join(t.TempDir(), "file")
	mustRun(t, url, "", "backup", file)
	measured := testdb.URL(t)
	begun := time.Now()
	mustRun(t, measured, "", "restore", file)
	whole := time.Since(begun)
	target := testdb.URL(t)
	pool, err := pgxpool.New(t.Context(), target)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	for range 8 {
		command := nexterm(t, target, "restore", file)
		require.NoError(t, command.Start())
		time.Sleep(whole/4 + rand.N(whole/2))
		_ = command.Process.Kill()
		_ = command.Wait()
		var found int
		require.NoError(t, pool.QueryRow(t.Context(), `select count(*) from credentials`).Scan(&found))
		if found != 0 {
			require.Equal(t, count, found)
			_, err := pool.Exec(t.Context(), `truncate accounts cascade`) // it was quicker
			require.NoError(t, err)
		}
	}
	require.Eventually(t, func() bool {
		_, err := run(t, target, "", "restore", file)
		return err == nil
	}, 30*time.Second, 100*time.Millisecond, "PostgreSQL may yet have to notice that the last one is gone")
	require.Len(t, everythingOpens(t, pool, count, masterKey), 1)
}

func TestScratchDatabasesGo(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	_, stop := start(t, dir)
	defer stop()
	file := strings.TrimSpace(mustRun(t, dir, "", "backup", t.TempDir()))
	url, err := postgres.Attach(t.Context(), dir)
	require.NoError(t, err)
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer func() { _ = conn.Close(t.Context()) }()
	admin, err := pgx.Connect(t.Context(), strings.NewReplacer("nexterm@", "postgres@", "/nexterm?", "/postgres?").Replace(url))
	require.NoError(t, err)
	defer func() { _ = admin.Close(t.Context()) }()
	_, err = admin.Exec(t.Context(), `create database nexterm_verify_mine owner nexterm`)
	require.NoError(t, err)
	scratch := func() (found bool) {
		require.NoError(t, conn.QueryRow(t.Context(), `select exists (select from pg_database where datname ~ 'verify_\d')`).Scan(&found))
		return found
	}
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGKILL} {
		command := nexterm(t, dir, "backup", "verify", file)
		require.NoError(t, command.Start())
		require.Eventually(t, scratch, 20*time.Second, time.Millisecond)
		_, err := run(t, dir, "", "backup", "verify", file)
		require.ErrorContains(t, err, "is being verified already")
		require.NoError(t, command.Process.Signal(signal))
		require.Error(t, command.Wait())
		require.Equal(t, signal == syscall.SIGKILL, scratch())
	}
	require.Eventually(t, func() bool {
		_, err := run(t, dir, "", "backup", "verify", file)
		return err == nil
	}, 30*time.Second, 100*time.Millisecond, "PostgreSQL may yet have to notice that the last one is gone")
	require.False(t, scratch())
	_, err = admin.Exec(t.Context(), `drop database nexterm_verify_mine`)
	require.NoError(t, err, "it is still there")
}

func TestVerifyingNamesWhatDoesNotOpen(t *testing.T) {
	t.Parallel()
	url, pool := sealedDatabase(t, 3)
	file := filepath.Join(t.TempDir(), "file")
	_, err := run(t, url, "", "backup", "verify", file)
	require.ErrorContains(t, err, "no such file")
	mustRun(t, url, "", "backup", file)
	_, err = run(t, url, "", "backup", "verify", file)
	require.ErrorContains(t, err, `let an administrator of the cluster run alter role "nexterm" createdb, or name an empty database in BACKUP_SCRATCH_URL`)

	scratch := testdb.URL(t)
	verify := func() (string, error) {
		command := nexterm(t, url, "backup", "verify", file)
		command.Env = append(command.Env, "BACKUP_SCRATCH_URL="+scratch)
		said, err := command.CombinedOutput()
		return string(said), err
	}
	said, err := verify()
	require.NoError(t, err, said)
	require.Contains(t, said, "3 secrets open")
	emptied, err := pgx.Connect(t.Context(), scratch)
	require.NoError(t, err)
	defer func() { _ = emptied.Close(t.Context()) }()
	require.ErrorContains(t, emptied.QueryRow(t.Context(), `select from accounts`).Scan(), "does not exist")

	_, err = pool.Exec(t.Context(), `update credentials set ciphertext = set_byte(ciphertext, 10, get_byte(ciphertext, 10) # 1) where identity_id = 2`)
	require.NoError(t, err)
	require.NoError(t, os.Remove(file))
	mustRun(t, url, "", "backup", file)
	said, err = verify()
	require.Error(t, err)
	require.Contains(t, said, "password of credentials 2: credential cannot be decrypted")
	require.NotContains(t, said, "credentials 1")
}

// What is written to the standard output is nothing but the backup; the terminal is
// shown how far it is.
func TestABackupGoesToTheStandardOutput(t *testing.T) {
	t.Parallel()
	url, _ := sealedDatabase(t, 250)
	identity, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	command := nexterm(t, url, "backup", "-", "--recipient", identity.Recipient().String())
	terminal, side := openTerminal(t)
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, side
	require.NoError(t, command.Run())
	require.NoError(t, side.Close())
	drawn, _ := io.ReadAll(terminal) // a terminal without another side ends with an error
	require.Regexp(t, `\r\[#{40}\] \d+ of \d+\r\n$`, string(drawn))

	folder := t.TempDir()
	file, own := filepath.Join(folder, "file"), filepath.Join(folder, "identity")
	require.NoError(t, os.WriteFile(file, out.Bytes(), 0o600))
	require.NoError(t, os.WriteFile(own, []byte(identity.String()+"\n"), 0o600))
	target := testdb.URL(t)
	_, err = run(t, target, "", "restore", file)
	require.ErrorContains(t, err, "nor for an identity that is given")
	require.Contains(t, mustRun(t, target, "", "restore", file, "--identity", own), "the database is that of ")

	hybrid, err := age.GenerateHybridIdentity()
	require.NoError(t, err)
	two := nexterm(t, url, "backup", filepath.Join(folder, "two"))
	two.Env = append(two.Env, "BACKUP_RECIPIENTS="+identity.Recipient().String()+", "+identity.Recipient().String())
	require.NoError(t, two.Run())
	_, err = run(t, url, "", "backup", "-", "--recipient", identity.Recipient().String(), "--recipient", hybrid.Recipient().String())
	require.ErrorContains(t, err, "recipients of backups: ")
	_, err = run(t, url, "", "backup", "-", "--recipients-file", own)
	require.ErrorContains(t, err, "recipients of backups: ")
	require.NotContains(t, err.Error(), "AGE-SECRET-KEY")
}
