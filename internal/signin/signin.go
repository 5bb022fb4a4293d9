// Package signin owns what all ways to sign in share: opening a session and
// judging TOTP codes. It does not know how an account proves who it is.
package signin

import (
	"context"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/vault"
)

// Open stores a session for the client of this request and returns its token; the
// request's log line names the account.
// An account that is gone by now opens none: pgx.ErrNoRows.
func Open(ctx context.Context, q *db.Queries, accountID int64) (string, error) {
	client := caller.ClientFrom(ctx)
	token := vault.NewSessionToken()
	_, err := q.InsertSession(ctx, db.InsertSessionParams{
		AccountID: accountID, TokenHash: vault.HashToken(token), IP: client.IP, UserAgent: client.Agent("None"),
	})
	if err == nil {
		caller.SignedIn(ctx, accountID)
	}
	return token, err
}
