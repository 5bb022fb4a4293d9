package entry

import (
	"context"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/permission"
	"github.com/nexterm-go/nexterm/internal/tree"
)

var (
	errNotFound       = fail.NotFound("Entry not found")
	errFolderNotFound = fail.NotFound("Folder does not exist")
	errTargetNotFound = fail.NotFound("Target entry not found")
	errShared         = fail.Forbidden("You don't have access to this organization's entry")
	errPersonalRoot   = fail.Forbidden("You don't have permission to manage resources")
	errSharedRoot     = fail.Forbidden("You don't have permission to manage resources in this organization")
	errSharedFolder   = fail.Forbidden("You don't have access to this organization")
	errManagedFolder  = fail.Forbidden("Integration folders are managed by their integration")
	errManagedEntry   = fail.Forbidden("Integration resources cannot be moved out of their node folder")
	errMismatch       = fail.BadRequest("Folder does not belong to the given organization")
)

// place is a container of entries: a folder, or the root of an owner.
type place struct {
	tree.Place
	managed bool
}

// find reads an entry that the caller may see or manage, for a change, and
// checks that the caller may change it; personal is the refusal of a personal one.
func find(ctx context.Context, tx *change.Tx, c *caller.Caller, id int64, withConfig bool, personal error) (db.LockEntryRow, error) {
	row, err := tx.LockEntry(ctx, db.LockEntryParams{ID: id, WithConfig: withConfig, Reach: c.Reach, ManagesAll: c.ManagesAll()})
	if err != nil {
		return row, fail.OnNoRows(err, errNotFound)
	}
	return row, c.Need(permission.ResourcesManage, caller.Owner(row.Scope), personal, errShared)
}

// findInTree is find for a change that has the entry's tree to itself.
func findInTree(ctx context.Context, tx *change.Tx, c *caller.Caller, id int64, personal error) (db.LockEntryRow, error) {
	row, err := find(ctx, tx, c, id, false, personal)
	if err != nil {
		return row, err
	}
	return row, tx.Check(row.Scope)
}

func placeOf(row db.LockEntryRow) place { return place{Place: tree.PlaceOf(row.Scope, row.FolderID)} }

// folder is a place below a folder, where the caller may put something.
func folder(ctx context.Context, tx *change.Tx, c *caller.Caller, id int64) (place, error) {
	row, err := tx.LockFolder(ctx, db.LockFolderParams{ID: id, Reach: c.Reach, ManagesAll: c.ManagesAll()})
	if err != nil {
		return place{}, fail.OnNoRows(err, errFolderNotFound)
	}
	if err := tx.Check(row.Scope); err != nil {
		return place{}, err
	}
	p := place{tree.PlaceOf(row.Scope, &row.ID), row.Type != nil}
	return p, c.Need(permission.ResourcesManage, p.Owner, errPersonalRoot, errSharedFolder)
}

// root is an organization's root, or the caller's own where it is nil, where
// the caller may put something.
func root(c *caller.Caller, organizationID *int64) (place, error) {
	p := place{Place: tree.Place{Owner: caller.OwnerOf(c, organizationID)}}
	return p, c.Need(permission.ResourcesManage, p.Owner, errPersonalRoot, errSharedRoot)
}

// mayMove checks what integrations manage: their entries stay where they are,
// and nothing else comes to them.
func mayMove(row db.LockEntryRow, to place) error {
	switch {
	case to.Place == placeOf(row).Place:
		return nil
	case row.IntegrationID != nil:
		return errManagedEntry
	case to.managed:
		return errManagedFolder
	}
	return nil
}

// put moves an entry to a place, next to a target or at the end. It writes the
// entry alone, but for the rare time that the ranks there have no room left.
func put(ctx context.Context, tx *change.Tx, c *caller.Caller, id int64, to place, placement string, targetID *int64) error {
	for range 2 {
		crowded, err := tx.RepositionEntry(ctx, db.RepositionEntryParams{
			ID: id, TargetID: targetID, Placement: placement,
			NewScope: int64(to.Owner), NewFolderID: to.FolderID(), Reach: c.Reach, ManagesAll: c.ManagesAll(),
		})
		err = fail.OnNoRows(err, errTargetNotFound)
		if err := fail.OnConstraint(err, "entries_organization_exists", caller.ErrOrganizationNotFound); err != nil || !crowded {
			return err
		}
		if err := tx.RenumberEntries(ctx, db.RenumberEntriesParams{Scope: int64(to.Owner), FolderID: to.FolderID()}); err != nil {
			return err
		}
	}
	return nil
}

// settle takes away what a moved entry's new readers may not have: identities
// and tags of those who can no longer read it.
func settle(ctx context.Context, tx *change.Tx, id int64) error {
	if err := tx.RemoveUnreachableLinks(ctx, []int64{id}); err != nil {
		return err
	}
	return tx.RemoveUnreachableTags(ctx, []int64{id})
}
