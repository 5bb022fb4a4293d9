package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/nexterm-go/nexterm/db/migrations"
	"github.com/nexterm-go/nexterm/internal/postgres"
)

const (
	// overseer is an administrator.
	overseer = "overseer"

	// unusedScale is the age at which a full database is not kept any longer.
	unusedScale = 7 * 24 * time.Hour
)

// auditMonths gives both databases the same age.
const auditMonths = `select make_partitions('audit_logs', '1 month', now() - interval '2 years', now() + interval '2 months')`

// scaleSteps fill a database with what belongs to others: 10,000 accounts, of
// which every fifth owns an organization with four more members. Of the entries,
// identities and audit rows half are an organization's.
var scaleSteps = []string{
	`insert into accounts (username, first_name, last_name, password_hash)
	select 'user-' || n || '@example.com', (array ['Grace', 'Edsger', 'Barbara', 'Donald'])[1 + n % 4], 'Number ' || n, 'nobody signs in'
	from generate_series(1, 10000) n`,

	`insert into sessions (account_id, token_hash, ip, user_agent)
	select id, sha256(id::text::bytea), '192.0.2.1', 'bench' from accounts`,

	`with organization as (insert into organizations (name) select 'Company ' || n from generate_series(1, 2000) n returning id),
	      placed as (select id, row_number() over (order by id) as place from organization),
	      account as (select id, row_number() over (order by id) as place from accounts)
	insert into organization_members (organization_id, account_id, role, status, invited_by)
	select p.id, a.id, case when n = 0 then 'owner' else 'member' end, 'active', a.id
	from placed p, generate_series(0, 4) n, account a
	where a.place = 1 + (p.place * 5 + n) % 10000`,

	// Three folders for each account, ten for each organization.
	`insert into folders (account_id, name, position)
	select a.id, 'Folder ' || n, n from accounts a, generate_series(1, 3) n`,
	`insert into folders (organization_id, name, position)
	select o.id, 'Folder ' || n, n from organizations o, generate_series(1, 10) n`,

	`insert into entries (account_id, organization_id, folder_id, type, renderer, name, rank, config)
	select f.account_id, f.organization_id, f.id, 'server', 'terminal', 'server-' || f.id || '-' || n, n,
	       jsonb_build_object('protocol', 'ssh', 'ip', '10.1.' || f.id % 250 || '.' || n, 'port', 22, 'notes', 'Looked after by somebody else')
	from folders f, generate_series(1, case when f.account_id is null then 7 else 5 end + (f.id % 2)::integer) n
	order by n, f.id`,

	`insert into identities (account_id, name, username, type)
	select a.id, 'Identity ' || n, 'deploy', 'ssh' from generate_series(1, 15) n, accounts a`,
	`insert into identities (organization_id, name, username, type)
	select o.id, 'Identity ' || n, 'deploy', 'ssh' from generate_series(1, 75) n, organizations o`,

	`insert into entries_identities (entry_id, identity_id, position)
	select e.id, i.id, 0
	from (select id, scope, row_number() over (partition by scope order by id) as place from entries) e
	         join (select id, scope, row_number() over (partition by scope order by id) as place from identities) i
	              on i.scope = e.scope and i.place in (e.place, e.place / 2)`,

	`insert into tags (account_id, name, color)
	select a.id, 'Tag ' || n, '#a1b2c3' from generate_series(1, 5) n, accounts a`,
	`insert into entry_tags (entry_id, tag_id)
	select e.id, t.id from entries e join tags t on t.account_id = e.account_id and t.name = 'Tag ' || 1 + e.id % 5`,
	`insert into recent_connections (account_id, entry_id, action, connected_at)
	select account_id, id, 'entry.ssh_connect', now() - id * interval '1 second' from entries where account_id is not null and id % 3 = 0`,

	`insert into scripts (account_id, name, content, description, sort_order)
	select a.id, 'script-' || n, 'uptime', 'What number ' || n || ' does', n from generate_series(1, 3) n, accounts a`,
	`insert into snippets (account_id, name, command, sort_order)
	select a.id, 'snippet-' || n, 'uptime', n from generate_series(1, 3) n, accounts a`,

	// Two years.
	auditMonths,
	`insert into audit_logs (account_id, organization_id, subject_id, action, resource, resource_id, details, ip_address, user_agent, timestamp)
	select a.id, case when n % 2 = 0 then m.organization_id end, case when n % 2 = 1 then a.id end,
	       (array ['identity.create', 'identity.update', 'entry.create', 'entry.update', 'entry.delete', 'folder_mgmt.create', 'script.create'])[1 + n % 7],
	       (array ['identity', 'identity', 'entry', 'entry', 'entry', 'folder', 'script'])[1 + n % 7],
	       n, jsonb_build_object('name', 'Number ' || n, 'scope', 'organization'), '192.0.2.1', 'Mozilla/5.0 (X11; Linux x86_64)',
	       now() - interval '730 days' + n * interval '730 days' / 2000000
	from generate_series(1, 2000000) n
	         join (select id, row_number() over (order by id) as place from accounts) a on a.place = 1 + n % 10000
	         join lateral (select organization_id from organization_members where account_id = a.id limit 1) m on true
	order by n`,

	`insert into events (actor, account_id, action, scope, resource, resource_id, timestamp)
	select 'session', 1 + n % 10000, 'entry.update', 1 + n % 10000, 'entry', n, now() - interval '6 days' + n * interval '1 second'
	from generate_series(1, 200000) n`,
}

