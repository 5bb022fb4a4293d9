// Package keymap owns the operations on keymaps: which keys do what in an account's
// clients. What there is to do is in the database.
package keymap

import (
	"context"
	"fmt"
	"strings"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/timestamp"
)

var (
	errNotFound = fail.NotFound("Keymap not found")
	errKeyTaken = fail.Conflict("Key combination already in use")
)

// Handlers are the operations of the tag keymap.
type Handlers struct {
	queries *db.Queries
	changes *change.Changes
}

// New returns the operations over a database.
func New(queries *db.Queries, changes *change.Changes) *Handlers { return &Handlers{queries, changes} }

// addMissing gives an account the keymaps that it does not have yet. Clients ask for
// them on every page, so it looks before it writes.
func (h *Handlers) addMissing(ctx context.Context, accountID int64) error {
	missing, err := h.queries.HasMissingKeymaps(ctx, accountID)
	if err != nil || !missing {
		return err
	}
	return h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error { return tx.AddMissingKeymaps(ctx, accountID) })
}

// ListKeymaps answers all keymaps of the caller.
func (h *Handlers) ListKeymaps(ctx context.Context, _ api.ListKeymapsRequestObject) (api.ListKeymapsResponseObject, error) {
	id := caller.From(ctx).AccountID
	if err := h.addMissing(ctx, id); err != nil {
		return nil, err
	}
	rows, err := h.queries.ListKeymaps(ctx, id)
	answer := make(api.ListKeymaps200JSONResponse, len(rows))
	for i, row := range rows {
		answer[i] = api.Keymap{
			ID: row.ID, AccountID: row.AccountID, Action: row.Action, Key: row.Key, Enabled: row.Enabled,
			CreatedAt: timestamp.Format(row.CreatedAt), UpdatedAt: timestamp.Format(row.UpdatedAt),
		}
	}
	return answer, err
}

// UpdateKeymap changes a key, or whether it does anything.
func (h *Handlers) UpdateKeymap(ctx context.Context, request api.UpdateKeymapRequestObject) (api.UpdateKeymapResponseObject, error) {
	key := request.Body.Key
	if key != nil {
		small := strings.ToLower(*key)
		key = &small
	}
	if err := h.update(ctx, request.Action, key, request.Body.Enabled); err != nil {
		return nil, err
	}
	return api.UpdateKeymap200JSONResponse{Message: "Keymap successfully updated"}, nil
}

// ResetKeymap gives one its default.
func (h *Handlers) ResetKeymap(ctx context.Context, request api.ResetKeymapRequestObject) (api.ResetKeymapResponseObject, error) {
	key, err := h.queries.GetKeymapDefault(ctx, request.Action)
	if err != nil {
		return nil, fail.OnNoRows(err, errNotFound)
	}
	enabled := true
	if err := h.update(ctx, request.Action, &key, &enabled); err != nil {
		return nil, err
	}
	return api.ResetKeymap200JSONResponse{Message: "Keymap has been reset to default"}, nil
}

// update changes what is not nil. Of a key that does something else already, it says
// what.
func (h *Handlers) update(ctx context.Context, action string, key *string, enabled *bool) error {
	id := caller.From(ctx).AccountID
	if err := h.addMissing(ctx, id); err != nil {
		return err
	}
	err := h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		// Two keys that are exchanged, or one beside a reset, would wait for each other.
		if err := tx.LockAccount(ctx, id); err != nil {
			return err
		}
		changed, err := tx.UpdateKeymap(ctx, db.UpdateKeymapParams{AccountID: id, Action: action, Key: key, Enabled: enabled})
		if err == nil && changed == 0 {
			return errNotFound
		}
		return fail.OnConstraint(err, "keymaps_key_unique", errKeyTaken)
	})
	if err != errKeyTaken { //nolint:errorlint // it comes back as it is
		return err
	}
	rival, err := h.queries.GetKeymapRival(ctx, db.GetKeymapRivalParams{AccountID: id, Action: action, Key: key})
	if err != nil { // it has let go of the key meanwhile
		return fail.OnNoRows(err, errKeyTaken)
	}
	return fail.Conflict(fmt.Sprintf("Key combination already in use by action: %s", rival))
}

// ResetKeymaps gives all their defaults.
func (h *Handlers) ResetKeymaps(ctx context.Context, _ api.ResetKeymapsRequestObject) (api.ResetKeymapsResponseObject, error) {
	id := caller.From(ctx).AccountID
	if err := h.addMissing(ctx, id); err != nil {
		return nil, err
	}
	err := h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		if err := tx.LockAccount(ctx, id); err != nil {
			return err
		}
		if err := tx.DisableKeymaps(ctx, id); err != nil {
			return err
		}
		return tx.ResetKeymaps(ctx, id)
	})
	if err != nil {
		return nil, err
	}
	return api.ResetKeymaps200JSONResponse{Message: "All keymaps have been reset to defaults"}, nil
}
