// Package tag owns the operations on tags: private labels of one account, also
// on entries that it shares with others. It does not own entries.
package tag

import (
	"context"
	"fmt"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/permission"
	"github.com/nexterm-go/nexterm/internal/timestamp"
)

// maxTags is how many tags an account may have.
const maxTags = 1000

var (
	errNotFound      = fail.NotFound("Tag not found")
	errEntryNotFound = fail.NotFound("Entry not found")
	errForbidden     = fail.Forbidden("You don't have permission to manage resources")
	errTagEntry      = fail.Forbidden("You don't have permission to tag this entry")
	errUntagEntry    = fail.Forbidden("You don't have permission to untag this entry")
	errSharedEntry   = fail.Forbidden("You don't have access to this organization's entry")
	errNameTaken     = fail.Conflict("A tag with this name already exists")
	errTagged        = fail.Conflict("This entry is already tagged with this tag")
	errTooMany       = fail.BadRequest("You cannot have more than 1000 tags")
)

// Handlers are the operations of the tag tag.
type Handlers struct {
	queries *db.Queries
	changes *change.Changes
}

// New returns the operations over a database.
func New(queries *db.Queries, changes *change.Changes) *Handlers { return &Handlers{queries, changes} }

// record tells the caller, who alone sees the tags.
func record(tx *change.Tx, c *caller.Caller, action event.Action, tagID int64, details event.Details) {
	tx.Record(event.Event{Action: action, Owner: caller.Account(c.AccountID), ResourceID: tagID, Details: details})
}

// ListTags answers the caller's tags by name.
func (h *Handlers) ListTags(ctx context.Context, _ api.ListTagsRequestObject) (api.ListTagsResponseObject, error) {
	rows, err := h.queries.ListTags(ctx, caller.From(ctx).AccountID)
	return api.ListTags200JSONResponse(toAPI(rows)), err
}

// CreateTag stores a tag.
func (h *Handlers) CreateTag(ctx context.Context, request api.CreateTagRequestObject) (api.CreateTagResponseObject, error) {
	c := caller.From(ctx)
	if !c.Holds(permission.ResourcesManage) {
		return nil, errForbidden
	}
	var id int64
	err := h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) (err error) {
		if err := tx.LockOrder(ctx, fmt.Sprint("tags ", c.AccountID)); err != nil {
			return err
		}
		id, err = tx.CreateTag(ctx, db.CreateTagParams{
			AccountID: c.AccountID, Name: request.Body.Name, Color: request.Body.Color, Most: maxTags,
		})
		record(tx, c, event.TagCreate, id, event.Details{"name": request.Body.Name, "color": request.Body.Color})
		return fail.OnNoRows(fail.OnConstraint(err, "tags_name_unique", errNameTaken), errTooMany)
	})
	if err != nil {
		return nil, err
	}
	return api.CreateTag200JSONResponse{ID: id, Message: "Tag successfully created"}, nil
}

// UpdateTag changes name and color.
func (h *Handlers) UpdateTag(ctx context.Context, request api.UpdateTagRequestObject) (api.UpdateTagResponseObject, error) {
	c := caller.From(ctx)
	err := h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		if err := mayManage(ctx, tx, c, request.TagID); err != nil {
			return err
		}
		name, err := tx.UpdateTag(ctx, db.UpdateTagParams{
			ID: request.TagID, AccountID: c.AccountID, Name: request.Body.Name, Color: request.Body.Color,
		})
		record(tx, c, event.TagUpdate, request.TagID, event.Details{"name": name, "updatedFields": caller.Members(ctx)})
		return fail.OnNoRows(fail.OnConstraint(err, "tags_name_unique", errNameTaken), errNotFound)
	})
	if err != nil {
		return nil, err
	}
	return api.UpdateTag200JSONResponse{Message: "Tag successfully updated"}, nil
}

// DeleteTag removes a tag from everywhere.
func (h *Handlers) DeleteTag(ctx context.Context, request api.DeleteTagRequestObject) (api.DeleteTagResponseObject, error) {
	c := caller.From(ctx)
	err := h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		if err := mayManage(ctx, tx, c, request.TagID); err != nil {
			return err
		}
		name, err := tx.DeleteTag(ctx, db.DeleteTagParams{ID: request.TagID, AccountID: c.AccountID})
		record(tx, c, event.TagDelete, request.TagID, event.Details{"name": name})
		return fail.OnNoRows(err, errNotFound)
	})
	if err != nil {
		return nil, err
	}
	return api.DeleteTag200JSONResponse{Message: "Tag successfully deleted"}, nil
}

