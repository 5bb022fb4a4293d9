package account

import (
	"context"
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
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
	merged, err := h.queries.UpdatePreferences(ctx, db.UpdatePreferencesParams{Patch: patch, ID: caller.From(ctx).AccountID})
	if err != nil {
		return nil, fail.OnNoRows(err, caller.ErrGone)
	}
	return api.UpdatePreferences200JSONResponse{Message: "Preferences successfully updated.", Preferences: merged}, nil
}

// UpdateSessionSync stores which of the caller's connections clients show.
func (h *Handlers) UpdateSessionSync(ctx context.Context, request api.UpdateSessionSyncRequestObject) (api.UpdateSessionSyncResponseObject, error) {
	err := h.queries.UpdateSessionSync(ctx, db.UpdateSessionSyncParams{
		SessionSync: string(request.Body.SessionSync), ID: caller.From(ctx).AccountID,
	})
	if err != nil {
		return nil, err
	}
	return api.UpdateSessionSync200JSONResponse{Message: "Session synchronization mode has been successfully updated."}, nil
}
