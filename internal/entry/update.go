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
		if settings, err = parseConfig(*body.Config); err != nil {
			return nil, err
		}
		if err := settings.clean(); err != nil {
			return nil, err
		}
		if err := checkOwn(settings, request.EntryID); err != nil {
			return nil, err
		}
	}
	moves := body.FolderID.IsSpecified() || body.OrganizationID.IsSpecified()
	var touched tree.Places
	if moves {
		touched.Entries = []int64{request.EntryID}
		if folderID := value(body.FolderID); folderID != nil {
			touched.Folders = []int64{*folderID}
		} else {
			touched.Scopes = []int64{tree.OwnerOf(c, value(body.OrganizationID)).Scope()}
		}
	}
	var before, after place
	err := tree.Change(ctx, h.pool, c, touched, func(q *db.Queries, locked tree.Locked) error {
		current, err := lock(ctx, q, c, request.EntryID, errEditPersonal)
		if err != nil {
			return err
		}
		before = placeOf(current)
		if after = before; moves {
			if err := locked.Check(current.Scope); err != nil {
				return err
			}
			if after, err = destination(ctx, q, locked, c, before, body); err != nil {
				return err
			}
			if err := mayMove(current, after); err != nil {
				return err
			}
		}
		changed, err := merge(ctx, q, c, current, body, settings)
		if err != nil {
			return err
		}
		if err := q.UpdateEntry(ctx, changed); err != nil {
			return err
		}
		if body.Identities != nil {
			if err := link(ctx, q, c, current.ID, *body.Identities); err != nil {
				return err
			}
		}
		if !after.equals(before) {
			if err := put(ctx, q, c, current.ID, after, "after", nil); err != nil {
				return err
			}
		}
		if after.owner.Scope() != before.owner.Scope() {
			if err := settle(ctx, q, current.ID); err != nil {
				return err
			}
		}
		details := audit.Details{"name": changed.Name, "updatedFields": updatedFields(body)}
		if !after.equals(before) {
			details["folderId"] = after.folderID
		}
		return recordUpdate(ctx, q, current.ID, before, after, details)
	})
	if err != nil {
		return nil, err
	}
	h.publish(c, before.owner.OrganizationID, after.owner.OrganizationID)
	return api.UpdateEntry200JSONResponse{Message: "Entry got successfully edited"}, nil
}

// destination is where the body wants the entry, checked for the caller's
// right to put something there.
func destination(ctx context.Context, q *db.Queries, locked tree.Locked, c *caller.Caller, current place, body *api.EntryPatch) (place, error) {
	organizationID := value(body.OrganizationID)
	if folderID := value(body.FolderID); folderID != nil {
		to, err := folder(ctx, q, locked, c, *folderID)
		if err == nil && body.OrganizationID.IsSpecified() && !same(organizationID, to.owner.OrganizationID) {
			err = errMismatch
		}
		return to, err
	}
	if !body.OrganizationID.IsSpecified() {
		return place{owner: current.owner}, nil
	}
	if !body.FolderID.IsSpecified() && tree.OwnerOf(c, organizationID).Scope() == current.owner.Scope() {
		return current, nil
	}
	return root(c, organizationID)
}

// merge is the entry with the body's changes, checked against what is stored.
func merge(ctx context.Context, q *db.Queries, c *caller.Caller, current db.LockEntryRow, body *api.EntryPatch, settings config) (db.UpdateEntryParams, error) {
	changed := db.UpdateEntryParams{
		ID: current.ID, Name: current.Name, Icon: current.Icon, Type: current.Type, Renderer: current.Renderer, Config: current.Config,
		AccountID: c.AccountID, OrganizationIds: c.Organizations, EveryOrganization: c.ManagesAll(),
	}
	if body.Name != nil {
		changed.Name = *body.Name
	}
	if body.Icon.IsSpecified() {
		changed.Icon = defaultIcon
		if icon, err := body.Icon.Get(); err == nil {
			changed.Icon = icon
		}
	}
	if body.Type != nil {
		changed.Type = string(*body.Type)
	}
	if current.IntegrationID != nil && changed.Type != current.Type {
		return changed, errTypeFixed
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
		if err := checkJumpHosts(ctx, q, c, settings.jumpHosts(stored)); err != nil {
			return changed, err
		}
	}
	effective.fit(changed.Type)
	changed.Config = effective.encode()
	if body.Renderer.IsSpecified() {
		changed.Renderer = nil
		if renderer, err := body.Renderer.Get(); err == nil {
			changed.Renderer = &renderer
		}
	}
	changed.Renderer = effective.renderer(changed.Renderer)
	return changed, nil
}

// recordUpdate writes one audit row, or one for each owner that a move involves.
func recordUpdate(ctx context.Context, q *db.Queries, id int64, before, after place, details audit.Details) error {
	e := audit.Event{Action: audit.EntryUpdate, OrganizationID: before.owner.OrganizationID, ResourceID: id, Details: details}
	events := []audit.Event{e}
	if after.owner.Scope() != before.owner.Scope() {
		e.OrganizationID = after.owner.OrganizationID
		events = append(events, e)
	}
	return audit.RecordAll(ctx, q, events)
}

// updatedFields names the members of the body.
func updatedFields(body *api.EntryPatch) []string {
	fields := []string{}
	for _, field := range []struct {
		name  string
		given bool
	}{
		{"name", body.Name != nil},
		{"icon", body.Icon.IsSpecified()},
		{"renderer", body.Renderer.IsSpecified()},
		{"type", body.Type != nil},
		{"config", body.Config != nil},
		{"identities", body.Identities != nil},
		{"folderId", body.FolderID.IsSpecified()},
		{"organizationId", body.OrganizationID.IsSpecified()},
	} {
		if field.given {
			fields = append(fields, field.name)
		}
	}
	return fields
}
