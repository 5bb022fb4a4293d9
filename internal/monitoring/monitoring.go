// Package monitoring owns what is shown of monitored hosts, and the settings by
// which they are looked after. It does not look after them.
package monitoring

import (
	"context"
	"encoding/json"
	"log/slog"
	"math"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/paging"
	"github.com/nexterm-go/nexterm/internal/timestamp"
)

// fallback is how many samples a chart shows whose window has none.
const fallback = 100

// window is how far back a chart goes, in hours, and how many points it has at most.
type window struct {
	hours  int32
	points int
}

// windows are those of the contract. No sample is kept for longer than a day.
var windows = map[api.TimeRange]window{
	api.TimeRangeN1H: {1, 60}, api.TimeRangeN6H: {6, 360}, api.TimeRangeN24H: {24, 720}, api.TimeRangeN7D: {7 * 24, 720},
}

// Handlers are the operations of the tag monitoring.
type Handlers struct {
	queries *db.Queries
	changes *change.Changes
	log     *slog.Logger
}

// New returns the operations over a database.
func New(queries *db.Queries, changes *change.Changes, log *slog.Logger) *Handlers {
	return &Handlers{queries, changes, log}
}

// ListMonitoredTargets answers the monitored servers that the caller can read. Each has
// so much of its host that those of a large account would not fit into memory.
func (h *Handlers) ListMonitoredTargets(ctx context.Context, _ api.ListMonitoredTargetsRequestObject) (api.ListMonitoredTargetsResponseObject, error) {
	reach := caller.From(ctx).Reach
	return struct {
		api.ListMonitoredTargets200JSONResponse
		*paging.List[api.MonitoredTarget]
	}{List: &paging.List[api.MonitoredTarget]{Context: ctx, Read: func(ctx context.Context, last *api.MonitoredTarget) ([]api.MonitoredTarget, error) {
		page := db.ListMonitoredTargetsParams{Reach: reach, Most: paging.Length}
		if last != nil {
			page.After = last.ID
		}
		rows, err := h.queries.ListMonitoredTargets(ctx, page)
		targets := make([]api.MonitoredTarget, len(rows))
		for i := range rows {
			row := &rows[i]
			targets[i] = api.MonitoredTarget{
				ID: row.ID, ServerID: &row.ID, Type: api.MonitoredTargetTypeServer, Name: row.Name, Icon: &row.Icon,
				IP: known(row.IP), Port: known(row.Port), Status: status(row), LastChecked: lastChecked(row),
				MonitoringEnabled: row.Monitored, Monitoring: toSample(row),
			}
		}
		return targets, err
	}}}, nil
}

// GetServerMonitoring answers the chart of an entry and what was last collected.
func (h *Handlers) GetServerMonitoring(ctx context.Context, request api.GetServerMonitoringRequestObject) (api.GetServerMonitoringResponseObject, error) {
	found, err := h.queries.GetServerMonitoring(ctx, db.GetServerMonitoringParams{ID: request.ServerID, Reach: caller.From(ctx).Reach})
	if err != nil {
		return nil, fail.OnNoRows(err, fail.NotFound("Server not found"))
	}
	row := db.ListMonitoredTargetsRow(found)
	answer := api.GetServerMonitoring200JSONResponse{
		Server: api.MonitoredServer{
			ID: row.ID, Name: row.Name, IP: known(row.IP), Port: known(row.Port), Status: row.Status, MonitoringEnabled: row.Monitored,
		},
		TimeRange: api.TimeRangeN1H,
		Latest:    struct{}{},
	}
	if request.Params.TimeRange != nil {
		answer.TimeRange = *request.Params.TimeRange
	}
	shown := windows[answer.TimeRange]
	samples, err := h.queries.ListMonitoringSamples(ctx, db.ListMonitoringSamplesParams{
		EntryID: row.ID, Hours: min(shown.hours, row.DataRetentionHours), Most: math.MaxInt32,
	})
	if err == nil && len(samples) == 0 {
		samples, err = h.queries.ListMonitoringSamples(ctx, db.ListMonitoringSamplesParams{
			EntryID: row.ID, Hours: row.DataRetentionHours, Most: fallback,
		})
	}
	if err != nil {
		return nil, err
	}
	answer.Data = make([]api.MonitoringPoint, 0, min(shown.points, len(samples)))
	for i := range cap(answer.Data) {
		s := &samples[thinned(i, len(samples), shown.points)]
		answer.Data = append(answer.Data, api.MonitoringPoint{
			ID: s.ID, EntryID: &row.ID, Timestamp: timestamp.Format(s.Timestamp), CPUUsage: s.CpuUsage, MemoryUsage: s.MemoryUsage,
			Processes: s.Processes, LoadAverage: s.LoadAverage, Uptime: s.Uptime, ErrorMessage: s.ErrorMessage,
		})
	}
	if row.UpdatedAt != nil {
		answer.Latest = toSample(&row)
	}
	return answer, nil
}