// mayManage lets only callers who know the tag hear what they may not do to it.
func mayManage(ctx context.Context, tx *change.Tx, c *caller.Caller, tagID int64) error {
	if c.Holds(permission.ResourcesManage) {
		return nil
	}
	if err := find(ctx, tx, c, tagID); err != nil {
		return err
	}
	return errForbidden
}

func find(ctx context.Context, tx *change.Tx, c *caller.Caller, tagID int64) error {
	found, err := tx.HasTag(ctx, db.HasTagParams{ID: tagID, AccountID: c.AccountID})
	if err == nil && !found {
		return errNotFound
	}
	return err
}

// AssignTag puts a tag on an entry that the caller may change.
func (h *Handlers) AssignTag(ctx context.Context, request api.AssignTagRequestObject) (api.AssignTagResponseObject, error) {
	c := caller.From(ctx)
	err := h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		if err := mayTag(ctx, tx, c, request.EntryID, request.TagID, errTagEntry); err != nil {
			return err
		}
		assigned, err := tx.AssignTag(ctx, db.AssignTagParams{
			EntryID: request.EntryID, TagID: request.TagID, Reach: c.Reach, ManagesAll: c.ManagesAll(),
		})
		err = fail.OnConstraint(err, "entry_tags_once", errTagged)
		if err := fail.OnConstraint(err, "entry_tags_tag_exists", errNotFound); err != nil {
			return err
		}
		if assigned == 0 {
			return errEntryNotFound
		}
		record(tx, c, event.TagAssign, request.TagID, event.Details{"entryId": request.EntryID})
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.AssignTag200JSONResponse{Message: "Tag successfully assigned to entry"}, nil
}

// UnassignTag takes a tag off an entry, if it is there.
func (h *Handlers) UnassignTag(ctx context.Context, request api.UnassignTagRequestObject) (api.UnassignTagResponseObject, error) {
	c := caller.From(ctx)
	err := h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		if err := mayTag(ctx, tx, c, request.EntryID, request.TagID, errUntagEntry); err != nil {
			return err
		}
		removed, err := tx.UnassignTag(ctx, db.UnassignTagParams{EntryID: request.EntryID, TagID: request.TagID})
		if err == nil && removed > 0 {
			record(tx, c, event.TagUnassign, request.TagID, event.Details{"entryId": request.EntryID})
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return api.UnassignTag200JSONResponse{Message: "Tag successfully removed from entry"}, nil
}

// mayTag checks the right to change the entry, and that the tag is the caller's.
func mayTag(ctx context.Context, tx *change.Tx, c *caller.Caller, entryID, tagID int64, personal error) error {
	scope, err := tx.GetTaggable(ctx, db.GetTaggableParams{ID: entryID, Reach: c.Reach, ManagesAll: c.ManagesAll()})
	if err != nil {
		return fail.OnNoRows(err, errEntryNotFound)
	}
	if err := c.Need(permission.ResourcesManage, caller.Owner(scope), personal, errSharedEntry); err != nil {
		return err
	}
	return find(ctx, tx, c, tagID)
}

// ListEntryTags answers the caller's tags on an entry.
func (h *Handlers) ListEntryTags(ctx context.Context, request api.ListEntryTagsRequestObject) (api.ListEntryTagsResponseObject, error) {
	c := caller.From(ctx)
	_, err := h.queries.GetTaggable(ctx, db.GetTaggableParams{ID: request.EntryID, Reach: c.Reach})
	if err != nil {
		return nil, fail.OnNoRows(err, errEntryNotFound)
	}
	rows, err := h.queries.ListEntryTags(ctx, db.ListEntryTagsParams{EntryID: request.EntryID, AccountID: c.AccountID})
	return api.ListEntryTags200JSONResponse(toAPI(rows)), err
}

func toAPI(rows []db.Tag) []api.Tag {
	tags := make([]api.Tag, len(rows))
	for i, row := range rows {
		tags[i] = api.Tag{
			ID:        row.ID,
			AccountID: row.AccountID,
			Name:      row.Name,
			Color:     row.Color,
			CreatedAt: timestamp.Format(row.CreatedAt),
			UpdatedAt: timestamp.Format(row.UpdatedAt),
		}
	}
	return tags
}
