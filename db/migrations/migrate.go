// Package migrations owns the schema: it embeds the migrations and applies them.
// It does not query data; that is what the generated package db does.
package migrations

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// files are the migrations, at their root, where goose looks for them.
//
//go:embed *.sql
var files embed.FS

// The job queue brings migrations of its own, up to queueVersion. They are one
// step among ours; a later version of the queue needs another such step.
const (
	queueStep    = 23
	queueVersion = 8
)

// Up applies what the database lacks. Any number of servers may call it at the same time:
// one migrates and the others wait. A schema that a later version of the program has made is
// refused with that version. A nil log discards the steps.
func Up(ctx context.Context, pool *pgxpool.Pool, program string, log *slog.Logger) error {
	return migrate(pool, log, func(p *goose.Provider) error {
		applied, err := p.Up(ctx)
		if err != nil {
			return err
		}
		if len(applied) > 0 {
			return sign(ctx, pool, program)
		}
		// Afterwards, because the others wait for one that may be newer.
		schema, known, err := p.GetVersions(ctx)
		if err != nil || schema <= known {
			return err
		}
		var needed string
		if err := pool.QueryRow(ctx, "select coalesce(obj_description('goose_db_version'::regclass), 'unknown')").Scan(&needed); err != nil {
			return err
		}
		return fmt.Errorf("its schema, %d, is of nexterm %s, and this is %s, which knows only %d: start nexterm %s or later",
			schema, needed, program, known, needed)
	})
}

// sign says which program the schema is of, in a comment, as a table of its own would
// need a migration to be there.
func sign(ctx context.Context, pool *pgxpool.Pool, program string) error {
	_, err := pool.Exec(ctx, "comment on table goose_db_version is '"+strings.ReplaceAll(program, "'", "''")+"'")
	return err
}

// Known is the newest version of the schema that this program knows.
func Known() int64 {
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		panic(err) // embedded files can be read
	}
	version, err := goose.NumericComponent(entries[len(entries)-1].Name())
	if err != nil {
		panic(err) // goose would have refused its name long since
	}
	return version
}

// To brings a schema to a version that this program knows, later or earlier, as a
// program once had it: rows are lost.
func To(ctx context.Context, pool *pgxpool.Pool, version int64, program string) error {
	return migrate(pool, nil, func(p *goose.Provider) error {
		schema, _, err := p.GetVersions(ctx)
		if err != nil {
			return err
		}
		if version < schema {
			_, err = p.DownTo(ctx, version)
		} else {
			_, err = p.UpTo(ctx, version)
		}
		if err != nil {
			return err
		}
		return sign(ctx, pool, program)
	})
}

// Down reverts every migration and with them every row; it is for tests.
func Down(ctx context.Context, pool *pgxpool.Pool, log *slog.Logger) error {
	return migrate(pool, log, func(p *goose.Provider) error {
		_, err := p.DownTo(ctx, 0)
		return err
	})
}

// Hash names this state of the migrations: it changes with every name and every byte.
func Hash() string {
	hash := sha256.New()
	_, _ = fmt.Fprintln(hash, "queue", queueStep, queueVersion) // a hash takes everything
	err := fs.WalkDir(files, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(files, path)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(hash, "%s %d\n%s", path, len(text), text)
		return err
	})
	if err != nil {
		panic(err) // embedded files can be read
	}
	return hex.EncodeToString(hash.Sum(nil))
}

func migrate(pool *pgxpool.Pool, log *slog.Logger, run func(*goose.Provider) error) (err error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	// Asks every second for as long as a long migration of another server may take.
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 1800))
	if err != nil {
		return err
	}
	db := stdlib.OpenDBFromPool(pool)
	defer func() { err = errors.Join(err, db.Close()) }()
	queue, err := queueMigration(pool)
	if err != nil {
		return fmt.Errorf("read the job queue's migrations: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithGoMigrations(queue),
		goose.WithSessionLocker(locker), goose.WithDisableGlobalRegistry(true), goose.WithSlog(log))
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	if err := run(provider); err != nil {
		return fmt.Errorf("migrate the database: %w", err)
	}
	return nil
}

// queueMigration is the step that creates the job queue's tables. Each of the
// queue's own migrations is a transaction, and goose's lock keeps other servers out.
func queueMigration(pool *pgxpool.Pool) (*goose.Migration, error) {
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	step := func(direction rivermigrate.Direction, version int) *goose.GoFunc {
		return &goose.GoFunc{RunDB: func(ctx context.Context, _ *sql.DB) error {
			_, err := migrator.Migrate(ctx, direction, &rivermigrate.MigrateOpts{TargetVersion: version})
			return err
		}}
	}
	return goose.NewGoMigration(queueStep, step(rivermigrate.DirectionUp, queueVersion), step(rivermigrate.DirectionDown, -1)), nil
}
