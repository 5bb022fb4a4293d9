// Package connection owns the operations on live connections: who may open one, what
// is told of them and how they are controlled. What goes over them, and making them,
// is package live's.
package connection

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/live"
	"github.com/nexterm-go/nexterm/internal/timestamp"
	"github.com/nexterm-go/nexterm/internal/vault"
)

var errNotFound = fail.NotFound("Session not found")

// Handlers are the operations of the tag connection.
type Handlers struct {
	queries *db.Queries
	changes *change.Changes
	vault   *vault.Vault
	live    *live.Registry
}

// New returns the operations over a database and the connections of this server.
func New(queries *db.Queries, changes *change.Changes, secrets *vault.Vault, registry *live.Registry) *Handlers {
	return &Handlers{queries, changes, secrets, registry}
}

// List is all connections of an account, of which tabs see a part.
type List struct {
	sync  string
	items []item
}

type item struct {
	api.LiveConnection
	tab, browser *string
}

// For are those that a tab is to show. What it does not say of itself filters nothing.
func (l List) For(tab, browser string) any {
	shown := make(api.ListConnections200JSONResponse, 0, len(l.items))
	for _, i := range l.items {
		elsewhere := l.sync == "same_tab" && tab != "" && (i.tab == nil || *i.tab != tab) ||
			l.sync == "same_browser" && browser != "" && (i.browser == nil || *i.browser != browser)
		if i.IsHibernated || !elsewhere {
			shown = append(shown, i.LiveConnection)
		}
	}
	return shown
}

// ListConnections answers the caller's own that are open.
func (h *Handlers) ListConnections(ctx context.Context, request api.ListConnectionsRequestObject) (api.ListConnectionsResponseObject, error) {
	all, err := h.List(ctx)
	if err != nil {
		return nil, err
	}
	var tab, browser string
	if request.Params.TabID != nil {
		tab = *request.Params.TabID
	}
	if request.Params.BrowserID != nil {
		browser = *request.Params.BrowserID
	}
	return all.For(tab, browser).(api.ListConnections200JSONResponse), nil
}

// List reads all connections of the caller.
func (h *Handlers) List(ctx context.Context) (List, error) {
	rows, err := h.queries.ListConnections(ctx, caller.From(ctx).AccountID)
	if err != nil {
		return List{}, err
	}
	var all List
	for _, row := range rows {
		shareID, err := h.shareID(row.Number, row.ShareKey)
		if err != nil {
			return List{}, err
		}
		participants, err := participants(row.Participants)
		if err != nil {
			return List{}, err
		}
		all.sync = row.SessionSync
		all.items = append(all.items, item{api.LiveConnection{
			SessionID: row.ID, EntryID: row.EntryID,
			Configuration: api.ConnectionConfiguration{
				IdentityID: row.IdentityID, Type: row.Type, ScriptID: row.ScriptID, StartPath: row.StartPath, Renderer: row.Renderer,
			},
			IsHibernated: row.IsHibernated, LastActivity: timestamp.Format(row.LastActivity),
			OrganizationID: row.OrganizationID, OrganizationName: row.OrganizationName, OsName: filled(row.OsName),
			ShareID: shareID, ShareWritable: row.ShareWritable, SftpPath: row.SftpPath, Participants: participants,
			Status: api.LiveConnectionStatus(row.State), CreatedAt: timestamp.Format(row.CreatedAt),
		}, row.TabID, row.BrowserID})
	}
	return all, nil
}

// participants are those who have a connection open; an account's sockets are one.
func participants(rows []byte) ([]api.Participant, error) {
	var viewers []api.Participant
	if err := json.Unmarshal(rows, &viewers); err != nil {
		return nil, fmt.Errorf("read participants: %w", err)
	}
	all, places := []api.Participant{}, map[int64]int{}
	for _, v := range viewers {
		if v.AccountID == nil {
			all = append(all, v)
			continue
		}
		place, known := places[*v.AccountID]
		if !known {
			places[*v.AccountID] = len(all)
			all = append(all, v)
			continue
		}
		all[place].Writable = all[place].Writable || v.Writable
		all[place].Typing = all[place].Typing || v.Typing
	}
	return all, nil
}

// GetConnection answers what a window of its own needs.
func (h *Handlers) GetConnection(ctx context.Context, request api.GetConnectionRequestObject) (api.GetConnectionResponseObject, error) {
	row, err := h.get(ctx, request.ID)
	if err != nil {
		return nil, err
	}
	shareID, err := h.shareID(row.Number, row.ShareKey)
	if err != nil {
		return nil, err
	}
	return api.GetConnection200JSONResponse{
		ID: row.ID, Identity: row.IdentityID, IsHibernated: row.IsHibernated, LastActivity: timestamp.Format(row.LastActivity),
		Type: row.Type, OrganizationID: row.OrganizationID, OrganizationName: row.OrganizationName, ScriptID: row.ScriptID,
		ShareID: shareID, ShareWritable: row.ShareWritable,
		Server: api.ConnectionServer{
			ID: row.EntryID, Name: row.Name, Type: row.EntryType, Icon: &row.Icon, Renderer: row.Renderer, Protocol: filled(row.Protocol),
		},
	}, nil
}

// get reads one of the caller's that is open.
func (h *Handlers) get(ctx context.Context, id uuid.UUID) (db.GetConnectionRow, error) {
	row, err := h.queries.GetConnection(ctx, db.GetConnectionParams{ID: id, AccountID: caller.From(ctx).AccountID})
	return row, fail.OnNoRows(err, errNotFound)
}

// shareID opens the key of a link.
func (h *Handlers) shareID(number int64, sealed []byte) (*string, error) {
	if sealed == nil {
		return nil, nil
	}
	key, err := h.vault.Open("connections", number, "share-key", sealed)
	if err != nil {
		return nil, err
	}
	text := string(key)
	return &text, nil
}

// filled is nil for an empty text.
func filled(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
