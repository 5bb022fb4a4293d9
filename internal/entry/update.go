package entry

import (
	"context"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/tree"
)

var (
	errEditPersonal = fail.Forbidden("You don't have permission to edit this entry")
	errTypeFixed    = fail.BadRequest("Entry type cannot be changed")
)

// UpdateEntry changes fields, configuration, links or place; all of it or
// nothing.
func (h *Handlers) UpdateEntry(ctx context.Context, request api.UpdateEntryRequestObject) (api.UpdateEntryResponseObject, error) {
	c, body := caller.From(ctx), request.Body
	var settings config
	if body.Config != nil {
		var err error
		if settings, err = readConfig(*body.Config); err != nil {
			return nil, err
		}
		if err := checkOwn(settings, request.EntryID); err != nil {
			return nil, err
		}
	}
	moves := body.FolderID.IsSpecified() || body.OrganizationID.IsSpecified()
	var touched change.Touch
	if moves {
		touched.Entries = []int64{request.EntryID}
		if folderID := tree.Named(body.FolderID); folderID != nil {
			touched.Folders = []int64{*folderID}
		} else {
			touched.Owners = []caller.Owner{caller.OwnerOf(c, tree.Named(body.OrganizationID))}
		}
	}
	// What the type and the view are depends on the configuration, and on nothing else.
	withConfig := settings != nil || body.Type != nil || body.Renderer.IsSpecified()
	err := h.changes.Do(ctx, touched, func(tx *change.Tx) error {
		current, err := find(ctx, tx, c, request.EntryID, withConfig, errEditPersonal)
		if err != nil {
			return err
		}
		before := placeOf(current)
		after := before
		if moves {
			if err := tx.Check(current.Scope); err != nil {
				return err
			}
			if after, err = destination(ctx, tx, c, before, body); err != nil {
				return err
			}
			if err := mayMove(current, after); err != nil {
				return err
			}
		}
		changed, err := merge(ctx, tx, c, current, body, settings)
		if err != nil {
			return err
		}
		if err := tx.UpdateEntry(ctx, changed); err != nil {
			return err
		}
		if body.Identities != nil {
			if err := link(ctx, tx, c, current.ID, *body.Identities); err != nil {
				return err
			}
		}
		details := event.Details{"name": current.Name, "updatedFields": caller.Members(ctx)}
		if body.Name != nil {
			details["name"] = *body.Name
		}
		if after.Place != before.Place {
			details["folderId"] = after.FolderID()
			if err := put(ctx, tx, c, current.ID, after, "after", nil); err != nil {
				return err
			}
		}
		if after.Owner != before.Owner {
			if err := settle(ctx, tx, current.ID); err != nil {
				return err
			}
		}
		recordUpdate(tx, current.ID, before, after, details)
		if after.Owner != before.Owner {
			return tx.Within(ctx, after.Owner, change.Entries, change.ConfigBytes)
		}
		if len(changed.Config) > len(current.Config) {
			return tx.Within(ctx, after.Owner, change.ConfigBytes)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.UpdateEntry200JSONResponse{Message: "Entry got successfully edited"}, nil
}

// destination is where the body wants the entry, checked for the caller's
// right to put something there.
func destination(ctx context.Context, tx *change.Tx, c *caller.Caller, current place, body *api.EntryPatch) (place, error) {
	owner := caller.OwnerOf(c, tree.Named(body.OrganizationID))
	if folderID := tree.Named(body.FolderID); folderID != nil {
		to, err := folder(ctx, tx, c, *folderID)
		if err == nil && body.OrganizationID.IsSpecified() && to.Owner != owner {
			err = errMismatch
		}
		return to, err
	}
	if !body.OrganizationID.IsSpecified() {
		return place{Place: tree.Place{Owner: current.Owner}}, nil
	}
	if !body.FolderID.IsSpecified() && owner == current.Owner {
		return current, nil
	}
	return root(c, tree.Named(body.OrganizationID))
}

// merge is what the body changes of an entry, checked against what is stored.
// The configuration is read and written only when the body concerns it.
func merge(ctx context.Context, tx *change.Tx, c *caller.Caller, current db.LockEntryRow, body *api.EntryPatch, settings config) (db.UpdateEntryParams, error) {
	changed := db.UpdateEntryParams{
		ID: current.ID, Name: body.Name, Type: (*string)(body.Type), Reach: c.Reach, ManagesAll: c.ManagesAll(),
	}
	if body.Icon.IsSpecified() {
		icon := defaultIcon
		if given, err := body.Icon.Get(); err == nil {
			icon = given
		}
		changed.Icon = &icon
	}
	entryType := current.Type
	if body.Type != nil {
		entryType = string(*body.Type)
	}
	if current.IntegrationID != nil && entryType != current.Type {
		return changed, errTypeFixed
	}
	if current.Config == nil {
		return changed, nil
	}
	stored, err := parseConfig(current.Config)
	if err != nil {
		return changed, err
	}
	effective := stored
	if settings != nil {
		effective = settings
		if current.IntegrationID != nil {
			settings.keepSynced(stored)
		}
		if err := checkJumpHosts(ctx, tx, c, settings.jumpHosts(stored)); err != nil {
			return changed, err
		}
	}
	effective.fit(entryType)
	changed.Config = effective.encode()
	changed.SetRenderer, changed.Renderer = true, current.Renderer
	if body.Renderer.IsSpecified() {
		changed.Renderer = nil
		if renderer, err := body.Renderer.Get(); err == nil {
			changed.Renderer = &renderer
		}
	}
	changed.Renderer = effective.renderer(changed.Renderer)
	if effective.leadsAs(stored) {
		return changed, nil
	}
	renewed := db.RenewLinksParams{ID: current.ID, Before: current.Config, Reach: c.Reach}
	return changed, tx.Defer(func(q *db.Queries) error { return q.RenewLinks(ctx, renewed) })
}

// recordUpdate tells each owner that a move involves.
func recordUpdate(tx *change.Tx, id int64, before, after place, details event.Details) {
	tx.Record(event.Event{Action: event.EntryUpdate, Owner: before.Owner, ResourceID: id, Details: details})
	if after.Owner != before.Owner {
		tx.Record(event.Event{Action: event.EntryUpdate, Owner: after.Owner, ResourceID: id, Details: details})
	}
}
