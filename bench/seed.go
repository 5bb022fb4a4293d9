package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/nexterm-go/nexterm/internal/vault"
)

// Accounts.
const (
	// reader has 200 identities, half of them an organization's.
	reader = "reader"
	// writer's identities come and go, so that the reader's list keeps its length; and
	// those of the writers like it.
	writer, writers = "writer", 16
	// librarian has 5,000 entries and clerk 500, in folders of organizations.
	librarian = "librarian"
	clerk     = "clerk"
	// mover has one folder with 5,000 entries, as have those like it.
	mover, movers = "mover", 4
)

// seeded is what the requests are about.
type seeded struct {
	pool   *pgxpool.Pool
	ids    map[string]int64
	tokens map[string]string
	moves  map[string][]move
}

func newSeeded(pool *pgxpool.Pool) *seeded {
	return &seeded{pool: pool, ids: map[string]int64{}, tokens: map[string]string{}, moves: map[string][]move{}}
}

func seed(ctx context.Context, pool *pgxpool.Pool) (*seeded, error) {
	s := newSeeded(pool)
	for _, name := range slices.Concat([]string{reader, librarian, clerk}, alike(writer, writers), alike(mover, movers)) {
		if err := s.account(ctx, name); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(s.identities(ctx), s.inventory(ctx, librarian, 5000), s.inventory(ctx, clerk, 500)); err != nil {
		return nil, err
	}
	for _, name := range alike(mover, movers) {
		if err := s.crowd(ctx, name); err != nil {
			return nil, err
		}
	}
	// What the bare handler says that its secrets are sealed with.
	_, err := pool.Exec(ctx, "insert into data_keys (id) values (1); analyze")
	return s, err
}

func (s *seeded) identities(ctx context.Context) error {
	_, err := s.pool.Exec(ctx, `
		with organization as (
			insert into organizations (name) values ('Benchmark') returning id
		), membership as (
			insert into organization_members (organization_id, account_id, role, status, invited_by)
			select id, $1, 'owner', 'active', $1 from organization
		)
		insert into identities (account_id, organization_id, name, username, type)
		select case when n % 2 = 0 then $1 end, case when n % 2 = 1 then organization.id end,
		       'Identity number ' || n, case when n % 3 > 0 then 'deploy' end,
		       (array ['password', 'ssh', 'both'])[1 + n % 3]
		from organization, generate_series(1, 200) n`, s.ids[reader])
	return err
}

func (s *seeded) account(ctx context.Context, name string) error {
	var id int64
	err := s.pool.QueryRow(ctx, `
		insert into accounts (username, first_name, last_name, password_hash)
		values ($1, 'Ada', 'Lovelace', 'nobody signs in') returning id`, name).Scan(&id)
	if err != nil {
		return err
	}
	token := vault.NewSessionToken()
	s.ids[name], s.tokens[name] = id, token
	_, err = s.pool.Exec(ctx, `
		insert into sessions (account_id, token_hash, ip, user_agent)
		values ($1, $2, '127.0.0.1', 'bench')`, id, vault.HashToken(token))
	return err
}

// clear removes what has been written, and what that leaves behind: rows that are
// deleted by the thousand would be counted with those that are there.
func (s *seeded) clear(ctx context.Context) error {
	for _, statement := range []string{
		"delete from identities where account_id in (select id from accounts where username like '" + writer + "%')",
		"truncate audit_logs",
		"vacuum identities, credentials, entries",
	} {
		if _, err := s.pool.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// alike are the names of an account and of as many more that there are so many.
func alike(name string, count int) []string {
	names := make([]string, count)
	for i := range names {
		names[i] = name
		if i > 0 {
			names[i] = fmt.Sprintf("%s %d", name, i+1)
		}
	}
	return names
}
