// Package folder owns the operations on folders: creating, moving and deleting
// them with what they contain. It does not own entries; package entry does.
package folder

import (
	"context"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/permission"
	"github.com/nexterm-go/nexterm/internal/tree"
)

// maxDepth is how many levels folders nest.
const maxDepth = 32

var (
	errNotFound            = fail.NotFound("Folder does not exist")
	errParentNotFound      = fail.NotFound("Parent folder does not exist")
	errPersonalForbidden   = fail.Forbidden("You don't have permission to manage resources")
	errSharedForbidden     = fail.Forbidden("You don't have permission to manage resources in this organization")
	errOtherScope          = fail.Forbidden("Parent folder must be in the same organization")
	errManaged             = fail.Forbidden("Integration folders are managed by their integration")
	errManagedDelete       = fail.Forbidden("Integration folders are removed together with their integration")
	errContainsIntegration = fail.Conflict("Folder contains an integration; move or delete it first")
	errTooDeep             = fail.BadRequest("Folder nesting is too deep")
)

// Handlers are the operations of the tag folder.
type Handlers struct {
	queries *db.Queries
	changes *change.Changes
}

// New returns the operations over a database.
func New(queries *db.Queries, changes *change.Changes) *Handlers { return &Handlers{queries, changes} }

// ListFolders answers what the caller can read, parents before children.
func (h *Handlers) ListFolders(ctx context.Context, _ api.ListFoldersRequestObject) (api.ListFoldersResponseObject, error) {
	rows, err := h.queries.ListFolders(ctx, caller.From(ctx).Reach)
	if err != nil {
		return nil, err
	}
	folders := make(api.ListFolders200JSONResponse, len(rows))
	for i, row := range rows {
		folders[i] = api.Folder{
			ID:             row.ID,
			Name:           row.Name,
			ParentID:       row.ParentID,
			OrganizationID: row.OrganizationID,
			Type:           (*api.FolderType)(row.Type),
			IntegrationID:  row.IntegrationID,
			Position:       row.Position,
		}
	}
	return folders, nil
}

// ListFolderTree answers the tree without entries.
func (h *Handlers) ListFolderTree(ctx context.Context, _ api.ListFolderTreeRequestObject) (api.ListFolderTreeResponseObject, error) {
	t, err := tree.Load(ctx, h.queries, caller.From(ctx))
	if err != nil {
		return nil, err
	}
	return api.ListFolderTree200JSONResponse(t.Nodes()), nil
}

// CreateFolder stores a folder after its siblings.
func (h *Handlers) CreateFolder(ctx context.Context, request api.CreateFolderRequestObject) (api.CreateFolderResponseObject, error) {
	c, body := caller.From(ctx), request.Body
	owner := caller.OwnerOf(c, body.OrganizationID)
	if body.OrganizationID != nil || body.ParentID == nil {
		if err := mayManage(c, owner); err != nil {
			return nil, err
		}
	}
	touched := change.Touch{Owners: []caller.Owner{owner}}
	if body.ParentID != nil {
		touched = change.Touch{Folders: []int64{*body.ParentID}}
	}
	var id int64
	err := h.changes.Do(ctx, touched, func(tx *change.Tx) error {
		at := owner
		if body.ParentID != nil {
			parent, err := find(ctx, tx, c, *body.ParentID, errParentNotFound)
			if err != nil {
				return err
			}
			at = caller.Owner(parent.Scope)
			if body.OrganizationID != nil && at != owner {
				return errOtherScope
			}
			if err := mayManage(c, at); err != nil {
				return err
			}
			if parent.Type != nil {
				return errManaged
			}
			place, err := tx.MeasureFolder(ctx, db.MeasureFolderParams{ParentID: body.ParentID})
			if err != nil {
				return err
			}
			if place.Depth+1 > maxDepth {
				return errTooDeep
			}
		}
		var err error
		id, err = tx.CreateFolder(ctx, db.CreateFolderParams{Scope: int64(at), ParentID: body.ParentID, Name: body.Name})
		if err != nil {
			return fail.OnConstraint(err, "folders_organization_exists", caller.ErrOrganizationNotFound)
		}
		tx.Record(event.Event{
			Action: event.FolderMgmtCreate, Owner: at, ResourceID: id, Details: event.Details{"folderName": body.Name},
		})
		return tx.Within(ctx, at, change.Folders)
	})
	if err != nil {
		return nil, err
	}
	return api.CreateFolder200JSONResponse{ID: id, Message: "Folder has been successfully created"}, nil
}

// DeleteFolder removes a folder with all folders and entries in it, each of
// which is told of.
func (h *Handlers) DeleteFolder(ctx context.Context, request api.DeleteFolderRequestObject) (api.DeleteFolderResponseObject, error) {
	c := caller.From(ctx)
	err := h.changes.Do(ctx, change.Touch{Folders: []int64{request.FolderID}}, func(tx *change.Tx) error {
		current, err := find(ctx, tx, c, request.FolderID, errNotFound)
		if err != nil {
			return err
		}
		owner := caller.Owner(current.Scope)
		if err := mayManage(c, owner); err != nil {
			return err
		}
		if current.Type != nil {
			return errManagedDelete
		}
		contents, err := tx.ListFolderContents(ctx, db.ListFolderContentsParams{ID: current.ID, Reach: c.Reach, ManagesAll: c.ManagesAll()})
		if err != nil {
			return err
		}
		for _, row := range contents {
			if row.IsIntegration {
				return errContainsIntegration
			}
			tx.Record(deletion(owner, row))
		}
		return tx.DeleteFolder(ctx, db.DeleteFolderParams{ID: current.ID, Reach: c.Reach, ManagesAll: c.ManagesAll()})
	})
	if err != nil {
		return nil, err
	}
	return api.DeleteFolder200JSONResponse{Success: true, Message: "Folder has been successfully deleted"}, nil
}

// deletion tells of one folder or entry that goes.
func deletion(owner caller.Owner, row db.ListFolderContentsRow) event.Event {
	if row.IsFolder {
		return event.Event{
			Action: event.FolderMgmtDelete, Owner: owner, ResourceID: row.ID, Details: event.Details{"folderName": row.Name},
		}
	}
	return event.Event{
		Action: event.EntryDelete, Owner: owner, ResourceID: row.ID,
		Details: event.Details{"name": row.Name, "folderId": row.FolderID},
	}
}

// find reads a folder that the caller may see or manage, for a change that has
// its tree to itself.
func find(ctx context.Context, tx *change.Tx, c *caller.Caller, id int64, missing error) (db.LockFolderRow, error) {
	row, err := tx.LockFolder(ctx, db.LockFolderParams{ID: id, Reach: c.Reach, ManagesAll: c.ManagesAll()})
	if err != nil {
		return row, fail.OnNoRows(err, missing)
	}
	return row, tx.Check(row.Scope)
}

func mayManage(c *caller.Caller, owner caller.Owner) error {
	return c.Need(permission.ResourcesManage, owner, errPersonalForbidden, errSharedForbidden)
}
