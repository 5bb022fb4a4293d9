package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/permission"
)

var (
	errOrganizationNotFound = fail.NotFound("Organization not found")
	errNoMember             = fail.Forbidden("You don't have access to this organization")
	errSettingsForbidden    = fail.Forbidden("You don't have permission to update audit settings")
)

// Handlers are the operations of the tag audit.
type Handlers struct {
	queries *db.Queries
	events  *event.Bus
}

// New returns the operations over a database.
func New(pool *pgxpool.Pool, events *event.Bus) *Handlers {
	return &Handlers{queries: db.New(pool), events: events}
}

// GetAuditMetadata answers what the log knows, for search forms.
func (h *Handlers) GetAuditMetadata(context.Context, api.GetAuditMetadataRequestObject) (api.GetAuditMetadataResponseObject, error) {
	metadata := api.GetAuditMetadata200JSONResponse{
		Actions:          make([]api.AuditAction, len(vocabulary)),
		Resources:        make([]api.AuditResource, len(resources)),
		ActionCategories: make([]api.AuditActionCategory, len(categories)),
	}
	for i, d := range vocabulary {
		category, _, _ := strings.Cut(string(d.action), ".")
		metadata.Actions[i] = api.AuditAction{Key: d.key, Value: string(d.action), Category: category, Label: d.label}
	}
	for i, r := range resources {
		metadata.Resources[i] = api.AuditResource{Key: r.key, Value: r.value, Label: r.label}
	}
	for i, c := range categories {
		metadata.ActionCategories[i] = api.AuditActionCategory{Key: c.key, Label: c.label, Description: c.description}
	}
	return metadata, nil
}

// GetAuditSettings answers an organization's settings to its active members.
func (h *Handlers) GetAuditSettings(ctx context.Context, request api.GetAuditSettingsRequestObject) (api.GetAuditSettingsResponseObject, error) {
	c := caller.From(ctx)
	if !c.Member(request.ID) && !c.ManagesAll() {
		return nil, errNoMember
	}
	stored, err := h.queries.GetAuditSettings(ctx, request.ID)
	if err != nil {
		return nil, fail.OnNoRows(err, errOrganizationNotFound)
	}
	if !c.Member(request.ID) {
		return nil, errNoMember
	}
	settings, err := MergeSettings(stored)
	return api.GetAuditSettings200JSONResponse(settings), err
}

// UpdateAuditSettings stores the given settings beside those that were changed
// earlier.
func (h *Handlers) UpdateAuditSettings(ctx context.Context, request api.UpdateAuditSettingsRequestObject) (api.UpdateAuditSettingsResponseObject, error) {
	if !caller.From(ctx).In(request.ID).Has(permission.OrgAuditView) {
		return nil, errSettingsForbidden
	}
	changes, err := json.Marshal(request.Body)
	if err != nil {
		return nil, fmt.Errorf("audit settings: %w", err)
	}
	stored, err := h.queries.UpdateAuditSettings(ctx, db.UpdateAuditSettingsParams{ID: request.ID, Changes: changes})
	if err != nil {
		return nil, fail.OnNoRows(err, errOrganizationNotFound)
	}
	before, err := MergeSettings(stored.Before)
	if err != nil {
		return nil, err
	}
	after, err := MergeSettings(stored.After)
	if err != nil {
		return nil, err
	}
	if before.RequireConnectionReason != after.RequireConnectionReason {
		h.events.Publish(event.Change{Topics: []event.Topic{event.Entries}, Organizations: []int64{request.ID}})
	}
	return api.UpdateAuditSettings200JSONResponse(after), nil
}
