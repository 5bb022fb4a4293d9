package server_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/testdb"
	"github.com/nexterm-go/nexterm/internal/testserver"
	"github.com/nexterm-go/nexterm/internal/vault"
)

// growing are the operations whose work grows with rows: each fills a fresh
// server with so many, and calls the operation. How many statements that takes
// may not depend on the number.
var growing = map[string]func(t *testing.T, s *testserver.Server, rows int) (method, path string, body any){
	"listIdentities": func(t *testing.T, s *testserver.Server, rows int) (string, string, any) {
		s.Exec(t, `insert into identities (account_id, name, type) select $1, 'identity ' || n, 'ssh' from generate_series(1, $2) n`, s.Owner.AccountID, rows)
		return "GET", "/api/identity/list", nil
	},
	"listSessions": func(t *testing.T, s *testserver.Server, rows int) (string, string, any) {
		s.Exec(t, `insert into sessions (account_id, token_hash, ip, user_agent)
			select $1, sha256(n::text::bytea), '192.0.2.1', 'test' from generate_series(1, $2) n`, s.Owner.AccountID, rows)
		return "GET", "/api/session/list", nil
	},
	"listEntries": func(t *testing.T, s *testserver.Server, rows int) (string, string, any) {
		fillInventory(t, s, rows)
		return "GET", "/api/entry/list", nil
	},
	"listEntryTree": func(t *testing.T, s *testserver.Server, rows int) (string, string, any) {
		fillInventory(t, s, rows)
		return "GET", "/api/entries/list", nil
	},
	"listRecentEntries": func(t *testing.T, s *testserver.Server, rows int) (string, string, any) {
		fillInventory(t, s, rows)
		s.Exec(t, `insert into recent_connections (account_id, entry_id, action) select $1, id, 'entry.ssh_connect' from entries`, s.Owner.AccountID)
		return "GET", "/api/entry/recent?limit=100", nil
	},
	"repositionEntry": func(t *testing.T, s *testserver.Server, rows int) (string, string, any) {
		_, entry := fillInventory(t, s, rows)
		return "PATCH", fmt.Sprintf("/api/entry/%d/reposition", entry), map[string]any{"placement": "before", "targetId": entry + 1}
	},
	"updateEntry": func(t *testing.T, s *testserver.Server, rows int) (string, string, any) {
		_, entry := fillInventory(t, s, rows)
		var identities []int64
		s.Scan(t, &identities, `select array_agg(id) from (select id from identities where account_id = $1 limit 100) i`, s.Owner.AccountID)
		return "PATCH", fmt.Sprintf("/api/entry/%d", entry), map[string]any{"identities": identities}
	},
	"duplicateEntry": func(t *testing.T, s *testserver.Server, rows int) (string, string, any) {
		_, entry := fillInventory(t, s, rows)
		return "POST", fmt.Sprintf("/api/entry/%d/duplicate", entry), nil
	},
	"importSSHConfig": func(t *testing.T, s *testserver.Server, rows int) (string, string, any) {
		folder, hop := fillInventory(t, s, rows)
		var identity int64
		s.Scan(t, &identity, `select min(id) from identities where account_id = $1`, s.Owner.AccountID)
		servers := make([]any, rows)
		for i := range servers {
			servers[i] = map[string]any{"name": fmt.Sprint("host ", i), "ip": "192.0.2.1", "identities": []int64{identity},
				"config": map[string]any{"jumpHosts": []int64{hop}}}
		}
		return "POST", "/api/entry/import/ssh-config", map[string]any{"folderId": folder, "servers": servers}
	},
	"listFolders": func(t *testing.T, s *testserver.Server, rows int) (string, string, any) {
		fillInventory(t, s, rows)
		return "GET", "/api/folder/list", nil
	},
	"listFolderTree": func(t *testing.T, s *testserver.Server, rows int) (string, string, any) {
		fillInventory(t, s, rows)
		return "GET", "/api/folders/list", nil
	},
	"updateFolder": func(t *testing.T, s *testserver.Server, rows int) (string, string, any) {
		folder, _ := fillInventory(t, s, rows)
		return "PATCH", fmt.Sprintf("/api/folder/%d", folder), map[string]any{"organizationId": s.Organization}
	},
	"deleteFolder": func(t *testing.T, s *testserver.Server, rows int) (string, string, any) {
		folder, _ := fillInventory(t, s, rows)
		return "DELETE", fmt.Sprintf("/api/folder/%d", folder), nil
	},
	"listTags": func(t *testing.T, s *testserver.Server, rows int) (string, string, any) {
		fillInventory(t, s, rows)
		return "GET", "/api/tag/list", nil
	},
	"listEntryTags": func(t *testing.T, s *testserver.Server, rows int) (string, string, any) {
		_, entry := fillInventory(t, s, rows)
		return "GET", fmt.Sprintf("/api/tag/entry/%d", entry), nil
	},
}

