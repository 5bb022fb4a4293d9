package entry

import (
	"context"

	"github.com/oapi-codegen/nullable"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/permission"
	"github.com/nexterm-go/nexterm/internal/tree"
)

var (
	errNotFound             = fail.NotFound("Entry not found")
	errFolderNotFound       = fail.NotFound("Folder does not exist")
	errTargetNotFound       = fail.NotFound("Target entry not found")
	errOrganizationNotFound = fail.NotFound("Organization not found")
	errShared               = fail.Forbidden("You don't have access to this organization's entry")
	errPersonalRoot         = fail.Forbidden("You don't have permission to manage resources")
	errSharedRoot           = fail.Forbidden("You don't have permission to manage resources in this organization")
	errSharedFolder         = fail.Forbidden("You don't have access to this organization")
	errManagedFolder        = fail.Forbidden("Integration folders are managed by their integration")
	errManagedEntry         = fail.Forbidden("Integration resources cannot be moved out of their node folder")
	errMismatch             = fail.BadRequest("Folder does not belong to the given organization")
)

// place is a container of entries: a folder, or the root of an owner.
type place struct {
	owner    tree.Owner
	folderID *int64
	managed  bool
}

func (p place) equals(other place) bool {
	return p.owner.Scope() == other.owner.Scope() && same(p.folderID, other.folderID)
}

func same(a, b *int64) bool {
	return a == b || a != nil && b != nil && *a == *b
}

// value is nil for null and for absent.
func value(n nullable.Nullable[int64]) *int64 {
	v, err := n.Get()
	if err != nil {
		return nil
	}
	return &v
}

// lock reads an entry that the caller may see or manage, and checks that the
// caller may change it; personal is the refusal of a personal one.
func lock(ctx context.Context, q *db.Queries, c *caller.Caller, id int64, personal error) (db.LockEntryRow, error) {
	row, err := q.LockEntry(ctx, db.LockEntryParams{
		ID: id, AccountID: c.AccountID, OrganizationIds: c.Organizations, EveryOrganization: c.ManagesAll(),
	})
	if err != nil {
		return row, fail.OnNoRows(err, errNotFound)
	}
	return row, mayManage(c, placeOf(row).owner, personal, errShared)
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

func placeOf(row db.LockEntryRow) place {
	return place{owner: tree.Owner{AccountID: row.AccountID, OrganizationID: row.OrganizationID}, folderID: row.FolderID}
}

// folder is a place below a folder, where the caller may put something.
func folder(ctx context.Context, q *db.Queries, locked tree.Locked, c *caller.Caller, id int64) (place, error) {
	row, err := q.LockFolder(ctx, db.LockFolderParams{
		ID: id, AccountID: c.AccountID, OrganizationIds: c.Organizations, EveryOrganization: c.ManagesAll(),
	})
	if err != nil {
		return place{}, fail.OnNoRows(err, errFolderNotFound)
	}
	if err := locked.Check(row.Scope); err != nil {
		return place{}, err
	}
	p := place{
		owner:    tree.Owner{AccountID: row.AccountID, OrganizationID: row.OrganizationID},
		folderID: &row.ID,
		managed:  row.Type != nil,
	}
	return p, mayManage(c, p.owner, errPersonalRoot, errSharedFolder)
}

// root is an organization's root, or the caller's own where it is nil, where
// the caller may put something. Whether the organization exists is left to the
// foreign key: only callers who manage all organizations get that far.
func root(c *caller.Caller, organizationID *int64) (place, error) {
	p := place{owner: tree.OwnerOf(c, organizationID)}
	return p, mayManage(c, p.owner, errPersonalRoot, errSharedRoot)
}

// mayMove checks what integrations manage: their entries stay where they are,
// and nothing else comes to them.
func mayMove(row db.LockEntryRow, to place) error {
	switch {
	case to.equals(placeOf(row)):
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
func put(ctx context.Context, q *db.Queries, c *caller.Caller, id int64, to place, placement string, targetID *int64) error {
	for range 2 {
		crowded, err := q.RepositionEntry(ctx, db.RepositionEntryParams{
			ID: id, TargetID: targetID, Placement: placement,
			NewScope: to.owner.Scope(), NewFolderID: to.folderID,
			NewAccountID: to.owner.AccountID, NewOrganizationID: to.owner.OrganizationID,
			AccountID: c.AccountID, OrganizationIds: c.Organizations, EveryOrganization: c.ManagesAll(),
		})
		err = fail.OnNoRows(err, errTargetNotFound)
		if err := fail.OnConstraint(err, "entries_organization_exists", errOrganizationNotFound); err != nil || !crowded {
			return err
		}
		if err := q.RenumberEntries(ctx, db.RenumberEntriesParams{Scope: to.owner.Scope(), FolderID: to.folderID}); err != nil {
			return err
		}
	}
	return nil
}

// settle takes away what a moved entry's new readers may not have: identities
// and tags of those who can no longer read it.
func settle(ctx context.Context, q *db.Queries, id int64) error {
	if err := q.RemoveUnreachableLinks(ctx, []int64{id}); err != nil {
		return err
	}
	return q.RemoveUnreachableTags(ctx, []int64{id})
}
