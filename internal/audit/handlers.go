// Package audit owns the audit log as it is read, and the settings that say what
// is kept of an organization. What can be recorded is package event's, and
// recording it package change's.
package audit

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

var (
	errNoMember          = fail.Forbidden("You don't have access to this organization")
	errSettingsForbidden = fail.Forbidden("You don't have permission to update audit settings")
)

// Handlers are the operations of the tag audit.
type Handlers struct {
	queries *db.Queries
	changes *change.Changes
}

// New returns the operations over a database.
func New(queries *db.Queries, changes *change.Changes) *Handlers { return &Handlers{queries, changes} }

// GetAuditMetadata answers what the log knows, for search forms.
func (h *Handlers) GetAuditMetadata(context.Context, api.GetAuditMetadataRequestObject) (api.GetAuditMetadataResponseObject, error) {
	metadata := api.GetAuditMetadata200JSONResponse{
		Actions:          make([]api.AuditAction, len(event.Vocabulary)),
		Resources:        make([]api.AuditResource, len(event.Resources)),
		ActionCategories: make([]api.AuditActionCategory, len(event.Categories)),
	}
	for i, d := range event.Vocabulary {
		metadata.Actions[i] = api.AuditAction{Key: d.Key, Value: string(d.Action), Category: d.Action.Category(), Label: d.Label}
	}
	for i, r := range event.Resources {
		metadata.Resources[i] = api.AuditResource{Key: r.Key, Value: r.Value, Label: r.Label}
	}
	for i, c := range event.Categories {
		metadata.ActionCategories[i] = api.AuditActionCategory{Key: c.Key, Label: c.Label, Description: c.Description}
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
		return nil, fail.OnNoRows(err, caller.ErrOrganizationNotFound)
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
	var after api.AuditSettings
	err = h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		stored, err := tx.UpdateAuditSettings(ctx, db.UpdateAuditSettingsParams{ID: request.ID, Changes: changes})
		if err != nil {
			return fail.OnNoRows(err, caller.ErrOrganizationNotFound)
		}
		before, err := MergeSettings(stored.Before)
		if err != nil {
			return err
		}
		if after, err = MergeSettings(stored.After); err != nil {
			return err
		}
		lists := []event.List{}
		if before.RequireConnectionReason != after.RequireConnectionReason {
			lists = append(lists, event.Entries)
		}
		tx.Record(event.Event{
			Action: event.OrganizationUpdate, Owner: caller.Organization(request.ID), ResourceID: request.ID, Lists: lists,
			Details: event.Details{"name": stored.Name, "updatedFields": []string{"auditSettings"}, "auditSettings": caller.Members(ctx)},
		})
		return nil
	})
	return api.UpdateAuditSettings200JSONResponse(after), err
}
