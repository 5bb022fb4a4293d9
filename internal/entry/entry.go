// Package entry owns the operations on entries: connection targets, their
// configuration, their identities and their order. It does not connect to them.
package entry

import (
	"context"
	"encoding/json"
	"math"
	"strconv"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/timestamp"
	"github.com/nexterm-go/nexterm/internal/tree"
)

// How many recent connections are listed without a limit, and at most.
const (
	defaultRecent = 5
	maxRecent     = 100
)

// Handlers are the operations of the tag entry.
type Handlers struct {
	reader    *tree.Reader
	queries   *db.Queries
	changes   *change.Changes
	violation func(map[string]any) string
}

// New returns the operations over a database. violation names the first rule
// of the contract that a new entry breaks; it is empty when there is none. Lists are at
// most so many bytes long, 0 being the preset.
func New(conn db.DBTX, changes *change.Changes, violation func(newEntry map[string]any) string, listBytes int) *Handlers {
	return &Handlers{tree.NewReader(conn, listBytes), db.New(conn), changes, violation}
}

// ListEntries answers what the caller can read, in the order of the tree.
func (h *Handlers) ListEntries(ctx context.Context, _ api.ListEntriesRequestObject) (api.ListEntriesResponseObject, error) {
	c := caller.From(ctx)
	containers, count, shared := map[tree.Container][]*api.Entry{}, 0, words{}
	err := tree.Each(ctx, h.reader, func(q *db.Queries) error {
		_, err := q.ListEntries(ctx, db.ListEntriesParams{AccountID: c.AccountID, Reach: c.Reach})
		return err
	}, func(row db.ListEntriesRow) {
		shared.share(&row.Icon, &row.Type, &row.Protocol, row.Renderer, row.Status)
		entry, at := toAPI(row), tree.ContainerOf(row.OrganizationID, row.FolderID)
		containers[at] = append(containers[at], &entry)
		count++
	})
	if err != nil {
		return nil, err
	}
	// Read later than what lies in them, so that no entry's folder is missing.
	order, err := tree.LoadOrder(ctx, h.queries, c)
	if err != nil {
		return nil, err
	}
	entries := make(api.ListEntries200JSONResponse, 0, count)
	for _, at := range order {
		for _, entry := range containers[at] {
			entries = append(entries, *entry)
		}
	}
	return entries, nil
}

// words are texts that many rows have, each kept once.
type words map[string]string

func (w words) share(texts ...*string) {
	for _, text := range texts {
		if text == nil {
			continue
		}
		if known, again := w[*text]; again {
			*text = known
			continue
		}
		w[*text] = *text
	}
}

// ListEntryTree answers what the caller can read as a tree.
func (h *Handlers) ListEntryTree(ctx context.Context, _ api.ListEntryTreeRequestObject) (api.ListEntryTreeResponseObject, error) {
	nodes, err := h.Tree(ctx, caller.From(ctx))
	return api.ListEntryTree200JSONResponse(nodes), err
}

// Tree is what a caller can read, as clients draw it.
func (h *Handlers) Tree(ctx context.Context, c *caller.Caller) ([]api.EntryNode, error) {
	type placed struct {
		organizationID, folderID *int64
		node                     api.EntryNode
	}
	var nodes []placed
	shared := words{}
	err := tree.Each(ctx, h.reader, func(q *db.Queries) error {
		_, err := q.ListEntryTree(ctx, db.ListEntryTreeParams{AccountID: c.AccountID, Reach: c.Reach})
		return err
	}, func(row db.ListEntryTreeRow) {
		shared.share(&row.Icon, &row.Type, &row.Protocol, row.Renderer, row.Status)
		nodes = append(nodes, placed{row.OrganizationID, row.FolderID, toNode(row)})
	})
	if err != nil {
		return nil, err
	}
	// Read later than what lies in them, so that no entry's folder is missing.
	t, err := tree.Load(ctx, h.queries, c)
	if err != nil {
		return nil, err
	}
	for _, n := range nodes {
		t.Add(n.organizationID, n.folderID, n.node)
	}
	return t.Nodes(), nil
}

// GetEntry answers one entry.
func (h *Handlers) GetEntry(ctx context.Context, request api.GetEntryRequestObject) (api.GetEntryResponseObject, error) {
	c := caller.From(ctx)
	row, err := h.queries.GetEntry(ctx, db.GetEntryParams{
		ID: request.EntryID, AccountID: c.AccountID, Reach: c.Reach,
	})
	if err != nil {
		return nil, fail.OnNoRows(err, errNotFound)
	}
	return api.GetEntry200JSONResponse(toAPI(db.ListEntriesRow(row))), nil
}

