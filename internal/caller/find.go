package caller

import (
	"context"
	"strings"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/permission"
	"github.com/nexterm-go/nexterm/internal/vault"
)

// Impersonated stands for the address of a session that somebody else opened
// for the account, until the session is used.
const Impersonated = "Admin"

// ErrGone is the answer to a caller whose account is deleted while it asks.
var ErrGone = fail.Unauthorized("The account associated to the token is not registered")

// Find resolves a bearer token: a session token, or an API key by its prefix.
// It costs one query, and one write a minute to keep the last activity.
// A token that does not hold is a 401.
func Find(ctx context.Context, q *db.Queries, token string) (*Caller, error) {
	if strings.HasPrefix(token, vault.APIKeyPrefix) {
		return findByAPIKey(ctx, q, token)
	}
	row, err := q.FindCallerBySession(ctx, vault.HashToken(token))
	if err != nil {
		return nil, fail.OnNoRows(err, fail.Unauthorized("The provided token is not valid"))
	}
	if row.Stale {
		if err := q.TouchSession(ctx, db.TouchSessionParams{ID: row.SessionID, IP: ClientFrom(ctx).IP}); err != nil {
			return nil, err
		}
	}
	c := &Caller{
		AccountID: row.AccountID, SessionID: row.SessionID, Admin: row.IsAdmin,
		Organizations: row.OrganizationIds, owned: row.OwnedOrganizationIds,
	}
	c.grant(row.Permissions)
	c.override(row.OverrideOrganizationIds, row.OverridePermissions, row.OverrideAllows)
	return c, nil
}

func findByAPIKey(ctx context.Context, q *db.Queries, token string) (*Caller, error) {
	row, err := q.FindCallerByAPIKey(ctx, vault.HashToken(token))
	if err != nil {
		return nil, fail.OnNoRows(err, fail.Unauthorized("The provided API key is not valid"))
	}
	if row.Stale {
		if err := q.TouchAPIKey(ctx, row.APIKeyID); err != nil {
			return nil, err
		}
	}
	c := &Caller{
		AccountID: row.AccountID, Admin: row.IsAdmin,
		Organizations: row.OrganizationIds, owned: row.OwnedOrganizationIds,
	}
	c.grant(row.Permissions)
	c.override(row.OverrideOrganizationIds, row.OverridePermissions, row.OverrideAllows)
	return c, nil
}

// FindByAccount reads accounts as they stand now, and which of the login
// sessions still hold. Accounts that are gone are left out.
func FindByAccount(ctx context.Context, q *db.Queries, accounts, sessions []int64) (callers map[int64]*Caller, held map[int64]bool, err error) {
	rows, err := q.FindCallersByAccount(ctx, db.FindCallersByAccountParams{AccountIds: accounts, SessionIds: sessions})
	if err != nil {
		return nil, nil, err
	}
	callers, held = make(map[int64]*Caller, len(rows)), make(map[int64]bool, len(sessions))
	for _, row := range rows {
		c := &Caller{
			AccountID: row.AccountID, Admin: row.IsAdmin,
			Organizations: row.OrganizationIds, owned: row.OwnedOrganizationIds,
		}
		c.grant(row.Permissions)
		c.override(row.OverrideOrganizationIds, row.OverridePermissions, row.OverrideAllows)
		callers[c.AccountID] = c
		for _, id := range row.SessionIds {
			held[id] = true
		}
	}
	return callers, held, nil
}

// Renew reads the caller again, for decisions on what it may do now: a request
// that waits for a lock may find its caller with fewer rights, or gone, which is
// a 401. A caller that has lost one of the needed permissions gets a 403.
func (c *Caller) Renew(ctx context.Context, q *db.Queries, needs ...permission.Name) (*Caller, error) {
	accounts, sessions, err := FindByAccount(ctx, q, []int64{c.AccountID}, []int64{c.SessionID})
	if err != nil {
		return nil, err
	}
	renewed := accounts[c.AccountID]
	if renewed == nil {
		return nil, ErrGone
	}
	if c.SessionID != 0 && !sessions[c.SessionID] {
		return nil, fail.Unauthorized("The provided token is not valid")
	}
	renewed.SessionID = c.SessionID
	for _, name := range needs {
		if !renewed.Holds(name) {
			return nil, fail.Forbidden("Forbidden")
		}
	}
	return renewed, nil
}

func (c *Caller) grant(permissions []string) {
	c.System = permission.Of(permissions...)
	if c.Admin {
		c.System = permission.All(permission.System)
	}
}

// override keeps rows that the database hands out as columns.
func (c *Caller) override(organizationIDs []int64, names []string, allows []bool) {
	for i, name := range names {
		c.overrides = append(c.overrides, override{organizationIDs[i], permission.Of(name), allows[i]})
	}
}
