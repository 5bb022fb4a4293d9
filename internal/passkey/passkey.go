// Package passkey owns signing in with passkeys (WebAuthn) and an account's
// registered ones. The verification itself is the library's.
package passkey

import (
	"context"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/origin"
	"github.com/nexterm-go/nexterm/internal/timestamp"
)

var (
	errUnknown   = fail.NotFound("Passkey not found")
	errOrigin    = fail.BadRequest("origin must be a valid origin")
	errMalformed = fail.BadRequest("response is malformed")
)

// Handlers are the operations of the tag passkey.
type Handlers struct {
	queries *db.Queries
	changes *change.Changes
	public  []origin.Origin
}

// New returns the operations over a database. Passkeys are accepted from the
// public origins; with none, from the host that a request itself names.
func New(queries *db.Queries, changes *change.Changes, public []origin.Origin) *Handlers {
	return &Handlers{queries: queries, changes: changes, public: public}
}

// accept reads the origin that a body names and refuses others than this
// server's own.
func (h *Handlers) accept(ctx context.Context, text string) (origin.Origin, error) {
	o, err := origin.Parse(text)
	if err != nil {
		return o, errOrigin
	}
	if !o.Trusted(caller.ClientFrom(ctx), h.public) {
		return o, fail.BadRequest("origin is not allowed")
	}
	return o, nil
}

// ListPasskeys answers the caller's passkeys, the newest first.
func (h *Handlers) ListPasskeys(ctx context.Context, _ api.ListPasskeysRequestObject) (api.ListPasskeysResponseObject, error) {
	rows, err := h.queries.ListPasskeys(ctx, caller.From(ctx).AccountID)
	if err != nil {
		return nil, err
	}
	passkeys := make(api.ListPasskeys200JSONResponse, len(rows))
	for i, row := range rows {
		passkeys[i] = api.Passkey{ID: row.ID, Name: row.Name, CreatedAt: timestamp.Format(row.CreatedAt)}
	}
	return passkeys, nil
}

// UpdatePasskey renames one of the caller's passkeys.
func (h *Handlers) UpdatePasskey(ctx context.Context, request api.UpdatePasskeyRequestObject) (api.UpdatePasskeyResponseObject, error) {
	accountID := caller.From(ctx).AccountID
	err := h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		updated, err := tx.UpdatePasskey(ctx, db.UpdatePasskeyParams{Name: request.Body.Name, ID: request.ID, AccountID: accountID})
		if err != nil {
			return err
		}
		if updated == 0 {
			return errUnknown
		}
		tx.Record(event.Event{
			Action: event.PasskeyUpdate, Owner: caller.Account(accountID), ResourceID: request.ID,
			Details: event.Details{"name": request.Body.Name},
		})
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.UpdatePasskey200JSONResponse{Message: "Passkey renamed successfully"}, nil
}

// DeletePasskey deletes one of the caller's passkeys. Sessions opened with it stay.
func (h *Handlers) DeletePasskey(ctx context.Context, request api.DeletePasskeyRequestObject) (api.DeletePasskeyResponseObject, error) {
	accountID := caller.From(ctx).AccountID
	err := h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		name, err := tx.DeletePasskey(ctx, db.DeletePasskeyParams{ID: request.ID, AccountID: accountID})
		if err != nil {
			return fail.OnNoRows(err, errUnknown)
		}
		tx.Record(event.Event{
			Action: event.PasskeyDelete, Owner: caller.Account(accountID), ResourceID: request.ID,
			Details: event.Details{"name": name},
		})
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.DeletePasskey200JSONResponse{Message: "Passkey deleted successfully"}, nil
}