// fillInventory makes a folder with folders and entries in it, and identities
// and tags on the entries.
func fillInventory(t *testing.T, s *testserver.Server, rows int) (folder, entry int64) {
	t.Helper()
	s.Scan(t, &folder, `insert into folders (account_id, name, position) values ($1, 'folder', 0) returning id`, s.Owner.AccountID)
	s.Exec(t, `insert into folders (account_id, parent_id, name, position) select $1, $2, 'folder', n from generate_series(1, $3) n`,
		s.Owner.AccountID, folder, rows)
	s.Exec(t, `insert into entries (account_id, folder_id, type, name, rank, config)
		select $1, f.id, 'server', 'entry', n, '{"protocol": "ssh", "ip": "192.0.2.1"}'
		from generate_series(1, $2) n, folders f where n <= 3 or f.parent_id is null`, s.Owner.AccountID, rows)
	s.Exec(t, `insert into identities (account_id, name, type) select $1, 'identity ' || n, 'ssh' from generate_series(1, $2) n`, s.Owner.AccountID, rows)
	s.Exec(t, `insert into entries_identities (entry_id, identity_id, position) select e.id, i.id, i.id from entries e, identities i`)
	s.Exec(t, `insert into tags (account_id, name, color) select $1, 'tag ' || n, '#fff' from generate_series(1, $2) n`, s.Owner.AccountID, rows)
	s.Exec(t, `insert into entry_tags (entry_id, tag_id) select e.id, t.id from entries e, tags t`)
	s.Scan(t, &entry, `select min(id) from entries where folder_id = $1`, folder)
	return folder, entry
}

// beside tells that a statement is nobody's request.
func beside(ctx context.Context) bool { return caller.ClientFrom(ctx).IP == "" }

// statements collects what a pool sends for requests, without what goes on beside
// them: announcing events, listening for them and reading them.
type statements struct {
	mu   sync.Mutex
	sent []string
}

func (s *statements) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	s.add(ctx, data.SQL)
	return ctx
}

func (s *statements) add(ctx context.Context, statement string) {
	if beside(ctx) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent = append(s.sent, statement)
}

// take returns what has been sent since the last time.
func (s *statements) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	sent := s.sent
	s.sent = nil
	return sent
}

func (s *statements) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (s *statements) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return ctx
}

func (s *statements) TraceBatchQuery(ctx context.Context, _ *pgx.Conn, data pgx.TraceBatchQueryData) {
	s.add(ctx, data.SQL)
}

func (s *statements) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

// counted is a server of its own whose statements are counted.
func counted(t *testing.T) (*testserver.Server, *statements) {
	t.Helper()
	sent := &statements{}
	config, err := pgxpool.ParseConfig(testdb.URL(t))
	require.NoError(t, err)
	config.ConnConfig.Tracer = sent
	config.MaxConns = 4
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	keys, err := vault.Load(t.Context(), db.New(pool), vault.MasterKey{1, 2, 3})
	require.NoError(t, err)
	s := testserver.Serve(t, pool, keys)
	s.Owner, s.Colleague = s.NewAccount(t, "owner"), s.NewAccount(t, "colleague")
	s.Organization = s.NewOrganization(t, s.Owner, s.Colleague)
	return s, sent
}

func TestStatementsDoNotGrowWithRows(t *testing.T) {
	t.Parallel()
	for name, fill := range growing {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			count := func(rows int) int {
				s, sent := counted(t)
				method, path, body := fill(t, s, rows)
				sent.take()
				s.Owner.Do(method, path, body).Want(200)
				return len(sent.take())
			}
			few, many := count(2), count(60)
			require.Equal(t, few, many)
			require.LessOrEqual(t, many, 20)
			t.Logf("%d statements", many)
		})
	}
}
