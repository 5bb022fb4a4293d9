// Package backup owns the file that a whole database is kept in: what is in it, how
// it is written from a server that runs, restored and verified, and how many are kept.
// It does not decide which database that is, nor where the keys come from.
//
// A file is in age's format and holds a Zstandard stream: a line that names the
// format, the manifest, and then each table's rows as PostgreSQL's COPY writes them
// as text, which every version and architecture of it reads.
package backup

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// format is the version of what is behind the manifest.
const format = 1

// Manifest says what a backup holds.
type Manifest struct {
	Format int `json:"format"`
	// Version is the program that has written it, and Schema the newest migration of
	// the database, which SchemaVersion has brought along.
	Version       string    `json:"version"`
	Schema        int64     `json:"schema"`
	SchemaVersion string    `json:"schemaVersion"`
	Time          time.Time `json:"time"`
	// Fingerprints are those of the master keys that open its data keys, the newest
	// first; there are two while one replaces the other.
	Fingerprints []string   `json:"fingerprints"`
	Tables       []Table    `json:"tables"`
	Sequences    []Sequence `json:"sequences"`
}

// Table is one with the columns that are written.
type Table struct {
	Name       string      `json:"name"`
	Columns    []string    `json:"columns"`
	Rows       int64       `json:"rows"`
	Partitions []Partition `json:"partitions,omitempty"`
}

// Partition is a part of a table that is made as time goes by.
type Partition struct {
	Name string    `json:"name"`
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// Sequence is where one has got to.
type Sequence struct {
	Name   string `json:"name"`
	Value  int64  `json:"value"`
	Called bool   `json:"called"`
}

// Rows are those of all tables.
func (m Manifest) Rows() (all int64) {
	for _, t := range m.Tables {
		all += t.Rows
	}
	return all
}

// session is what the text of rows depends on, and the time that they take.
const session = `set datestyle = 'ISO'; set intervalstyle = 'postgres'; set timezone = 'UTC'; set extra_float_digits = 1;
	set bytea_output = 'hex'; set client_encoding = 'UTF8';
	set statement_timeout = 0; set idle_in_transaction_session_timeout = 0`

// connect opens a session beside a pool.
func connect(ctx context.Context, config *pgx.ConnConfig) (*pgx.Conn, error) {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, session, pgx.QueryExecModeSimpleProtocol); err != nil {
		return nil, errors.Join(err, conn.Close(context.WithoutCancel(ctx)))
	}
	return conn, nil
}

// Write writes what is committed at one moment, while others go on. What it reads can
// be written meanwhile, but its tables can be neither changed nor dropped. The
// master key has to be one that opens the data keys: what only another one opens is
// of no use. Progress is told how many rows of all are written.
func Write(ctx context.Context, config *pgx.ConnConfig, to io.Writer, keys Keys, version string, progress func(done, all int64)) (m Manifest, err error) {
	conn, err := connect(ctx, config)
	if err != nil {
		return m, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	tables, _, err := catalog(ctx, conn)
	if err != nil {
		return m, err
	}
	if len(tables) == 0 {
		return m, errors.New("the database is empty: no server has ever run on it")
	}
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return m, err
	}
	// Before the first look, by which all that is seen goes: of partitions that are
	// dropped after it, the rows would be missing.
	if _, err := tx.Exec(ctx, "lock table "+names(tables, nameOf)+" in access share mode"); err != nil {
		return m, err
	}
	if m, err = describe(ctx, tx, version); err != nil {
		return m, err
	}
	master, err := keys.master(m)
	if err != nil {
		return m, err
	}
	sealed, err := seal(to, keys.recipients(master))
	if err != nil {
		return m, err
	}
	if err := sealed.begin(m); err != nil {
		return m, err
	}
	all, done := m.Rows(), int64(0)
	for _, t := range m.Tables {
		rows := bufio.NewWriterSize(counter{frames{sealed}, func(n int64) { done += n; progress(done, all) }}, frameSize)
		_, err := conn.PgConn().CopyTo(ctx, rows,
			"copy (select "+names(t.Columns, func(column string) string { return column })+" from "+quote(t.Name)+") to stdout")
		if err == nil {
			err = rows.Flush()
		}
		if err == nil {
			err = sealed.end()
		}
		if err != nil {
			return m, fmt.Errorf("write %s: %w", t.Name, err)
		}
	}
	return m, sealed.Close()
}

