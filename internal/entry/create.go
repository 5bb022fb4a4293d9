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
	settings, err := parseConfig(body.Config)
	if err != nil {
		return nil, err
	}
	if err := settings.clean(); err != nil {
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

	at, touched := place{}, tree.Places{}
	if body.FolderID != nil {
		touched.Folders = []int64{*body.FolderID}
	} else {
		if at, err = root(c, body.OrganizationID); err != nil {
			return nil, err
		}
		touched.Scopes = []int64{at.owner.Scope()}
	}
	var id int64
	err = tree.Change(ctx, h.pool, c, touched, func(q *db.Queries, locked tree.Locked) (err error) {
		if body.FolderID != nil {
			if at, err = folder(ctx, q, locked, c, *body.FolderID); err != nil {
				return err
			}
			if body.OrganizationID != nil && !same(body.OrganizationID, at.owner.OrganizationID) {
				return errMismatch
			}
			if at.managed {
				return errManagedFolder
			}
		}
		if err := checkJumpHosts(ctx, q, c, hops(settings)); err != nil {
			return err
		}
		row.AccountID, row.OrganizationID, row.Scope = at.owner.AccountID, at.owner.OrganizationID, at.owner.Scope()
		if id, err = q.CreateEntry(ctx, row); err != nil {
			return fail.OnConstraint(err, "entries_organization_exists", errOrganizationNotFound)
		}
		if len(body.Identities) > 0 {
			if err := link(ctx, q, c, id, body.Identities); err != nil {
				return err
			}
		}
		return audit.Record(ctx, q, audit.Event{
			Action: audit.EntryCreate, OrganizationID: at.owner.OrganizationID, ResourceID: id,
			Details: audit.Details{"name": row.Name, "folderId": row.FolderID, "type": row.Type, "protocol": unlessEmpty(settings.protocol())},
		})
	})
	if err != nil {
		return nil, err
	}
	h.publish(c, at.owner.OrganizationID)
	return api.CreateEntry200JSONResponse{ID: id, Message: "Entry got successfully created"}, nil
}

// DeleteEntry removes an entry; other entries keep it as a jump host that is
// not there any more, because a hop is never left out in silence.
func (h *Handlers) DeleteEntry(ctx context.Context, request api.DeleteEntryRequestObject) (api.DeleteEntryResponseObject, error) {
	c := caller.From(ctx)
	var current db.LockEntryRow
	touched := tree.Places{Entries: []int64{request.EntryID}}
	err := tree.Change(ctx, h.pool, c, touched, func(q *db.Queries, locked tree.Locked) (err error) {
		if current, err = lock(ctx, q, c, request.EntryID, errDeletePersonal); err != nil {
			return err
		}
		if err := locked.Check(current.Scope); err != nil {
			return err
		}
		if err := q.DeleteEntry(ctx, db.DeleteEntryParams{
			ID: current.ID, AccountID: c.AccountID, OrganizationIds: c.Organizations, EveryOrganization: c.ManagesAll(),
		}); err != nil {
			return err
		}
		return audit.Record(ctx, q, audit.Event{
			Action: audit.EntryDelete, OrganizationID: current.OrganizationID, ResourceID: current.ID,
			Details: audit.Details{"name": current.Name, "folderId": current.FolderID},
		})
	})
	if err != nil {
		return nil, err
	}
	h.publish(c, current.OrganizationID)
	return api.DeleteEntry200JSONResponse{Message: "Entry got successfully deleted"}, nil
}

// DuplicateEntry copies an entry and puts the copy right after it.
func (h *Handlers) DuplicateEntry(ctx context.Context, request api.DuplicateEntryRequestObject) (api.DuplicateEntryResponseObject, error) {
	c := caller.From(ctx)
	var current db.LockEntryRow
	var made db.DuplicateEntryRow
	touched := tree.Places{Entries: []int64{request.EntryID}}
	err := tree.Change(ctx, h.pool, c, touched, func(q *db.Queries, locked tree.Locked) (err error) {
		if current, err = lock(ctx, q, c, request.EntryID, errDuplicatePersonal); err != nil {
			return err
		}
		if err := locked.Check(current.Scope); err != nil {
			return err
		}
		if current.IntegrationID != nil {
			return errManagedDuplicate
		}
		made, err = q.DuplicateEntry(ctx, db.DuplicateEntryParams{
			ID: current.ID, AccountID: c.AccountID, OrganizationIds: c.Organizations, EveryOrganization: c.ManagesAll(),
		})
		if err != nil {
			return err
		}
		if err := q.CopyLinks(ctx, db.CopyLinksParams{
			ID: current.ID, CopyID: made.ID, AccountID: c.AccountID, OrganizationIds: c.Organizations,
		}); err != nil {
			return err
		}
		if err := put(ctx, q, c, made.ID, placeOf(current), "after", &current.ID); err != nil {
			return err
		}
		return audit.Record(ctx, q, audit.Event{
			Action: audit.EntryCreate, OrganizationID: current.OrganizationID, ResourceID: made.ID,
			Details: audit.Details{"name": made.Name, "folderId": current.FolderID},
		})
	})
	if err != nil {
		return nil, err
	}
	h.publish(c, current.OrganizationID)
	return api.DuplicateEntry200JSONResponse{ID: made.ID, Message: "Entry got successfully duplicated"}, nil
}
