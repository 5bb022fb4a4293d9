// Package session owns signing in and out with a password, with TOTP where that
// is on, and the caller's login sessions. It does not check tokens; package caller does.
package session

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/signin"
	"github.com/nexterm-go/nexterm/internal/timestamp"
	"github.com/nexterm-go/nexterm/internal/vault"
)

var (
	// errRefused does not tell which of the two it is.
	errRefused = fail.Unauthorized("Username or password incorrect")
	// errWrongCode is the answer to codes that do not fit, have expired or were used.
	errWrongCode = fail.Unauthorized("Your provided code is invalid or has expired.")
)

// Handlers are the operations of the tag session.
type Handlers struct {
	pool    *pgxpool.Pool
	queries *db.Queries
	vault   *vault.Vault
	events  *event.Bus
}

// New returns the operations over a database.
func New(pool *pgxpool.Pool, keys *vault.Vault, events *event.Bus) *Handlers {
	return &Handlers{pool: pool, queries: db.New(pool), vault: keys, events: events}
}

// Login opens a session for a username and password. An unknown name costs as
// much time as a wrong password and gets the same answer; nothing is said of
// TOTP before the password is right.
func (h *Handlers) Login(ctx context.Context, request api.LoginRequestObject) (api.LoginResponseObject, error) {
	enabled, err := h.queries.IsPasswordLoginEnabled(ctx)
	if err != nil {
		return nil, err
	}
	if !enabled {
		return nil, fail.Forbidden("No login method is enabled")
	}
	account, err := h.queries.Login(ctx, request.Body.Username)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return nil, err
	}
	match, err := vault.VerifyPassword(ctx, vault.Secret(request.Body.Password), account.PasswordHash)
	if err != nil {
		return nil, err
	}
	if !match {
		return nil, errRefused
	}
	var token string
	if account.TOTPEnabled {
		step, err := h.checkCode(ctx, account, request.Body.Code)
		if err != nil {
			return nil, err
		}
		token, err = h.openWithCode(ctx, account.ID, step)
		if err != nil {
			return nil, err
		}
	} else if token, err = signin.Open(ctx, h.queries, account.ID); err != nil {
		return nil, fail.OnNoRows(err, errRefused)
	}
	return api.Login200JSONResponse{
		Body:    api.Login{Token: token, TotpRequired: account.TOTPEnabled, Message: "Your session got successfully created"},
		Headers: api.Login200ResponseHeaders{Authorization: token},
	}, nil
}

// checkCode asks an account with TOTP for its code and returns the code's time
// step, which the sign-in uses up.
func (h *Handlers) checkCode(ctx context.Context, account db.LoginRow, code *api.TotpCode) (step int64, err error) {
	if code == nil {
		return 0, &fail.Error{Status: 401, Message: "TOTP is required for this account", TOTPRequired: true}
	}
	standing, err := signin.TOTPLimit.Count(ctx, h.queries, signin.TOTPSubject(account.ID))
	if err != nil {
		return 0, err
	}
	if err := standing.Refusal(); err != nil {
		return 0, err
	}
	secret, err := h.vault.Open(signin.TOTPTable, account.ID, signin.TOTPActive, account.TOTPCiphertext)
	if err != nil {
		return 0, err
	}
	digits, err := signin.CodeText(*code)
	if err != nil {
		return 0, err
	}
	step, match := signin.MatchCode(digits, secret, time.Now())
	if !match {
		return 0, errWrongCode
	}
	return step, nil
}

// openWithCode uses up the code's step and opens the session, or neither.
func (h *Handlers) openWithCode(ctx context.Context, accountID, step int64) (token string, err error) {
	err = pgx.BeginFunc(ctx, h.pool, func(tx pgx.Tx) error {
		q := h.queries.WithTx(tx)
		used, err := q.UseTotpStep(ctx, db.UseTotpStepParams{AccountID: accountID, Step: step})
		if err != nil {
			return err
		}
		if used == 0 {
			return errWrongCode
		}
		if err := signin.TOTPLimit.Reset(ctx, q, signin.TOTPSubject(accountID)); err != nil {
			return err
		}
		token, err = signin.Open(ctx, q, accountID)
		return err
	})
	return token, err
}

// Logout ends the session whose token is in the body.
func (h *Handlers) Logout(ctx context.Context, request api.LogoutRequestObject) (api.LogoutResponseObject, error) {
	id, err := h.queries.Logout(ctx, vault.HashToken(strings.ToLower(request.Body.Token)))
	if err != nil {
		return nil, fail.OnNoRows(err, fail.Unauthorized("Your session token is invalid"))
	}
	h.events.Publish(event.Change{EndedSessions: []int64{id}})
	return api.Logout200JSONResponse{Message: "Your session got deleted successfully"}, nil
}

// ListSessions answers the caller's sessions, the latest activity first.
func (h *Handlers) ListSessions(ctx context.Context, _ api.ListSessionsRequestObject) (api.ListSessionsResponseObject, error) {
	c := caller.From(ctx)
	rows, err := h.queries.ListSessions(ctx, c.AccountID)
	if err != nil {
		return nil, err
	}
	sessions := make(api.ListSessions200JSONResponse, len(rows))
	for i, row := range rows {
		sessions[i] = api.Session{
			ID:           row.ID,
			IP:           row.IP,
			UserAgent:    row.UserAgent,
			LastActivity: timestamp.Format(row.LastActivity),
			CreatedAt:    timestamp.Format(row.CreatedAt),
			Current:      row.ID == c.SessionID,
		}
	}
	return sessions, nil
}

// DeleteSession ends one of the caller's own sessions.
func (h *Handlers) DeleteSession(ctx context.Context, request api.DeleteSessionRequestObject) (api.DeleteSessionResponseObject, error) {
	deleted, err := h.queries.DeleteSession(ctx, db.DeleteSessionParams{ID: request.ID, AccountID: caller.From(ctx).AccountID})
	if err != nil {
		return nil, err
	}
	if deleted == 0 {
		return nil, fail.NotFound("The provided session does not exist")
	}
	h.events.Publish(event.Change{EndedSessions: []int64{request.ID}})
	return api.DeleteSession200JSONResponse{Message: "The session has been successfully destroyed"}, nil
}
