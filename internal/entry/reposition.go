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

var errRepositionPersonal = fail.Forbidden("You don't have permission to reposition this entry")

// RepositionEntry places an entry next to another one or at the end, in its own
// container or in another one.
func (h *Handlers) RepositionEntry(ctx context.Context, request api.RepositionEntryRequestObject) (api.RepositionEntryResponseObject, error) {
	c, body := caller.From(ctx), request.Body
	touched := change.Touch{Entries: []int64{request.EntryID}}
	if body.TargetID != nil {
		touched.Entries = append(touched.Entries, *body.TargetID)
	}
	if folderID := tree.Named(body.FolderID); folderID != nil {
		touched.Folders = []int64{*folderID}
	} else if body.FolderID.IsNull() || body.OrganizationID != nil {
		touched.Owners = []caller.Owner{caller.OwnerOf(c, body.OrganizationID)}
	}
	err := h.changes.Do(ctx, touched, func(tx *change.Tx) error {
		current, err := findInTree(ctx, tx, c, request.EntryID, errRepositionPersonal)
		if err != nil {
			return err
		}
		before := placeOf(current)
		after, err := container(ctx, tx, c, before, body)
		if err != nil {
			return err
		}
		if err := mayMove(current, after); err != nil {
			return err
		}
		if err := put(ctx, tx, c, current.ID, after, string(body.Placement), body.TargetID); err != nil {
			return err
		}
		if after.Owner != before.Owner {
			if err := settle(ctx, tx, current.ID); err != nil {
				return err
			}
		}
		recordUpdate(tx, current.ID, before, after, event.Details{
			"action": "reposition", "targetId": body.TargetID, "placement": body.Placement, "folderId": after.FolderID(),
		})
		if after.Owner != before.Owner {
			return tx.Within(ctx, after.Owner, change.Entries, change.ConfigBytes)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.RepositionEntry200JSONResponse{Message: "Entry successfully repositioned"}, nil
}

// container is where the body wants the entry: the folder or root that it
// names, else the target's container, else an organization's root, else where
// the entry is.
func container(ctx context.Context, tx *change.Tx, c *caller.Caller, current place, body *api.EntryPosition) (place, error) {
	if folderID := tree.Named(body.FolderID); folderID != nil {
		return folder(ctx, tx, c, *folderID)
	}
	if body.FolderID.IsNull() {
		return root(c, body.OrganizationID)
	}
	if body.TargetID == nil {
		if body.OrganizationID != nil {
			return root(c, body.OrganizationID)
		}
		return current, nil
	}
	target, err := tx.GetEntryPlace(ctx, db.GetEntryPlaceParams{ID: *body.TargetID, Reach: c.Reach, ManagesAll: c.ManagesAll()})
	if err != nil {
		return place{}, fail.OnNoRows(err, errTargetNotFound)
	}
	if err := tx.Check(target.Scope); err != nil {
		return place{}, err
	}
	if target.FolderID != nil {
		return folder(ctx, tx, c, *target.FolderID)
	}
	owner := caller.Owner(target.Scope)
	if body.OrganizationID != nil && owner != caller.Organization(*body.OrganizationID) {
		return place{}, errTargetNotFound
	}
	return root(c, owner.OrganizationID())
}
