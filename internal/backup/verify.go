package backup

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/nexterm-go/nexterm/db/migrations"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/vault"
)

// dropTime is how long dropping a database may take when nobody waits any more.
const dropTime = 30 * time.Second

// InScratch makes a database beside another one on the same cluster, for its owner,
// and drops it when use ends, however that is. What an earlier one has left that was
// killed goes first; two at a time are refused.
func InScratch(ctx context.Context, admin *pgx.ConnConfig, beside, owner string, use func(name string) error) (err error) {
	conn, err := connect(ctx, admin)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	var alone bool
	if err := conn.QueryRow(ctx, "select pg_try_advisory_lock(hashtextextended('nexterm.verify', 0))").Scan(&alone); err != nil {
		return err
	}
	if !alone {
		return errors.New("a backup is being verified already")
	}
	prefix := beside[:min(len(beside), 40)] + "_verify_"
	rows, err := conn.Query(ctx, `select datname::text from pg_database
		where starts_with(datname, $1) and substr(datname, length($1) + 1) ~ '^\d{14}$' and datdba = quote_ident($2)::regrole`, prefix, owner)
	if err != nil {
		return err
	}
	left, err := pgx.CollectRows(rows, pgx.RowTo[string])
	for _, name := range left {
		err = errors.Join(err, drop(ctx, conn, name))
	}
	if err != nil {
		return err
	}
	name := prefix + time.Now().UTC().Format("20060102150405")
	var statement string
	err = conn.QueryRow(ctx, `select format('create database %I owner %I template template0 encoding %L lc_collate %L lc_ctype %L',
		$1::text, $2::text, pg_encoding_to_char(encoding), datcollate, datctype) from pg_database where datname = $3`, name, owner, beside).Scan(&statement)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dropTime)
		defer cancel()
		// The session may have ended with what was interrupted.
		other, failed := connect(ctx, admin)
		if failed == nil {
			failed = errors.Join(drop(ctx, other, name), other.Close(ctx))
		}
		err = errors.Join(err, failed)
	}()
	_, err = conn.Exec(ctx, statement)
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Code == "42501" {
		return fmt.Errorf("the role %s may not create a database to restore into: let an administrator of the cluster run alter role %s createdb, or name an empty database in BACKUP_SCRATCH_URL",
			admin.User, quote(admin.User))
	}
	if err != nil {
		return err
	}
	return use(name)
}

// drop drops a database by force only where somebody is in it: an autovacuum that is
// makes way by itself, and only a superuser may use force on it.
func drop(ctx context.Context, conn *pgx.Conn, name string) error {
	_, err := conn.Exec(ctx, "drop database if exists "+quote(name))
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Code == "55006" {
		_, err = conn.Exec(ctx, "drop database if exists "+quote(name)+" with (force)")
	}
	return err
}

// Verify looks at what was restored: as many rows as the manifest says, constraints
// that all of them keep to, and secrets that open. It returns how many those are.
func Verify(ctx context.Context, pool *pgxpool.Pool, m Manifest, keys Keys, progress func(done, all int64)) (secrets int64, err error) {
	conn, err := connect(ctx, pool.Config().ConnConfig)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	for _, t := range m.Tables {
		if m.Schema != migrations.Known() {
			break // later migrations may have moved rows
		}
		var found int64
		if err := conn.QueryRow(ctx, "select count(*) from "+quote(t.Name)).Scan(&found); err != nil {
			return 0, err
		}
		if found != t.Rows {
			return 0, fmt.Errorf("%s has %d rows, but the manifest says %d", t.Name, found, t.Rows)
		}
	}
	// All of them were there before the rows.
	var loose []string
	err = conn.QueryRow(ctx, `select array(select conname::text from pg_constraint where connamespace = current_schema()::regnamespace and not convalidated)`).Scan(&loose)
	if err == nil && len(loose) > 0 {
		err = fmt.Errorf("constraints that not all rows keep to: %s", strings.Join(loose, ", "))
	}
	if err != nil || len(m.Fingerprints) == 0 {
		return 0, err
	}
	v, err := vault.Load(ctx, db.New(conn), keys.Masters...)
	if err != nil {
		return 0, err
	}
	return open(ctx, conn, v, progress)
}

// open opens every secret.
func open(ctx context.Context, conn *pgx.Conn, v *vault.Vault, progress func(done, all int64)) (secrets int64, err error) {
	var all int64
	if err := conn.QueryRow(ctx, "select count(*) from sealed_secrets").Scan(&all); err != nil {
		return 0, err
	}
	rows, err := conn.Query(ctx, "select place, id, kind, bound, ciphertext from sealed_secrets")
	if err != nil {
		return 0, err
	}
	var s struct {
		place, kind string
		id          int64
		bound       []string
		ciphertext  []byte
	}
	var broken []error
	_, err = pgx.ForEachRow(rows, []any{&s.place, &s.id, &s.kind, &s.bound, &s.ciphertext}, func() error {
		if _, err := v.Open(s.place, s.id, s.kind, s.ciphertext, s.bound...); err != nil && len(broken) < 10 {
			broken = append(broken, err)
		}
		if secrets++; secrets%1000 == 0 || secrets == all {
			progress(secrets, all)
		}
		return nil
	})
	if len(broken) > 0 {
		err = errors.Join(append(broken, errors.New("secrets do not open; they do not in the database that was backed up either"))...)
	}
	return secrets, err
}
