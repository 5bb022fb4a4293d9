// Package session owns signing in and out with a password, with TOTP where that
// is on, and the caller's login sessions. It does not check tokens; package caller does.
package session

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/signin"
	"github.com/nexterm-go/nexterm/internal/timestamp"
	"github.com/nexterm-go/nexterm/internal/username"
	"github.com/nexterm-go/nexterm/internal/vault"
)

var (
	// errRefused does not tell which of the two it is.
	errRefused = fail.Unauthorized("Username or password incorrect")
	// errWrongCode is the answer to codes that do not fit, have expired or were used.
	errWrongCode = fail.Unauthorized("Your provided code is invalid or has expired.")
	// errNoCode leads to a 202: clients ask for the code on that and on nothing else.
	errNoCode = errors.New("TOTP is required for this account")
)

// unused stands for the address of a session that an administrator has opened
// as another account, until the first request with it.
const unused = "Admin"

// Handlers are the operations of the tag session.
type Handlers struct {
	queries *db.Queries
	changes *change.Changes
	vault   *vault.Vault
}

// New returns the operations over a database.
func New(queries *db.Queries, changes *change.Changes, keys *vault.Vault) *Handlers {
	return &Handlers{queries: queries, changes: changes, vault: keys}
}

// Login opens a session for a username and password. An unknown name costs as
// much time as a wrong password and gets the same answer; nothing is said of
// TOTP before the password is right.
func (h *Handlers) Login(ctx context.Context, request api.LoginRequestObject) (api.LoginResponseObject, error) {
	name := username.Fold(request.Body.Username)
	account, err := h.queries.Login(ctx, name)
	if err != nil {
		return nil, fail.OnNoRows(err, fail.Forbidden("No login method is enabled"))
	}
	token, err := h.open(ctx, account, request.Body)
	if errors.Is(err, errNoCode) {
		return api.Login202JSONResponse{Code: 202, Message: err.Error(), TotpRequired: true}, nil
	}
	if errors.Is(err, errRefused) || errors.Is(err, errWrongCode) {
		return nil, cmp.Or(signin.Refuse(ctx, h.changes, account.ID, name, signin.ByPassword), err)
	}
	if err != nil {
		return nil, err
	}
	return api.Login200JSONResponse{
		Body:    api.Login{Token: token, TotpRequired: account.TOTPEnabled, Message: "Your session got successfully created"},
		Headers: api.Login200ResponseHeaders{Authorization: token},
	}, nil
}

// open opens a session for whoever knows the password and, with TOTP, a code. It
// uses up the code's step together with that, or neither.
func (h *Handlers) open(ctx context.Context, account db.LoginRow, given *api.LoginJSONRequestBody) (token string, err error) {
	match, err := vault.VerifyPassword(ctx, vault.Secret(given.Password), account.PasswordHash)
	if err != nil {
		return "", err
	}
	if !match {
		return "", errRefused
	}
	var step int64
	if account.TOTPEnabled {
		if step, err = h.checkCode(ctx, account, given.Code); err != nil {
			return "", err
		}
	}
	err = h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) (err error) {
		if account.TOTPEnabled {
			if err := useCode(ctx, tx.Queries, account.ID, step); err != nil {
				return err
			}
		}
		token, err = signin.OpenByPassword(ctx, tx, account.ID, account.PasswordHash)
		return fail.OnNoRows(err, errRefused)
	})
	return token, err
}

// checkCode asks an account with TOTP for its code and returns the code's time
// step, which the sign-in uses up.
func (h *Handlers) checkCode(ctx context.Context, account db.LoginRow, code *api.TotpCode) (step int64, err error) {
	if code == nil {
		return 0, errNoCode
	}
	if err := signin.CountCode(ctx, h.changes, account.ID); err != nil {
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

func useCode(ctx context.Context, q *db.Queries, accountID, step int64) error {
	used, err := q.UseTotpStep(ctx, db.UseTotpStepParams{AccountID: accountID, Step: step})
	if err != nil {
		return err
	}
	if used == 0 {
		return errWrongCode
	}
	return signin.ForgetCodes(ctx, q, accountID)
}

// Logout ends the session whose token is in the body: the token proves who acts.
func (h *Handlers) Logout(ctx context.Context, request api.LogoutRequestObject) (api.LogoutResponseObject, error) {
	err := h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		row, err := tx.Logout(ctx, vault.HashToken(strings.ToLower(request.Body.Token)))
		if err != nil {
			return fail.OnNoRows(err, fail.Unauthorized("Your session token is invalid"))
		}
		tx.Actor = caller.Actor{Kind: caller.BySession, AccountID: row.AccountID, SessionID: row.ID}
		if row.ImpersonatorID != nil {
			tx.Actor.Kind, tx.Actor.ImpersonatorID = caller.ByImpersonation, *row.ImpersonatorID
		}
		tx.Record(event.SessionEnd(row.AccountID, row.ID, row.ImpersonatorID))
		return nil
	})
	if err != nil {
		return nil, err
	}
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
			IP:           unused,
			UserAgent:    row.UserAgent,
			LastActivity: timestamp.Format(row.LastActivity),
			CreatedAt:    timestamp.Format(row.CreatedAt),
			Current:      row.ID == c.SessionID,
		}
		if row.IP != nil {
			sessions[i].IP = *row.IP
		}
	}
	return sessions, nil
}

// DeleteSessions ends all of the caller's sessions but the calling one.
func (h *Handlers) DeleteSessions(ctx context.Context, _ api.DeleteSessionsRequestObject) (api.DeleteSessionsResponseObject, error) {
	c := caller.From(ctx)
	err := h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		return signin.EndSessions(ctx, tx, c.AccountID, c.SessionID)
	})
	if err != nil {
		return nil, err
	}
	return api.DeleteSessions200JSONResponse{Message: "All other sessions have been successfully destroyed"}, nil
}

// DeleteSession ends one of the caller's own sessions.
func (h *Handlers) DeleteSession(ctx context.Context, request api.DeleteSessionRequestObject) (api.DeleteSessionResponseObject, error) {
	accountID := caller.From(ctx).AccountID
	err := h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		impersonatorID, err := tx.DeleteSession(ctx, db.DeleteSessionParams{ID: request.ID, AccountID: accountID})
		if err != nil {
			return fail.OnNoRows(err, fail.NotFound("The provided session does not exist"))
		}
		tx.Record(event.SessionEnd(accountID, request.ID, impersonatorID))
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.DeleteSession200JSONResponse{Message: "The session has been successfully destroyed"}, nil
}
