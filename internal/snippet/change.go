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
)

// UpdateSnippet changes the fields that the body names.
func (h *Handlers) UpdateSnippet(ctx context.Context, request api.UpdateSnippetRequestObject) (api.UpdateSnippetResponseObject, error) {
	body := request.Body
	if err := checkCommand(body.Command); err != nil {
		return nil, err
	}
	changed := db.UpdateSnippetParams{
		ID: request.SnippetID, Name: body.Name, Command: body.Command,
		SetDescription: body.Description.IsSpecified(), SetOsFilter: body.OsFilter.IsSpecified(),
	}
	if text, err := body.Description.Get(); err == nil {
		changed.Description = &text
	}
	if systems, err := body.OsFilter.Get(); err == nil {
		changed.OsFilter = library.Filter(systems)
	}
	err := h.manage(ctx, request.Params.OrganizationID, request.SnippetID, errEditSynced, func(tx *change.Tx, owner caller.Owner, _ string) (*event.Event, error) {
		changed.Reach = []int64{int64(owner)}
		name, err := tx.UpdateSnippet(ctx, changed)
		return &event.Event{
			Action: event.SnippetUpdate, Details: event.Details{"name": name, "updatedFields": caller.Members(ctx)},
		}, fail.OnNoRows(err, errNotFound)
	})
	if err != nil {
		return nil, err
	}
	return api.UpdateSnippet200JSONResponse{Message: "Snippet updated successfully"}, nil
}

// DeleteSnippet removes a snippet.
func (h *Handlers) DeleteSnippet(ctx context.Context, request api.DeleteSnippetRequestObject) (api.DeleteSnippetResponseObject, error) {
	err := h.manage(ctx, request.Params.OrganizationID, request.SnippetID, errDeleteSynced, func(tx *change.Tx, owner caller.Owner, name string) (*event.Event, error) {
		deleted, err := tx.DeleteSnippet(ctx, db.DeleteSnippetParams{ID: request.SnippetID, Reach: []int64{int64(owner)}})
		if err == nil && deleted == 0 {
			err = errNotFound
		}
		return &event.Event{Action: event.SnippetDelete, Details: event.Details{"name": name}}, err
	})
	if err != nil {
		return nil, err
	}
	return api.DeleteSnippet200JSONResponse{Message: "Snippet deleted successfully"}, nil
}

// RepositionSnippet moves a snippet among its owner's and numbers these anew.
func (h *Handlers) RepositionSnippet(ctx context.Context, request api.RepositionSnippetRequestObject) (api.RepositionSnippetResponseObject, error) {
	body := request.Body
	move := db.RepositionSnippetParams{ID: request.SnippetID, TargetID: body.TargetID}
	if body.Placement != nil {
		move.Placement = string(*body.Placement)
	}
	err := h.manage(ctx, request.Params.OrganizationID, request.SnippetID, errReorderSynced, func(tx *change.Tx, owner caller.Owner, name string) (*event.Event, error) {
		if body.TargetID == request.SnippetID {
			return nil, nil
		}
		if err := library.Lock(ctx, tx, kind, owner); err != nil {
			return nil, err
		}
		move.Reach = []int64{int64(owner)}
		found, err := tx.RepositionSnippet(ctx, move)
		switch {
		case err != nil:
			return nil, err
		case !found.MovedFound:
			return nil, errNotFound
		case !found.TargetFound:
			return nil, errTargetNotFound
		}
		return &event.Event{Action: event.SnippetUpdate, Details: event.Details{"name": name, "action": "reposition", "targetId": body.TargetID}}, nil
	})
	if err != nil {
		return nil, err
	}
	return api.RepositionSnippet200JSONResponse{Message: "Snippet repositioned successfully"}, nil
}

// manage runs a write of a snippet that the caller may change, and tells what it
// has done, if anything. errSynced refuses one that a source delivers.
func (h *Handlers) manage(ctx context.Context, organizationID *int64, id int64, errSynced error, write func(*change.Tx, caller.Owner, string) (*event.Event, error)) error {
	c := caller.From(ctx)
	owner, err := library.ForWriting(c, organizationID)
	if err != nil {
		return err
	}
	return h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		row, err := find(ctx, tx.Queries, owner, id)
		if err != nil {
			return err
		}
		if err := mayManage(c, owner); err != nil {
			return err
		}
		if row.SourceID != nil {
			return errSynced
		}
		done, err := write(tx, owner, row.Name)
		if err == nil && done != nil {
			done.Owner, done.ResourceID = owner, id
			tx.Record(*done)
		}
		return err
	})
}
