// Package script owns the operations on scripts: what people and sources keep
// to run on servers. It does not run them; connections do.
package script

import (
	"context"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/library"
	"github.com/nexterm-go/nexterm/internal/paging"
	"github.com/nexterm-go/nexterm/internal/permission"
)

// kind names the scopes' locks.
const kind = "scripts"

var (
	errNotFound       = fail.NotFound("Script does not exist")
	errTargetNotFound = fail.NotFound("Script not found")
	errForbidden      = fail.Forbidden("You don't have permission to manage scripts")
	errEditSynced     = fail.Forbidden("Cannot edit source-synced scripts")
	errDeleteSynced   = fail.Forbidden("Cannot delete source-synced scripts")
	errReorderSynced  = fail.Forbidden("Cannot reorder source-synced scripts")
)

// Handlers are the operations of the tag script.
type Handlers struct {
	queries *db.Queries
	changes *change.Changes
}

// New returns the operations over a database.
func New(queries *db.Queries, changes *change.Changes) *Handlers { return &Handlers{queries, changes} }

// ListScripts answers what the caller or one organization has, or the part of
// it that a search finds.
func (h *Handlers) ListScripts(ctx context.Context, request api.ListScriptsRequestObject) (api.ListScriptsResponseObject, error) {
	c := caller.From(ctx)
	reach := c.Reach
	if request.Params.OrganizationID != nil {
		owner, err := library.ForReading(ctx, h.queries, c, request.Params.OrganizationID)
		if err != nil {
			return nil, err
		}
		reach = []int64{int64(owner)}
	}
	return struct {
		api.ListScripts200JSONResponse
		*paging.List[api.Script]
	}{List: h.own(ctx, reach, request.Params.Search)}, nil
}

// ListAllScripts answers what the caller and the caller's organizations have.
func (h *Handlers) ListAllScripts(ctx context.Context, _ api.ListAllScriptsRequestObject) (api.ListAllScriptsResponseObject, error) {
	return struct {
		api.ListAllScripts200JSONResponse
		*paging.List[api.Script]
	}{List: h.own(ctx, caller.From(ctx).Reach, nil)}, nil
}

// own are the scripts that owners have.
func (h *Handlers) own(ctx context.Context, reach []int64, search *string) *paging.List[api.Script] {
	return library.List(ctx, func(ctx context.Context, order int32, id int64) ([]api.Script, error) {
		rows, err := h.queries.ListScripts(ctx, db.ListScriptsParams{
			Reach: reach, Search: search, AfterOrder: order, AfterID: id, Most: paging.Length, MostBytes: paging.Bytes,
		})
		page := make([]api.Script, len(rows))
		for i, row := range rows {
			page[i] = toAPI(db.GetScriptRow(row))
		}
		return page, err
	}, place)
}

// ListSourceScripts answers what the enabled sources deliver.
func (h *Handlers) ListSourceScripts(ctx context.Context, _ api.ListSourceScriptsRequestObject) (api.ListSourceScriptsResponseObject, error) {
	return struct {
		api.ListSourceScripts200JSONResponse
		*paging.List[api.Script]
	}{List: library.List(ctx, func(ctx context.Context, order int32, id int64) ([]api.Script, error) {
		rows, err := h.queries.ListSourceScripts(ctx, db.ListSourceScriptsParams{
			AfterOrder: order, AfterID: id, Most: paging.Length, MostBytes: paging.Bytes,
		})
		page := make([]api.Script, len(rows))
		for i, row := range rows {
			page[i] = toAPI(db.GetScriptRow(row))
		}
		return page, err
	}, place)}, nil
}

// place is where a script stands in a list.
func place(s *api.Script) library.Place {
	return library.Place{Order: s.SortOrder, ID: s.ID, Text: s.Content, Description: s.Description}
}

// GetScript answers one script of the named scope.
func (h *Handlers) GetScript(ctx context.Context, request api.GetScriptRequestObject) (api.GetScriptResponseObject, error) {
	owner, err := library.ForReading(ctx, h.queries, caller.From(ctx), request.Params.OrganizationID)
	if err != nil {
		return nil, err
	}
	row, err := find(ctx, h.queries, owner, request.ScriptID)
	if err != nil {
		return nil, err
	}
	return api.GetScript200JSONResponse(toAPI(row)), nil
}

// find reads one that the owner has; accounts also have what sources deliver.
func find(ctx context.Context, q *db.Queries, owner caller.Owner, id int64) (db.GetScriptRow, error) {
	row, err := q.GetScript(ctx, db.GetScriptParams{ID: id, Reach: []int64{int64(owner)}, Sources: owner > 0})
	return row, fail.OnNoRows(err, errNotFound)
}

// CreateScript appends a script to its scope.
func (h *Handlers) CreateScript(ctx context.Context, request api.CreateScriptRequestObject) (api.CreateScriptResponseObject, error) {
	c, body := caller.From(ctx), request.Body
	owner, err := library.ForWriting(c, body.OrganizationID)
	if err != nil {
		return nil, err
	}
	if err := mayManage(c, owner); err != nil {
		return nil, err
	}
	row := db.CreateScriptParams{
		Scope: int64(owner), Name: body.Name, Content: body.Content, Description: body.Description, OsFilter: library.Filter(body.OsFilter),
	}
	if body.OrganizationID != nil {
		row.CreatorID = &c.AccountID
	}
	var id int64
	err = h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) (err error) {
		if err := library.Lock(ctx, tx, kind, owner); err != nil {
			return err
		}
		if id, err = tx.CreateScript(ctx, row); err != nil {
			return fail.OnConstraint(err, "scripts_organization_exists", caller.ErrOrganizationNotFound)
		}
		tx.Record(event.Event{Action: event.ScriptCreate, Owner: owner, ResourceID: id, Details: event.Details{"name": body.Name}})
		return tx.Within(ctx, owner, change.Scripts)
	})
	if err != nil {
		return nil, err
	}
	return api.CreateScript201JSONResponse{ID: id, Message: "Script created successfully"}, nil
}

func mayManage(c *caller.Caller, owner caller.Owner) error {
	return c.Need(permission.ScriptsManage, owner, errForbidden, errForbidden)
}

func toAPI(row db.GetScriptRow) api.Script {
	return api.Script{
		ID:             row.ID,
		Name:           row.Name,
		Content:        row.Content,
		Description:    row.Description,
		OsFilter:       row.OsFilter,
		OrganizationID: row.OrganizationID,
		AccountID:      row.AccountID,
		SourceID:       row.SourceID,
		SortOrder:      row.SortOrder,
	}
}
