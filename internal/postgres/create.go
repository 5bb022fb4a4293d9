package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"
)

// locales are tried in turn: the first sorts by code point and knows every letter, but not
// every system has it.
var locales = []string{"C.UTF-8", "en_US.UTF-8", "C"}

// version is the major version that created the cluster, empty when there is none.
func (f *folder) version() (string, error) {
	text, err := os.ReadFile(filepath.Join(f.data, "PG_VERSION"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(text)), err
}

func (f *folder) hasCluster() bool {
	_, err := os.Lstat(f.data)
	return err == nil
}

// HasCluster reports whether dataDir holds a cluster, or may hold one that this account cannot see.
func HasCluster(dataDir string) bool {
	_, err := os.Lstat(filepath.Join(dataDir, "postgres", "data"))
	return !errors.Is(err, fs.ErrNotExist)
}

// createCluster builds the cluster beside its final place and moves it there when it is
// complete, so that an interrupted attempt is never taken for a cluster.
func (f *folder) createCluster(ctx context.Context, programs string, sync bool) error {
	unfinished := f.data + ".new"
	var err error
	for _, locale := range locales {
		if err = os.RemoveAll(unfinished); err != nil {
			break
		}
		if err = f.makePrivate(unfinished); err != nil {
			break
		}
		args := []string{
			"--pgdata=" + unfinished, "--username=" + Superuser, "--encoding=UTF8", "--locale=" + locale,
			// Nobody but the account can enter the socket's folder; on a network, which the
			// settings switch off, trust would let in everybody.
			"--auth-local=trust", "--auth-host=reject",
			"--data-checksums", "--no-instructions",
		}
		if !sync {
			args = append(args, "--no-sync")
		}
		_, err = f.command(ctx, filepath.Join(programs, "initdb"), unfinished, args...)
		if err == nil || !strings.Contains(err.Error(), "invalid locale") {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("create the database cluster: %w", err)
	}
	if err := os.Rename(unfinished, f.data); err != nil {
		return fmt.Errorf("create the database cluster: %w", err)
	}
	return syncFolder(f.path)
}

func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// createDatabase creates the role and the database that the product uses.
func (c *Cluster) createDatabase(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, c.AdminURL())
	if err != nil {
		return fmt.Errorf("connect to the new PostgreSQL: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()

	var hasRole, hasDatabase bool
	err = conn.QueryRow(ctx, `select
		exists (select from pg_roles where rolname = $1),
		exists (select from pg_database where datname = $2)`, role, database).Scan(&hasRole, &hasDatabase)
	if err == nil && !hasRole {
		_, err = conn.Exec(ctx, "create role "+pgx.Identifier{role}.Sanitize()+" login")
	}
	if err == nil && !hasDatabase {
		_, err = conn.Exec(ctx, "create database "+pgx.Identifier{database}.Sanitize()+
			" owner "+pgx.Identifier{role}.Sanitize())
	}
	if err != nil {
		return fmt.Errorf("create the database: %w", err)
	}
	return nil
}
