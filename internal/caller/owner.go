package caller

import (
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/permission"
)

// ErrOrganizationNotFound is for callers who manage all organizations and so may
// learn that one does not exist.
var ErrOrganizationNotFound = fail.NotFound("Organization not found")

// Owner is whose a thing is, as one number: an account's id, or an organization's
// below zero. It is what the tables call scope; 0 is nobody.
type Owner int64

// Account is the account as an owner.
func Account(id int64) Owner { return Owner(id) }

// Organization is the organization as an owner.
func Organization(id int64) Owner { return Owner(-id) }

// OwnerOf is the organization, or the caller where it is nil.
func OwnerOf(c *Caller, organizationID *int64) Owner {
	if organizationID != nil {
		return Organization(*organizationID)
	}
	return Account(c.AccountID)
}

// AccountID is the owning account, nil where there is none.
func (o Owner) AccountID() *int64 {
	if o <= 0 {
		return nil
	}
	id := int64(o)
	return &id
}

// OrganizationID is the owning organization, nil where there is none.
func (o Owner) OrganizationID() *int64 {
	if o >= 0 {
		return nil
	}
	id := -int64(o)
	return &id
}

// Need refuses a caller who lacks a permission over what an owner has: with
// personal for what is the caller's own, with shared for an organization's.
// Whether that exists is left to foreign keys: only callers who manage all
// organizations get that far.
func (c *Caller) Need(name permission.Name, owner Owner, personal, shared error) error {
	if id := owner.OrganizationID(); id != nil {
		if !c.In(*id).Has(name) {
			return shared
		}
		return nil
	}
	if !c.Holds(name) {
		return personal
	}
	return nil
}
