// Package script owns the operations on scripts: what people and sources keep
// to run on servers. It does not run them; connections do.
package script

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/library"
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
	pool    *pgxpool.Pool
	queries *db.Queries
}

// New returns the operations over a database.
func New(pool *pgxpool.Pool) *Handlers { return &Handlers{pool: pool, queries: db.New(pool)} }

// ListScripts answers what the caller or one organization has, or the part of
// it that a search finds.
func (h *Handlers) ListScripts(ctx context.Context, request api.ListScriptsRequestObject) (api.ListScriptsResponseObject, error) {
	c := caller.From(ctx)
	scope := library.All(c)
	if request.Params.OrganizationID != nil {
		var err error
		if scope, err = library.ForReading(ctx, h.queries, c, request.Params.OrganizationID); err != nil {
			return nil, err
		}
	}
	scripts, err := h.list(ctx, scope, request.Params.Search)
	return api.ListScripts200JSONResponse(scripts), err
}

// ListAllScripts answers what the caller and the caller's organizations have.
func (h *Handlers) ListAllScripts(ctx context.Context, _ api.ListAllScriptsRequestObject) (api.ListAllScriptsResponseObject, error) {
	scripts, err := h.list(ctx, library.All(caller.From(ctx)), nil)
	return api.ListAllScripts200JSONResponse(scripts), err
}

func (h *Handlers) list(ctx context.Context, scope library.Scope, search *string) ([]api.Script, error) {
	rows, err := h.queries.ListScripts(ctx, db.ListScriptsParams{
		AccountID: scope.AccountID, OrganizationIds: scope.OrganizationIDs, Search: search,
	})
	if err != nil {
		return nil, err
	}
	scripts := make([]api.Script, len(rows))
	for i, row := range rows {
		scripts[i] = toAPI(db.GetScriptRow(row))
	}
	return scripts, nil
}

// ListSourceScripts answers what the enabled sources deliver.
func (h *Handlers) ListSourceScripts(ctx context.Context, _ api.ListSourceScriptsRequestObject) (api.ListSourceScriptsResponseObject, error) {
	rows, err := h.queries.ListSourceScripts(ctx)
	if err != nil {
		return nil, err
	}
	scripts := make(api.ListSourceScripts200JSONResponse, len(rows))
	for i, row := range rows {
		scripts[i] = toAPI(db.GetScriptRow(row))
	}
	return scripts, nil
}

// GetScript answers one script of the named scope.
func (h *Handlers) GetScript(ctx context.Context, request api.GetScriptRequestObject) (api.GetScriptResponseObject, error) {
	scope, err := library.ForReading(ctx, h.queries, caller.From(ctx), request.Params.OrganizationID)
	if err != nil {
		return nil, err
	}
	row, err := h.find(ctx, scope, request.ScriptID)
	if err != nil {
		return nil, err
	}
	return api.GetScript200JSONResponse(toAPI(row)), nil
}

func (h *Handlers) find(ctx context.Context, scope library.Scope, id int64) (db.GetScriptRow, error) {
	row, err := h.queries.GetScript(ctx, db.GetScriptParams{
		ID: id, AccountID: scope.AccountID, OrganizationIds: scope.OrganizationIDs, Sources: scope.Sources,
	})
	return row, fail.OnNoRows(err, errNotFound)
}

// CreateScript appends a script to its scope.
func (h *Handlers) CreateScript(ctx context.Context, request api.CreateScriptRequestObject) (api.CreateScriptResponseObject, error) {
	c, body := caller.From(ctx), request.Body
	scope, err := library.ForWriting(c, body.OrganizationID)
	if err != nil {
		return nil, err
	}
	if !scope.May(c, permission.ScriptsManage) {
		return nil, errForbidden
	}
	row := db.CreateScriptParams{
		Name: body.Name, Content: body.Content, Description: body.Description, OsFilter: library.Filter(body.OsFilter),
	}
	if body.OrganizationID != nil {
		row.OrganizationID, row.CreatorID = body.OrganizationID, &c.AccountID
	} else {
		row.AccountID = &c.AccountID
	}
	var id int64
	err = pgx.BeginFunc(ctx, h.pool, func(tx pgx.Tx) (err error) {
		q := h.queries.WithTx(tx)
		if err := scope.Lock(ctx, q, kind); err != nil {
			return err
		}
		id, err = q.CreateScript(ctx, row)
		return fail.OnConstraint(err, "scripts_organization_exists", library.ErrOrganizationNotFound)
	})
	if err != nil {
		return nil, err
	}
	return api.CreateScript201JSONResponse{ID: id, Message: "Script created successfully"}, nil
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
