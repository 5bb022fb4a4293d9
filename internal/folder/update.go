package folder

import (
	"context"
	"unicode/utf8"

	"github.com/oapi-codegen/nullable"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/audit"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/fail"
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

// place is where a folder lies: below a parent, or at the top level of an owner.
type place struct {
	owner    tree.Owner
	parentID *int64
}

func (p place) equals(other place) bool {
	return p.owner.Scope() == other.owner.Scope() && same(p.parentID, other.parentID)
}

func same(a, b *int64) bool {
	return a == b || a != nil && b != nil && *a == *b
}

// UpdateFolder renames a folder, moves it with all that it contains, or both.
func (h *Handlers) UpdateFolder(ctx context.Context, request api.UpdateFolderRequestObject) (api.UpdateFolderResponseObject, error) {
	c, body := caller.From(ctx), request.Body
	touched := tree.Places{Folders: []int64{request.FolderID}}
	if parentID := value(body.ParentID); parentID != nil {
		touched.Folders = append(touched.Folders, *parentID)
	} else if body.ParentID.IsSpecified() || body.OrganizationID.IsSpecified() {
		touched.Scopes = append(touched.Scopes, tree.OwnerOf(c, value(body.OrganizationID)).Scope())
	}
	var before, after place
	err := tree.Change(ctx, h.pool, c, touched, func(q *db.Queries, locked tree.Locked) error {
		current, err := lock(ctx, q, c, request.FolderID, errNotFound)
		if err != nil {
			return err
		}
		if err := locked.Check(current.Scope); err != nil {
			return err
		}
		before = place{ownerOf(current), current.ParentID}
		if err := mayManage(c, before.owner, errPersonalForbidden, errSharedForbidden); err != nil {
			return err
		}
		details := audit.Details{}
		if body.Name != nil && *body.Name != current.Name {
			if utf8.RuneCountInString(*body.Name) < minName {
				return errNameTooShort
			}
			details["name"] = *body.Name
		}
		if after, err = destination(ctx, q, locked, c, before, body); err != nil {
			return err
		}
		if current.Type != nil && *current.Type == "integration-node" && (body.ParentID.IsSpecified() || !after.equals(before)) {
			return errNodeStays
		}
		if !after.equals(before) {
			if err := move(ctx, q, c, current.ID, before, after); err != nil {
				return err
			}
			if !same(after.parentID, before.parentID) {
				details["parentId"] = after.parentID
			}
			if !same(after.owner.OrganizationID, before.owner.OrganizationID) {
				details["organizationId"] = after.owner.OrganizationID
			}
		}
		if _, renamed := details["name"]; renamed {
			if err := q.UpdateFolder(ctx, db.UpdateFolderParams{
				ID: current.ID, Name: *body.Name,
				AccountID: c.AccountID, OrganizationIds: c.Organizations, EveryOrganization: c.ManagesAll(),
			}); err != nil {
				return err
			}
		}
		event := audit.Event{
			Action: audit.FolderMgmtUpdate, OrganizationID: before.owner.OrganizationID, ResourceID: current.ID, Details: details,
		}
		events := []audit.Event{event}
		if after.owner.Scope() != before.owner.Scope() {
			event.OrganizationID = after.owner.OrganizationID
			events = append(events, event)
		}
		return audit.RecordAll(ctx, q, events)
	})
	if err != nil {
		return nil, err
	}
	h.publish(c, before.owner.OrganizationID, after.owner.OrganizationID)
	return api.UpdateFolder200JSONResponse{Message: "Folder has been successfully edited"}, nil
}

// destination is where the body wants the folder, checked for the caller's
// right to put something there.
func destination(ctx context.Context, q *db.Queries, locked tree.Locked, c *caller.Caller, current place, body *api.FolderPatch) (place, error) {
	organizationID := value(body.OrganizationID)
	if parentID := value(body.ParentID); parentID != nil {
		parent, err := lock(ctx, q, c, *parentID, errTargetNotFound)
		if err != nil {
			return place{}, err
		}
		if err := locked.Check(parent.Scope); err != nil {
			return place{}, err
		}
		if err := mayManage(c, ownerOf(parent), errTargetForbidden, errTargetShared); err != nil {
			return place{}, err
		}
		if body.OrganizationID.IsSpecified() && !same(organizationID, parent.OrganizationID) {
			return place{}, errTargetMismatch
		}
		target := place{ownerOf(parent), parentID}
		if parent.Type != nil && !target.equals(current) {
			return place{}, errManaged
		}
		return target, nil
	}
	target := place{owner: tree.OwnerOf(c, organizationID)}
	if !body.ParentID.IsSpecified() && (!body.OrganizationID.IsSpecified() || target.owner.Scope() == current.owner.Scope()) {
		return current, nil
	}
	return target, mayManage(c, target.owner, errPersonalForbidden, errTargetShared)
}

// move checks that the folder fits where it goes, moves it, and takes away the
// identities and tags of those who can no longer read its entries.
func move(ctx context.Context, q *db.Queries, c *caller.Caller, id int64, before, after place) error {
	size, err := q.MeasureFolder(ctx, db.MeasureFolderParams{ID: &id, ParentID: after.parentID})
	switch {
	case err != nil:
		return err
	case before.owner.Scope() != after.owner.Scope() && size.HasIntegration:
		return errIntegrationStays
	case size.IsCycle:
		return errCycle
	case size.Depth+size.Height > maxDepth:
		return errTooDeep
	}
	entries, err := q.MoveFolder(ctx, db.MoveFolderParams{
		ID: id, AccountID: c.AccountID, OrganizationIds: c.Organizations, EveryOrganization: c.ManagesAll(),
		NewAccountID: after.owner.AccountID, NewOrganizationID: after.owner.OrganizationID,
		NewScope: after.owner.Scope(), NewParentID: after.parentID,
	})
	if err != nil {
		// Whichever row is checked first.
		err = fail.OnConstraint(err, "entries_organization_exists", errOrganizationNotFound)
		return fail.OnConstraint(err, "folders_organization_exists", errOrganizationNotFound)
	}
	if len(entries) == 0 {
		return nil
	}
	if err := q.RemoveUnreachableLinks(ctx, entries); err != nil {
		return err
	}
	return q.RemoveUnreachableTags(ctx, entries)
}

// value is nil for null and for absent.
func value(n nullable.Nullable[int64]) *int64 {
	v, err := n.Get()
	if err != nil {
		return nil
	}
	return &v
}
