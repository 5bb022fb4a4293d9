package monitoring

import (
	"context"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/event"
)

// GetMonitoringSettings answers the settings of the deployment.
func (h *Handlers) GetMonitoringSettings(ctx context.Context, _ api.GetMonitoringSettingsRequestObject) (api.GetMonitoringSettingsResponseObject, error) {
	row, err := h.queries.GetMonitoringSettings(ctx)
	return api.GetMonitoringSettings200JSONResponse(row), err
}

// UpdateMonitoringSettings changes the settings. Who goes by them hears of it by
// the event.
func (h *Handlers) UpdateMonitoringSettings(ctx context.Context, request api.UpdateMonitoringSettingsRequestObject) (api.UpdateMonitoringSettingsResponseObject, error) {
	var before db.LockMonitoringSettingsRow
	var after db.UpdateMonitoringSettingsRow
	err := h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) (err error) {
		if before, err = tx.LockMonitoringSettings(ctx); err != nil {
			return err
		}
		if after, err = tx.UpdateMonitoringSettings(ctx, db.UpdateMonitoringSettingsParams(*request.Body)); err != nil {
			return err
		}
		tx.Record(event.Event{
			Action: event.MonitoringSettingsUpdate, Details: event.Details{"updatedFields": caller.Members(ctx)},
		})
		if !before.StatusCheckerEnabled || after.StatusCheckerEnabled {
			return nil
		}
		owners, err := tx.UncheckEntries(ctx)
		for _, owner := range owners {
			tx.Record(event.Event{Action: event.EntryUnchecked, Owner: caller.Owner(owner)})
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if after.DataRetentionHours < before.DataRetentionHours {
		// What is too old is not shown any more; what cannot be dropped now is swept.
		err := h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error { return tx.DropSamplePartitions(ctx) })
		if err != nil {
			h.log.WarnContext(ctx, "old samples are not dropped yet", "error", err)
		}
	}
	return api.UpdateMonitoringSettings200JSONResponse(after), nil
}
