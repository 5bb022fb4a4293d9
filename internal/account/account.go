// Package account owns registration and what accounts change about themselves.
// It does not administer other accounts.
package account

import (
	"context"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/signin"
	"github.com/nexterm-go/nexterm/internal/username"
	"github.com/nexterm-go/nexterm/internal/vault"
)

var errRegistrationClosed = fail.Forbidden("Self-registration is not enabled")

// Handlers are the operations of the tag account.
type Handlers struct {
	queries *db.Queries
	changes *change.Changes
}

// New returns the operations over a database.
func New(queries *db.Queries, changes *change.Changes) *Handlers {
	return &Handlers{queries: queries, changes: changes}
}

// RegisterAccount creates the first administrator during setup, afterwards an
// ordinary account where self-registration is on.
func (h *Handlers) RegisterAccount(ctx context.Context, request api.RegisterAccountRequestObject) (api.RegisterAccountResponseObject, error) {
	// A closed server refuses before it spends a hash or says which names exist.
	if _, err := mayRegister(ctx, h.queries); err != nil {
		return nil, err
	}
	hash, err := vault.HashPassword(ctx, 0, vault.Secret(request.Body.Password))
	if err != nil {
		return nil, err
	}
	err = h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		if err := tx.LockSetup(ctx); err != nil {
			return err
		}
		first, err := mayRegister(ctx, tx.Queries)
		if err != nil {
			return err
		}
		id, err := tx.CreateAccount(ctx, db.CreateAccountParams{
			Username: request.Body.Username, FoldedUsername: username.Fold(request.Body.Username), PasswordHash: hash,
			FirstName: request.Body.FirstName, LastName: request.Body.LastName,
		})
		if err != nil {
			return fail.OnConstraint(err, "accounts_username_unique", fail.Conflict("This account already exists"))
		}
		tx.Record(event.Event{
			Action: event.AccountCreate, Owner: caller.Account(id), ResourceID: id,
			Details: event.Details{"name": request.Body.Username, "isAdmin": first},
		})
		if first {
			return tx.AddAdministrator(ctx, id)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.RegisterAccount200JSONResponse{Message: "Your account has been successfully created."}, nil
}

// mayRegister refuses unless this is first-time setup, which it reports, or
// self-registration is on.
func mayRegister(ctx context.Context, q *db.Queries) (first bool, err error) {
	rules, err := q.GetRegistrationRules(ctx)
	if err != nil {
		return false, err
	}
	if !rules.FirstTimeSetup && !rules.SelfRegistration {
		return false, errRegistrationClosed
	}
	return rules.FirstTimeSetup, nil
}

// GetMe answers the caller's profile and effective system permissions.
func (h *Handlers) GetMe(ctx context.Context, _ api.GetMeRequestObject) (api.GetMeResponseObject, error) {
	c := caller.From(ctx)
	row, err := h.queries.GetMe(ctx, c.AccountID)
	if err != nil {
		return nil, fail.OnNoRows(err, caller.ErrGone)
	}
	role := api.MeRoleUser
	if c.Admin {
		role = api.MeRoleAdmin
	}
	return api.GetMe200JSONResponse{
		ID:            row.ID,
		Username:      row.Username,
		FirstName:     row.FirstName,
		LastName:      row.LastName,
		Role:          role,
		IsAdmin:       c.Admin,
		Permissions:   c.System.Names(),
		TotpEnabled:   row.TOTPEnabled,
		SessionSync:   api.SessionSync(row.SessionSync),
		Preferences:   row.Preferences,
		ActiveThemeID: row.ActiveThemeID,
		AvatarHash:    row.AvatarHash,
	}, nil
}

// UpdateName changes the caller's first name, last name or both.
func (h *Handlers) UpdateName(ctx context.Context, request api.UpdateNameRequestObject) (api.UpdateNameResponseObject, error) {
	id := caller.From(ctx).AccountID
	err := h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		username, err := tx.UpdateName(ctx, db.UpdateNameParams{
			FirstName: request.Body.FirstName, LastName: request.Body.LastName, ID: id,
		})
		if err != nil {
			return fail.OnNoRows(err, caller.ErrGone)
		}
		tx.Record(event.Event{
			Action: event.AccountUpdate, Owner: caller.Account(id), ResourceID: id,
			Details: event.Details{"name": username, "updatedFields": caller.Members(ctx)},
		})
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.UpdateName200JSONResponse{Message: "Your name has been successfully updated."}, nil
}

// UpdatePassword sets the caller's password and ends other sessions, if so wished.
func (h *Handlers) UpdatePassword(ctx context.Context, request api.UpdatePasswordRequestObject) (api.UpdatePasswordResponseObject, error) {
	c := caller.From(ctx)
	hash, err := vault.HashPassword(ctx, c.AccountID, vault.Secret(request.Body.Password))
	if err != nil {
		return nil, err
	}
	err = h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		username, err := tx.UpdatePassword(ctx, db.UpdatePasswordParams{PasswordHash: hash, ID: c.AccountID})
		if err != nil {
			return fail.OnNoRows(err, caller.ErrGone)
		}
		tx.Record(event.Event{
			Action: event.AccountPasswordChange, Owner: caller.Account(c.AccountID), ResourceID: c.AccountID,
			Details: event.Details{"name": username},
		})
		if revoke := request.Body.RevokeSessions; revoke != nil && *revoke {
			return signin.EndSessions(ctx, tx, c.AccountID, c.SessionID)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.UpdatePassword200JSONResponse{Message: "Your password has been successfully updated."}, nil
}
