// Package snippet owns the operations on snippets: commands that people and
// sources keep to insert into terminals. It does not send them anywhere;
// clients do.
package snippet

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/library"
	"github.com/nexterm-go/nexterm/internal/permission"
)

const (
	// kind names the scopes' locks.
	kind = "snippets"
	// maxCommandBytes bounds a command in bytes; the schema bounds it in characters.
	maxCommandBytes = 64 << 10
)

var (
	errTooLong        = fail.BadRequest("command length must be less than or equal to 65536 bytes long")
	errNotFound       = fail.NotFound("Snippet does not exist")
	errTargetNotFound = fail.NotFound("Snippet not found")
	errForbidden      = fail.Forbidden("You don't have permission to manage snippets")
	errEditSynced     = fail.Forbidden("Cannot edit source-synced snippets")
	errDeleteSynced   = fail.Forbidden("Cannot delete source-synced snippets")
	errReorderSynced  = fail.Forbidden("Cannot reorder source-synced snippets")
)

// Handlers are the operations of the tag snippet.
type Handlers struct {
	pool    *pgxpool.Pool
	queries *db.Queries
	events  *event.Bus
}

// New returns the operations over a database.
func New(pool *pgxpool.Pool, events *event.Bus) *Handlers {
	return &Handlers{pool: pool, queries: db.New(pool), events: events}
}

// publish announces a change to the caller and the active members of the
// organization; nil stands for personal.
func (h *Handlers) publish(ctx context.Context, organizationID *int64) {
	h.events.Tell(caller.From(ctx).AccountID, []*int64{organizationID}, event.Snippets)
}

// ListSnippets answers what the caller and the caller's organizations have.
func (h *Handlers) ListSnippets(ctx context.Context, _ api.ListSnippetsRequestObject) (api.ListSnippetsResponseObject, error) {
	scope := library.All(caller.From(ctx))
	rows, err := h.queries.ListSnippets(ctx, db.ListSnippetsParams{
		AccountID: scope.AccountID, OrganizationIds: scope.OrganizationIDs,
	})
	if err != nil {
		return nil, err
	}
	snippets := make(api.ListSnippets200JSONResponse, len(rows))
	for i, row := range rows {
		snippets[i] = toAPI(db.GetSnippetRow(row))
	}
	return snippets, nil
}

// ListSourceSnippets answers what the enabled sources deliver.
func (h *Handlers) ListSourceSnippets(ctx context.Context, _ api.ListSourceSnippetsRequestObject) (api.ListSourceSnippetsResponseObject, error) {
	rows, err := h.queries.ListSourceSnippets(ctx)
	if err != nil {
		return nil, err
	}
	snippets := make(api.ListSourceSnippets200JSONResponse, len(rows))
	for i, row := range rows {
		snippets[i] = toAPI(db.GetSnippetRow(row))
	}
	return snippets, nil
}

// GetSnippet answers one snippet of the named scope.
func (h *Handlers) GetSnippet(ctx context.Context, request api.GetSnippetRequestObject) (api.GetSnippetResponseObject, error) {
	scope, err := library.ForReading(ctx, h.queries, caller.From(ctx), request.Params.OrganizationID)
	if err != nil {
		return nil, err
	}
	row, err := h.find(ctx, scope, request.SnippetID)
	if err != nil {
		return nil, err
	}
	return api.GetSnippet200JSONResponse(toAPI(row)), nil
}

func (h *Handlers) find(ctx context.Context, scope library.Scope, id int64) (db.GetSnippetRow, error) {
	row, err := h.queries.GetSnippet(ctx, db.GetSnippetParams{
		ID: id, AccountID: scope.AccountID, OrganizationIds: scope.OrganizationIDs, Sources: scope.Sources,
	})
	return row, fail.OnNoRows(err, errNotFound)
}

// CreateSnippet appends a snippet to its scope.
func (h *Handlers) CreateSnippet(ctx context.Context, request api.CreateSnippetRequestObject) (api.CreateSnippetResponseObject, error) {
	c, body := caller.From(ctx), request.Body
	if err := checkCommand(&body.Command); err != nil {
		return nil, err
	}
	scope, err := library.ForWriting(c, body.OrganizationID)
	if err != nil {
		return nil, err
	}
	if !scope.May(c, permission.SnippetsManage) {
		return nil, errForbidden
	}
	row := db.CreateSnippetParams{
		Name: body.Name, Command: body.Command, Description: body.Description, OsFilter: library.Filter(body.OsFilter),
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
		id, err = q.CreateSnippet(ctx, row)
		return fail.OnConstraint(err, "snippets_organization_exists", library.ErrOrganizationNotFound)
	})
	if err != nil {
		return nil, err
	}
	h.publish(ctx, body.OrganizationID)
	return api.CreateSnippet200JSONResponse{ID: id, Message: "Snippet created successfully"}, nil
}

func checkCommand(command *string) error {
	if command != nil && len(*command) > maxCommandBytes {
		return errTooLong
	}
	return nil
}

func toAPI(row db.GetSnippetRow) api.Snippet {
	return api.Snippet{
		ID:             row.ID,
		Name:           row.Name,
		Command:        row.Command,
		Description:    row.Description,
		OsFilter:       row.OsFilter,
		OrganizationID: row.OrganizationID,
		AccountID:      row.AccountID,
		SourceID:       row.SourceID,
		SortOrder:      row.SortOrder,
	}
}
