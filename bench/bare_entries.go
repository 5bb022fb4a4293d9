package main

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-json"
	"github.com/jackc/pgx/v5"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	ours "github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/timestamp"
	"github.com/nexterm-go/nexterm/internal/tree"
)

// The statements of the lists are not the server's, whose cost would go unseen:
// each table is read once by its index and put together here. The order of the
// containers and the nodes of folders are the server's own: without them it
// would not be the same answer.
const (
	plainEntries = `select id, account_id, organization_id, folder_id, integration_id, type, renderer, name, icon, status, config,
		created_at, updated_at, coalesce(config ->> 'protocol', ''), coalesce(config ->> 'ip', '')
		from entries where scope = any($1) order by folder_id, organization_id, rank, id`
	plainEntryTree = `select id, organization_id, folder_id, integration_id, type, renderer, name, icon, status,
		coalesce(config ->> 'protocol', ''), coalesce(config ->> 'ip', ''), coalesce(config ->> 'macAddress', ''),
		coalesce(config ->> 'wakeOnLanEnabled', ''), coalesce(config ->> 'notes', ''), coalesce(config -> 'showNoteInList' = 'true', false)
		from entries where scope = any($1) order by folder_id, organization_id, rank, id`
	plainLinks = `select l.entry_id, l.identity_id from identities i join entries_identities l on l.identity_id = i.id
		where i.scope = any($1) order by l.position, l.identity_id`
	plainTags = `select a.entry_id, t.id, t.name, t.color from tags t join entry_tags a on a.tag_id = t.id
		where t.account_id = $1 order by t.name collate "C"`
)

// extras are what entries have besides their rows.
type extras struct {
	identities map[int64][]int64
	tags       map[int64][]byte
}

func (b *bare) extras(ctx context.Context, c *caller) (extras, error) {
	x := extras{map[int64][]int64{}, map[int64][]byte{}}
	var entry, id int64
	rows, _ := b.pool.Query(ctx, plainLinks, c.reach()) // the error comes with the rows
	if _, err := pgx.ForEachRow(rows, []any{&entry, &id}, func() error {
		x.identities[entry] = append(x.identities[entry], id)
		return nil
	}); err != nil {
		return x, err
	}
	var name, color string
	rows, _ = b.pool.Query(ctx, plainTags, c.accountID)
	_, err := pgx.ForEachRow(rows, []any{&entry, &id, &name, &color}, func() error {
		separator := byte(',')
		if x.tags[entry] == nil {
			separator = '['
		}
		x.tags[entry] = fmt.Appendf(append(x.tags[entry], separator), `{"id":%d,"name":%q,"color":%q}`, id, name, color)
		return nil
	})
	return x, err
}

// of are the extras of one entry.
func (x extras) of(entry int64) (identities []int64, tags []byte) {
	if identities = x.identities[entry]; identities == nil {
		identities = []int64{}
	}
	return identities, []byte(cmp.Or(string(x.tags[entry]), "[") + "]")
}

func (b *bare) entries(ctx context.Context, c *caller) (any, error) {
	extras, err := b.extras(ctx, c)
	if err != nil {
		return nil, err
	}
	rows, err := b.pool.Query(ctx, plainEntries, c.reach())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	containers, count := map[tree.Container][]api.Entry{}, 0
	for ; rows.Next(); count++ {
		var e api.Entry
		var created, updated time.Time
		var config json.RawMessage
		var protocol, ip string
		err := rows.Scan(&e.ID, &e.AccountID, &e.OrganizationID, &e.FolderID, &e.IntegrationID, (*string)(&e.Type), &e.Renderer, &e.Name,
			&e.Icon, &e.Status, (*[]byte)(&config), &created, &updated, &protocol, &ip)
		if err != nil {
			return nil, err
		}
		e.Config, e.CreatedAt, e.UpdatedAt = config, timestamp.Format(created), timestamp.Format(updated)
		e.Protocol, e.IP = &protocol, &ip
		e.Identities, e.Tags = extras.of(e.ID)
		at := tree.ContainerOf(e.OrganizationID, e.FolderID)
		e.Position = int64(len(containers[at]))
		containers[at] = append(containers[at], e)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	order, err := tree.LoadOrder(ctx, db.New(b.pool), c.asOurs())
	list := make([]api.Entry, 0, count)
	for _, at := range order {
		list = append(list, containers[at]...)
	}
	return list, err
}

func (b *bare) entryTree(ctx context.Context, c *caller) (any, error) {
	type node struct {
		api.ServerNode
		organizationID, folderID *int64
	}
	extras, err := b.extras(ctx, c)
	if err != nil {
		return nil, err
	}
	positions := map[tree.Container]int64{}
	rows, err := b.pool.Query(ctx, plainEntryTree, c.reach())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var nodes []*node
	for rows.Next() {
		n := &node{}
		var integrationID *int64
		var protocol, ip, mac, wake string
		err := rows.Scan(&n.ID, &n.organizationID, &n.folderID, &integrationID, (*string)(&n.Type), &n.Renderer, &n.Name, &n.Icon, &n.Status,
			&protocol, &ip, &mac, &wake, &n.Notes, &n.ShowNoteInList)
		if err != nil {
			return nil, err
		}
		n.Identities, n.Tags = extras.of(n.ID)
		at := tree.ContainerOf(n.organizationID, n.folderID)
		n.Position = positions[at]
		positions[at]++
		wakes := wake == "true"
		n.Protocol, n.IP, n.MacAddress, n.WakeOnLanEnabled = &protocol, &ip, &mac, &wakes
		nodes = append(nodes, n)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	t, err := tree.Load(ctx, db.New(b.pool), c.asOurs())
	if err != nil {
		return nil, err
	}
	for _, n := range nodes {
		t.Add(n.organizationID, n.folderID, &n.ServerNode)
	}
	return t.Nodes(), nil
}

func (c *caller) asOurs() *ours.Caller {
	return &ours.Caller{AccountID: c.accountID, Organizations: c.organizations, Reach: c.reach()}
}

// touch is what a reposition is compared with: it changes one row of entries,
// with its event and its audit row, and looks at no other.
func (b *bare) touch(r *http.Request, c *caller) (any, error) {
	id, err := strconv.ParseInt(strings.Split(r.URL.Path, "/")[3], 10, 64)
	if err != nil {
		return nil, err
	}
	var body api.EntryPosition
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		return nil, err
	}
	err = pgx.BeginFunc(r.Context(), b.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(r.Context(), "update entries set updated_at = now() where id = $1", id); err != nil {
			return err
		}
		return record(r, tx, c, event.Event{
			Action: event.EntryUpdate, ResourceID: id,
			Details: event.Details{"action": "reposition", "targetId": body.TargetID, "placement": body.Placement, "folderId": nil},
		})
	})
	return api.Message{Message: "Entry successfully repositioned"}, err
}
