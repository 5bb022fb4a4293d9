// Package contentsource owns external sources: the operations on them, and bringing in
// the scripts and snippets that they deliver. It does not serve those; the tags
// script and snippet do.
package contentsource

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/timestamp"
)

var (
	errURLTaken      = fail.Conflict("A source with this URL already exists")
	errChangeDefault = fail.Forbidden("Cannot modify the default source")
	errDeleteDefault = fail.Forbidden("Cannot delete the default source")
)

// Handlers are the operations of the tag source.
type Handlers struct {
	syncer  *Syncer
	queries *db.Queries
	jobs    *river.Client[pgx.Tx]
}

// New returns the operations over a syncer and a client that enqueues its jobs.
func New(syncer *Syncer, jobs *river.Client[pgx.Tx]) *Handlers {
	return &Handlers{syncer: syncer, queries: syncer.queries, jobs: jobs}
}

// ListSources answers every source by name.
func (h *Handlers) ListSources(ctx context.Context, _ api.ListSourcesRequestObject) (api.ListSourcesResponseObject, error) {
	rows, err := h.queries.ListSources(ctx)
	if err != nil {
		return nil, err
	}
	sources := make(api.ListSources200JSONResponse, len(rows))
	for i, row := range rows {
		sources[i] = toAPI(row)
	}
	return sources, nil
}

// GetSource answers one source.
func (h *Handlers) GetSource(ctx context.Context, request api.GetSourceRequestObject) (api.GetSourceResponseObject, error) {
	row, err := h.find(ctx, request.SourceID)
	if err != nil {
		return nil, err
	}
	return api.GetSource200JSONResponse(toAPI(row)), nil
}

func (h *Handlers) find(ctx context.Context, id int64) (db.Source, error) {
	row, err := h.queries.GetSource(ctx, id)
	return row, fail.OnNoRows(err, errNotFound)
}

// ValidateSource tries a URL; both outcomes are answers.
func (h *Handlers) ValidateSource(ctx context.Context, request api.ValidateSourceRequestObject) (api.ValidateSourceResponseObject, error) {
	found, err := h.syncer.try(ctx, request.Body.URL)
	var reason unusable
	if errors.As(err, &reason) {
		return api.ValidateSource200JSONResponse{Error: (*string)(&reason)}, nil
	}
	if err != nil {
		return nil, err
	}
	scripts, snippets, themes := found.count(scriptKind), found.count(snippetKind), found.count(themeKind)
	return api.ValidateSource200JSONResponse{
		Valid: true, ScriptCount: &scripts, SnippetCount: &snippets, ThemeCount: &themes,
	}, nil
}

// CreateSource stores a source and synchronizes it. One that delivers nothing
// yet is stored all the same.
func (h *Handlers) CreateSource(ctx context.Context, request api.CreateSourceRequestObject) (api.CreateSourceResponseObject, error) {
	url, err := checkLocation(ctx, h.syncer.outbound, request.Body.URL)
	if err != nil {
		return nil, fail.BadRequest("Invalid source URL: " + err.Error())
	}
	var id int64
	err = h.syncer.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) (err error) {
		id, err = tx.CreateSource(ctx, db.CreateSourceParams{Name: request.Body.Name, URL: url})
		tx.Record(event.Event{
			Action: event.SourceCreate, ResourceID: id, Details: event.Details{"name": request.Body.Name, "url": url},
		})
		return fail.OnConstraint(err, "sources_url_unique", errURLTaken)
	})
	if err != nil {
		return nil, err
	}
	if err := h.trySync(ctx, id); err != nil {
		return nil, err
	}
	return api.CreateSource201JSONResponse{ID: id, Message: "Source created successfully"}, nil
}

// trySync synchronizes a source, of which its status tells the outcome.
func (h *Handlers) trySync(ctx context.Context, id int64) error {
	err := h.syncer.Sync(ctx, id)
	var reason unusable
	// Disabled or deleted by somebody else in the meantime, it needs no sync.
	if errors.As(err, &reason) || errors.Is(err, errDisabled) || errors.Is(err, errNotFound) {
		return nil
	}
	return err
}

