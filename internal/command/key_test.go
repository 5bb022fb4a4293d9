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
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/testdb"
	"github.com/nexterm-go/nexterm/internal/vault"
)

// masterKey is the one of the program that nexterm prepares.
var masterKey = vault.MasterKey(bytes.Repeat([]byte{0x0f}, 32))

// sealedDatabase has a number of passwords, "canary-" and the identity's id each.
func sealedDatabase(t *testing.T, count int) (url string, pool *pgxpool.Pool) {
	t.Helper()
	url = testdb.URL(t)
	pool, err := pgxpool.New(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	keys, err := vault.Load(t.Context(), db.New(pool), masterKey)
	require.NoError(t, err)
	_, err = pool.Exec(t.Context(), `with a as (insert into accounts (username, first_name, last_name, password_hash) values ('ada', 'Ada', 'Lovelace', '') returning id)
		insert into identities (account_id, name, type) select id, 'Deploy', 'password' from a, generate_series(1, $1)`, count)
	require.NoError(t, err)
	var ids, at []int64
	var ciphertexts [][]byte
	require.NoError(t, pool.QueryRow(t.Context(), `select array_agg(id) from identities`).Scan(&ids))
	for _, id := range ids {
		sealed, err := keys.Seal("credentials", id, "password", vault.Secret(fmt.Sprint("canary-", id)))
		require.NoError(t, err)
		at, ciphertexts = append(at, id), append(ciphertexts, sealed.Ciphertext)
	}
	_, err = pool.Exec(t.Context(), `insert into credentials (identity_id, kind, key_id, ciphertext) select unnest($1::bigint[]), 'password', $2, unnest($3::bytea[])`,
		at, keys.Keys().Primary, ciphertexts)
	require.NoError(t, err)
	return url, pool
}

// everythingOpens returns the keys that the passwords are sealed with.
func everythingOpens(t *testing.T, pool *pgxpool.Pool, count int, master vault.MasterKey) map[int64]int {
	t.Helper()
	keys, err := vault.Load(t.Context(), db.New(pool), master)
	require.NoError(t, err)
	rows, err := pool.Query(t.Context(), `select identity_id, key_id, ciphertext from credentials`)
	require.NoError(t, err)
	defer rows.Close()
	found := map[int64]int{}
	for ; rows.Next(); count-- {
		var id, key int64
		var ciphertext []byte
		require.NoError(t, rows.Scan(&id, &key, &ciphertext))
		secret, err := keys.Open("credentials", id, "password", ciphertext)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint("canary-", id), string(secret))
		found[key]++
	}
	require.NoError(t, rows.Err())
	require.Zero(t, count)
	return found
}

func TestARotationThatIsKilledGoesOn(t *testing.T) {
	t.Parallel()
	const count = 1500
	url, pool := sealedDatabase(t, count)
	begun := time.Now()
	mustRun(t, url, "", "key", "rotate")
	whole := time.Since(begun)
	var halves int
	for range 10 {
		command := nexterm(t, url, "key", "rotate")
		require.NoError(t, command.Start())
		time.Sleep(whole/4 + rand.N(whole/2)) // the first quarter is spent on starting
		_ = command.Process.Kill()            // it may have ended
		_ = command.Wait()
		if len(everythingOpens(t, pool, count, masterKey)) > 1 {
			halves++
		}
	}
	t.Log("killed while secrets were sealed anew:", halves, "of 10; a whole rotation takes", whole)
	// PostgreSQL may yet have to notice that the last one is gone.
	require.Eventually(t, func() bool {
		_, err := run(t, url, "", "key", "rotate")
		return err == nil
	}, 30*time.Second, 100*time.Millisecond)
	require.Len(t, everythingOpens(t, pool, count, masterKey), 1)
	var keys int
	require.NoError(t, pool.QueryRow(t.Context(), `select count(*) from data_keys`).Scan(&keys))
	require.Equal(t, 1, keys)
}

