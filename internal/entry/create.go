package entry

import (
	"context"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/fail"
)

// defaultIcon is what an entry without an icon gets.
const defaultIcon = "server"

var (
	errDeletePersonal    = fail.Forbidden("You don't have permission to delete this entry")
	errDuplicatePersonal = fail.Forbidden("You don't have permission to duplicate this entry")
	errManagedDuplicate  = fail.BadRequest("Integration resources cannot be duplicated")
)

// CreateEntry stores an entry at the end of its container, with its links.
func (h *Handlers) CreateEntry(ctx context.Context, request api.CreateEntryRequestObject) (api.CreateEntryResponseObject, error) {
	c, body := caller.From(ctx), request.Body
	settings, err := readConfig(body.Config)
	if err != nil {
		return nil, err
	}
	row := db.CreateEntryParams{Name: body.Name, Type: string(api.EntryTypeServer), Icon: defaultIcon, FolderID: body.FolderID}
	if body.Type != nil {
		row.Type = string(*body.Type)
	}
	if body.Icon != nil {
		row.Icon = *body.Icon
	}
	settings.fit(row.Type)
	row.Config, row.Renderer = settings.encode(), settings.renderer((*string)(body.Renderer))

	at, touched := place{}, change.Touch{}
	if body.FolderID != nil {
		touched.Folders = []int64{*body.FolderID}
	} else {
		if at, err = root(c, body.OrganizationID); err != nil {
			return nil, err
		}
		touched.Owners = []caller.Owner{at.Owner}
	}
	var id int64
	err = h.changes.Do(ctx, touched, func(tx *change.Tx) (err error) {
		if body.FolderID != nil {
			if at, err = folder(ctx, tx, c, *body.FolderID); err != nil {
				return err
			}
			if body.OrganizationID != nil && at.Owner != caller.Organization(*body.OrganizationID) {
				return errMismatch
			}
			if at.managed {
				return errManagedFolder
			}
		}
		if err := checkJumpHosts(ctx, tx, c, hops(settings)); err != nil {
			return err
		}
		row.Scope = int64(at.Owner)
		if id, err = tx.CreateEntry(ctx, row); err != nil {
			return fail.OnConstraint(err, "entries_organization_exists", caller.ErrOrganizationNotFound)
		}
		tx.Record(event.Event{
			Action: event.EntryCreate, Owner: at.Owner, ResourceID: id,
			Details: event.Details{"name": row.Name, "folderId": row.FolderID, "type": row.Type, "protocol": unlessEmpty(settings.protocol())},
		})
		if len(body.Identities) > 0 {
			if err := link(ctx, tx, c, id, body.Identities); err != nil {
				return err
			}
		}
		return tx.Within(ctx, at.Owner, change.Entries, change.ConfigBytes)
	})
	if err != nil {
		return nil, err
	}
	return api.CreateEntry200JSONResponse{ID: id, Message: "Entry got successfully created"}, nil
}

// DeleteEntry removes an entry; other entries keep it as a jump host that is
// not there any more, because a hop is never left out in silence.
func (h *Handlers) DeleteEntry(ctx context.Context, request api.DeleteEntryRequestObject) (api.DeleteEntryResponseObject, error) {
	c := caller.From(ctx)
	err := h.changes.Do(ctx, change.Touch{Entries: []int64{request.EntryID}}, func(tx *change.Tx) error {
		current, err := findInTree(ctx, tx, c, request.EntryID, errDeletePersonal)
		if err != nil {
			return err
		}
		tx.Record(event.Event{
			Action: event.EntryDelete, Owner: caller.Owner(current.Scope), ResourceID: current.ID,
			Details: event.Details{"name": current.Name, "folderId": current.FolderID},
		})
		return tx.DeleteEntry(ctx, db.DeleteEntryParams{ID: current.ID, Reach: c.Reach, ManagesAll: c.ManagesAll()})
	})
	if err != nil {
		return nil, err
	}
	return api.DeleteEntry200JSONResponse{Message: "Entry got successfully deleted"}, nil
}

// DuplicateEntry copies an entry and puts the copy right after it.
func (h *Handlers) DuplicateEntry(ctx context.Context, request api.DuplicateEntryRequestObject) (api.DuplicateEntryResponseObject, error) {
	c := caller.From(ctx)
	var made db.DuplicateEntryRow
	err := h.changes.Do(ctx, change.Touch{Entries: []int64{request.EntryID}}, func(tx *change.Tx) error {
		current, err := findInTree(ctx, tx, c, request.EntryID, errDuplicatePersonal)
		if err != nil {
			return err
		}
		if current.IntegrationID != nil {
			return errManagedDuplicate
		}
		made, err = tx.DuplicateEntry(ctx, db.DuplicateEntryParams{ID: current.ID, Reach: c.Reach, ManagesAll: c.ManagesAll()})
		if err != nil {
			return err
		}
		tx.Record(event.Event{
			Action: event.EntryCreate, Owner: caller.Owner(current.Scope), ResourceID: made.ID,
			Details: event.Details{"name": made.Name, "folderId": current.FolderID},
		})
		if err := tx.CopyLinks(ctx, db.CopyLinksParams{ID: current.ID, CopyID: made.ID, Reach: c.Reach}); err != nil {
			return err
		}
		if err := put(ctx, tx, c, made.ID, placeOf(current), "after", &current.ID); err != nil {
			return err
		}
		return tx.Within(ctx, caller.Owner(current.Scope), change.Entries, change.ConfigBytes)
	})
	if err != nil {
		return nil, err
	}
	return api.DuplicateEntry200JSONResponse{ID: made.ID, Message: "Entry got successfully duplicated"}, nil
}
