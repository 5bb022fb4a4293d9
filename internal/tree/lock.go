// Package tree owns the shape that folders and entries share: whose they are,
// how changes of their order wait for each other, and the nodes that clients
// draw. It decides no rights.
package tree

import (
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
)

// Owner is an account or an organization; exactly one is set.
type Owner struct{ AccountID, OrganizationID *int64 }

// OwnerOf is the organization, or the caller where it is nil.
func OwnerOf(c *caller.Caller, organizationID *int64) Owner {
	if organizationID != nil {
		return Owner{OrganizationID: organizationID}
	}
	return Owner{AccountID: &c.AccountID}
}

// Scope is the owner as one number, as the tables have it: an account's id, or
// an organization's below zero.
func (o Owner) Scope() int64 {
	if o.OrganizationID != nil {
		return -*o.OrganizationID
	}
	return *o.AccountID
}

// Places are what a change touches: scopes, and folders and entries for the
// scopes that they lie in.
type Places struct{ Scopes, Folders, Entries []int64 }

// Locked are the scopes that a change has to itself.
type Locked []int64

// errMoved makes Change start again.
var errMoved = errors.New("what was to be changed has moved to another scope meanwhile")

// Check fails when a row is not in a locked scope any more, because another
// change has moved it before the lock was taken.
func (l Locked) Check(scope int64) error {
	if !slices.Contains(l, scope) {
		return errMoved
	}
	return nil
}

// attempts bounds how often Change follows what others move away.
const attempts = 20

// Change runs f in a transaction that has the touched scopes to itself. f calls
// Check with the scope of every row that it depends on.
func Change(ctx context.Context, pool *pgxpool.Pool, c *caller.Caller, touched Places, f func(*db.Queries, Locked) error) error {
	var err error
	for range attempts {
		err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
			q := db.New(tx)
			locked, err := q.LockScopes(ctx, db.LockScopesParams{
				Scopes: touched.Scopes, FolderIds: touched.Folders, EntryIds: touched.Entries,
				AccountID: c.AccountID, OrganizationIds: c.Organizations, EveryOrganization: c.ManagesAll(),
			})
			if err != nil {
				return err
			}
			return f(q, locked)
		})
		if !errors.Is(err, errMoved) {
			return err
		}
	}
	return err
}