// Two servers, of which one has the master key in a file and the other in its
// environment, go on while all keys change.
func TestKeysChangeUnderServers(t *testing.T) {
	t.Parallel()
	const count = 250
	url, pool := sealedDatabase(t, count)
	file := filepath.Join(t.TempDir(), "encryption.key")
	require.NoError(t, os.WriteFile(file, []byte(strings.Repeat("0f", 32)), 0o600))
	inFile := func(args ...string) (out, errs string) {
		command := nexterm(t, url, args...)
		command.Env = append(command.Env, "ENCRYPTION_KEY=", "ENCRYPTION_KEY_FILE="+file)
		var stdout, stderr bytes.Buffer
		command.Stdout, command.Stderr = &stdout, &stderr
		require.NoError(t, command.Run(), "%s", &stderr)
		return stdout.String(), stderr.String()
	}
	_, stop := start(t, url)
	server := nexterm(t, url, "serve")
	server.Env = append(server.Env, "ENCRYPTION_KEY=", "ENCRYPTION_KEY_FILE="+file)
	server.Stderr = os.Stderr
	ready(t, server)
	require.Eventually(t, func() bool {
		status, _ := inFile("key", "status")
		return strings.Contains(status, masterKey.Fingerprint()+"  2\n") && strings.Contains(status, fmt.Sprintf("credentials  %d\n", count))
	}, 10*time.Second, 100*time.Millisecond)

	out, errs := inFile("key", "rotate")
	require.Contains(t, out, "every secret is sealed with data key")
	require.NotContains(t, errs, "[#", "a bar is for terminals")
	require.Len(t, everythingOpens(t, pool, count, masterKey), 1)

	// The one that has the old key in its environment is waited for.
	changing := nexterm(t, url, "key", "rotate", "--master")
	changing.Env = append(changing.Env, "ENCRYPTION_KEY=", "ENCRYPTION_KEY_FILE="+file)
	require.NoError(t, changing.Start())
	var successor vault.MasterKey
	require.Eventually(t, func() (there bool) {
		var err error
		successor, err = vault.ReadMasterKey(file + ".new")
		status, _ := inFile("key", "status")
		return err == nil && strings.Contains(status, successor.Fingerprint()+"  1\n") && strings.Contains(status, masterKey.Fingerprint()+"  1\n")
	}, 20*time.Second, 100*time.Millisecond)
	_ = changing.Process.Kill()
	_ = changing.Wait()
	everythingOpens(t, pool, count, masterKey)
	everythingOpens(t, pool, count, successor)
	stop()
	var said string
	require.Eventually(t, func() bool {
		// PostgreSQL may yet have to notice that the other one is gone.
		var held bool
		require.NoError(t, pool.QueryRow(t.Context(), `select exists (select from pg_locks where locktype = 'advisory' and objsubid = 1
			and (classid::bigint << 32 | objid::bigint) = hashtextextended('nexterm.key_rotation', 0))`).Scan(&held))
		return !held
	}, 10*time.Second, 50*time.Millisecond)
	said, _ = inFile("key", "rotate", "--master")
	require.Contains(t, said, successor.Fingerprint())
	now, err := vault.ReadMasterKey(file)
	require.NoError(t, err)
	require.Equal(t, successor, now)
	old, err := vault.ReadMasterKey(file + "." + masterKey.Fingerprint())
	require.NoError(t, err)
	require.Equal(t, masterKey, old)
	require.NoFileExists(t, file+".new")
	everythingOpens(t, pool, count, successor)
	status, _ := inFile("key", "status")
	require.Contains(t, status, successor.Fingerprint()+"  1\n")
	require.NotContains(t, status, masterKey.Fingerprint())
	_, err = run(t, url, "", "key", "rotate")
	require.ErrorContains(t, err, masterKey.Fingerprint(), "its key is the old one")
}

func TestATerminalShowsHowFarARotationIs(t *testing.T) {
	t.Parallel()
	url, _ := sealedDatabase(t, 250)
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = terminal.Close() })
	require.NoError(t, unix.IoctlSetPointerInt(int(terminal.Fd()), unix.TIOCSPTLCK, 0))
	number, err := unix.IoctlGetInt(int(terminal.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	side, err := os.OpenFile(fmt.Sprint("/dev/pts/", number), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	command := nexterm(t, url, "key", "rotate")
	command.Stderr = side
	require.NoError(t, command.Run())
	require.NoError(t, side.Close())
	drawn, _ := io.ReadAll(terminal) // a terminal without another side ends with an error
	require.Contains(t, string(drawn), "\r[################                        ] 100 of 250\r[")
	require.True(t, strings.HasSuffix(string(drawn), "\r["+strings.Repeat("#", 40)+"] 250 of 250\r\n"), "%q", drawn)
}

func TestAMasterKeyInTheEnvironmentNeedsAFileForItsSuccessor(t *testing.T) {
	t.Parallel()
	const count = 3
	url, pool := sealedDatabase(t, count)
	_, err := run(t, url, "", "key", "rotate", "--master")
	require.ErrorContains(t, err, "--new-key-file")
	file := filepath.Join(t.TempDir(), "next.key")
	require.Contains(t, mustRun(t, url, "", "key", "rotate", "--master", "--new-key-file", file), "is the only one now")
	successor, err := vault.ReadMasterKey(file)
	require.NoError(t, err)
	everythingOpens(t, pool, count, successor)

	wrong := nexterm(t, url, "key", "rotate", "--master", "--new-key-file", filepath.Join(t.TempDir(), "other.key"))
	said, err := wrong.CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(said), masterKey.Fingerprint())
	entries, err := os.ReadDir(filepath.Dir(wrong.Args[len(wrong.Args)-1]))
	require.NoError(t, err)
	require.Empty(t, entries, "no key is made for a database that is not open")
}
