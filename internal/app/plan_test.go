package app_test

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/app"
	"github.com/nexterm-go/nexterm/internal/testdb"
)

// crowd is what belongs to others: enough that reading all of it costs more than
// any index.
var crowd = []string{
	`insert into accounts (username, first_name, last_name, password_hash) select 'user-' || n, 'Grace ' || n, 'Hopper ' || n, '' from generate_series(1, 4000) n`,
	`insert into sessions (account_id, token_hash, ip, user_agent) select id, sha256(username::bytea), '192.0.2.1', 'test' from accounts`,
	`insert into folders (account_id, name, position) select id, 'Folder', n from accounts, generate_series(1, 2) n`,
	`insert into entries (account_id, folder_id, type, name, rank) select account_id, id, 'server', 'web', n from folders, generate_series(1, 2) n`,
	`update entries set config = jsonb_build_object('protocol', 'ssh', 'ip', '192.0.2.1', 'jumpHosts', jsonb_build_array(id - 1)) where id % 2 = 0`,
	`insert into identities (account_id, name, type) select id, 'Deploy', 'ssh' from accounts, generate_series(1, 4)`,
	`insert into entries_identities (entry_id, identity_id, position) select e.id, i.id, 0 from entries e join identities i using (scope)`,
	`insert into tags (account_id, name, color) select id, 'Tag ' || n, '#fff' from accounts, generate_series(1, 2) n`,
	`insert into entry_tags (entry_id, tag_id) select e.id, t.id from entries e join tags t using (account_id)`,
	`insert into scripts (account_id, name, content) select id, 'Script', 'uptime' from accounts, generate_series(1, 2)`,
	`insert into snippets (account_id, name, command) select id, 'Snippet', 'uptime' from accounts, generate_series(1, 2)`,
	`insert into audit_logs (account_id, subject_id, action, resource, timestamp)
		select id, id, 'entry.create', 'entry', now() - n * interval '1 minute' from accounts, generate_series(1, 10) n`,
	`insert into entries (account_id, type, name, rank, config) select id, 'server', 'monitored', 3, '{"protocol": "ssh", "monitoringEnabled": true}' from accounts`,
	`insert into entry_checks (entry_id, checked_at, took_ms) select id, now(), 5 from entries where monitored`,
	`insert into monitoring_snapshots (entry_id, updated_at, status, took_ms) select id, now(), 'online', 150 from entries where monitored`,
	// Some for every partition, the rest and the one that has just begun too.
	`select make_partitions('monitoring_samples', '3 hours', now() - interval '6 hours', now())`,
	`insert into monitoring_samples (entry_id, timestamp, status) select id, now() + n * interval '30 minutes', 'online'
		from entries, generate_series(-20, 6) n where monitored`,
	`vacuum analyze entry_checks, monitoring_snapshots, monitoring_samples, accounts, sessions, folders, entries, identities, entries_identities, tags, entry_tags, scripts, snippets, audit_logs`,
}

// explainer takes the place of a database and keeps the plan of what it is asked.
type explainer struct {
	pool *pgxpool.Pool
	plan string
	err  error
}

var errExplained = errors.New("explained, not run")

// explain keeps two plans: for these arguments, and for any, which is what a
// statement that is asked often gets.
func (e *explainer) explain(ctx context.Context, sql string, args ...any) {
	e.plan = ""
	e.err = e.pool.AcquireFunc(ctx, func(conn *pgxpool.Conn) error {
		asked, err := conn.Conn().Prepare(ctx, "asked", sql)
		if err != nil {
			return err
		}
		none := "(" + strings.TrimPrefix(strings.Repeat(", null", len(asked.ParamOIDs)), ", ") + ")"
		_, err = conn.Exec(ctx, "set plan_cache_mode = force_generic_plan")
		for _, ask := range []func() (pgx.Rows, error){
			func() (pgx.Rows, error) { return conn.Query(ctx, "explain "+sql, args...) },
			func() (pgx.Rows, error) { return conn.Query(ctx, "explain execute asked"+none) },
		} {
			rows, _ := ask() // the error comes with the rows
			lines, failed := pgx.CollectRows(rows, pgx.RowTo[string])
			e.plan += strings.Join(lines, "\n") + "\n"
			err = errors.Join(err, failed)
		}
		return errors.Join(err, conn.Conn().Deallocate(ctx, "asked"))
	})
}

func (e *explainer) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	e.explain(ctx, sql, args...)
	return nil, errExplained
}

func (e *explainer) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	e.explain(ctx, sql, args...)
	return pgconn.CommandTag{}, errExplained
}

func (e *explainer) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	e.explain(ctx, sql, args...)
	return e
}

func (e *explainer) Scan(...any) error { return errExplained }