// UpdateSource changes a source. A new URL and enabling synchronize it.
func (h *Handlers) UpdateSource(ctx context.Context, request api.UpdateSourceRequestObject) (api.UpdateSourceResponseObject, error) {
	body := request.Body
	before, err := h.find(ctx, request.SourceID)
	if err != nil {
		return nil, err
	}
	changed := db.UpdateSourceParams{ID: before.ID, Name: body.Name, Enabled: body.Enabled}
	if body.URL != nil {
		if changed.URL, err = h.changedURL(ctx, before, *body.URL); err != nil {
			return nil, err
		}
	}
	if before.IsDefault && body.Name != nil && *body.Name != before.Name {
		return nil, errChangeDefault
	}
	var updated db.UpdateSourceRow
	err = h.syncer.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) (err error) {
		updated, err = tx.UpdateSource(ctx, changed)
		tx.Record(event.Event{
			Action: event.SourceUpdate, ResourceID: before.ID,
			Details: event.Details{"name": updated.Name, "updatedFields": caller.Members(ctx)},
		})
		return fail.OnNoRows(fail.OnConstraint(err, "sources_url_unique", errURLTaken), errNotFound)
	})
	if err != nil {
		return nil, err
	}
	if updated.Enabled && (changed.URL != nil || !before.Enabled) {
		if err := h.trySync(ctx, before.ID); err != nil {
			return nil, err
		}
	}
	after, err := h.find(ctx, before.ID)
	if err != nil {
		return nil, err
	}
	return api.UpdateSource200JSONResponse{Message: "Source updated successfully", Source: toAPI(after)}, nil
}

// changedURL is the new URL of a source, checked; nil when it is the old one,
// which need not hold any more.
func (h *Handlers) changedURL(ctx context.Context, before db.Source, text string) (*string, error) {
	if u, err := parseLocation(text); text == before.URL || err == nil && u.String() == before.URL {
		return nil, nil
	}
	if before.IsDefault {
		return nil, errChangeDefault
	}
	url, err := checkLocation(ctx, h.syncer.outbound, text)
	if err != nil {
		return nil, fail.BadRequest("Invalid source URL: " + err.Error())
	}
	return &url, nil
}

// DeleteSource removes a source with what it has delivered.
func (h *Handlers) DeleteSource(ctx context.Context, request api.DeleteSourceRequestObject) (api.DeleteSourceResponseObject, error) {
	err := h.syncer.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		row, err := tx.GetSource(ctx, request.SourceID)
		if err != nil {
			return fail.OnNoRows(err, errNotFound)
		}
		deleted, err := tx.DeleteSource(ctx, row.ID)
		if err == nil && deleted == 0 {
			err = errDeleteDefault
		}
		tx.Record(event.Event{
			Action: event.SourceDelete, ResourceID: row.ID, Details: event.Details{"name": row.Name, "url": row.URL},
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return api.DeleteSource200JSONResponse{Message: "Source deleted successfully"}, nil
}

// SyncSource synchronizes a source and tells how it went.
func (h *Handlers) SyncSource(ctx context.Context, request api.SyncSourceRequestObject) (api.SyncSourceResponseObject, error) {
	err := h.syncer.Sync(ctx, request.SourceID)
	var reason unusable
	if errors.As(err, &reason) {
		return nil, fail.BadRequest(reason.Error())
	}
	if err != nil {
		return nil, err
	}
	return api.SyncSource200JSONResponse{Message: "Source synced successfully"}, nil
}

// SyncAllSources leaves the synchronization of all enabled sources to a job.
func (h *Handlers) SyncAllSources(ctx context.Context, _ api.SyncAllSourcesRequestObject) (api.SyncAllSourcesResponseObject, error) {
	if _, err := h.jobs.Insert(ctx, SyncAll{}, nil); err != nil {
		return nil, err
	}
	return api.SyncAllSources200JSONResponse{Message: "Sync initiated for all sources"}, nil
}

func toAPI(row db.Source) api.Source {
	return api.Source{
		ID:             row.ID,
		Name:           row.Name,
		URL:            row.URL,
		Enabled:        row.Enabled,
		IsDefault:      row.IsDefault,
		LastSyncStatus: (*api.SourceLastSyncStatus)(row.LastSyncStatus),
		SnippetCount:   row.SnippetCount,
		ScriptCount:    row.ScriptCount,
		ThemeCount:     row.ThemeCount,
		CreatedAt:      timestamp.Format(row.CreatedAt),
		UpdatedAt:      timestamp.Format(row.UpdatedAt),
	}
}
