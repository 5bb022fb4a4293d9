// Package signin owns what all ways to sign in share: opening a session
// and ending all, recording refusals and judging TOTP codes. It does not know how an account
// proves who it is.
package signin

import (
	"context"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/ratelimit"
	"github.com/nexterm-go/nexterm/internal/vault"
)

// Method is how an account signs in, as events tell it.
type Method string

// The methods.
const (
	ByPassword Method = "password"
	ByPasskey  Method = "passkey"
	ByOIDC     Method = "oidc"
	ByDevice   Method = "device"
)

// Open stores a session for the client of this request and returns its token; the
// request's log line names the account, and so does the change as its actor.
// An account that is gone by now opens none: pgx.ErrNoRows.
func Open(ctx context.Context, tx *change.Tx, accountID int64, method Method) (string, error) {
	return open(ctx, tx, accountID, nil, method)
}

// OpenByPassword is Open for who has proved to know the password with this hash. One
// that is another one by now opens none: pgx.ErrNoRows.
func OpenByPassword(ctx context.Context, tx *change.Tx, accountID int64, hash string) (string, error) {
	return open(ctx, tx, accountID, &hash, ByPassword)
}

func open(ctx context.Context, tx *change.Tx, accountID int64, passwordHash *string, method Method) (string, error) {
	client := caller.ClientFrom(ctx)
	token := vault.NewSessionToken()
	session, err := tx.CreateSession(ctx, db.CreateSessionParams{
		AccountID: accountID, PasswordHash: passwordHash, TokenHash: vault.HashToken(token), IP: &client.IP, UserAgent: client.Agent("None"),
		Most: tx.Limits.Of(change.Sessions),
	})
	if err != nil {
		return "", err
	}
	tx.Actor = caller.Actor{Kind: caller.BySession, AccountID: accountID, SessionID: session.ID}
	tx.Record(event.Event{
		Action: event.SessionCreate, Owner: caller.Account(accountID), ResourceID: session.ID,
		Details: event.Details{"method": method},
	})
	for _, id := range session.Ended {
		tx.Record(event.SessionEnd(accountID, id, nil))
	}
	caller.SignedIn(ctx, accountID)
	return token, tx.Defer(func(q *db.Queries) error { return ratelimit.HandBack(ctx, q) })
}

// EndSessions ends all sessions of an account but the one to keep, 0 for none, and
// those in which it acts as another one.
func EndSessions(ctx context.Context, tx *change.Tx, accountID, kept int64) error {
	// Whoever is signing in comes before, and ends too, or after.
	if err := tx.LockSignIns(ctx, accountID); err != nil {
		return err
	}
	ended, err := tx.EndSessions(ctx, db.EndSessionsParams{AccountID: accountID, Kept: kept})
	for _, s := range ended {
		tx.Record(event.SessionEnd(s.AccountID, s.ID, s.ImpersonatorID))
	}
	return err
}

// refusals bounds what guessing leaves behind: one event for each account or
// name, from one network.
var refusals = ratelimit.Limit{Name: "refusal", Max: 1, Window: time.Minute}

// Refuse records that a sign-in is refused. For a name without an account, whose
// id is 0, as much is done, so that the time of the answer does not tell.
func Refuse(ctx context.Context, changes *change.Changes, accountID int64, username string, method Method) error {
	subject := strconv.FormatInt(accountID, 10)
	refusal := event.Event{
		Action: event.SessionRefuse, Owner: caller.Account(accountID), Details: event.Details{"method": method},
	}
	if accountID == 0 {
		subject = hex.EncodeToString(vault.HashToken(username))
		refusal = event.Event{Action: event.SessionRefuseUnknown}
	}
	return changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		standing, err := refusals.Count(ctx, tx.Queries, subject+" "+caller.ClientFrom(ctx).Network())
		if err == nil && standing.Refusal() == nil {
			tx.Record(refusal)
		}
		return err
	})
}
