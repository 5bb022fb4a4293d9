// Package totp owns setting up an account's second factor. It does not ask for
// codes at sign-in; package session does.
package totp

import (
	"bytes"
	"context"
	"errors"
	"net/url"
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
	"github.com/nexterm-go/nexterm/internal/vault"
)

var (
	errEnabled  = fail.Conflict("TOTP is already enabled on your account")
	errDisabled = fail.Conflict("TOTP is already disabled on your account")
)

// Handlers are the operations of the tag totp.
type Handlers struct {
	queries *db.Queries
	changes *change.Changes
	vault   *vault.Vault
}

// New returns the operations over a database.
func New(queries *db.Queries, changes *change.Changes, keys *vault.Vault) *Handlers {
	return &Handlers{queries: queries, changes: changes, vault: keys}
}

// GetTotpSecret answers the pending secret, and creates it with the first call.
func (h *Handlers) GetTotpSecret(ctx context.Context, _ api.GetTotpSecretRequestObject) (api.GetTotpSecretResponseObject, error) {
	id := caller.From(ctx).AccountID
	row, err := h.queries.GetTotpSecret(ctx, id)
	if err == nil && row.Ciphertext == nil {
		if err := h.createPending(ctx, id); err != nil {
			return nil, err
		}
		row, err = h.queries.GetTotpSecret(ctx, id)
	}
	if err != nil {
		return nil, fail.OnNoRows(err, caller.ErrGone)
	}
	secret, err := h.vault.Open(signin.TOTPTable, id, signin.TOTPPending, row.Ciphertext)
	if err != nil {
		return nil, err
	}
	// Authenticator apps take a plus sign in the label for itself.
	label := strings.ReplaceAll(url.QueryEscape("Nexterm ("+row.Username+")"), "+", "%20")
	address := "otpauth://totp/" + label + "?secret=" + string(secret) + "&issuer=Nexterm"
	return api.GetTotpSecret200JSONResponse{Secret: string(secret), URL: address}, nil
}

func (h *Handlers) createPending(ctx context.Context, id int64) error {
	sealed, err := h.vault.Seal(signin.TOTPTable, id, signin.TOTPPending, vault.NewTOTPSecret())
	if err != nil {
		return err
	}
	return h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		return tx.CreatePendingTotpSecret(ctx, db.CreatePendingTotpSecretParams{
			AccountID: id, KeyID: sealed.KeyID, Ciphertext: sealed.Ciphertext,
		})
	})
}

// EnableTotp makes the pending secret the active one, once a code proves that
// an authenticator app has it.
func (h *Handlers) EnableTotp(ctx context.Context, request api.EnableTotpRequestObject) (api.EnableTotpResponseObject, error) {
	id := caller.From(ctx).AccountID
	row, err := h.queries.GetTotpSecret(ctx, id)
	if err != nil {
		return nil, fail.OnNoRows(err, caller.ErrGone)
	}
	if row.TOTPEnabled {
		return nil, errEnabled
	}
	if err := signin.CountCode(ctx, h.changes, id); err != nil {
		return nil, err
	}
	for {
		err := h.enable(ctx, id, row, request.Body.Code)
		if err == nil {
			return api.EnableTotp200JSONResponse{Message: "TOTP has been successfully enabled on your account."}, nil
		}
		if !errors.Is(err, errEnabled) {
			return nil, err
		}
		// A rotation of keys may have sealed the same secret anew meanwhile.
		again, err := h.queries.GetTotpSecret(ctx, id)
		if err != nil {
			return nil, fail.OnNoRows(err, caller.ErrGone)
		}
		if again.TOTPEnabled || bytes.Equal(again.Ciphertext, row.Ciphertext) {
			return nil, errEnabled
		}
		row = again
	}
}

func (h *Handlers) enable(ctx context.Context, id int64, row db.GetTotpSecretRow, code api.TotpCode) error {
	sealed, err := h.prove(id, row.Ciphertext, code)
	if err != nil {
		return err
	}
	return h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		enabled, err := tx.EnableTotp(ctx, db.EnableTotpParams{
			AccountID: id, PendingCiphertext: row.Ciphertext, KeyID: sealed.KeyID, Ciphertext: sealed.Ciphertext,
		})
		if err != nil {
			return err
		}
		if enabled == 0 {
			return errEnabled
		}
		tx.Record(event.Event{
			Action: event.AccountTOTPEnable, Owner: caller.Account(id), ResourceID: id, Details: event.Details{"name": row.Username},
		})
		return signin.ForgetCodes(ctx, tx.Queries, id)
	})
}

// prove checks the code against the pending secret and seals that for its
// place as the active one.
func (h *Handlers) prove(id int64, pending []byte, code api.TotpCode) (vault.Sealed, error) {
	if pending == nil {
		return vault.Sealed{}, wrongCode()
	}
	secret, err := h.vault.Open(signin.TOTPTable, id, signin.TOTPPending, pending)
	if err != nil {
		return vault.Sealed{}, err
	}
	digits, err := signin.CodeText(code)
	if err != nil {
		return vault.Sealed{}, err
	}
	if _, match := signin.MatchCode(digits, secret, time.Now()); !match {
		return vault.Sealed{}, wrongCode()
	}
	return h.vault.Seal(signin.TOTPTable, id, signin.TOTPActive, secret)
}

// wrongCode tells the server's time: clocks apart are the usual cause.
func wrongCode() error {
	return &fail.Error{
		Status: 400, Message: "Your provided code is invalid or has expired.",
		ServerTime: timestamp.Format(time.Now()),
	}
}

// DisableTotp forgets the active secret.
func (h *Handlers) DisableTotp(ctx context.Context, _ api.DisableTotpRequestObject) (api.DisableTotpResponseObject, error) {
	id := caller.From(ctx).AccountID
	err := h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		username, err := tx.DisableTotp(ctx, id)
		if err != nil {
			return fail.OnNoRows(err, errDisabled)
		}
		tx.Record(event.Event{
			Action: event.AccountTOTPDisable, Owner: caller.Account(id), ResourceID: id, Details: event.Details{"name": username},
		})
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.DisableTotp200JSONResponse{Message: "TOTP has been successfully disabled on your account."}, nil
}
