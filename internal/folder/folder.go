// Package folder owns the operations on folders: creating, moving and deleting
// them with what they contain. It does not own entries; package entry does.
package folder

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/audit"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/permission"
	"github.com/nexterm-go/nexterm/internal/tree"
)

// maxDepth is how many levels folders nest.
const maxDepth = 32

var (
	errNotFound             = fail.NotFound("Folder does not exist")
	errParentNotFound       = fail.NotFound("Parent folder does not exist")
	errOrganizationNotFound = fail.NotFound("Organization not found")
	errPersonalForbidden    = fail.Forbidden("You don't have permission to manage resources")
	errSharedForbidden      = fail.Forbidden("You don't have permission to manage resources in this organization")
	errOtherScope           = fail.Forbidden("Parent folder must be in the same organization")
	errManaged              = fail.Forbidden("Integration folders are managed by their integration")
	errManagedDelete        = fail.Forbidden("Integration folders are removed together with their integration")
	errContainsIntegration  = fail.Conflict("Folder contains an integration; move or delete it first")
	errTooDeep              = fail.BadRequest("Folder nesting is too deep")
)

// Handlers are the operations of the tag folder.
type Handlers struct {
	pool    *pgxpool.Pool
	queries *db.Queries
	events  *event.Bus
}

// New returns the operations over a database.
func New(pool *pgxpool.Pool, events *event.Bus) *Handlers {
	return &Handlers{pool: pool, queries: db.New(pool), events: events}
}

// publish announces a changed tree to the caller and the active members of the
// organizations; nil stands for personal.
func (h *Handlers) publish(c *caller.Caller, organizations ...*int64) {
	h.events.Tell(c.AccountID, organizations, event.Entries)
}

// ListFolders answers what the caller can read, parents before children.
func (h *Handlers) ListFolders(ctx context.Context, _ api.ListFoldersRequestObject) (api.ListFoldersResponseObject, error) {
	c := caller.From(ctx)
	rows, err := h.queries.ListFolders(ctx, db.ListFoldersParams{AccountID: c.AccountID, OrganizationIds: c.Organizations})
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
	owner := tree.OwnerOf(c, body.OrganizationID)
	touched := tree.Places{Scopes: []int64{owner.Scope()}}
	if body.ParentID != nil {
		touched = tree.Places{Folders: []int64{*body.ParentID}}
	}
	if body.OrganizationID != nil || body.ParentID == nil {
		if err := mayManage(c, owner, errPersonalForbidden, errSharedForbidden); err != nil {
			return nil, err
		}
	}
	var id int64
	err := tree.Change(ctx, h.pool, c, touched, func(q *db.Queries, locked tree.Locked) (err error) {
		if body.ParentID != nil {
			parent, err := lock(ctx, q, c, *body.ParentID, errParentNotFound)
			if err != nil {
				return err
			}
			if err := locked.Check(parent.Scope); err != nil {
				return err
			}
			if body.OrganizationID != nil && parent.Scope != owner.Scope() {
				return errOtherScope
			}
			owner = ownerOf(parent)
			if err := mayManage(c, owner, errPersonalForbidden, errSharedForbidden); err != nil {
				return err
			}
			if parent.Type != nil {
				return errManaged
			}
			place, err := q.MeasureFolder(ctx, db.MeasureFolderParams{ParentID: body.ParentID})
			if err != nil {
				return err
			}
			if place.Depth+1 > maxDepth {
				return errTooDeep
			}
		}
		id, err = q.CreateFolder(ctx, db.CreateFolderParams{
			AccountID: owner.AccountID, OrganizationID: owner.OrganizationID, ParentID: body.ParentID,
			Name: body.Name, Scope: owner.Scope(),
		})
		if err != nil {
			return fail.OnConstraint(err, "folders_organization_exists", errOrganizationNotFound)
		}
		return audit.Record(ctx, q, audit.Event{
			Action: audit.FolderMgmtCreate, OrganizationID: owner.OrganizationID, ResourceID: id,
			Details: audit.Details{"folderName": body.Name},
		})
	})
	if err != nil {
		return nil, err
	}
	h.publish(c, owner.OrganizationID)
	return api.CreateFolder200JSONResponse{ID: id, Message: "Folder has been successfully created"}, nil
}

// DeleteFolder removes a folder with all folders and entries in it, each of
// which gets its row in the audit log.
func (h *Handlers) DeleteFolder(ctx context.Context, request api.DeleteFolderRequestObject) (api.DeleteFolderResponseObject, error) {
	c := caller.From(ctx)
	var owner tree.Owner
	touched := tree.Places{Folders: []int64{request.FolderID}}
	err := tree.Change(ctx, h.pool, c, touched, func(q *db.Queries, locked tree.Locked) error {
		current, err := lock(ctx, q, c, request.FolderID, errNotFound)
		if err != nil {
			return err
		}
		if err := locked.Check(current.Scope); err != nil {
			return err
		}
		owner = ownerOf(current)
		if err := mayManage(c, owner, errPersonalForbidden, errSharedForbidden); err != nil {
			return err
		}
		if current.Type != nil {
			return errManagedDelete
		}
		contents, err := q.ListFolderContents(ctx, db.ListFolderContentsParams{
			ID: current.ID, AccountID: c.AccountID, OrganizationIds: c.Organizations, EveryOrganization: c.ManagesAll(),
		})
		if err != nil {
			return err
		}
		events := make([]audit.Event, len(contents))
		for i, row := range contents {
			if row.IsIntegration {
				return errContainsIntegration
			}
			events[i] = deletion(owner, row)
		}
		if err := q.DeleteFolder(ctx, db.DeleteFolderParams{
			ID: current.ID, AccountID: c.AccountID, OrganizationIds: c.Organizations, EveryOrganization: c.ManagesAll(),
		}); err != nil {
			return err
		}
		return audit.RecordAll(ctx, q, events)
	})
	if err != nil {
		return nil, err
	}
	h.publish(c, owner.OrganizationID)
	return api.DeleteFolder200JSONResponse{Message: "Folder has been successfully deleted"}, nil
}

// deletion is the audit event of one folder or entry that goes.
func deletion(owner tree.Owner, row db.ListFolderContentsRow) audit.Event {
	e := audit.Event{
		Action: audit.EntryDelete, OrganizationID: owner.OrganizationID, ResourceID: row.ID,
		Details: audit.Details{"name": row.Name, "folderId": row.FolderID},
	}
	if row.IsFolder {
		e.Action, e.Details = audit.FolderMgmtDelete, audit.Details{"folderName": row.Name}
	}
	return e
}

// lock reads a folder that the caller may see or manage, for a change.
func lock(ctx context.Context, q *db.Queries, c *caller.Caller, id int64, missing error) (db.LockFolderRow, error) {
	row, err := q.LockFolder(ctx, db.LockFolderParams{
		ID: id, AccountID: c.AccountID, OrganizationIds: c.Organizations, EveryOrganization: c.ManagesAll(),
	})
	return row, fail.OnNoRows(err, missing)
}

// mayManage checks the right to change what an owner has; of accounts it is
// always the caller's own that gets here.
func mayManage(c *caller.Caller, owner tree.Owner, personal, shared error) error {
	switch {
	case owner.OrganizationID == nil && !c.Holds(permission.ResourcesManage):
		return personal
	case owner.OrganizationID != nil && !c.In(*owner.OrganizationID).Has(permission.ResourcesManage):
		return shared
	}
	return nil
}

func ownerOf(row db.LockFolderRow) tree.Owner {
	return tree.Owner{AccountID: row.AccountID, OrganizationID: row.OrganizationID}
}
