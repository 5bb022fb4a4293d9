package folder

import (
	"context"
	"unicode/utf8"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/permission"
	"github.com/nexterm-go/nexterm/internal/tree"
)

// minName is the shortest name that a folder may get, in characters.
const minName = 3

var (
	errNameTooShort     = fail.BadRequest("name length must be at least 3 characters long")
	errCycle            = fail.BadRequest("Cannot move folder to its own subfolder")
	errTargetMismatch   = fail.BadRequest("Folder does not belong to the given organization")
	errTargetNotFound   = fail.NotFound("Target parent folder does not exist")
	errTargetForbidden  = fail.Forbidden("You don't have access to the target parent folder")
	errTargetShared     = fail.Forbidden("You don't have permission to manage resources in the target organization")
	errNodeStays        = fail.Forbidden("Integration nodes cannot be moved out of their integration folder")
	errIntegrationStays = fail.Forbidden("Cannot move an integration to another scope")
)

// UpdateFolder renames a folder, moves it with all that it contains, or both.
func (h *Handlers) UpdateFolder(ctx context.Context, request api.UpdateFolderRequestObject) (api.UpdateFolderResponseObject, error) {
	c, body := caller.From(ctx), request.Body
	touched := change.Touch{Folders: []int64{request.FolderID}}
	if parentID := tree.Named(body.ParentID); parentID != nil {
		touched.Folders = append(touched.Folders, *parentID)
	} else if body.ParentID.IsSpecified() || body.OrganizationID.IsSpecified() {
		touched.Owners = []caller.Owner{caller.OwnerOf(c, tree.Named(body.OrganizationID))}
	}
	err := h.changes.Do(ctx, touched, func(tx *change.Tx) error {
		current, err := find(ctx, tx, c, request.FolderID, errNotFound)
		if err != nil {
			return err
		}
		before := tree.PlaceOf(current.Scope, current.ParentID)
		if err := mayManage(c, before.Owner); err != nil {
			return err
		}
		details := event.Details{}
		if body.Name != nil && *body.Name != current.Name {
			if utf8.RuneCountInString(*body.Name) < minName {
				return errNameTooShort
			}
			details["name"] = *body.Name
		}
		after, err := destination(ctx, tx, c, before, body)
		if err != nil {
			return err
		}
		if current.Type != nil && *current.Type == "integration-node" && (body.ParentID.IsSpecified() || after != before) {
			return errNodeStays
		}
		if after != before {
			if err := move(ctx, tx, c, current.ID, before, after); err != nil {
				return err
			}
		}
		if after.Folder != before.Folder {
			details["parentId"] = after.FolderID()
		}
		owners := []caller.Owner{before.Owner}
		if after.Owner != before.Owner {
			details["organizationId"] = after.Owner.OrganizationID()
			owners = append(owners, after.Owner)
		}
		for _, owner := range owners {
			tx.Record(event.Event{Action: event.FolderMgmtUpdate, Owner: owner, ResourceID: current.ID, Details: details})
		}
		if details["name"] != nil {
			err := tx.UpdateFolder(ctx, db.UpdateFolderParams{ID: current.ID, Name: *body.Name, Reach: c.Reach, ManagesAll: c.ManagesAll()})
			if err != nil {
				return err
			}
		}
		if after.Owner != before.Owner {
			return tx.Within(ctx, after.Owner, change.Folders, change.Entries, change.ConfigBytes)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.UpdateFolder200JSONResponse{Success: true, Message: "Folder has been successfully edited"}, nil
}

// destination is where the body wants the folder, checked for the caller's
// right to put something there.
func destination(ctx context.Context, tx *change.Tx, c *caller.Caller, current tree.Place, body *api.FolderPatch) (tree.Place, error) {
	owner := caller.OwnerOf(c, tree.Named(body.OrganizationID))
	if parentID := tree.Named(body.ParentID); parentID != nil {
		parent, err := find(ctx, tx, c, *parentID, errTargetNotFound)
		if err != nil {
			return tree.Place{}, err
		}
		target := tree.PlaceOf(parent.Scope, parentID)
		if err := c.Need(permission.ResourcesManage, target.Owner, errTargetForbidden, errTargetShared); err != nil {
			return tree.Place{}, err
		}
		if body.OrganizationID.IsSpecified() && target.Owner != owner {
			return tree.Place{}, errTargetMismatch
		}
		if parent.Type != nil && target != current {
			return tree.Place{}, errManaged
		}
		return target, nil
	}
	if !body.ParentID.IsSpecified() && (!body.OrganizationID.IsSpecified() || owner == current.Owner) {
		return current, nil
	}
	return tree.Place{Owner: owner}, c.Need(permission.ResourcesManage, owner, errPersonalForbidden, errTargetShared)
}

// move checks that the folder fits where it goes, moves it, and takes away the
// identities and tags of those who can no longer read its entries.
func move(ctx context.Context, tx *change.Tx, c *caller.Caller, id int64, before, after tree.Place) error {
	size, err := tx.MeasureFolder(ctx, db.MeasureFolderParams{ID: &id, ParentID: after.FolderID()})
	switch {
	case err != nil:
		return err
	case before.Owner != after.Owner && size.HasIntegration:
		return errIntegrationStays
	case size.IsCycle:
		return errCycle
	case size.Depth+size.Height > maxDepth:
		return errTooDeep
	}
	entries, err := tx.MoveFolder(ctx, db.MoveFolderParams{
		ID: id, Reach: c.Reach, ManagesAll: c.ManagesAll(), NewScope: int64(after.Owner), NewParentID: after.FolderID(),
	})
	if err != nil {
		// Whichever row is checked first.
		err = fail.OnConstraint(err, "entries_organization_exists", caller.ErrOrganizationNotFound)
		return fail.OnConstraint(err, "folders_organization_exists", caller.ErrOrganizationNotFound)
	}
	if len(entries) == 0 {
		return nil
	}
	if err := tx.RemoveUnreachableLinks(ctx, entries); err != nil {
		return err
	}
	return tx.RemoveUnreachableTags(ctx, entries)
}
