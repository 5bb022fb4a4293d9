package rekey_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/testdb"
	"github.com/nexterm-go/nexterm/internal/vault"
)

func TestEverySecretGetsTheNewDataKey(t *testing.T) {
	t.Parallel()
	pool := testdb.New(t)
	old := load(t, pool, master)
	secrets := fill(t, pool, old, 30)
	require.Len(t, secrets, 30*10)
	var steps []int64
	r := rotation(t, pool, master)
	r.Progress = func(done, all int64) {
		require.Equal(t, int64(len(secrets)), all)
		steps = append(steps, done)
	}
	id, err := r.DataKey(caller.WithActor(t.Context(), caller.ByOperator))
	require.NoError(t, err)
	require.True(t, slices.IsSorted(steps))
	require.Equal(t, int64(len(secrets)), steps[len(steps)-1])

	// A server that has not heard of it reads the keys anew.
	for _, v := range []*vault.Vault{old, load(t, pool, master)} {
		found, keys := opened(t, pool, v)
		require.Equal(t, secrets, found)
		require.Equal(t, []int64{id}, keys)
		require.Equal(t, []int64{id}, v.Keys().IDs)
	}
	require.Equal(t, []int64{id}, ids(t, pool, `select id from data_keys`))
	var told []string
	require.NoError(t, pool.QueryRow(t.Context(), `select array_agg(actor || ' ' || action || ' ' || (details ->> 'kind') order by timestamp, id) from audit_logs where resource = 'key'`).Scan(&told))
	require.Equal(t, []string{"operator key.create data", "operator key.delete data"}, told)
}

// What is sealed moves neither to another row nor, on the way, out of its place.
func TestThePlaintextIsNowhere(t *testing.T) {
	t.Parallel()
	pool := testdb.New(t)
	fill(t, pool, load(t, pool, master), 5)
	_, err := rotation(t, pool, master).DataKey(t.Context())
	require.NoError(t, err)
	require.NoError(t, rotation(t, pool, master, successor).MasterKey(t.Context(), successor))
	rows, err := pool.Query(t.Context(), `select table_name from information_schema.tables where table_schema = 'public'`)
	require.NoError(t, err)
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Greater(t, len(tables), 30)
	for _, table := range tables {
		var found bool
		require.NoError(t, pool.QueryRow(t.Context(), `select exists (select from `+pgx.Identifier{table}.Sanitize()+` r
			where r::text like '%canary-%' or r::text like '%' || encode('canary-', 'hex') || '%')`).Scan(&found))
		require.False(t, found, table)
	}
}

// A rotation goes on after it was cut off anywhere, with whatever is written meanwhile.
func TestRotationGoesOnWhereItWasCutOff(t *testing.T) {
	t.Parallel()
	pool := testdb.New(t)
	server := load(t, pool, master)
	watch(t, pool, server)
	secrets := fill(t, pool, server, 60)
	for cut := range 8 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(cut*cut)*4*time.Millisecond)
		_, _ = rotation(t, pool, master).DataKey(ctx)
		cancel()
		found, _ := opened(t, pool, server)
		require.Equal(t, secrets, found)
		require.LessOrEqual(t, len(server.Keys().IDs), 2)
	}
	id, err := rotation(t, pool, master).DataKey(t.Context())
	require.NoError(t, err)
	found, keys := opened(t, pool, server)
	require.Equal(t, secrets, found)
	require.Equal(t, []int64{id}, keys)
}

// Two servers write without a pause; neither ever fails, and what they wrote last is there.
func TestSecretsAreWrittenMeanwhile(t *testing.T) {
	t.Parallel()
	pool := testdb.New(t)
	secrets := fill(t, pool, load(t, pool, master), 40)
	all := ids(t, pool, `select id from identities`)
	var writing sync.WaitGroup
	var done atomic.Bool
	var written sync.Map
	var failed atomic.Pointer[error]
	var servers []*vault.Vault
	for s := range 2 {
		v := load(t, pool, master)
		servers = append(servers, v)
		watch(t, pool, v)
		q := db.New(pool)
		writing.Go(func() {
			for n := 0; !done.Load(); n++ {
				id := all[(n*2+s)%len(all)] // each its own rows
				row := db.SetCredentialsParams{IdentityID: id}
				for _, kind := range []string{"passphrase", "ssh-key", "password"} {
					sealed, err := v.Seal("credentials", id, kind, vault.Secret(fmt.Sprint("new-", n)))
					if err == nil {
						row.KeyID, row.Kinds, row.Ciphertexts = sealed.KeyID, append(row.Kinds, kind), append(row.Ciphertexts, sealed.Ciphertext)
					}
				}
				if err := q.SetCredentials(context.Background(), row); err != nil {
					failed.Store(&err)
					return
				}
				for _, kind := range row.Kinds {
					written.Store(fmt.Sprint("credentials ", id, " ", kind), fmt.Sprint("new-", n))
				}
			}
		})
	}
	require.Eventually(t, func() bool { return readers(t, pool) == 2 }, 5*time.Second, 5*time.Millisecond)
	for range 3 {
		_, err := rotation(t, pool, master).DataKey(t.Context())
		require.NoError(t, err)
	}
	done.Store(true)
	writing.Wait()
	require.Nil(t, failed.Load())
	written.Range(func(at, secret any) bool { secrets[at.(string)] = secret.(string); return true })
	id := ids(t, pool, `select id from data_keys`)
	for _, v := range servers {
		found, keys := opened(t, pool, v)
		require.Equal(t, secrets, found)
		require.Equal(t, id, keys)
	}
}

