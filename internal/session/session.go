// Package session owns signing in and out with a password and the caller's
// login sessions. It does not check tokens; package caller does.
package session

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/timestamp"
	"github.com/nexterm-go/nexterm/internal/vault"
)

// Handlers are the operations of the tag session.
type Handlers struct {
	queries *db.Queries
	events  *event.Bus
}

// New returns the operations over a database.
func New(conn db.DBTX, events *event.Bus) *Handlers {
	return &Handlers{queries: db.New(conn), events: events}
}

// Login opens a session for a username and password. An unknown name costs as
// much time as a wrong password and gets the same answer.
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
		return nil, fail.Unauthorized("Username or password incorrect")
	}
	token, err := open(ctx, h.queries, account.ID)
	if err != nil {
		return nil, err
	}
	return api.Login200JSONResponse{
		Body:    api.Login{Token: token, TotpRequired: account.TOTPEnabled, Message: "Your session got successfully created"},
		Headers: api.Login200ResponseHeaders{Authorization: token},
	}, nil
}

// open stores a session for the client of this request and returns its token.
func open(ctx context.Context, q *db.Queries, accountID int64) (string, error) {
	client := caller.ClientFrom(ctx)
	token := vault.NewSessionToken()
	return token, q.InsertSession(ctx, db.InsertSessionParams{
		AccountID: accountID, TokenHash: vault.HashToken(token), IP: client.IP, UserAgent: client.Agent("None"),
	})
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
