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
)

// UpdateScript changes the fields that the body names.
func (h *Handlers) UpdateScript(ctx context.Context, request api.UpdateScriptRequestObject) (api.UpdateScriptResponseObject, error) {
	body := request.Body
	changed := db.UpdateScriptParams{
		ID: request.ScriptID, Name: body.Name, Content: body.Content,
		SetDescription: body.Description.IsSpecified(), SetOsFilter: body.OsFilter.IsSpecified(),
	}
	if text, err := body.Description.Get(); err == nil {
		changed.Description = &text
	}
	if systems, err := body.OsFilter.Get(); err == nil {
		changed.OsFilter = library.Filter(systems)
	}
	err := h.manage(ctx, request.Params.OrganizationID, request.ScriptID, errEditSynced, func(tx *change.Tx, owner caller.Owner, _ string) (*event.Event, error) {
		changed.Reach = []int64{int64(owner)}
		name, err := tx.UpdateScript(ctx, changed)
		return &event.Event{
			Action: event.ScriptUpdate, Details: event.Details{"name": name, "updatedFields": caller.Members(ctx)},
		}, fail.OnNoRows(err, errNotFound)
	})
	if err != nil {
		return nil, err
	}
	return api.UpdateScript200JSONResponse{Message: "Script updated successfully"}, nil
}

// DeleteScript removes a script.
func (h *Handlers) DeleteScript(ctx context.Context, request api.DeleteScriptRequestObject) (api.DeleteScriptResponseObject, error) {
	err := h.manage(ctx, request.Params.OrganizationID, request.ScriptID, errDeleteSynced, func(tx *change.Tx, owner caller.Owner, name string) (*event.Event, error) {
		deleted, err := tx.DeleteScript(ctx, db.DeleteScriptParams{ID: request.ScriptID, Reach: []int64{int64(owner)}})
		if err == nil && deleted == 0 {
			err = errNotFound
		}
		return &event.Event{Action: event.ScriptDelete, Details: event.Details{"name": name}}, err
	})
	if err != nil {
		return nil, err
	}
	return api.DeleteScript200JSONResponse{Message: "Script deleted successfully"}, nil
}

// RepositionScript moves a script among its owner's and numbers these anew.
func (h *Handlers) RepositionScript(ctx context.Context, request api.RepositionScriptRequestObject) (api.RepositionScriptResponseObject, error) {
	body := request.Body
	move := db.RepositionScriptParams{ID: request.ScriptID, TargetID: body.TargetID}
	if body.Placement != nil {
		move.Placement = string(*body.Placement)
	}
	err := h.manage(ctx, request.Params.OrganizationID, request.ScriptID, errReorderSynced, func(tx *change.Tx, owner caller.Owner, name string) (*event.Event, error) {
		if body.TargetID == request.ScriptID {
			return nil, nil
		}
		if err := library.Lock(ctx, tx, kind, owner); err != nil {
			return nil, err
		}
		move.Reach = []int64{int64(owner)}
		found, err := tx.RepositionScript(ctx, move)
		switch {
		case err != nil:
			return nil, err
		case !found.MovedFound:
			return nil, errNotFound
		case !found.TargetFound:
			return nil, errTargetNotFound
		}
		return &event.Event{Action: event.ScriptUpdate, Details: event.Details{"name": name, "action": "reposition", "targetId": body.TargetID}}, nil
	})
	if err != nil {
		return nil, err
	}
	return api.RepositionScript200JSONResponse{Message: "Script repositioned successfully"}, nil
}

// manage runs a write of a script that the caller may change, and tells what it
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
