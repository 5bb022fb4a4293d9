// Package library owns what scripts and snippets have in common: whose they are,
// and who may look into what somebody has. It does not own the items; the tags
// do.
package library

import (
	"context"
	"fmt"
	"math"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/paging"
)

var errAccessDenied = fail.Forbidden("Access denied to this organization")

// ForReading is the organization, for its active members, or the caller where
// it is nil. What enabled sources deliver can be read beside the caller's own.
func ForReading(ctx context.Context, q *db.Queries, c *caller.Caller, organizationID *int64) (caller.Owner, error) {
	owner := caller.OwnerOf(c, organizationID)
	if organizationID == nil || c.Member(*organizationID) {
		return owner, nil
	}
	if c.ManagesAll() {
		found, err := q.HasOrganization(ctx, *organizationID)
		if err != nil {
			return 0, err
		}
		if !found {
			return 0, caller.ErrOrganizationNotFound
		}
	}
	return 0, errAccessDenied
}

// ForWriting is the owner that ForReading names, also for callers who manage all
// organizations.
func ForWriting(c *caller.Caller, organizationID *int64) (caller.Owner, error) {
	if organizationID != nil && !c.Member(*organizationID) && !c.ManagesAll() {
		return 0, errAccessDenied
	}
	return caller.OwnerOf(c, organizationID), nil
}

// Lock makes appending to and rearranging the items of one kind that an owner
// has wait for each other, until the end of the transaction.
func Lock(ctx context.Context, tx *change.Tx, kind string, owner caller.Owner) error {
	return tx.LockOrder(ctx, fmt.Sprintf("%s %d", kind, owner))
}

// Place is where an item stands in the order of all, with its texts, which take nearly
// all of its length.
type Place struct {
	Order       int32
	ID          int64
	Text        string
	Description *string
}

// List is one of items in their order, read page by page: the items after a place.
func List[Item any](ctx context.Context, read func(ctx context.Context, order int32, id int64) ([]Item, error), place func(*Item) Place) *paging.List[Item] {
	return &paging.List[Item]{
		Context: ctx,
		Read: func(ctx context.Context, last *Item) ([]Item, error) {
			if last == nil {
				return read(ctx, math.MinInt32, 0)
			}
			at := place(last)
			return read(ctx, at.Order, at.ID)
		},
		Size: func(item *Item) int {
			at := place(item)
			size := len(at.Text)
			if at.Description != nil {
				size += len(*at.Description)
			}
			return size
		},
	}
}

// Filter is an OS filter as it is stored: nil stands for every system.
func Filter(systems []string) []string {
	if len(systems) == 0 {
		return nil
	}
	return systems
}
