// Package job owns the background work of a deployment: the queue in the
// database, what is due from time to time, and this server's workers. It does
// not know what the work is; the packages that register it do.
package job

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/nexterm-go/nexterm/internal/outbound"
	"github.com/nexterm-go/nexterm/internal/source"
	"github.com/nexterm-go/nexterm/internal/sweep"
)

// DefaultDelay keeps background work away from the first moments of a server.
const DefaultDelay = 10 * time.Second

// Client enqueues jobs. River's own type: what it adds is in its methods.
type Client = river.Client[pgx.Tx]

// NewClient returns a client that enqueues jobs and works none.
func NewClient(pool *pgxpool.Pool, log *slog.Logger) (*Client, error) {
	return river.NewClient(riverpgxv5.New(pool), &river.Config{Logger: slog.New(warnings{log.Handler()})})
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

// Options are what background work needs.
type Options struct {
	Pool     *pgxpool.Pool
	Outbound *outbound.Client
	Log      *slog.Logger
	// Delay is how long periodic work waits after a start.
	Delay time.Duration
}

// every makes work due at a start, after the delay, and then from time to time.
func (o Options) every(interval time.Duration, work river.JobArgs) *river.PeriodicJob {
	return river.NewPeriodicJob(river.PeriodicInterval(interval), func() (river.JobArgs, *river.InsertOpts) {
		return work, &river.InsertOpts{ScheduledAt: time.Now().Add(o.Delay)}
	}, &river.PeriodicJobOpts{RunOnStart: true})
}

// Start works jobs until the returned client is stopped. Of all servers on one
// database a single one, the leader, enqueues what is due.
func Start(ctx context.Context, o Options) (*Client, error) {
	if err := source.EnsureDefault(ctx, o.Pool); err != nil {
		return nil, err
	}
	workers := river.NewWorkers()
	source.Register(workers, source.NewSyncer(o.Pool, o.Outbound, o.Log))
	sweep.Register(workers, o.Pool)
	client, err := river.NewClient(riverpgxv5.New(o.Pool), &river.Config{
		Logger:  slog.New(warnings{o.Log.Handler()}),
		Workers: workers,
		Queues:  map[string]river.QueueConfig{source.Queue: {MaxWorkers: 1}, sweep.Queue: {MaxWorkers: 1}},
		PeriodicJobs: []*river.PeriodicJob{
			o.every(source.Interval, source.SyncAll{}),
			o.every(sweep.Interval, sweep.Expired{}),
		},
	})
	if err != nil {
		return nil, err
	}
	// The end of the context is for the requests; jobs are stopped apart, after them.
	return client, client.Start(context.WithoutCancel(ctx))
}
