package backup_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/db/migrations"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/backup"
	"github.com/nexterm-go/nexterm/internal/testdb"
	"github.com/nexterm-go/nexterm/internal/vault"
)

func TestARestoredDatabaseIsTheSame(t *testing.T) {
	t.Parallel()
	source := world(t)
	path := write(t, source, keys)
	m, err := backup.Check(path, keys)
	require.NoError(t, err)
	require.Greater(t, len(m.Tables), 35)
	for _, table := range m.Tables {
		require.NotZero(t, table.Rows, "%s: give it rows in the steps of this test", table.Name)
		require.NotContains(t, []string{"events", "rate_limits", "connection_viewers", "goose_db_version", "river_job"}, table.Name)
	}
	before := rows(t, source, m)

	migrated, bare, older := testdb.New(t), testdb.New(t), testdb.New(t)
	// A server has started on it, and nobody has signed up.
	exec(t, migrated, `select make_partitions('audit_logs', '1 month', now(), now() + interval '2 months')`)
	exec(t, migrated, `insert into audit_logs (action) values ('user.login_failed')`)
	_, err = vault.Load(t.Context(), db.New(migrated), vault.MasterKey{8})
	require.NoError(t, err)
	require.NoError(t, migrations.To(t.Context(), bare, 0, version))
	exec(t, bare, `drop table goose_db_version`)
	require.NoError(t, migrations.To(t.Context(), older, 20, version))
	for _, target := range []*pgxpool.Pool{migrated, bare, older} {
		require.NoError(t, restore(t.Context(), target, path, keys))
		require.Equal(t, before, rows(t, target, m))
		require.Equal(t, definitions(t, source), definitions(t, target))
		again, err := backup.Check(write(t, target, keys), keys)
		require.NoError(t, err)
		again.Time = m.Time
		if target == migrated {
			for i, table := range again.Tables {
				if table.Name == "audit_logs" {
					last := len(m.Tables[i].Partitions)
					require.Greater(t, len(table.Partitions), last, "a server has made those of the months to come")
					again.Tables[i].Partitions = table.Partitions[:last]
				}
			}
		}
		require.Equal(t, m, again)
		var rest int
		require.NoError(t, target.QueryRow(t.Context(), `select count(*) from audit_logs_rest`).Scan(&rest))
		require.Less(t, rest, 30, "months have their partitions again")
		// Nothing gets a number that something else has.
		for _, step := range steps[:1] {
			exec(t, target, strings.ReplaceAll(step, "'user-'", "'later-'"), awkward)
		}
		secrets, err := backup.Verify(t.Context(), restored(t, path), m, keys, quiet)
		require.NoError(t, err)
		require.Equal(t, int64(48), secrets)
	}
}

func restored(t *testing.T, path string) *pgxpool.Pool {
	t.Helper()
	pool := testdb.New(t)
	require.NoError(t, restore(t.Context(), pool, path, keys))
	return pool
}

func restore(ctx context.Context, pool *pgxpool.Pool, path string, keys backup.Keys) error {
	return backup.Restore(ctx, pool, path, keys, version, quiet)
}

// definitions are all indexes and constraints, but for those of partitions.
func definitions(t *testing.T, pool *pgxpool.Pool) (all []string) {
	t.Helper()
	require.NoError(t, pool.QueryRow(t.Context(), `select array(
		select pg_get_indexdef(x.indexrelid) || ' ' || x.indisvalid from pg_index x join pg_class c on c.oid = x.indrelid
			where c.relnamespace = 'public'::regnamespace and not c.relispartition
		union all
		select n.conrelid::regclass || ' ' || n.conname || ' ' || pg_get_constraintdef(n.oid) || ' ' || n.convalidated
			from pg_constraint n join pg_class c on c.oid = n.conrelid where c.relnamespace = 'public'::regnamespace and not c.relispartition
		order by 1)`).Scan(&all))
	require.Greater(t, len(all), 200)
	return all
}

