package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// organizationCount are the organizations of an inventory. Each has as many
// sites as it needs for its share of the entries; a site holds ten folders, in
// three levels, and each of these ten entries.
const (
	organizationCount = 5
	entriesOfASite    = 100
)

// inventorySteps fill an account's organizations, one after another.
var inventorySteps = []string{
	`with organization as (
		insert into organizations (name) select 'Organization ' || n from generate_series(1, @organizations::integer) n returning id)
	insert into organization_members (organization_id, account_id, role, status, invited_by)
	select id, @account, 'owner', 'active', @account from organization`,

	`insert into folders (organization_id, name, position)
	select m.organization_id, 'Site ' || n, n
	from organization_members m, generate_series(1, @sites::integer) n
	where m.account_id = @account`,

	`insert into folders (organization_id, parent_id, name, position)
	select f.organization_id, f.id, 'Room ' || n, n
	from organization_members m join folders f using (organization_id), generate_series(1, 3) n
	where m.account_id = @account and f.name like 'Site %'`,

	`insert into folders (organization_id, parent_id, name, position)
	select f.organization_id, f.id, 'Rack ' || n, n
	from organization_members m join folders f using (organization_id), generate_series(1, 2) n
	where m.account_id = @account and f.name like 'Room %'`,

	`insert into entries (organization_id, folder_id, type, renderer, name, rank, config)
	select f.organization_id, f.id, 'server', 'terminal', 'server-' || f.id || '-' || n || '.example.com', n,
	       jsonb_build_object('protocol', 'ssh', 'ip', '10.' || f.id / 200 || '.' || f.id % 200 || '.' || n, 'port', 22,
	                          'monitoringEnabled', n % 2 = 0, 'macAddress', '00:11:22:33:44:' || 9 + n, 'wakeOnLanEnabled', n % 4 = 0,
	                          'notes', 'Unit ' || n || ' of ' || f.name || ', looked after by the platform team')
	from organization_members m join folders f using (organization_id), generate_series(1, 10) n
	where m.account_id = @account`,

	`insert into identities (organization_id, name, type)
	select m.organization_id, 'Identity ' || n, 'ssh'
	from organization_members m, generate_series(0, 19) n
	where m.account_id = @account`,

	// One or two for each entry.
	`insert into entries_identities (entry_id, identity_id, position)
	select e.id, i.id, case when e.id % 20 = i.place then 0 else 1 end
	from organization_members m
	         join entries e using (organization_id)
	         join (select id, organization_id, row_number() over (partition by organization_id order by id) - 1 as place
	               from identities) i using (organization_id)
	where m.account_id = @account and i.place in (e.id % 20, e.id % 7)`,

	`insert into tags (account_id, name, color)
	select @account, 'Tag ' || n, '#a1b2c3' from generate_series(0, 9) n`,

	// One or two for each entry.
	`insert into entry_tags (entry_id, tag_id)
	select e.id, t.id
	from organization_members m
	         join entries e using (organization_id)
	         join (select id, row_number() over (order by id) - 1 as place from tags where account_id = @account) t
	              on t.place in (e.id % 10, e.id % 3)
	where m.account_id = @account`,
}

func (s *seeded) inventory(ctx context.Context, name string, entries int) error {
	arguments := pgx.NamedArgs{
		"account": s.ids[name], "organizations": organizationCount, "sites": entries / organizationCount / entriesOfASite,
	}
	for i, step := range inventorySteps {
		if _, err := s.pool.Exec(ctx, step, arguments); err != nil {
			return fmt.Errorf("step %d of the inventory: %w", i+1, err)
		}
	}
	return nil
}

// move puts an entry before another one of the same folder.
type move struct{ entry, target int64 }

// crowd gives an account a folder with 5,000 entries, and chooses moves all over it.
func (s *seeded) crowd(ctx context.Context, name string) error {
	rows, err := s.pool.Query(ctx, `
		with folder as (insert into folders (account_id, name, position) values ($1, 'Crowd', 0) returning id)
		insert into entries (account_id, folder_id, type, name, rank)
		select $1, folder.id, 'server', 'server ' || n, n from folder, generate_series(1, 5000) n
		order by n
		returning id`, s.ids[name])
	if err != nil {
		return err
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	for i := range len(ids) / 2 {
		s.moves[name] = append(s.moves[name], move{entry: ids[i], target: ids[len(ids)/2+i*997%(len(ids)/2)]})
	}
	return err
}
