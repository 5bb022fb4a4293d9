package user

import (
	"context"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/permission"
	"github.com/nexterm-go/nexterm/internal/vault"
)

// ImpersonateUser opens a session of another account, which sees it among its own.
func (h *Handlers) ImpersonateUser(ctx context.Context, request api.ImpersonateUserRequestObject) (api.ImpersonateUserResponseObject, error) {
	token := vault.NewSessionToken()
	impersonator := caller.From(ctx).AccountID
	err := h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		target, err := lockWithin(ctx, tx.Queries, request.AccountID, permission.UsersImpersonate)
		if err != nil {
			return err
		}
		session, err := tx.CreateSession(ctx, db.CreateSessionParams{
			AccountID: target.ID, ImpersonatorID: &impersonator, TokenHash: vault.HashToken(token),
			UserAgent: caller.ClientFrom(ctx).Agent("None"),
		})
		if err != nil {
			return err
		}
		tx.Record(event.Event{
			Action: event.ImpersonationBegin, Owner: caller.Account(target.ID), ResourceID: session.ID,
			Details: event.Details{"name": target.Username},
		})
		return nil
	})
	if err != nil {
		return nil, err
	}
	h.log.InfoContext(ctx, "session opened for another account",
		"account", impersonator, "target", request.AccountID, "ip", caller.ClientFrom(ctx).IP)
	return api.ImpersonateUser200JSONResponse{Token: token, Message: "Session got successfully created"}, nil
}
