// Package user owns the administration of accounts: listing, creating and
// deleting them, setting their passwords and acting as them. It does not own
// their groups, nor what accounts change about themselves.
package user

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/permission"
	"github.com/nexterm-go/nexterm/internal/signin"
	"github.com/nexterm-go/nexterm/internal/username"
	"github.com/nexterm-go/nexterm/internal/vault"
)

const defaultLimit = 50

var (
	errNotFound   = fail.NotFound("The provided account does not exist")
	errAdminsOnly = fail.Forbidden("Only administrators can manage administrator accounts")
	errBeyondOwn  = fail.Forbidden("You can only grant permissions that you hold yourself")
)

// Handlers are the operations of the tag user.
type Handlers struct {
	queries *db.Queries
	changes *change.Changes
	log     *slog.Logger
}

// New returns the operations over a database.
func New(queries *db.Queries, changes *change.Changes, log *slog.Logger) *Handlers {
	return &Handlers{queries: queries, changes: changes, log: log}
}

// ListUsers answers a page of the accounts, the newest first.
func (h *Handlers) ListUsers(ctx context.Context, request api.ListUsersRequestObject) (api.ListUsersResponseObject, error) {
	search := db.ListUsersParams{PageSize: defaultLimit, Search: request.Params.Search}
	if request.Params.Limit != nil {
		search.PageSize = int64(*request.Params.Limit)
	}
	if request.Params.Offset != nil {
		search.Skip = *request.Params.Offset
	}
	rows, err := h.queries.ListUsers(ctx, search)
	if err != nil {
		return nil, err
	}
	total := search.Skip + int64(len(rows))
	if len(rows) == 0 || int64(len(rows)) == search.PageSize { // not the last page, which tells
		if total, err = h.queries.CountUsers(ctx, search.Search); err != nil {
			return nil, err
		}
	}
	page := api.ListUsers200JSONResponse{Total: total, Users: make([]api.User, len(rows))}
	for i, row := range rows {
		if page.Users[i], err = toAPI(row); err != nil {
			return nil, err
		}
	}
	return page, nil
}

// CreateUser adds an account with the default group.
func (h *Handlers) CreateUser(ctx context.Context, request api.CreateUserRequestObject) (api.CreateUserResponseObject, error) {
	hash, err := vault.HashPassword(ctx, caller.From(ctx).AccountID, vault.Secret(request.Body.Password))
	if err != nil {
		return nil, err
	}
	var id int64
	err = h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) (err error) {
		id, err = tx.CreateAccount(ctx, db.CreateAccountParams{
			Username: request.Body.Username, FoldedUsername: username.Fold(request.Body.Username), PasswordHash: hash,
			FirstName: request.Body.FirstName, LastName: request.Body.LastName,
		})
		if err != nil {
			return fail.OnConstraint(err, "accounts_username_unique", fail.Conflict("This account already exists"))
		}
		tx.Record(event.Event{
			Action: event.AccountCreate, Owner: caller.Account(id), ResourceID: id,
			Details: event.Details{"name": request.Body.Username, "isAdmin": false},
		})
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.CreateUser200JSONResponse{ID: id, Message: "Account got successfully created"}, nil
}

// UpdateUserPassword sets the password of an account that has no permission
// beyond the caller's: whoever knows a password can act with all of them.
func (h *Handlers) UpdateUserPassword(ctx context.Context, request api.UpdateUserPasswordRequestObject) (api.UpdateUserPasswordResponseObject, error) {
	hash, err := vault.HashPassword(ctx, caller.From(ctx).AccountID, vault.Secret(request.Body.Password))
	if err != nil {
		return nil, err
	}
	err = h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		target, err := lockWithin(ctx, tx.Queries, request.AccountID, permission.UsersManage)
		if err != nil {
			return err
		}
		tx.Record(event.Event{
			Action: event.AccountPasswordReset, Owner: caller.Account(target.ID), ResourceID: target.ID,
			Details: event.Details{"name": target.Username},
		})
		if revoke := request.Body.RevokeSessions; revoke != nil && *revoke {
			if err := signin.EndSessions(ctx, tx, target.ID, 0); err != nil {
				return err
			}
		}
		_, err = tx.UpdatePassword(ctx, db.UpdatePasswordParams{PasswordHash: hash, ID: target.ID})
		return err
	})
	if err != nil {
		return nil, err
	}
	return api.UpdateUserPassword200JSONResponse{Message: "Password got successfully updated"}, nil
}

// lock reads an account for a change by the caller, who has to hold a
// permission for it still. Nobody's permissions change until the transaction ends.
func lock(ctx context.Context, q *db.Queries, id int64, needs permission.Name) (db.LockUserRow, *caller.Caller, error) {
	if err := q.LockPermissions(ctx); err != nil {
		return db.LockUserRow{}, nil, err
	}
	c, err := caller.From(ctx).Renew(ctx, q, permission.UsersView, needs)
	if err != nil {
		return db.LockUserRow{}, nil, err
	}
	target, err := q.LockUser(ctx, id)
	if err != nil {
		return target, c, fail.OnNoRows(err, errNotFound)
	}
	if target.IsAdmin && !c.Admin {
		return target, c, errAdminsOnly
	}
	return target, c, nil
}

// lockWithin is lock for what makes the account's permissions the caller's own:
// only those who hold all of them may do that.
func lockWithin(ctx context.Context, q *db.Queries, id int64, needs permission.Name) (db.LockUserRow, error) {
	target, c, err := lock(ctx, q, id, needs)
	if err == nil && permission.Of(target.Permissions...)&permission.All(permission.System)&^c.System != 0 {
		err = errBeyondOwn
	}
	return target, err
}

func toAPI(row db.ListUsersRow) (api.User, error) {
	u := api.User{
		ID:            row.ID,
		Username:      row.Username,
		FirstName:     row.FirstName,
		LastName:      row.LastName,
		TotpEnabled:   row.TOTPEnabled,
		AvatarHash:    row.AvatarHash,
		ActiveThemeID: row.ActiveThemeID,
	}
	if err := json.Unmarshal(row.Groups, &u.Groups); err != nil {
		return u, fmt.Errorf("read the groups of account %d: %w", row.ID, err)
	}
	return u, nil
}
