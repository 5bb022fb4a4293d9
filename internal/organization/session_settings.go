package organization

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/permission"
)

// GetOrganizationSessionSettings answers how live sessions are shared.
func (h *Handlers) GetOrganizationSessionSettings(ctx context.Context, request api.GetOrganizationSessionSettingsRequestObject) (api.GetOrganizationSessionSettingsResponseObject, error) {
	if !caller.From(ctx).In(request.ID).Has(permission.OrgManage) {
		return nil, errForbidden
	}
	stored, err := h.queries.GetOrganizationSessionSettings(ctx, request.ID)
	if err != nil {
		return nil, fail.OnNoRows(err, caller.ErrOrganizationNotFound)
	}
	settings, err := mergeSessionSettings(stored)
	return api.GetOrganizationSessionSettings200JSONResponse(settings), err
}

// UpdateOrganizationSessionSettings changes how live sessions are shared.
func (h *Handlers) UpdateOrganizationSessionSettings(ctx context.Context, request api.UpdateOrganizationSessionSettingsRequestObject) (api.UpdateOrganizationSessionSettingsResponseObject, error) {
	if !caller.From(ctx).In(request.ID).Has(permission.OrgManage) {
		return nil, errForbidden
	}
	changes, err := json.Marshal(request.Body)
	if err != nil {
		return nil, err
	}
	var stored []byte
	err = h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		row, err := tx.UpdateOrganizationSessionSettings(ctx, db.UpdateOrganizationSessionSettingsParams{ID: request.ID, Changes: changes})
		if err != nil {
			return fail.OnNoRows(err, caller.ErrOrganizationNotFound)
		}
		stored = row.SessionSettings
		tx.Record(event.Event{
			Action: event.OrganizationUpdate, Owner: caller.Organization(request.ID), ResourceID: request.ID,
			Details: told(row.Name, *request.Body),
			Lists:   []event.List{event.LiveSessions},
		})
		return nil
	})
	if err != nil {
		return nil, err
	}
	settings, err := mergeSessionSettings(stored)
	return api.UpdateOrganizationSessionSettings200JSONResponse(settings), err
}

func told(name string, changed api.OrganizationSessionSettings) event.Details {
	details := event.Details{"name": name, "enableLiveSessionSharing": changed.EnableLiveSessionSharing}
	if changed.EnablePublicShareLinks != nil {
		details["enablePublicShareLinks"] = *changed.EnablePublicShareLinks
	}
	return details
}

// mergeSessionSettings reads the stored settings over the defaults: members watch
// nothing until somebody says so, and links may be made until somebody says not.
func mergeSessionSettings(stored []byte) (settings api.OrganizationSessionSettings, err error) {
	public := true
	settings.EnablePublicShareLinks = &public
	if err := json.Unmarshal(stored, &settings); err != nil {
		return settings, fmt.Errorf("read session settings: %w", err)
	}
	return settings, nil
}
