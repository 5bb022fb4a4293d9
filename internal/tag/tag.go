// Package tag owns the operations on tags: private labels of one account, also
// on entries that it shares with others. It does not own entries.
package tag

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
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
	pool    *pgxpool.Pool
	queries *db.Queries
	events  *event.Bus
}

// New returns the operations over a database.
func New(pool *pgxpool.Pool, events *event.Bus) *Handlers {
	return &Handlers{pool: pool, queries: db.New(pool), events: events}
}

// publish announces a changed tree to the caller, who alone sees the tags.
func (h *Handlers) publish(c *caller.Caller) {
	h.events.Tell(c.AccountID, nil, event.Entries)
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
	err := pgx.BeginFunc(ctx, h.pool, func(tx pgx.Tx) (err error) {
		q := h.queries.WithTx(tx)
		if err := q.LockOrder(ctx, fmt.Sprint("tags ", c.AccountID)); err != nil {
			return err
		}
		id, err = q.CreateTag(ctx, db.CreateTagParams{
			AccountID: c.AccountID, Name: request.Body.Name, Color: request.Body.Color, Most: maxTags,
		})
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
	if err := h.mayManage(ctx, c, request.TagID); err != nil {
		return nil, err
	}
	updated, err := h.queries.UpdateTag(ctx, db.UpdateTagParams{
		ID: request.TagID, AccountID: c.AccountID, Name: request.Body.Name, Color: request.Body.Color,
	})
	if err != nil {
		return nil, fail.OnConstraint(err, "tags_name_unique", errNameTaken)
	}
	if updated == 0 {
		return nil, errNotFound
	}
	h.publish(c)
	return api.UpdateTag200JSONResponse{Message: "Tag successfully updated"}, nil
}

// DeleteTag removes a tag from everywhere.
func (h *Handlers) DeleteTag(ctx context.Context, request api.DeleteTagRequestObject) (api.DeleteTagResponseObject, error) {
	c := caller.From(ctx)
	if err := h.mayManage(ctx, c, request.TagID); err != nil {
		return nil, err
	}
	deleted, err := h.queries.DeleteTag(ctx, db.DeleteTagParams{ID: request.TagID, AccountID: c.AccountID})
	if err != nil {
		return nil, err
	}
	if deleted == 0 {
		return nil, errNotFound
	}
	h.publish(c)
	return api.DeleteTag200JSONResponse{Message: "Tag successfully deleted"}, nil
}

// mayManage lets only callers who know the tag hear what they may not do to it.
func (h *Handlers) mayManage(ctx context.Context, c *caller.Caller, tagID int64) error {
	if c.Holds(permission.ResourcesManage) {
		return nil
	}
	if err := h.find(ctx, c, tagID); err != nil {
		return err
	}
	return errForbidden
}

func (h *Handlers) find(ctx context.Context, c *caller.Caller, tagID int64) error {
	found, err := h.queries.FindTag(ctx, db.FindTagParams{ID: tagID, AccountID: c.AccountID})
	if err == nil && !found {
		return errNotFound
	}
	return err
}

// AssignTag puts a tag on an entry that the caller may change.
func (h *Handlers) AssignTag(ctx context.Context, request api.AssignTagRequestObject) (api.AssignTagResponseObject, error) {
	c := caller.From(ctx)
	if err := h.mayTag(ctx, c, request.EntryID, request.TagID, errTagEntry); err != nil {
		return nil, err
	}
	assigned, err := h.queries.AssignTag(ctx, db.AssignTagParams{
		EntryID: request.EntryID, TagID: request.TagID,
		AccountID: c.AccountID, OrganizationIds: c.Organizations, EveryOrganization: c.ManagesAll(),
	})
	err = fail.OnConstraint(err, "entry_tags_once", errTagged)
	if err := fail.OnConstraint(err, "entry_tags_tag_exists", errNotFound); err != nil {
		return nil, err
	}
	if assigned == 0 {
		return nil, errEntryNotFound
	}
	h.publish(c)
	return api.AssignTag200JSONResponse{Message: "Tag successfully assigned to entry"}, nil
}

// UnassignTag takes a tag off an entry, if it is there.
func (h *Handlers) UnassignTag(ctx context.Context, request api.UnassignTagRequestObject) (api.UnassignTagResponseObject, error) {
	c := caller.From(ctx)
	if err := h.mayTag(ctx, c, request.EntryID, request.TagID, errUntagEntry); err != nil {
		return nil, err
	}
	removed, err := h.queries.UnassignTag(ctx, db.UnassignTagParams{EntryID: request.EntryID, TagID: request.TagID})
	if err != nil {
		return nil, err
	}
	if removed > 0 {
		h.publish(c)
	}
	return api.UnassignTag200JSONResponse{Message: "Tag successfully removed from entry"}, nil
}

// mayTag checks the right to change the entry, and that the tag is the caller's.
func (h *Handlers) mayTag(ctx context.Context, c *caller.Caller, entryID, tagID int64, personal error) error {
	organizationID, err := h.queries.FindTaggable(ctx, db.FindTaggableParams{
		ID: entryID, AccountID: c.AccountID, OrganizationIds: c.Organizations, EveryOrganization: c.ManagesAll(),
	})
	switch {
	case err != nil:
		return fail.OnNoRows(err, errEntryNotFound)
	case organizationID == nil && !c.Holds(permission.ResourcesManage):
		return personal
	case organizationID != nil && !c.In(*organizationID).Has(permission.ResourcesManage):
		return errSharedEntry
	}
	return h.find(ctx, c, tagID)
}

// ListEntryTags answers the caller's tags on an entry.
func (h *Handlers) ListEntryTags(ctx context.Context, request api.ListEntryTagsRequestObject) (api.ListEntryTagsResponseObject, error) {
	c := caller.From(ctx)
	_, err := h.queries.FindTaggable(ctx, db.FindTaggableParams{
		ID: request.EntryID, AccountID: c.AccountID, OrganizationIds: c.Organizations,
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, errEntryNotFound
	}
	if err != nil {
		return nil, err
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
