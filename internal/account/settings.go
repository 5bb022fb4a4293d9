package account

import (
	"context"
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/fail"
)

// shortestSearch is below what a search would list half the accounts.
const shortestSearch = 3

// SearchAccounts completes a name that is being typed.
func (h *Handlers) SearchAccounts(ctx context.Context, request api.SearchAccountsRequestObject) (api.SearchAccountsResponseObject, error) {
	found := api.SearchAccounts200JSONResponse{Users: []api.AccountView{}}
	var search string
	if request.Params.Search != nil {
		search = strings.TrimSpace(*request.Params.Search)
	}
	if utf8.RuneCountInString(search) < shortestSearch {
		return found, nil
	}
	rows, err := h.queries.SearchAccounts(ctx, search)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		found.Users = append(found.Users, api.AccountView{
			ID: row.ID, Username: row.Username, FirstName: row.FirstName, LastName: row.LastName, AvatarHash: row.AvatarHash,
		})
	}
	return found, nil
}

// UpdatePreferences merges into the caller's preferences.
func (h *Handlers) UpdatePreferences(ctx context.Context, request api.UpdatePreferencesRequestObject) (api.UpdatePreferencesResponseObject, error) {
	patch, err := json.Marshal(request.Body)
	if err != nil {
		return nil, err
	}
	id := caller.From(ctx).AccountID
	var merged []byte
	err = h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) (err error) {
		if merged, err = tx.UpdatePreferences(ctx, db.UpdatePreferencesParams{Patch: patch, ID: id}); err != nil {
			return fail.OnNoRows(err, caller.ErrGone)
		}
		tx.Record(settingsChanged(id, "preferences"))
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.UpdatePreferences200JSONResponse{Message: "Preferences successfully updated.", Preferences: merged}, nil
}

// UpdateSessionSync stores which of the caller's connections clients show.
func (h *Handlers) UpdateSessionSync(ctx context.Context, request api.UpdateSessionSyncRequestObject) (api.UpdateSessionSyncResponseObject, error) {
	id := caller.From(ctx).AccountID
	err := h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		updated, err := tx.UpdateSessionSync(ctx, db.UpdateSessionSyncParams{SessionSync: string(request.Body.SessionSync), ID: id})
		if err != nil {
			return err
		}
		if updated == 0 {
			return caller.ErrGone
		}
		changed := settingsChanged(id, "sessionSync")
		changed.Lists = []event.List{event.Connections}
		tx.Record(changed)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.UpdateSessionSync200JSONResponse{Message: "Session synchronization mode has been successfully updated."}, nil
}

// settingsChanged is what the account's other clients are told.
func settingsChanged(accountID int64, what string) event.Event {
	return event.Event{
		Action: event.AccountSettings, Owner: caller.Account(accountID), ResourceID: accountID,
		Details: event.Details{"changed": what},
	}
}
