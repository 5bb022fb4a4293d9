package organization

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
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
		return nil, fail.OnNoRows(err, errNotFound)
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
	stored, err := h.queries.UpdateOrganizationSessionSettings(ctx, db.UpdateOrganizationSessionSettingsParams{
		ID: request.ID, Changes: changes,
	})
	if err != nil {
		return nil, fail.OnNoRows(err, errNotFound)
	}
	h.events.Publish(event.Change{Topics: []event.Topic{event.LiveSessions}, Organizations: []int64{request.ID}})
	settings, err := mergeSessionSettings(stored)
	return api.UpdateOrganizationSessionSettings200JSONResponse(settings), err
}

// mergeSessionSettings reads the stored settings over the defaults: nothing is
// shared until somebody says so.
func mergeSessionSettings(stored []byte) (settings api.OrganizationSessionSettings, err error) {
	if err := json.Unmarshal(stored, &settings); err != nil {
		return settings, fmt.Errorf("read session settings: %w", err)
	}
	return settings, nil
}
