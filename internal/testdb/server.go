//go:build unix

package testdb

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/nexterm-go/nexterm/db/migrations"
)

// templateLock is the advisory lock under which test binaries make a template: the
// characters of "testdb".
const templateLock = 0x746573746462

// openServer uses a running server, on which the account of the URL may create databases.
func openServer(address string) (*source, error) {
	ctx := context.Background()
	base, err := url.Parse(address)
	if err != nil || base.Scheme != "postgres" && base.Scheme != "postgresql" {
		return nil, errors.New("TEST_DATABASE_URL is no postgres:// URL") // it may hold a password
	}
	admin, err := pgxpool.New(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("TEST_DATABASE_URL: %w", err)
	}
	s := &source{
		admin: admin, base: *base,
		template: "nexterm_template_" + migrations.Hash()[:16],
		prefix:   "nexterm_test_" + strings.ToLower(rand.Text()[:12]),
	}
	if err := s.makeTemplate(ctx); err != nil {
		return nil, fmt.Errorf("TEST_DATABASE_URL: %w", err)
	}
	return s, nil
}

// makeTemplate makes the template of this schema unless there is one. It is marked as a
// template when it is complete; one without the mark is what a killed run left.
func (s *source) makeTemplate(ctx context.Context) error {
	conn, err := s.admin.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	if _, err := conn.Exec(ctx, "select pg_advisory_lock($1)", templateLock); err != nil {
		return err
	}
	defer func() { _, _ = conn.Exec(ctx, "select pg_advisory_unlock($1)", templateLock) }()

	var complete bool
	err = conn.QueryRow(ctx, "select exists (select from pg_database where datname = $1 and datistemplate)", s.template).Scan(&complete)
	if err != nil || complete {
		return err
	}
	for _, statement := range []string{"drop database if exists ", "create database "} {
		if _, err := conn.Exec(ctx, statement+quote(s.template)); err != nil {
			return err
		}
	}
	address := s.base
	address.Path = "/" + s.template
	if err := migrateTemplate(ctx, address.String()); err != nil {
		return err
	}
	_, err = conn.Exec(ctx, "alter database "+quote(s.template)+" is_template true")
	return err
}