// rows are what tables and sequences hold, by their names.
func rows(t *testing.T, pool *pgxpool.Pool, m backup.Manifest) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, table := range m.Tables {
		var text string
		require.NoError(t, pool.QueryRow(t.Context(), `select coalesce(string_agg(r::text, E'\n' order by r::text), '') from `+pgx.Identifier{table.Name}.Sanitize()+` r`).Scan(&text))
		found[table.Name] = text
	}
	return found
}

func TestOnlyAnEmptyDatabaseIsRestoredInto(t *testing.T) {
	t.Parallel()
	path := write(t, world(t), keys)

	used := testdb.New(t)
	exec(t, used, `insert into accounts (username, first_name, last_name, password_hash) values ('ada', '', '', '')`)
	require.ErrorContains(t, restore(t.Context(), used, path, keys), "somebody has an account in it")
	var name string
	require.NoError(t, used.QueryRow(t.Context(), `select username from accounts`).Scan(&name))
	require.Equal(t, "ada", name)

	foreign := testdb.New(t)
	require.NoError(t, migrations.To(t.Context(), foreign, 0, version))
	exec(t, foreign, `drop table goose_db_version; create table orders (id int)`)
	require.ErrorContains(t, restore(t.Context(), foreign, path, keys), "not nexterm's: it has orders")
	require.ErrorContains(t, foreign.QueryRow(t.Context(), `select from goose_db_version`).Scan(), "does not exist")

	served := testdb.New(t)
	server, err := served.Acquire(t.Context())
	require.NoError(t, err)
	require.NoError(t, db.New(server).HoldRevision(t.Context(), 1))
	require.ErrorIs(t, restore(t.Context(), served, path, keys), backup.ErrServers)
	require.NoError(t, db.New(server).ReleaseRevision(t.Context(), 1))
	server.Release()
	require.NoError(t, restore(t.Context(), served, path, keys))
}

// Whatever it has come to, it is done again from the beginning.
func TestARestorationThatIsCutOffLeavesNothing(t *testing.T) {
	t.Parallel()
	source := world(t)
	path := write(t, source, keys)
	target := testdb.New(t)
	require.NoError(t, migrations.To(t.Context(), target, 0, version))
	var all, cuts int64
	for at := int64(1); ; at += 1 + all/7 {
		ctx, cancel := context.WithCancel(t.Context())
		err := backup.Restore(ctx, target, path, keys, version, func(done, rows int64) {
			if all = rows; done >= at {
				cancel()
			}
		})
		cancel()
		if err == nil {
			break
		}
		cuts++
		var accounts int
		require.NoError(t, target.QueryRow(t.Context(), `select count(*) from accounts`).Scan(&accounts))
		require.Zero(t, accounts)
	}
	require.Greater(t, cuts, int64(3))
	m, err := backup.Check(path, keys)
	require.NoError(t, err)
	require.Equal(t, rows(t, source, m), rows(t, target, m))
}

func TestALaterSchemaIsRefused(t *testing.T) {
	t.Parallel()
	source := testdb.New(t)
	exec(t, source, `insert into goose_db_version (version_id, is_applied) values (20300101000000, true)`)
	exec(t, source, `comment on table goose_db_version is '0.9.0'`)
	_, err := backup.Check(write(t, source, keys), keys)
	require.ErrorContains(t, err, "restore it with nexterm 0.9.0 or later")
}

func TestAnEarlierSchemaIsBroughtUpToDate(t *testing.T) {
	t.Parallel()
	source, target := testdb.New(t), testdb.New(t)
	require.NoError(t, migrations.To(t.Context(), source, 33, version))
	exec(t, source, `insert into accounts (username, first_name, last_name, password_hash) values ('ada', '', '', '')`)
	path := write(t, source, keys)
	m, err := backup.Check(path, keys)
	require.NoError(t, err)
	require.EqualValues(t, 33, m.Schema)
	require.NoError(t, restore(t.Context(), target, path, keys))
	again, err := backup.Check(write(t, target, keys), keys)
	require.NoError(t, err)
	require.Equal(t, migrations.Known(), again.Schema)
	require.Greater(t, len(again.Tables), len(m.Tables))
	require.NoError(t, target.QueryRow(t.Context(), `select from accounts where username = 'ada'`).Scan())

	require.NoError(t, migrations.To(t.Context(), source, 0, version))
	_, err = backup.Create(t.Context(), source.Config().ConnConfig, t.TempDir(), keys, version, quiet)
	require.ErrorContains(t, err, "no server has ever run on it")
}

