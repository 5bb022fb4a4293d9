package recording

import (
	"context"
	"time"

	"github.com/riverqueue/river"

	"github.com/nexterm-go/nexterm/internal/job"
)

const (
	queue = "recording"
	// interval is how often it is looked for recordings whose servers are gone.
	interval = time.Minute
)

// Lost is the job of finishing recordings whose servers are gone.
type Lost struct{}

// Kind names the job in the database.
func (Lost) Kind() string { return "finish_recordings" }

// InsertOpts keeps a second one from waiting. A failure is the next one's to mend.
func (Lost) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: queue, MaxAttempts: 1, UniqueOpts: job.Unique()}
}

// Jobs are the one of finishing what servers have left.
func (s *Store) Jobs() job.Work {
	return job.Work{
		Queue: queue, MaxWorkers: 1,
		AddWorkers:   func(workers *river.Workers) { river.AddWorker(workers, &worker{store: s}) },
		PeriodicJobs: []job.PeriodicJob{{Interval: interval, Args: Lost{}}},
	}
}

type worker struct {
	river.WorkerDefaults[Lost]
	store *Store
}

func (w *worker) Work(ctx context.Context, _ *river.Job[Lost]) error { return w.store.FinishLost(ctx) }
