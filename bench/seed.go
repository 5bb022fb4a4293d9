package main

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/nexterm-go/nexterm/internal/vault"
)

// Accounts.
const (
	// reader has 200 identities, half of them an organization's.
	reader = "reader"
	// writer's identities come and go, so that the reader's list keeps its length.
	writer = "writer"
	// librarian has 5,000 entries and clerk 500, in folders of organizations.
	librarian = "librarian"
	clerk     = "clerk"
	// mover has one folder with 5,000 entries.
	mover = "mover"
)

// seeded is what the requests are about.
type seeded struct {
	pool   *pgxpool.Pool
	ids    map[string]int64
	tokens map[string]string
	moves  []move
}

func newSeeded(pool *pgxpool.Pool) *seeded {
	return &seeded{pool: pool, ids: map[string]int64{}, tokens: map[string]string{}}
}

func seed(ctx context.Context, pool *pgxpool.Pool) (*seeded, error) {
	s := newSeeded(pool)
	for _, name := range []string{reader, writer, librarian, clerk, mover} {
		if err := s.account(ctx, name); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(s.identities(ctx), s.inventory(ctx, librarian, 5000), s.inventory(ctx, clerk, 500), s.crowd(ctx)); err != nil {
		return nil, err
	}
	_, err := pool.Exec(ctx, "analyze")
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

// clear removes what the writer has written.
func (s *seeded) clear(ctx context.Context) error {
	if _, err := s.pool.Exec(ctx, "delete from identities where account_id = $1", s.ids[writer]); err != nil {
		return err
	}
	_, err := s.pool.Exec(ctx, "truncate audit_logs")
	return err
}
