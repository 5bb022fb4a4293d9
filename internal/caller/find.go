package caller

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/permission"
	"github.com/nexterm-go/nexterm/internal/vault"
)

// ErrGone is the answer to a caller whose account is deleted while it asks.
var ErrGone = fail.Unauthorized("The account associated to the token is not registered")

// Find resolves a bearer token: a session token, or an API key by its prefix.
// It costs one query, and one write a minute to keep the last activity. Sessions
// without any for so many days do not hold, unless that is 0.
// A token that does not hold is a 401; an API key that has expired goes with it.
func Find(ctx context.Context, q *db.Queries, token string, idleDays int32) (*Caller, error) {
	if strings.HasPrefix(token, vault.APIKeyPrefix) {
		hash := vault.HashToken(token)
		row, err := q.GetCallerByAPIKey(ctx, hash)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil, cmp.Or(q.DeleteExpiredAPIKey(ctx, hash), fail.Unauthorized("The provided API key is not valid"))
		}
		if err != nil {
			return nil, err
		}
		if row.Stale {
			err = q.TouchAPIKey(ctx, row.APIKeyID)
		}
		return newCaller(db.GetCallerBySessionRow(row)), err
	}
	row, err := q.GetCallerBySession(ctx, db.GetCallerBySessionParams{TokenHash: vault.HashToken(token), IdleDays: idleDays})
	if err != nil {
		return nil, fail.OnNoRows(err, fail.Unauthorized("The provided token is not valid"))
	}
	if row.Stale {
		err = q.TouchSession(ctx, db.TouchSessionParams{ID: row.SessionID, IP: ClientFrom(ctx).IP})
	}
	return newCaller(row), err
}

// FindByAccount reads accounts as they stand now, and which of the login
// sessions still hold. Accounts that are gone are left out.
func FindByAccount(ctx context.Context, q *db.Queries, accounts, sessions []int64, idleDays int32) (callers map[int64]*Caller, held map[int64]bool, err error) {
	rows, err := q.ListCallers(ctx, db.ListCallersParams{AccountIds: accounts, SessionIds: sessions, IdleDays: idleDays})
	if err != nil {
		return nil, nil, err
	}
	callers, held = make(map[int64]*Caller, len(rows)), make(map[int64]bool, len(sessions))
	for _, row := range rows {
		callers[row.AccountID] = newCaller(db.GetCallerBySessionRow(row))
		for _, id := range row.HeldSessions {
			held[id] = true
		}
	}
	return callers, held, nil
}

// Renew reads the caller again, for decisions on what it may do now: a request
// that waits for a lock may find its caller with fewer rights, or gone, which is
// a 401. A caller that has lost one of the needed permissions gets a 403.
func (c *Caller) Renew(ctx context.Context, q *db.Queries, needs ...permission.Name) (*Caller, error) {
	// Its session is not idle: it asks.
	accounts, sessions, err := FindByAccount(ctx, q, []int64{c.AccountID}, []int64{c.SessionID}, 0)
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
	renewed.SessionID, renewed.APIKeyID, renewed.ImpersonatorID = c.SessionID, c.APIKeyID, c.ImpersonatorID
	for _, name := range needs {
		if !renewed.Holds(name) {
			return nil, fail.Forbidden("Forbidden")
		}
	}
	return renewed, nil
}

func newCaller(row db.GetCallerBySessionRow) *Caller {
	c := &Caller{
		AccountID: row.AccountID, SessionID: row.SessionID, APIKeyID: row.APIKeyID, ImpersonatorID: row.ImpersonatorID,
		Admin: row.IsAdmin, System: permission.Of(row.Permissions...),
		Organizations: row.OrganizationIds, owned: row.OwnedOrganizationIds,
	}
	if c.Admin {
		c.System = permission.All(permission.System)
	}
	c.Reach = slices.Grow(c.Reach, 1+len(c.Organizations))
	c.Reach = append(c.Reach, c.AccountID)
	for _, id := range c.Organizations {
		c.Reach = append(c.Reach, -id)
	}
	// The database hands the overrides out as columns.
	for i, name := range row.OverridePermissions {
		c.overrides = append(c.overrides, override{row.OverrideOrganizationIds[i], permission.Of(name), row.OverrideAllows[i]})
	}
	return c
}
