package entry

import (
	"context"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/audit"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/tree"
)

var errRepositionPersonal = fail.Forbidden("You don't have permission to reposition this entry")

// RepositionEntry places an entry next to another one or at the end, in its own
// container or in another one.
func (h *Handlers) RepositionEntry(ctx context.Context, request api.RepositionEntryRequestObject) (api.RepositionEntryResponseObject, error) {
	c, body := caller.From(ctx), request.Body
	touched := tree.Places{Entries: []int64{request.EntryID}}
	if body.TargetID != nil {
		touched.Entries = append(touched.Entries, *body.TargetID)
	}
	if folderID := value(body.FolderID); folderID != nil {
		touched.Folders = []int64{*folderID}
	} else if body.FolderID.IsNull() || body.OrganizationID != nil {
		touched.Scopes = []int64{tree.OwnerOf(c, body.OrganizationID).Scope()}
	}
	var before, after place
	err := tree.Change(ctx, h.pool, c, touched, func(q *db.Queries, locked tree.Locked) error {
		current, err := lock(ctx, q, c, request.EntryID, errRepositionPersonal)
		if err != nil {
			return err
		}
		if err := locked.Check(current.Scope); err != nil {
			return err
		}
		before = placeOf(current)
		if after, err = container(ctx, q, locked, c, before, body); err != nil {
			return err
		}
		if err := mayMove(current, after); err != nil {
			return err
		}
		if err := put(ctx, q, c, current.ID, after, string(body.Placement), body.TargetID); err != nil {
			return err
		}
		if after.owner.Scope() != before.owner.Scope() {
			if err := settle(ctx, q, current.ID); err != nil {
				return err
			}
		}
		return recordUpdate(ctx, q, current.ID, before, after, audit.Details{
			"action": "reposition", "targetId": body.TargetID, "placement": body.Placement, "folderId": after.folderID,
		})
	})
	if err != nil {
		return nil, err
	}
	h.publish(c, before.owner.OrganizationID, after.owner.OrganizationID)
	return api.RepositionEntry200JSONResponse{Message: "Entry successfully repositioned"}, nil
}

// container is where the body wants the entry: the folder or root that it
// names, else the target's container, else an organization's root, else where
// the entry is.
func container(ctx context.Context, q *db.Queries, locked tree.Locked, c *caller.Caller, current place, body *api.EntryPosition) (place, error) {
	if folderID := value(body.FolderID); folderID != nil {
		return folder(ctx, q, locked, c, *folderID)
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
	target, err := q.FindEntryPlace(ctx, db.FindEntryPlaceParams{
		ID: *body.TargetID, AccountID: c.AccountID, OrganizationIds: c.Organizations, EveryOrganization: c.ManagesAll(),
	})
	if err != nil {
		return place{}, fail.OnNoRows(err, errTargetNotFound)
	}
	if err := locked.Check(target.Scope); err != nil {
		return place{}, err
	}
	if target.FolderID != nil {
		return folder(ctx, q, locked, c, *target.FolderID)
	}
	if body.OrganizationID != nil && !same(body.OrganizationID, target.OrganizationID) {
		return place{}, errTargetNotFound
	}
	return root(c, target.OrganizationID)
}
