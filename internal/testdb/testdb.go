//go:build unix

// Package testdb gives every test a migrated database of its own.
// It does not fill the database; tests and testserver do.
//
// A test binary starts a private PostgreSQL at the first use, with its data in memory where
// there is room. With TEST_DATABASE_URL set, the databases are created on that server instead.
// Without any PostgreSQL the tests fail.
package testdb

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	poolSize   = 8
	closeGrace = 10 * time.Second
	// kept is how many clones of nine megabytes a private cluster keeps. They go with it, which
	// is cheaper than dropping them one by one, but they fill the memory.
	kept = 100
)

// source is where databases come from: one per test binary.
type source struct {
	admin    *pgxpool.Pool // creates databases
	base     url.URL       // the connection string of a clone, but for its name
	template string
	options  string // of create database
	prefix   string
	kept     int64 // so many databases are never dropped
	count    atomic.Int64
}

var shared = sync.OnceValues(func() (*source, error) {
	if address := os.Getenv("TEST_DATABASE_URL"); address != "" {
		return openServer(address)
	}
	return startCluster()
})

// New returns a pool of eight connections to a fresh database with the whole schema.
func New(t testing.TB) *pgxpool.Pool {
	t.Helper()
	config, err := pgxpool.ParseConfig(URL(t))
	if err != nil {
		t.Fatal("testdb:", err)
	}
	config.MaxConns = poolSize
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		t.Fatal("testdb:", err)
	}
	t.Cleanup(func() {
		closed := make(chan struct{})
		go func() { pool.Close(); close(closed) }()
		select {
		case <-closed:
		case <-time.After(closeGrace):
			t.Error("testdb: a connection of the pool was never released")
		}
	})
	return pool
}

// URL returns the connection string of a fresh database with the whole schema.
func URL(t testing.TB) string {
	t.Helper()
	s, err := shared()
	if err != nil {
		t.Fatal("testdb:", err)
	}
	return s.clone(t)
}

func (s *source) clone(t testing.TB) string {
	t.Helper()
	number := s.count.Add(1)
	name := fmt.Sprintf("%s_%d", s.prefix, number)
	// Not the test's context: it ends before the cleanups run.
	ctx := context.Background()
	if _, err := s.admin.Exec(ctx, "create database "+quote(name)+" template "+quote(s.template)+s.options); err != nil {
		t.Fatal("testdb: clone the database:", err)
	}
	if number > s.kept {
		t.Cleanup(func() {
			if _, err := s.admin.Exec(ctx, "drop database "+quote(name)+" with (force)"); err != nil {
				t.Error("testdb: drop the database:", err)
			}
		})
	}
	address := s.base
	address.Path = "/" + name
	return address.String()
}

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }
