// Package library owns what scripts and snippets have in common: whose they are,
// and who may look into what somebody has. It does not own the items; the tags
// do.
package library

import (
	"context"
	"fmt"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/fail"
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

// Filter is an OS filter as it is stored: nil stands for every system.
func Filter(systems []string) []string {
	if len(systems) == 0 {
		return nil
	}
	return systems
}
