// Package library owns what scripts and snippets have in common: the scopes
// that they are kept in, and who may look into a scope and change it. It does
// not own the items; the tags do.
package library

import (
	"context"
	"fmt"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/permission"
)

// ErrOrganizationNotFound is for callers who manage all organizations and so
// may learn that one does not exist.
var ErrOrganizationNotFound = fail.NotFound("Organization not found")

var errAccessDenied = fail.Forbidden("Access denied to this organization")

// Scope is where a request looks for items. The zero value holds nothing.
type Scope struct {
	// AccountID is whose personal items belong to it, 0 for nobody's.
	AccountID int64
	// OrganizationIDs are the organizations whose items belong to it.
	OrganizationIDs []int64
	// Sources tells whether what enabled sources deliver can be read in it.
	Sources bool
}

// All is everything that people have written and the caller may read.
func All(c *caller.Caller) Scope {
	return Scope{AccountID: c.AccountID, OrganizationIDs: c.Organizations}
}

// ForReading is the organization's scope, for its active members; without an
// organization it is the caller's personal one together with the sources.
func ForReading(ctx context.Context, q *db.Queries, c *caller.Caller, organizationID *int64) (Scope, error) {
	if organizationID == nil || c.Member(*organizationID) {
		return named(c, organizationID), nil
	}
	if c.ManagesAll() {
		found, err := q.OrganizationExists(ctx, *organizationID)
		if err != nil {
			return Scope{}, err
		}
		if !found {
			return Scope{}, ErrOrganizationNotFound
		}
	}
	return Scope{}, errAccessDenied
}

// ForWriting is the scope that ForReading names, also open to callers who
// manage all organizations. Sources stay in it so that a change of what they
// deliver can be refused by name.
func ForWriting(c *caller.Caller, organizationID *int64) (Scope, error) {
	if organizationID != nil && !c.Member(*organizationID) && !c.ManagesAll() {
		return Scope{}, errAccessDenied
	}
	return named(c, organizationID), nil
}

func named(c *caller.Caller, organizationID *int64) Scope {
	if organizationID == nil {
		return Scope{AccountID: c.AccountID, Sources: true}
	}
	return Scope{OrganizationIDs: []int64{*organizationID}}
}

// May reports whether the caller has a permission in the one organization of
// the scope, or for personal things where there is none.
func (s Scope) May(c *caller.Caller, name permission.Name) bool {
	if len(s.OrganizationIDs) == 0 {
		return c.Holds(name)
	}
	return c.In(s.OrganizationIDs[0]).Has(name)
}

// Lock makes appending to and rearranging the items of one kind in the scope
// wait for each other, until the transaction of q ends.
func (s Scope) Lock(ctx context.Context, q *db.Queries, kind string) error {
	return q.LockOrder(ctx, fmt.Sprintf("%s %d %v", kind, s.AccountID, s.OrganizationIDs))
}

// Filter is an OS filter as it is stored: nil stands for every system.
func Filter(systems []string) []string {
	if len(systems) == 0 {
		return nil
	}
	return systems
}
