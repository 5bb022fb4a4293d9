// Package recovery owns what the person at the machine does to accounts, past
// all permissions: the way back in for somebody who is locked out. It does not
// own what values are allowed, which is the contract's business.
package recovery

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/signin"
	"github.com/nexterm-go/nexterm/internal/username"
	"github.com/nexterm-go/nexterm/internal/vault"
)

// Account is a new account.
type Account struct {
	Username, FirstName, LastName string
	Password                      vault.Secret
	// Admin makes it an administrator. The first account is one in any case.
	Admin bool
}

// Create adds an account and reports whether it is an administrator.
func Create(ctx context.Context, changes *change.Changes, a Account) (admin bool, err error) {
	hash, err := vault.HashPassword(ctx, 0, a.Password)
	if err != nil {
		return false, err
	}
	err = changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		// Somebody may be registering the first account at this moment.
		if err := tx.LockSetup(ctx); err != nil {
			return err
		}
		rules, err := tx.GetRegistrationRules(ctx)
		if err != nil {
			return err
		}
		admin = a.Admin || rules.FirstTimeSetup
		id, err := tx.CreateAccount(ctx, db.CreateAccountParams{
			Username: a.Username, FoldedUsername: username.Fold(a.Username), FirstName: a.FirstName, LastName: a.LastName, PasswordHash: hash,
		})
		if err != nil {
			return fail.OnConstraint(err, "accounts_username_unique", fmt.Errorf("there is an account %q already", a.Username))
		}
		tx.Record(event.Event{
			Action: event.AccountCreate, Owner: caller.Account(id), ResourceID: id,
			Details: event.Details{"name": a.Username, "isAdmin": admin},
		})
		if !admin {
			return nil
		}
		return tx.AddAdministrator(ctx, id)
	})
	return admin, err
}

// SetPassword gives an account a new password. Its sessions and API keys stay valid.
func SetPassword(ctx context.Context, changes *change.Changes, name string, password vault.Secret) error {
	hash, err := vault.HashPassword(ctx, 0, password)
	if err != nil {
		return err
	}
	return changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		id, err := tx.SetPassword(ctx, db.SetPasswordParams{FoldedUsername: username.Fold(name), PasswordHash: hash})
		if err != nil {
			return fail.OnNoRows(err, unknown(name))
		}
		tx.Record(event.Event{
			Action: event.AccountPasswordReset, Owner: caller.Account(id), ResourceID: id, Details: event.Details{"name": name},
		})
		return nil
	})
}

// SignOut ends all sessions of an account.
func SignOut(ctx context.Context, changes *change.Changes, name string) error {
	return changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		id, err := tx.GetAccountID(ctx, username.Fold(name))
		if err != nil {
			return fail.OnNoRows(err, unknown(name))
		}
		return signin.EndSessions(ctx, tx, id, 0)
	})
}

// DisableTOTP lets an account sign in without a code, and reports whether it
// needed one.
func DisableTOTP(ctx context.Context, changes *change.Changes, name string) (enabled bool, err error) {
	err = changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		row, err := tx.ResetTOTP(ctx, username.Fold(name))
		if err != nil {
			return fail.OnNoRows(err, unknown(name))
		}
		if enabled = row.TOTPEnabled; enabled {
			tx.Record(event.Event{
				Action: event.AccountTOTPDisable, Owner: caller.Account(row.ID), ResourceID: row.ID,
				Details: event.Details{"name": name},
			})
		}
		return nil
	})
	return enabled, err
}

// EnablePasswords lets accounts sign in with passwords, and reports whether they
// could not before.
func EnablePasswords(ctx context.Context, changes *change.Changes) (changed bool, err error) {
	err = changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		row, err := tx.EnablePasswords(ctx)
		if changed = err == nil; !changed {
			return err
		}
		tx.Record(event.Event{
			Action: event.AuthProviderUpdate, ResourceID: row.ID,
			Details: event.Details{"name": row.Name, "updatedFields": []string{"enabled"}},
		})
		return nil
	})
	if errors.Is(err, pgx.ErrNoRows) {
		err = nil
	}
	return changed, err
}

// List answers all accounts, the oldest first.
func List(ctx context.Context, queries *db.Queries) ([]db.ListAccountsRow, error) {
	return queries.ListAccounts(ctx)
}

func unknown(name string) error { return fmt.Errorf("there is no account %q", name) }
