// Package operator owns what the person at the machine does to accounts, past
// all permissions: the way back in for somebody who is locked out. It does not
// own what values are allowed, which is the contract's business.
package operator

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/fail"
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
func Create(ctx context.Context, pool *pgxpool.Pool, a Account) (admin bool, err error) {
	hash, err := vault.HashPassword(ctx, a.Password)
	if err != nil {
		return false, err
	}
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		q := db.New(tx)
		// Somebody may be registering the first account at this moment.
		if err := q.LockSetup(ctx); err != nil {
			return err
		}
		rules, err := q.FindRegistrationRules(ctx)
		if err != nil {
			return err
		}
		admin = a.Admin || rules.FirstTimeSetup
		id, err := q.InsertAccount(ctx, db.InsertAccountParams{
			Username: a.Username, FirstName: a.FirstName, LastName: a.LastName, PasswordHash: hash,
		})
		if err != nil {
			return fail.OnConstraint(err, "accounts_username_unique", fmt.Errorf("there is an account %q already", a.Username))
		}
		if !admin {
			return nil
		}
		return q.AddAdministrator(ctx, id)
	})
	return admin, err
}

// SetPassword gives an account a new password. Its sessions and API keys stay valid.
func SetPassword(ctx context.Context, pool *pgxpool.Pool, username string, password vault.Secret) error {
	hash, err := vault.HashPassword(ctx, password)
	if err != nil {
		return err
	}
	changed, err := db.New(pool).SetPassword(ctx, db.SetPasswordParams{Username: username, PasswordHash: hash})
	if err == nil && changed == 0 {
		err = unknown(username)
	}
	return err
}

// DisableTOTP lets an account sign in without a code, and reports whether it
// needed one.
func DisableTOTP(ctx context.Context, pool *pgxpool.Pool, username string) (enabled bool, err error) {
	enabled, err = db.New(pool).ResetTOTP(ctx, username)
	return enabled, fail.OnNoRows(err, unknown(username))
}

// EnablePasswords lets accounts sign in with passwords, and reports whether they
// could not before.
func EnablePasswords(ctx context.Context, pool *pgxpool.Pool) (changed bool, err error) {
	rows, err := db.New(pool).EnablePasswords(ctx)
	return rows > 0, err
}

// List answers all accounts, the oldest first.
func List(ctx context.Context, pool *pgxpool.Pool) ([]db.ListAccountsRow, error) {
	return db.New(pool).ListAccounts(ctx)
}

func unknown(username string) error { return fmt.Errorf("there is no account %q", username) }