// No server meets a row that it cannot open without reading the keys anew first.
func TestServersLearnOfAKeyBeforeItSeals(t *testing.T) {
	t.Parallel()
	pool := testdb.New(t)
	server := load(t, pool, master)
	fill(t, pool, server, 1)
	watch(t, pool, server)
	// Another one holds the old keys and does not look.
	conn, err := pgx.ConnectConfig(t.Context(), pool.Config().ConnConfig)
	require.NoError(t, err)
	require.NoError(t, db.New(conn).HoldRevision(t.Context(), int32(server.Keys().Revision)))
	before := server.Keys().Primary
	said := make(chan string, 10)
	r := rotation(t, pool, master)
	r.Say = func(text string) { said <- text }
	ended := make(chan error, 1)
	go func() { _, err := r.DataKey(t.Context()); ended <- err }()
	for !strings.Contains(<-said, "new key: 1;") {
		continue // the one that looks has not done so yet
	}
	require.Eventually(t, func() bool { return len(server.Keys().IDs) == 2 }, time.Second, time.Millisecond, "told at once")
	time.Sleep(200 * time.Millisecond)
	_, keys := opened(t, pool, server)
	require.Equal(t, []int64{before}, keys)
	require.Equal(t, before, server.Keys().Primary)
	require.NoError(t, conn.Close(t.Context()), "it is gone")
	require.NoError(t, <-ended)
	require.NotEqual(t, before, server.Keys().Primary)
}

func TestTwoRotationsAtOnce(t *testing.T) {
	t.Parallel()
	pool := testdb.New(t)
	secrets := fill(t, pool, load(t, pool, master), 60)
	first, second := rotation(t, pool, master), rotation(t, pool, master, successor)
	began := make(chan struct{})
	var once sync.Once
	first.Progress = func(int64, int64) { once.Do(func() { close(began) }) }
	ended := make(chan error, 1)
	go func() { _, err := first.DataKey(t.Context()); ended <- err }()
	<-began
	_, err := second.DataKey(t.Context())
	require.ErrorContains(t, err, "already")
	require.ErrorContains(t, second.MasterKey(t.Context(), successor), "already")
	require.NoError(t, <-ended)
	_, err = second.DataKey(t.Context())
	require.NoError(t, err)
	found, keys := opened(t, pool, load(t, pool, master))
	require.Equal(t, secrets, found)
	require.Len(t, keys, 1)
}

// A secret that somebody has damaged is named, and its key stays for it.
func TestWhatDoesNotOpenKeepsItsKey(t *testing.T) {
	t.Parallel()
	pool := testdb.New(t)
	v := load(t, pool, master)
	secrets := fill(t, pool, v, 5)
	at := ids(t, pool, `select min(identity_id) from credentials`)[0]
	swap := func() {
		t.Helper()
		_, err := pool.Exec(t.Context(), `update credentials set ciphertext = set_byte(ciphertext, 20, get_byte(ciphertext, 20) # 1) where identity_id = $1 and kind = 'password'`, at)
		require.NoError(t, err)
	}
	swap()
	_, err := rotation(t, pool, master).DataKey(t.Context())
	require.ErrorContains(t, err, fmt.Sprintf("credentials %d password", at))
	require.NotContains(t, err.Error(), "canary")
	require.Len(t, ids(t, pool, `select id from data_keys`), 2)
	swap()
	_, err = rotation(t, pool, master).DataKey(t.Context())
	require.NoError(t, err)
	found, keys := opened(t, pool, v)
	require.Equal(t, secrets, found)
	require.Len(t, keys, 1)
}

// The database itself keeps keys that something needs, and refuses what a key has
// sealed that is gone.
func TestNoKeyIsDroppedThatSomethingNeeds(t *testing.T) {
	t.Parallel()
	pool := testdb.New(t)
	late := load(t, pool, master)
	fill(t, pool, late, 1)
	_, err := pool.Exec(t.Context(), `delete from data_keys`)
	require.ErrorContains(t, err, "key_exists")
	sealed, err := late.Seal("credentials", ids(t, pool, `select id from identities`)[0], "password", "late")
	require.NoError(t, err)
	_, err = rotation(t, pool, master).DataKey(t.Context())
	require.NoError(t, err)
	_, err = pool.Exec(t.Context(), `update credentials set key_id = $1, ciphertext = $2 where kind = 'password'`, sealed.KeyID, sealed.Ciphertext)
	require.ErrorContains(t, err, "credentials_key_exists")
}