// What an account asks for often costs what it has itself, however much the
// others have.
func TestListsReadNoMoreThanTheirOwn(t *testing.T) {
	t.Parallel()
	pool, err := app.OpenPool(t.Context(), testdb.URL(t))
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	for _, step := range crowd {
		_, err := pool.Exec(t.Context(), step)
		require.NoError(t, err, step)
	}
	var id int64
	require.NoError(t, pool.QueryRow(t.Context(), `select id from accounts where username = 'user-77'`).Scan(&id))
	search := "user-77"
	ctx, reach, token := t.Context(), []int64{id, -1}, []byte(strings.Repeat("x", 32))
	whole := regexp.MustCompile(`Index Scan .*on accounts.*\n\s+Filter|Seq Scan on (accounts|sessions|folders|entries|identities|entries_identities|tags|entry_tags|scripts|snippets|audit_logs\w*|entry_checks|monitoring_snapshots|monitoring_samples\w*)\b`)
	for name, ask := range map[string]func(*db.Queries){
		"GetCallerBySession": func(q *db.Queries) { _, _ = q.GetCallerBySession(ctx, db.GetCallerBySessionParams{TokenHash: token}) },
		"ListCallers": func(q *db.Queries) {
			_, _ = q.ListCallers(ctx, db.ListCallersParams{AccountIds: []int64{id}, SessionIds: []int64{id}})
		},
		"ListEntries":   func(q *db.Queries) { _, _ = q.ListEntries(ctx, db.ListEntriesParams{Reach: reach, AccountID: id}) },
		"ListEntryTree": func(q *db.Queries) { _, _ = q.ListEntryTree(ctx, db.ListEntryTreeParams{Reach: reach, AccountID: id}) },
		"ListFolders":   func(q *db.Queries) { _, _ = q.ListFolders(ctx, reach) },
		"CreateFolder":  func(q *db.Queries) { _, _ = q.CreateFolder(ctx, db.CreateFolderParams{Scope: id, Name: "x"}) },
		"CreateEntry": func(q *db.Queries) {
			_, _ = q.CreateEntry(ctx, db.CreateEntryParams{Scope: id, Type: "server", Name: "x"})
		},
		"RenewLinks": func(q *db.Queries) {
			_ = q.RenewLinks(ctx, db.RenewLinksParams{ID: id, Before: []byte("{}"), Reach: reach})
		},
		"ListTargets": func(q *db.Queries) {
			_, _ = q.ListTargets(ctx, db.ListTargetsParams{Ids: []int64{id}, WithLogins: true})
		},
		"SearchAccounts": func(q *db.Queries) { _, _ = q.SearchAccounts(ctx, "user-77") },
		"ListUsers":      func(q *db.Queries) { _, _ = q.ListUsers(ctx, db.ListUsersParams{PageSize: 50}) },
		"ListUsers, one": func(q *db.Queries) { _, _ = q.ListUsers(ctx, db.ListUsersParams{PageSize: 50, Search: &search}) },
		"CountUsers":     func(q *db.Queries) { _, _ = q.CountUsers(ctx, &search) },
		"ListIdentities": func(q *db.Queries) { _, _ = q.ListIdentities(ctx, db.ListIdentitiesParams{Reach: reach, Most: 500}) },
		"ListTags":       func(q *db.Queries) { _, _ = q.ListTags(ctx, id) },
		"ListScripts": func(q *db.Queries) {
			_, _ = q.ListScripts(ctx, db.ListScriptsParams{Reach: reach, Most: 500, MostBytes: 1 << 20})
		},
		"ListSnippets": func(q *db.Queries) {
			_, _ = q.ListSnippets(ctx, db.ListSnippetsParams{Reach: reach, Most: 500, MostBytes: 1 << 20})
		},
		"ListMonitoredTargets": func(q *db.Queries) {
			_, _ = q.ListMonitoredTargets(ctx, db.ListMonitoredTargetsParams{Reach: reach, Most: 500})
		},
		"GetMonitoringMetrics": func(q *db.Queries) {
			_, _ = q.GetMonitoringMetrics(ctx, db.GetMonitoringMetricsParams{Reach: reach, Most: 500})
		},
		"GetServerMonitoring": func(q *db.Queries) {
			_, _ = q.GetServerMonitoring(ctx, db.GetServerMonitoringParams{ID: 77, Reach: reach})
		},
		"StoreSamples": func(q *db.Queries) { _ = q.StoreSamples(ctx, []byte("[]")) },
		"StoreChecks": func(q *db.Queries) {
			_, _ = q.StoreChecks(ctx, db.StoreChecksParams{EntryIds: []int64{77}, Ages: []int64{0}, Took: []int32{1}, Statuses: []string{"online"}})
		},
		"ListMonitoringSamples": func(q *db.Queries) {
			_, _ = q.ListMonitoringSamples(ctx, db.ListMonitoringSamplesParams{EntryID: 77, Hours: 24, Most: 100})
		},
		"ListAuditLogs": func(q *db.Queries) {
			_, _ = q.ListAuditLogs(ctx, db.ListAuditLogsParams{ActorID: id, Audited: reach, Reach: reach, PageSize: 51, Deepest: 51})
		},
		"CountAuditLogs": func(q *db.Queries) {
			_, _ = q.CountAuditLogs(ctx, db.CountAuditLogsParams{ActorID: id, Audited: reach, Most: 10_001})
		},
	} {
		e := &explainer{pool: pool}
		ask(db.New(e))
		require.NoError(t, e.err, name)
		require.NotRegexp(t, whole, e.plan, name)
	}
}
