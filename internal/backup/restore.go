package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/nexterm-go/nexterm/db/migrations"
)

// ErrServers refuses what would take a database from under its servers.
var ErrServers = errors.New("a server runs on this database: stop it first, and all others of it")

// Restore fills an empty database from a file, which is one change: all of it is
// there or nothing. The schema is the one of the backup until then, and is brought
// up to this program's afterwards. Check has to have read the file before.
func Restore(ctx context.Context, pool *pgxpool.Pool, path string, keys Keys, version string, progress func(done, all int64)) error {
	conn, err := connect(ctx, pool.Config().ConnConfig)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if err := Empty(ctx, conn); err != nil {
		return err
	}
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	l := loader{tx: tx, conn: conn}
	err = read(path, keys, func(m Manifest) error {
		l.progress = func(n int64) { l.done += n; progress(l.done, m.Rows()) }
		if _, err := keys.master(m); err != nil {
			return err
		}
		if err := migrations.To(ctx, pool, m.Schema, m.SchemaVersion); err != nil {
			return err
		}
		return l.prepare(ctx, m)
	}, func(t Table, rows io.Reader) error { return l.load(ctx, t, rows) })
	if err != nil {
		return err
	}
	for _, statement := range l.again {
		if _, err := tx.Exec(ctx, statement); err != nil {
			return err
		}
	}
	if err := tx.Commit(ctx); err != nil {
		return err
	}
	if err := migrations.Up(ctx, pool, version, nil); err != nil {
		return err
	}
	tables, _, err := catalog(ctx, conn)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, "analyze "+names(tables, nameOf))
	return err
}

// Empty refuses a database that has something in it already. What a server makes at
// its first start is nothing, as long as nobody has an account.
func Empty(ctx context.Context, q querier) error {
	var migrated, accounts bool
	var others []string
	var servers int64
	err := q.QueryRow(ctx, `select to_regclass('goose_db_version') is not null, to_regclass('accounts') is not null,
		array(select c.relname::text from pg_class c where `+kept+` order by 1 limit 5),
		(select count(*) from pg_locks where locktype = 'advisory' and objsubid = 2
			and database = (select oid from pg_database where datname = current_database())
			and classid::bigint = hashtext('nexterm.keyset')::bigint & 4294967295)`).Scan(&migrated, &accounts, &others, &servers)
	switch {
	case err != nil:
		return err
	case servers > 0:
		return ErrServers
	case !migrated && len(others) > 0:
		return fmt.Errorf("the database is not empty, and not nexterm's: it has %s", strings.Join(others, ", "))
	case !accounts:
		return nil
	}
	var used bool
	if err := q.QueryRow(ctx, `select exists (select from accounts)`).Scan(&used); err != nil {
		return err
	}
	if used {
		return errors.New("the database is not empty: somebody has an account in it; restore into a new one")
	}
	return nil
}

// loader is a restoration that is under way.
type loader struct {
	tx       pgx.Tx
	conn     *pgx.Conn
	progress func(int64)
	done     int64
	// again are the statements that make what was dropped meanwhile.
	again []string
}

// prepare takes the database for itself and makes room for what comes.
func (l *loader) prepare(ctx context.Context, m Manifest) error {
	tables, sequences, err := catalog(ctx, l.tx)
	if err != nil {
		return err
	}
	// Events are of before. Servers that start wait for the version of the schema.
	_, err = l.tx.Exec(ctx, "lock table goose_db_version, "+names(tables, nameOf)+" in access exclusive mode")
	if err != nil {
		return err
	}
	var schema int64
	if err := l.tx.QueryRow(ctx, `select coalesce(max(version_id), 0) from goose_db_version`).Scan(&schema); err != nil {
		return err
	}
	if schema != m.Schema {
		return ErrServers
	}
	if err := Empty(ctx, l.tx); err != nil {
		return err
	}
	if err := same(m, tables, sequences); err != nil {
		return err
	}
	// Others that refer to these are for what goes on at the moment.
	if _, err := l.tx.Exec(ctx, "truncate events, "+names(tables, nameOf)+" cascade"); err != nil {
		return err
	}
	if err := l.strip(ctx); err != nil {
		return err
	}
	for _, t := range m.Tables {
		for _, p := range t.Partitions {
			_, err := l.tx.Exec(ctx, fmt.Sprintf("create table if not exists %s partition of %s for values from ('%s') to ('%s')",
				quote(p.Name), quote(t.Name), p.From.UTC().Format(time.RFC3339), p.To.UTC().Format(time.RFC3339)))
			if err != nil {
				return err
			}
		}
	}
	for _, s := range m.Sequences {
		if _, err := l.tx.Exec(ctx, "select setval($1::text::regclass, $2, $3)", quote(s.Name), s.Value, s.Called); err != nil {
			return err
		}
	}
	return nil
}