// describe looks up and counts what is to be written.
func describe(ctx context.Context, tx pgx.Tx, version string) (Manifest, error) {
	m := Manifest{Format: format, Version: version}
	err := tx.QueryRow(ctx, `select now(), coalesce(max(version_id), 0), coalesce(obj_description('goose_db_version'::regclass), 'unknown'),
		array(select fingerprint from encryption_keysets order by revision desc) from goose_db_version`).
		Scan(&m.Time, &m.Schema, &m.SchemaVersion, &m.Fingerprints)
	if err != nil {
		return m, err
	}
	if m.Tables, m.Sequences, err = catalog(ctx, tx); err != nil {
		return m, err
	}
	for i, t := range m.Tables {
		if err := tx.QueryRow(ctx, "select count(*) from "+quote(t.Name)).Scan(&m.Tables[i].Rows); err != nil {
			return m, err
		}
	}
	return m, nil
}

// querier is a session, in a transaction or not.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// kept are the tables of a schema that a backup holds. What it leaves out is made
// anew: the migrations that are applied, events, which name transactions of this
// cluster and are for readers that follow, jobs, the count of what is restored, and
// what is not even kept over a crash.
const kept = `c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p') and not c.relispartition and c.relpersistence = 'p'
	and c.relname not in ('goose_db_version', 'events', 'account_counts') and c.relname !~ '^river_'
	and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')`

// catalog looks up the tables and their sequences.
func catalog(ctx context.Context, tx querier) ([]Table, []Sequence, error) {
	rows, err := tx.Query(ctx, `select c.relname::text,
			array(select a.attname::text from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' order by a.attnum)
		from pg_class c where `+kept+` order by c.relname`)
	if err != nil {
		return nil, nil, err
	}
	tables, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (t Table, err error) {
		return t, row.Scan(&t.Name, &t.Columns)
	})
	if err != nil {
		return nil, nil, err
	}
	rows, err = tx.Query(ctx, `select p.relname::text, c.relname::text, b[1]::timestamptz, b[2]::timestamptz
		from pg_inherits i join pg_class p on p.oid = i.inhparent join pg_class c on c.oid = i.inhrelid,
			regexp_match(pg_get_expr(c.relpartbound, c.oid), $$FROM \('(.*)'\) TO \('(.*)'\)$$) b
		where p.relkind = 'p' and p.relnamespace = current_schema()::regnamespace and b is not null order by 1, 3`)
	if err != nil {
		return nil, nil, err
	}
	var parent string
	var p Partition
	_, err = pgx.ForEachRow(rows, []any{&parent, &p.Name, &p.From, &p.To}, func() error {
		if i := slices.IndexFunc(tables, func(t Table) bool { return t.Name == parent }); i >= 0 {
			tables[i].Partitions = append(tables[i].Partitions, p)
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	sequences, err := sequences(ctx, tx)
	return tables, sequences, err
}

func sequences(ctx context.Context, tx querier) ([]Sequence, error) {
	rows, err := tx.Query(ctx, `select s.relname::text as name from pg_class s
			left join pg_depend o on o.classid = 'pg_class'::regclass and o.objid = s.oid and o.refclassid = 'pg_class'::regclass and o.deptype in ('a', 'i')
			left join pg_class c on c.oid = o.refobjid
		where s.relkind = 'S' and s.relnamespace = current_schema()::regnamespace and (c.oid is null or `+kept+`) order by 1`)
	if err != nil {
		return nil, err
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByNameLax[Sequence])
	for i := 0; i < len(all) && err == nil; i++ {
		err = tx.QueryRow(ctx, "select last_value, is_called from "+quote(all[i].Name)).Scan(&all[i].Value, &all[i].Called)
	}
	return all, err
}

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }

func nameOf(t Table) string { return t.Name }

// names is a list of names for a statement.
func names[T any](all []T, name func(T) string) string {
	quoted := make([]string, len(all))
	for i, one := range all {
		quoted[i] = quote(name(one))
	}
	return strings.Join(quoted, ", ")
}