// ordinarySteps are what an ordinary account has besides its inventory.
var ordinarySteps = []string{
	auditMonths,
	`insert into scripts (account_id, name, content, sort_order)
	select @account, 'script-' || n, 'uptime', n from generate_series(1, 20) n`,
	`insert into snippets (account_id, name, command, sort_order)
	select @account, 'snippet-' || n, 'uptime', n from generate_series(1, 20) n`,
	`insert into recent_connections (account_id, entry_id, action)
	select @account, e.id, 'entry.ssh_connect' from entries e join organization_members m using (organization_id) where m.account_id = @account limit 20`,
	`insert into audit_logs (account_id, organization_id, subject_id, action, resource, resource_id, details, timestamp)
	select @account, case when n % 2 = 0 then m.id end, case when n % 2 = 1 then @account::bigint end,
	       (array ['identity.create', 'entry.create', 'entry.update'])[1 + n % 3], (array ['identity', 'entry', 'entry'])[1 + n % 3],
	       n, '{"name": "Own"}', now() - n * interval '4 hours'
	from generate_series(1, 2000) n, (select min(organization_id) as id from organization_members where account_id = @account) m`,
}

// ordinary adds the measured accounts.
func (s *seeded) ordinary(ctx context.Context) error {
	if err := errors.Join(s.account(ctx, clerk), s.account(ctx, overseer), s.inventory(ctx, clerk, 500)); err != nil {
		return err
	}
	for _, step := range ordinarySteps {
		if _, err := s.pool.Exec(ctx, step, pgx.NamedArgs{"account": s.ids[clerk]}); err != nil {
			return err
		}
	}
	_, err := s.pool.Exec(ctx, "insert into group_members (group_id, account_id) select id, $1 from permission_groups where is_admin", s.ids[overseer])
	if err == nil {
		_, err = s.pool.Exec(ctx, "vacuum analyze")
	}
	return err
}

// clearOrdinary removes what calls have created: the inventory is its
// organizations'.
func (s *seeded) clearOrdinary(ctx context.Context) error {
	for _, table := range []string{"identities", "entries", "folders"} {
		if _, err := s.pool.Exec(ctx, "delete from "+table+" where account_id = $1", s.ids[clerk]); err != nil {
			return err
		}
	}
	return nil
}

// restoreScale puts a data directory with a full database at dataDir: a copy of
// the one in the user's cache, which differs with the schema and with how it is
// filled. Where there is none it is made, which takes minutes.
func restoreScale(ctx context.Context, dataDir string) error {
	cache, err := os.UserCacheDir()
	if err != nil {
		return err
	}
	kept := filepath.Join(cache, "nexterm-benchscale")
	image := filepath.Join(kept, scaleHash())
	now := time.Now()
	if err := os.Chtimes(image, now, now); err == nil {
		return copyTree(ctx, image, dataDir)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	fmt.Println("filling a database, once")
	if err := fillScale(ctx, dataDir); err != nil {
		return err
	}
	if err := os.MkdirAll(kept, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(kept)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil && time.Since(info.ModTime()) > unusedScale {
			_ = os.RemoveAll(filepath.Join(kept, entry.Name()))
		}
	}
	unfinished := image + ".unfinished"
	if err := errors.Join(os.RemoveAll(unfinished), copyTree(ctx, dataDir, unfinished)); err != nil {
		return err
	}
	return os.Rename(unfinished, image)
}

func fillScale(ctx context.Context, dataDir string) error {
	pool, closeDatabase, err := openDatabase(ctx, postgres.Options{
		DataDir: dataDir, Settings: map[string]string{"fsync": "off", "max_wal_size": "512MB", "maintenance_work_mem": "256MB", "work_mem": "64MB"},
	})
	if err != nil {
		return err
	}
	for i, step := range append(scaleSteps, "vacuum analyze") {
		begin := time.Now()
		done, err := pool.Exec(ctx, step)
		if err != nil {
			return errors.Join(fmt.Errorf("step %d of the filling: %w", i+1, err), closeDatabase())
		}
		fmt.Printf("step %d: %s in %.0f s\n", i+1, done, time.Since(begin).Seconds())
	}
	return closeDatabase()
}

func copyTree(ctx context.Context, from, to string) error {
	if out, err := exec.CommandContext(ctx, "cp", "-a", from, to).CombinedOutput(); err != nil {
		return fmt.Errorf("copy the database: %w: %s", err, out)
	}
	return nil
}

// scaleHash names what is filled and how.
func scaleHash() string {
	hash := sha256.New()
	fmt.Fprintln(hash, migrations.Hash(), scaleSteps)
	return hex.EncodeToString(hash.Sum(nil)[:8])
}
