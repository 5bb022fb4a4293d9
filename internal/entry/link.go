package entry

import (
	"context"
	"fmt"
	"slices"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/fail"
)

var (
	errIdentities  = fail.BadRequest("One or more identities do not exist or you don't have access to them")
	errOwnJumpHost = fail.BadRequest("An entry cannot be its own jump host")
)

// distinct drops repeated ids and keeps the order.
func distinct(ids []int64) []int64 {
	seen := make(map[int64]bool, len(ids))
	kept := make([]int64, 0, len(ids))
	for _, id := range ids {
		if !seen[id] {
			seen[id] = true
			kept = append(kept, id)
		}
	}
	return kept
}

// link replaces the identities of an entry, as far as the caller can see them.
func link(ctx context.Context, tx *change.Tx, c *caller.Caller, id int64, identities []int64) error {
	identities = distinct(identities)
	if len(identities) > 0 {
		usable, err := tx.LockUsableIdentities(ctx, db.LockUsableIdentitiesParams{
			Ids: identities, Reach: c.Reach,
		})
		if err != nil {
			return err
		}
		if len(usable) < len(identities) {
			return errIdentities
		}
	}
	return tx.SetLinks(ctx, db.SetLinksParams{
		EntryID: id, IdentityIds: identities, Reach: c.Reach,
	})
}

// checkJumpHosts checks hops in their order: each has to be an SSH entry that
// the caller can read.
func checkJumpHosts(ctx context.Context, tx *change.Tx, c *caller.Caller, ids []int64) error {
	if len(ids) == 0 {
		return nil
	}
	found, err := findJumpHosts(ctx, tx, c, ids)
	if err != nil {
		return err
	}
	return found.check(ids)
}

// jumpHosts tells of readable entries whether they can be a hop.
type jumpHosts map[int64]bool

func findJumpHosts(ctx context.Context, tx *change.Tx, c *caller.Caller, ids []int64) (jumpHosts, error) {
	rows, err := tx.ListJumpHosts(ctx, db.ListJumpHostsParams{
		Ids: ids, Reach: c.Reach,
	})
	if err != nil {
		return nil, err
	}
	found := make(jumpHosts, len(rows))
	for _, row := range rows {
		found[row.ID] = row.IsSsh
	}
	return found, nil
}

func (found jumpHosts) check(ids []int64) error {
	for _, id := range ids {
		ssh, readable := found[id]
		if !readable {
			return fail.NotFound(fmt.Sprintf("Jump host with ID %d does not exist", id))
		}
		if !ssh {
			return fail.BadRequest(fmt.Sprintf("Jump host %d is not an SSH server", id))
		}
	}
	return nil
}

// checkOwn refuses an entry as its own hop.
func checkOwn(c config, id int64) error {
	if slices.Contains(hops(c), id) {
		return errOwnJumpHost
	}
	return nil
}
