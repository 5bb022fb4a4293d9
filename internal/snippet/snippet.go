// Package snippet owns the operations on snippets: commands that people and
// sources keep to insert into terminals. It does not send them anywhere;
// clients do.
package snippet

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
	queries *db.Queries
	changes *change.Changes
}

// New returns the operations over a database.
func New(queries *db.Queries, changes *change.Changes) *Handlers { return &Handlers{queries, changes} }

// ListSnippets answers what the caller and the caller's organizations have.
func (h *Handlers) ListSnippets(ctx context.Context, _ api.ListSnippetsRequestObject) (api.ListSnippetsResponseObject, error) {
	reach := caller.From(ctx).Reach
	return struct {
		api.ListSnippets200JSONResponse
		*paging.List[api.Snippet]
	}{List: library.List(ctx, func(ctx context.Context, order int32, id int64) ([]api.Snippet, error) {
		rows, err := h.queries.ListSnippets(ctx, db.ListSnippetsParams{
			Reach: reach, AfterOrder: order, AfterID: id, Most: paging.Length, MostBytes: paging.Bytes,
		})
		page := make([]api.Snippet, len(rows))
		for i, row := range rows {
			page[i] = toAPI(db.GetSnippetRow(row))
		}
		return page, err
	}, place)}, nil
}

// ListSourceSnippets answers what the enabled sources deliver.
func (h *Handlers) ListSourceSnippets(ctx context.Context, _ api.ListSourceSnippetsRequestObject) (api.ListSourceSnippetsResponseObject, error) {
	return struct {
		api.ListSourceSnippets200JSONResponse
		*paging.List[api.Snippet]
	}{List: library.List(ctx, func(ctx context.Context, order int32, id int64) ([]api.Snippet, error) {
		rows, err := h.queries.ListSourceSnippets(ctx, db.ListSourceSnippetsParams{
			AfterOrder: order, AfterID: id, Most: paging.Length, MostBytes: paging.Bytes,
		})
		page := make([]api.Snippet, len(rows))
		for i, row := range rows {
			page[i] = toAPI(db.GetSnippetRow(row))
		}
		return page, err
	}, place)}, nil
}

// place is where a snippet stands in a list.
func place(s *api.Snippet) library.Place {
	return library.Place{Order: s.SortOrder, ID: s.ID, Text: s.Command, Description: s.Description}
}

// GetSnippet answers one snippet of the named scope.
func (h *Handlers) GetSnippet(ctx context.Context, request api.GetSnippetRequestObject) (api.GetSnippetResponseObject, error) {
	owner, err := library.ForReading(ctx, h.queries, caller.From(ctx), request.Params.OrganizationID)
	if err != nil {
		return nil, err
	}
	row, err := find(ctx, h.queries, owner, request.SnippetID)
	if err != nil {
		return nil, err
	}
	return api.GetSnippet200JSONResponse(toAPI(row)), nil
}

// find reads one that the owner has; accounts also have what sources deliver.
func find(ctx context.Context, q *db.Queries, owner caller.Owner, id int64) (db.GetSnippetRow, error) {
	row, err := q.GetSnippet(ctx, db.GetSnippetParams{ID: id, Reach: []int64{int64(owner)}, Sources: owner > 0})
	return row, fail.OnNoRows(err, errNotFound)
}

// CreateSnippet appends a snippet to its scope.
func (h *Handlers) CreateSnippet(ctx context.Context, request api.CreateSnippetRequestObject) (api.CreateSnippetResponseObject, error) {
	c, body := caller.From(ctx), request.Body
	if err := checkCommand(&body.Command); err != nil {
		return nil, err
	}
	owner, err := library.ForWriting(c, body.OrganizationID)
	if err != nil {
		return nil, err
	}
	if err := mayManage(c, owner); err != nil {
		return nil, err
	}
	row := db.CreateSnippetParams{
		Scope: int64(owner), Name: body.Name, Command: body.Command, Description: body.Description, OsFilter: library.Filter(body.OsFilter),
	}
	if body.OrganizationID != nil {
		row.CreatorID = &c.AccountID
	}
	var id int64
	err = h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) (err error) {
		if err := library.Lock(ctx, tx, kind, owner); err != nil {
			return err
		}
		if id, err = tx.CreateSnippet(ctx, row); err != nil {
			return fail.OnConstraint(err, "snippets_organization_exists", caller.ErrOrganizationNotFound)
		}
		tx.Record(event.Event{Action: event.SnippetCreate, Owner: owner, ResourceID: id, Details: event.Details{"name": body.Name}})
		return tx.Within(ctx, owner, change.Snippets)
	})
	if err != nil {
		return nil, err
	}
	return api.CreateSnippet200JSONResponse{ID: id, Message: "Snippet created successfully"}, nil
}

func mayManage(c *caller.Caller, owner caller.Owner) error {
	return c.Need(permission.SnippetsManage, owner, errForbidden, errForbidden)
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