func TestABackupOfOtherTablesIsRefused(t *testing.T) {
	t.Parallel()
	source, target := testdb.New(t), testdb.New(t)
	exec(t, source, `create table other (id int); alter table tags add column extra text; alter table tags drop column color`)
	require.ErrorContains(t, restore(t.Context(), target, write(t, source, keys), keys), "which differs in other.id, tags.color, tags.extra")
}

func TestDamagedFilesAreRefused(t *testing.T) {
	t.Parallel()
	path := write(t, world(t), keys)
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	damaged := map[string][]byte{"longer": append(bytes.Clone(whole), 0), "twice": append(bytes.Clone(whole), whole...), "none": nil, "other": []byte(strings.Repeat("PGDMP", 100))}
	for _, at := range []int{1, 20, 100, 200, len(whole) / 2, len(whole) - 17, len(whole) - 1} {
		damaged[fmt.Sprint("cut at ", at)] = whole[:at]
		flipped := bytes.Clone(whole)
		flipped[at] ^= 1
		damaged[fmt.Sprint("flipped at ", at)] = flipped
	}
	target := testdb.New(t)
	for name, text := range damaged {
		require.NoError(t, os.WriteFile(path, text, 0o600))
		_, err := backup.Check(path, keys)
		require.Error(t, err, name)
		require.Error(t, restore(t.Context(), target, path, keys), name)
		var accounts int
		require.NoError(t, target.QueryRow(t.Context(), `select count(*) from accounts`).Scan(&accounts))
		require.Zero(t, accounts, name)
	}
}

// What is written meanwhile is either there with all that belongs to it, or not at all.
func TestABackupIsOfOneMoment(t *testing.T) {
	t.Parallel()
	pool := testdb.New(t)
	var writing sync.WaitGroup
	done := make(chan struct{})
	for n := range 3 {
		writing.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				// The folders come by another transaction's account.
				_, err := pool.Exec(t.Context(), `with a as (insert into accounts (username, first_name, last_name, password_hash) values ($1, '', '', '') returning id)
					insert into folders (account_id, name, position) select id, 'x', n from a, generate_series(1, 3) n`, fmt.Sprint(n, "-", i))
				if err != nil {
					t.Error(err)
					return
				}
				_, err = pool.Exec(t.Context(), `delete from accounts where username = $1`, fmt.Sprint(n, "-", i-20))
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	var paths []string
	for range 4 {
		time.Sleep(50 * time.Millisecond)
		paths = append(paths, write(t, pool, keys))
	}
	close(done)
	writing.Wait()
	for _, path := range paths {
		m, err := backup.Check(path, keys)
		require.NoError(t, err)
		target := testdb.New(t)
		require.NoError(t, restore(t.Context(), target, path, keys))
		for _, table := range m.Tables {
			var found int64
			require.NoError(t, target.QueryRow(t.Context(), "select count(*) from "+table.Name).Scan(&found))
			require.Equal(t, table.Rows, found, table.Name)
		}
		var other int
		require.NoError(t, target.QueryRow(t.Context(), `select count(*) from accounts a where (select count(*) from folders f where f.account_id = a.id) <> 3`).Scan(&other))
		require.Zero(t, other)
		require.NoError(t, target.QueryRow(t.Context(), `select sum(change) - (select count(*) from accounts) from account_counts`).Scan(&other))
		require.Zero(t, other)
	}
}
