package main

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/nexterm-go/nexterm/internal/vault"
)

// seeded is what the requests are about: a reader with 200 identities, half of
// them an organization's, and a writer whose identities come and go, so that
// the reader's list keeps its length.
type seeded struct {
	pool                     *pgxpool.Pool
	readerToken, writerToken string
	writer                   int64
}

func seed(ctx context.Context, pool *pgxpool.Pool) (*seeded, error) {
	s := &seeded{pool: pool, readerToken: vault.NewSessionToken(), writerToken: vault.NewSessionToken()}
	reader, err := s.account(ctx, "reader", s.readerToken)
	if err != nil {
		return nil, err
	}
	if s.writer, err = s.account(ctx, "writer", s.writerToken); err != nil {
		return nil, err
	}
	_, err = pool.Exec(ctx, `
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
		from organization, generate_series(1, 200) n`, reader)
	if err != nil {
		return nil, err
	}
	_, err = pool.Exec(ctx, "analyze")
	return s, err
}

func (s *seeded) account(ctx context.Context, username, token string) (id int64, err error) {
	err = s.pool.QueryRow(ctx, `
		insert into accounts (username, first_name, last_name, password_hash)
		values ($1, 'Ada', 'Lovelace', 'nobody signs in') returning id`, username).Scan(&id)
	if err != nil {
		return 0, err
	}
	_, err = s.pool.Exec(ctx, `
		insert into sessions (account_id, token_hash, ip, user_agent)
		values ($1, $2, '127.0.0.1', 'bench')`, id, vault.HashToken(token))
	return id, err
}

// clear removes what the writer has written.
func (s *seeded) clear(ctx context.Context) error {
	if _, err := s.pool.Exec(ctx, "delete from identities where account_id = $1", s.writer); err != nil {
		return err
	}
	_, err := s.pool.Exec(ctx, "truncate audit_logs")
	return err
}
