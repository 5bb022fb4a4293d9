package contentsource

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/job"
)

const (
	// interval is how often all sources are synchronized.
	interval = time.Hour
	queue    = "source"

	defaultName = "Official"
	defaultURL  = "https://source.nexterm.dev"
)

// options try a job once: a failure is for the source's status, and the next
// hour's to mend.
var options = river.InsertOpts{Queue: queue, MaxAttempts: 1, UniqueOpts: job.Unique()}

// SyncAll is the job of finding the enabled sources and enqueuing one SyncOne
// for each.
type SyncAll struct{}

// Kind names the job in the database.
func (SyncAll) Kind() string { return "source_sync_all" }

// InsertOpts keeps a second one from waiting.
func (SyncAll) InsertOpts() river.InsertOpts { return options }

// SyncOne is the job of synchronizing one source.
type SyncOne struct {
	SourceID int64 `json:"sourceId"`
}

// Kind names the job in the database.
func (SyncOne) Kind() string { return "source_sync" }

// InsertOpts keeps a second one of the same source from waiting.
func (SyncOne) InsertOpts() river.InsertOpts { return options }

// Jobs are the syncer's: each server synchronizes one source after the other.
func Jobs(syncer *Syncer) job.Work {
	return job.Work{
		Queue:      queue,
		MaxWorkers: 1,
		AddWorkers: func(workers *river.Workers) {
			river.AddWorker(workers, &syncAllWorker{queries: syncer.queries})
			river.AddWorker(workers, &syncOneWorker{syncer: syncer})
		},
		PeriodicJobs: []job.PeriodicJob{{Interval: interval, Args: SyncAll{}}},
	}
}

type syncAllWorker struct {
	river.WorkerDefaults[SyncAll]
	queries *db.Queries
}

func (w *syncAllWorker) Work(ctx context.Context, _ *river.Job[SyncAll]) error {
	ids, err := w.queries.ListEnabledSources(ctx)
	if err != nil || len(ids) == 0 {
		return err
	}
	jobs := make([]river.InsertManyParams, len(ids))
	for i, id := range ids {
		jobs[i].Args = SyncOne{SourceID: id}
	}
	_, err = river.ClientFromContext[pgx.Tx](ctx).InsertMany(ctx, jobs)
	return err
}

type syncOneWorker struct {
	river.WorkerDefaults[SyncOne]
	syncer *Syncer
}

// Timeout leaves the syncer the time that it takes itself.
func (w *syncOneWorker) Timeout(*river.Job[SyncOne]) time.Duration { return 2 * syncTime }

func (w *syncOneWorker) Work(ctx context.Context, one *river.Job[SyncOne]) error {
	err := w.syncer.Sync(ctx, one.Args.SourceID)
	var reason unusable
	if errors.As(err, &reason) || errors.Is(err, errNotFound) || errors.Is(err, errDisabled) {
		return nil // the source's own matter, not the job's
	}
	return err
}

// EnsureDefault makes sure that the source which comes with the product exists
// and has its URL. It does not enable it again.
func EnsureDefault(ctx context.Context, changes *change.Changes) error {
	return changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		moved, err := tx.MoveDefaultSource(ctx, defaultURL)
		if err != nil {
			return err
		}
		made, err := tx.EnsureDefaultSource(ctx, db.EnsureDefaultSourceParams{Name: defaultName, URL: defaultURL})
		if moved+made > 0 {
			tx.Record(event.Event{Action: event.SourceUpdate, Details: event.Details{"name": defaultName, "url": defaultURL}})
		}
		return err
	})
}