// strip drops foreign keys and indexes: looking at all rows once, when they are there,
// takes a fraction of the time that each row takes by itself.
func (l *loader) strip(ctx context.Context) error {
	rows, err := l.tx.Query(ctx, `select format('alter table %I drop constraint %I', c.relname, f.conname),
			format('alter table %I add constraint %I %s', c.relname, f.conname, pg_get_constraintdef(f.oid)), true as later
		from pg_constraint f join pg_class c on c.oid = f.conrelid where f.contype = 'f' and f.conparentid = 0 and `+kept+`
		union all
		select format('drop index %I', i.relname), replace(pg_get_indexdef(i.oid), ' ON ONLY ', ' ON '), false
		from pg_index x join pg_class i on i.oid = x.indexrelid join pg_class c on c.oid = x.indrelid
		where not exists (select from pg_constraint n where n.conindid = i.oid and n.contype in ('p', 'u', 'x')) and `+kept+`
		order by later desc`)
	if err != nil {
		return err
	}
	var drop []string
	var statement, again string
	var later bool
	_, err = pgx.ForEachRow(rows, []any{&statement, &again, &later}, func() error {
		// Foreign keys go first and come last.
		drop, l.again = append(drop, statement), append([]string{again}, l.again...)
		return nil
	})
	for i := 0; i < len(drop) && err == nil; i++ {
		_, err = l.tx.Exec(ctx, drop[i])
	}
	return err
}

// same refuses a backup of other tables than those that there are. Nothing of it
// gets into a statement that is not the name of one.
func same(m Manifest, tables []Table, sequences []Sequence) error {
	found := map[string]bool{}
	for _, t := range tables {
		for _, column := range t.Columns {
			found[t.Name+"."+column] = true
		}
	}
	for _, s := range sequences {
		found[s.Name] = true
	}
	var unknown []string
	take := func(name string) {
		if !found[name] {
			unknown = append(unknown, name)
		}
		delete(found, name)
	}
	for _, t := range m.Tables {
		for _, column := range t.Columns {
			take(t.Name + "." + column)
		}
	}
	for _, s := range m.Sequences {
		take(s.Name)
	}
	for name := range found {
		unknown = append(unknown, name)
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		return fmt.Errorf("the backup is of another schema %d than this program's, which differs in %s", m.Schema, strings.Join(unknown, ", "))
	}
	return nil
}

func (l *loader) load(ctx context.Context, t Table, rows io.Reader) error {
	g := &gate{from: io.TeeReader(rows, counter{io.Discard, l.progress})}
	defer g.close()
	copied, err := l.conn.PgConn().CopyFrom(ctx, g,
		"copy "+quote(t.Name)+" ("+names(t.Columns, func(column string) string { return column })+") from stdin")
	if err == nil && copied.RowsAffected() != t.Rows {
		err = fmt.Errorf("%d rows, but the manifest says %d", copied.RowsAffected(), t.Rows)
	}
	return err
}

// gate ends what is read: pgx does not wait for its reader where it loses the
// connection, as it does when the context ends.
type gate struct {
	mu     sync.Mutex
	from   io.Reader
	closed bool
}

func (g *gate) Read(into []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return 0, os.ErrClosed
	}
	return g.from.Read(into)
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
}
