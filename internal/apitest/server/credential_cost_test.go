package server_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
	"github.com/nexterm-go/nexterm/internal/vault"
)

// names are what sqlc calls the statements.
func names(sent []string) []string {
	names := make([]string, len(sent))
	for i, statement := range sent {
		names[i] = strings.Fields(strings.TrimPrefix(statement, "-- name: "))[0]
	}
	return names
}

// free is an operation that asks the database nothing itself.
const free = "/api/permissions/catalog"

// busy is a server with an administrator who uses either kind of credential.
func busy(t *testing.T) (s *testserver.Server, sent *statements, key *testserver.Client) {
	t.Helper()
	s, sent = counted(t)
	s.Promote(t, s.Owner)
	return s, sent, s.NewAPIKey(t, s.Owner)
}

func TestACredentialCostsOneQueryAndAWriteAMinute(t *testing.T) {
	t.Parallel()
	s, sent, key := busy(t)
	s.Exec(t, `update sessions set last_activity = now() - interval '59 seconds'`)
	s.Exec(t, `update api_keys set last_used_at = now() - interval '59 seconds'`)
	for _, age := range []string{"", "61 seconds"} {
		for _, kind := range []struct {
			caller     *testserver.Client
			find, late string
		}{{s.Owner, "GetCallerBySession", "TouchSession"}, {key, "GetCallerByAPIKey", "TouchAPIKey"}} {
			want := []string{kind.find, kind.find, kind.find, kind.find, kind.find}
			if age != "" {
				s.Exec(t, `update sessions set last_activity = now() - $1::interval`, age)
				s.Exec(t, `update api_keys set last_used_at = now() - $1::interval`, age)
				want = append([]string{kind.find, kind.late}, want[1:]...)
			}
			sent.take()
			for range 5 {
				kind.caller.Get(free).Want(200)
			}
			require.Equal(t, want, names(sent.take()))
		}
	}
}

func TestManyRequestsAtOnceWriteOneActivity(t *testing.T) {
	t.Parallel()
	s, _, key := busy(t)
	s.Exec(t, `create sequence writes`)
	s.Exec(t, `create function count_write() returns trigger language plpgsql as 'begin perform nextval(''writes''); return new; end'`)
	s.Exec(t, `update sessions set last_activity = now() - interval '2 minutes'`)
	for _, table := range []string{"sessions", "api_keys"} {
		s.Exec(t, `create trigger counted before update on `+table+` for each row execute function count_write()`)
	}
	var group sync.WaitGroup
	for i := range 16 {
		group.Go(func() { []*testserver.Client{s.Owner, key}[i%2].Get(free).Want(200) })
	}
	group.Wait()
	var writes int
	s.Scan(t, &writes, `select last_value from writes where is_called`)
	require.Equal(t, 2, writes, "one for the session, one for the key")
}

func TestCredentialsAreFoundByIndexes(t *testing.T) {
	t.Parallel()
	s, sent, key := busy(t)
	s.Exec(t, `insert into accounts (username, first_name, last_name, password_hash)
		select 'many' || n, '', '', '' from generate_series(1, 5000) n`)
	s.Exec(t, `insert into sessions (account_id, token_hash, ip, user_agent)
		select id, sha256(id::text::bytea), '', '' from accounts`)
	s.Exec(t, `insert into api_keys (account_id, name, token_hash, prefix)
		select id, 'x', sha256(id::text::bytea), '' from accounts`)
	s.Exec(t, `insert into account_permissions select id, p, 'allow' from accounts, unnest(array['settings.ai', 'users.view']) p`)
	s.Exec(t, `insert into group_members (group_id, account_id) select 2, id from accounts on conflict do nothing`)
	s.Exec(t, `insert into organization_members (organization_id, account_id, status, invited_by)
		select $1, id, 'active', id from accounts on conflict do nothing`, s.Organization)
	s.Exec(t, `insert into organization_member_permissions
		select organization_id, account_id, 'org.manage', 'allow' from organization_members`)
	s.Exec(t, `analyze accounts, sessions, api_keys, account_permissions, group_members, organization_members, organization_member_permissions`)
	for c, arguments := range map[*testserver.Client][]any{
		s.Owner: {vault.HashToken(s.Owner.Token), 30},
		key:     {vault.HashToken(key.Token)},
	} {
		c.Get(free).Want(200)
		sent.take()
		c.Get(free).Want(200)
		statement := sent.take()[0]
		rows, err := s.Pool.Query(t.Context(), "explain (costs off)\n"+statement, arguments...)
		require.NoError(t, err)
		plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err)
		// Roles are few, and read whole.
		for _, table := range []string{"sessions", "api_keys", "accounts", "account_permissions", "group_members", "organization_member"} {
			require.NotContains(t, strings.Join(plan, "\n"), "Seq Scan on "+table)
		}
	}
}