// thinned is which of n samples is point i of a chart that has room for so many.
func thinned(i, n, points int) int {
	if n <= points {
		return i
	}
	return i * (n - 1) / (points - 1)
}

// GetIntegrationMonitoring knows no integrations.
func (h *Handlers) GetIntegrationMonitoring(context.Context, api.GetIntegrationMonitoringRequestObject) (api.GetIntegrationMonitoringResponseObject, error) {
	return nil, fail.NotFound("Integration does not exist")
}

// status is what the status checker says or, while that is off, the newest sample.
func status(row *db.ListMonitoredTargetsRow) api.MonitoredTargetStatus {
	said := row.Status
	if !row.StatusCheckerEnabled {
		said = nil
		if row.Retained {
			said = row.SampleStatus
		}
	}
	if said != nil {
		switch s := api.MonitoredTargetStatus(*said); s {
		case api.MonitoredTargetStatusOnline, api.MonitoredTargetStatusOffline:
			return s
		}
	}
	return api.MonitoredTargetStatusUnknown
}

func lastChecked(row *db.ListMonitoredTargetsRow) *string {
	switch {
	case row.StatusCheckerEnabled && row.CheckedAt != nil:
		return timestamp.FormatOptional(row.CheckedAt)
	case row.Retained:
		return timestamp.FormatOptional(row.UpdatedAt)
	}
	return nil
}

// toSample is the newest sample, as far as it is retained, with what is kept of
// the host beside it.
func toSample(row *db.ListMonitoredTargetsRow) api.MonitoringSample {
	if row.UpdatedAt == nil {
		empty := json.RawMessage("[]")
		return api.MonitoringSample{
			EntryID: &row.ID, ErrorMessage: new("No monitoring data available"), LoadAverage: []float64{},
			Disk: empty, Network: empty, ProcessList: empty, OsInfo: json.RawMessage("{}"),
		}
	}
	sample := api.MonitoringSample{
		ID: &row.ID, EntryID: &row.ID, UpdatedAt: timestamp.FormatOptional(row.UpdatedAt), LastSeen: timestamp.FormatOptional(row.LastSeenAt),
		Status: (*api.MonitoringSampleStatus)(row.SampleStatus), MemoryTotal: row.MemoryTotal,
		Disk: row.Disk, Network: row.Network, ProcessList: row.ProcessList, OsInfo: row.OsInfo,
	}
	if row.Retained {
		sample.Timestamp, sample.ErrorMessage = sample.UpdatedAt, row.ErrorMessage
		sample.CPUUsage, sample.MemoryUsage, sample.Uptime = row.CpuUsage, row.MemoryUsage, row.Uptime
		sample.LoadAverage, sample.Processes = row.LoadAverage, row.Processes
	}
	return sample
}

// known is nil for the zero value.
func known[T comparable](value T) *T {
	var zero T
	if value == zero {
		return nil
	}
	return &value
}
