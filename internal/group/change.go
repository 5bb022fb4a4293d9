package group

import (
	"context"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/permission"
)

var (
	errAdminsOnly = fail.Forbidden("Only administrators can manage the administrator group")
	errBeyondOwn  = fail.Forbidden("You can only grant permissions that you hold yourself")
	errLastAdmin  = fail.BadRequest("You cannot remove the last administrator")
)

// change runs a write of permissions as the only one of its kind, by a caller
// who may still do it, and undoes it when its outcome is one that nobody, or
// not this caller, may bring about. Whatever the write is, it is judged by what
// accounts may do before and after it: a denial that goes, a group that changes
// its place or its members can grant as much as a grant does.
func (h *Handlers) change(ctx context.Context, write func(*change.Tx, *caller.Caller) error) error {
	return h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		if err := tx.LockPermissions(ctx); err != nil {
			return err
		}
		c, err := caller.From(ctx).Renew(ctx, tx.Queries, permission.PermissionsManage)
		if err != nil {
			return err
		}
		before, err := holders(ctx, tx.Queries, c)
		if err != nil {
			return err
		}
		if err := write(tx, c); err != nil {
			return err
		}
		after, err := holders(ctx, tx.Queries, c)
		if err != nil {
			return err
		}
		for account, held := range after {
			// Accounts of people who have just registered gain nothing by this change.
			if had, existed := before[account]; existed && held&^had != 0 {
				return errBeyondOwn
			}
		}
		ended, err := tx.EndForbiddenImpersonations(ctx, permission.All(permission.System).Names())
		if err != nil {
			return err
		}
		for _, s := range ended {
			tx.Record(event.SessionEnd(s.AccountID, s.ID, s.ImpersonatorID))
		}
		remains, err := tx.HasAdministrator(ctx)
		if err == nil && !remains {
			return errLastAdmin
		}
		return err
	})
}

// holders tells of all accounts but administrators, who have nothing to gain,
// what they hold that the caller does not.
func holders(ctx context.Context, q *db.Queries, c *caller.Caller) (map[int64]permission.Set, error) {
	beyond := permission.All(permission.System) &^ c.System
	if beyond == 0 {
		return nil, nil
	}
	rows, err := q.ListHolders(ctx, beyond.Names())
	if err != nil {
		return nil, err
	}
	held := make(map[int64]permission.Set, len(rows))
	for _, row := range rows {
		held[row.ID] = permission.Of(row.Permissions...)
	}
	return held, nil
}