// ListRecentEntries answers the caller's latest connections.
func (h *Handlers) ListRecentEntries(ctx context.Context, request api.ListRecentEntriesRequestObject) (api.ListRecentEntriesResponseObject, error) {
	c := caller.From(ctx)
	rows, err := h.queries.ListRecentEntries(ctx, db.ListRecentEntriesParams{
		AccountID: c.AccountID, Reach: c.Reach, Most: most(request.Params.Limit),
	})
	if err != nil {
		return nil, err
	}
	entries := make(api.ListRecentEntries200JSONResponse, len(rows))
	for i, row := range rows {
		entries[i] = toRecent(row)
	}
	return entries, nil
}

// most reads a limit leniently, as the API always has.
func most(limit *string) int32 {
	if limit == nil {
		return defaultRecent
	}
	n, err := strconv.ParseFloat(*limit, 64)
	if err != nil && !math.IsInf(n, 1) || math.IsNaN(n) || n < 1 {
		return defaultRecent
	}
	return int32(min(n, maxRecent))
}

func toAPI(row db.ListEntriesRow) api.Entry {
	return api.Entry{
		ID:             row.ID,
		Name:           row.Name,
		Type:           api.EntryType(row.Type),
		Icon:           &row.Icon,
		FolderID:       row.FolderID,
		OrganizationID: row.OrganizationID,
		Config:         json.RawMessage(row.Config),
		AccountID:      row.AccountID,
		IntegrationID:  row.IntegrationID,
		Renderer:       row.Renderer,
		Position:       row.Position,
		Status:         row.Status,
		Identities:     row.Identities,
		Tags:           json.RawMessage(row.Tags),
		Protocol:       unlessEmpty(row.Protocol),
		IP:             unlessEmpty(row.IP),
		CreatedAt:      timestamp.Format(row.CreatedAt),
		UpdatedAt:      timestamp.Format(row.UpdatedAt),
	}
}

func toRecent(row db.ListRecentEntriesRow) api.RecentEntry {
	return api.RecentEntry{
		ID:             row.ID,
		Name:           row.Name,
		Type:           api.EntryType(row.Type),
		Icon:           &row.Icon,
		FolderID:       row.FolderID,
		OrganizationID: row.OrganizationID,
		Config:         json.RawMessage(row.Config),
		AccountID:      row.AccountID,
		IntegrationID:  row.IntegrationID,
		Renderer:       row.Renderer,
		Position:       row.Position,
		Status:         row.Status,
		Identities:     row.Identities,
		Tags:           json.RawMessage(row.Tags),
		Protocol:       unlessEmpty(row.Protocol),
		IP:             unlessEmpty(row.IP),
		CreatedAt:      timestamp.Format(row.CreatedAt),
		UpdatedAt:      timestamp.Format(row.UpdatedAt),
		EntryID:        row.ID,
		ConnectionType: api.RecentEntryConnectionType(row.Action),
		Timestamp:      timestamp.Format(row.ConnectedAt),
	}
}

func toNode(row db.ListEntryTreeRow) api.EntryNode {
	if api.EntryType(row.Type) != api.EntryTypeServer {
		return &api.PveNode{
			ID:            row.ID,
			Name:          row.Name,
			Type:          api.PveNodeType(row.Type),
			Icon:          row.Icon,
			Status:        row.Status,
			Position:      row.Position,
			Renderer:      row.Renderer,
			Tags:          json.RawMessage(row.Tags),
			IntegrationID: row.IntegrationID,
		}
	}
	node := &api.ServerNode{
		ID:             row.ID,
		Name:           row.Name,
		Type:           api.ServerNodeTypeServer,
		Icon:           row.Icon,
		Status:         row.Status,
		Position:       row.Position,
		Renderer:       row.Renderer,
		Tags:           json.RawMessage(row.Tags),
		Identities:     row.Identities,
		Protocol:       unlessEmpty(row.Protocol),
		IP:             unlessEmpty(row.IP),
		MacAddress:     unlessEmpty(row.MacAddress),
		Notes:          row.Notes,
		ShowNoteInList: row.ShowNoteInList,
	}
	if row.WakeOnLanEnabled != "" {
		enabled := row.WakeOnLanEnabled == "true"
		node.WakeOnLanEnabled = &enabled
	}
	return node
}

func unlessEmpty(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
