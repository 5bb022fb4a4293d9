package user

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/permission"
	"github.com/nexterm-go/nexterm/internal/vault"
)

// ImpersonateUser opens a session of another account, which sees it among its own.
func (h *Handlers) ImpersonateUser(ctx context.Context, request api.ImpersonateUserRequestObject) (api.ImpersonateUserResponseObject, error) {
	token := vault.NewSessionToken()
	err := pgx.BeginFunc(ctx, h.pool, func(tx pgx.Tx) error {
		q := h.queries.WithTx(tx)
		target, err := lockWithin(ctx, q, request.AccountID, permission.UsersImpersonate)
		if err != nil {
			return err
		}
		_, err = q.InsertSession(ctx, db.InsertSessionParams{
			AccountID: target.ID, TokenHash: vault.HashToken(token),
			IP: caller.Impersonated, UserAgent: caller.ClientFrom(ctx).Agent("None"),
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	h.log.InfoContext(ctx, "session opened for another account",
		"account", caller.From(ctx).AccountID, "target", request.AccountID, "ip", caller.ClientFrom(ctx).IP)
	return api.ImpersonateUser200JSONResponse{Token: token, Message: "Session got successfully created"}, nil
}
