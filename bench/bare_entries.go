package main

import (
	"context"
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

// The order of the containers and the nodes of folders are the server's own:
// without them it would not be the same answer.

func (b *bare) entries(ctx context.Context, c *caller) (any, error) {
	rows, err := b.pool.Query(ctx, listEntries, c.reach(), c.accountID)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	containers, count := map[tree.Container][]api.Entry{}, 0
	for ; rows.Next(); count++ {
		var e api.Entry
		var created, updated time.Time
		var protocol, ip string
		err := rows.Scan(&e.ID, &e.AccountID, &e.OrganizationID, &e.FolderID, &e.IntegrationID, (*string)(&e.Type), &e.Renderer, &e.Name,
			&e.Icon, &e.Position, &e.Status, (*[]byte)(&e.Config), &created, &updated, &e.Identities, (*[]byte)(&e.Tags), &protocol, &ip)
		if err != nil {
			return nil, err
		}
		e.CreatedAt, e.UpdatedAt = timestamp.Format(created), timestamp.Format(updated)
		e.Protocol, e.IP = &protocol, &ip
		at := tree.ContainerOf(e.OrganizationID, e.FolderID)
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
	rows, err := b.pool.Query(ctx, listEntryTree, c.reach(), c.accountID)
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
			&n.Position, &n.Identities, (*[]byte)(&n.Tags), &protocol, &ip, &mac, &wake, &n.Notes, &n.ShowNoteInList)
		if err != nil {
			return nil, err
		}
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
