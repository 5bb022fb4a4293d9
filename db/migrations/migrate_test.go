package migrations_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/nexterm-go/nexterm/db/migrations"
	"github.com/nexterm-go/nexterm/internal/testdb"
)

func TestUpDownUp(t *testing.T) {
	t.Parallel()
	pool := testdb.New(t) // is up
	before := schema(t, pool)
	require.Contains(t, before, "table goose_db_version")
	require.Greater(t, len(before), 10)

	require.NoError(t, migrations.Down(t.Context(), pool, nil))
	for _, object := range schema(t, pool) {
		if object != "schema public" {
			require.Contains(t, object, "goose_db_version", "down leaves something behind")
		}
	}
	require.NoError(t, migrations.Up(t.Context(), pool, "0.1.0", nil))
	require.Equal(t, before, schema(t, pool))
}

func TestServersMigrateTogether(t *testing.T) {
	t.Parallel()
	pool := testdb.New(t)
	before := schema(t, pool)
	require.NoError(t, migrations.Down(t.Context(), pool, nil))
	var servers errgroup.Group
	for range 3 {
		servers.Go(func() error { return migrations.Up(t.Context(), pool, "0.1.0", nil) })
	}
	require.NoError(t, servers.Wait())
	require.Equal(t, before, schema(t, pool))
}

func TestALaterSchemaIsRefused(t *testing.T) {
	t.Parallel()
	pool := testdb.New(t)
	require.NoError(t, migrations.Down(t.Context(), pool, nil))
	require.NoError(t, migrations.Up(t.Context(), pool, "0.2.0", nil))
	require.NoError(t, migrations.Up(t.Context(), pool, "0.1.0", nil), "it knows all of the schema")
	_, err := pool.Exec(t.Context(), "insert into goose_db_version (version_id, is_applied) values (20300101000000, true)")
	require.NoError(t, err)
	require.ErrorContains(t, migrations.Up(t.Context(), pool, "0.1.0", nil), "start nexterm 0.2.0 or later")
}

func TestHash(t *testing.T) {
	require.Len(t, migrations.Hash(), 64)
	require.Equal(t, migrations.Hash(), migrations.Hash())
}

// schema describes everything that migrations create, one line per object.
func schema(t *testing.T, pool *pgxpool.Pool) []string {
	t.Helper()
	rows, err := pool.Query(t.Context(), `
		with own as (
			select oid, nspname from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema'
		)
		select 'schema ' || nspname from own
		union all
		select 'extension ' || extname || ' ' || extversion from pg_extension where extname <> 'plpgsql'
		union all
		select case c.relkind when 'r' then 'table ' when 'S' then 'sequence ' when 'i' then 'index ' else 'relation ' end
			|| c.oid::regclass from pg_class c join own on own.oid = c.relnamespace
		union all
		select 'column ' || a.attrelid::regclass || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
			|| ' ' || a.attnotnull || ' ' || a.attidentity::text || a.attgenerated::text || ' ' || coalesce(pg_get_expr(d.adbin, d.adrelid), '')
			from pg_attribute a
			join pg_class c on c.oid = a.attrelid and c.relkind in ('r', 'p', 'v', 'm')
			join own on own.oid = c.relnamespace
			left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
			where a.attnum > 0 and not a.attisdropped
		union all
		select 'constraint ' || n.conrelid::regclass || ' ' || n.conname || ' ' || pg_get_constraintdef(n.oid)
			from pg_constraint n join own on own.oid = n.connamespace where n.contypid = 0
		union all
		select 'definition ' || pg_get_indexdef(i.indexrelid)
			from pg_index i join pg_class c on c.oid = i.indexrelid join own on own.oid = c.relnamespace
		union all
		select 'function ' || pg_get_functiondef(p.oid)
			from pg_proc p join own on own.oid = p.pronamespace where p.prokind in ('f', 'p')
			and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
		union all
		select 'trigger ' || pg_get_triggerdef(g.oid)
			from pg_trigger g join pg_class c on c.oid = g.tgrelid join own on own.oid = c.relnamespace where not g.tgisinternal
		union all
		select 'type ' || t.oid::regtype || ' ' || coalesce((select string_agg(e.enumlabel, ',' order by e.enumsortorder)
			from pg_enum e where e.enumtypid = t.oid), '')
			from pg_type t join own on own.oid = t.typnamespace where t.typtype in ('e', 'd')
		order by 1`)
	require.NoError(t, err)
	objects, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return objects
}

func TestTheJobQueueIsComplete(t *testing.T) {
	t.Parallel()
	migrator, err := rivermigrate.New(riverpgxv5.New(testdb.New(t)), nil)
	require.NoError(t, err)
	result, err := migrator.Validate(t.Context(), nil)
	require.NoError(t, err)
	require.True(t, result.OK, "%v; the queue's new version needs a migration", result.Messages)
}

func TestARoleWithoutTheRightToTheExtensionIsToldWhatToDo(t *testing.T) {
	t.Parallel()
	pool := testdb.New(t)
	require.NoError(t, migrations.Down(t.Context(), pool, nil))
	_, err := pool.Exec(t.Context(), `do $$ begin execute format('revoke create on database %I from %I', current_database(), current_user); end $$`)
	require.NoError(t, err)
	require.ErrorContains(t, migrations.Up(t.Context(), pool, "0.1.0", nil), `let an administrator of the database run "create extension pg_trgm" in it`)
}
