// Package job owns the background work of a deployment: the queues in the
// database, what is due from time to time, and this server's workers. It does
// not know what the work is; the packages that hand it in do.
package job

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"
	"github.com/riverqueue/rivercontrib/otelriver"

	"github.com/nexterm-go/nexterm/internal/caller"
)

// Client enqueues jobs. River's own type: what it adds is in its methods.
type Client = river.Client[pgx.Tx]

// Work is what one package has done in the background.
type Work struct {
	// Queue is where its jobs wait, apart from those of other packages.
	Queue string
	// MaxWorkers is how many of them each server works at a time; 0 leaves them to others.
	MaxWorkers int
	// AddWorkers adds a worker for each kind of its jobs.
	AddWorkers   func(*river.Workers)
	PeriodicJobs []PeriodicJob
}

// rescueAfter is when a running job counts as left by a server that was killed, or
// its own time is, if that is longer. It keeps an equal one from waiting for so long.
const rescueAfter = 5 * time.Minute

// PeriodicJob is due when a server starts to lead, and from then on once in an
// interval.
type PeriodicJob struct {
	Interval time.Duration
	Args     river.JobArgs
}

// Unique lets a job wait only once: an equal one that has not ended yet does for
// both.
func Unique() river.UniqueOpts {
	return river.UniqueOpts{ByArgs: true, ByState: []rivertype.JobState{
		rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRunning,
		rivertype.JobStateRetryable, rivertype.JobStateScheduled,
	}}
}

// New returns a client that enqueues jobs, and between its Start and Stop works
// them. Of all servers on one database a single one, the leader, enqueues what
// is due; it waits for the delay.
func New(pool *pgxpool.Pool, log *slog.Logger, delay time.Duration, works ...Work) (*Client, error) {
	config := &river.Config{
		Logger:  slog.New(warnings{log.Handler()}),
		Workers: river.NewWorkers(),
		Middleware: []rivertype.Middleware{
			otelriver.NewMiddleware(&otelriver.MiddlewareConfig{EnableTracePropagation: true, EnableWorkSpanJobKindSuffix: true}),
			river.WorkerMiddlewareFunc(func(ctx context.Context, _ *rivertype.JobRow, work func(context.Context) error) error {
				return work(caller.WithActor(ctx, caller.ByJob))
			}),
		},
		Queues: map[string]river.QueueConfig{},
		// What has gone well is no news for long.
		CompletedJobRetentionPeriod: time.Hour,
		RescueStuckJobsAfter:        rescueAfter,
	}
	for _, work := range works {
		if work.MaxWorkers > 0 {
			config.Queues[work.Queue] = river.QueueConfig{MaxWorkers: work.MaxWorkers}
		}
		work.AddWorkers(config.Workers)
		for _, periodic := range work.PeriodicJobs {
			config.PeriodicJobs = append(config.PeriodicJobs, river.NewPeriodicJob(
				river.PeriodicInterval(periodic.Interval),
				func() (river.JobArgs, *river.InsertOpts) {
					return periodic.Args, &river.InsertOpts{ScheduledAt: time.Now().Add(delay)}
				},
				&river.PeriodicJobOpts{RunOnStart: true},
			))
		}
	}
	return river.NewClient(riverpgxv5.New(pool), config)
}

// warnings leaves out what the queue tells about its everyday work.
type warnings struct{ slog.Handler }

func (w warnings) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && w.Handler.Enabled(ctx, level)
}

func (w warnings) WithAttrs(attrs []slog.Attr) slog.Handler {
	return warnings{w.Handler.WithAttrs(attrs)}
}

func (w warnings) WithGroup(name string) slog.Handler { return warnings{w.Handler.WithGroup(name)} }
