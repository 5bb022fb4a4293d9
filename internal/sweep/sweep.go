// Package sweep owns clearing away what has expired. It does not decide what
// has: whoever reads a row judges it by its time, cleared away or not.
package sweep

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/nexterm-go/nexterm/gen/db"
)

const (
	// Interval is how often everything is swept.
	Interval = 10 * time.Minute
	// Queue is where the job waits, apart from jobs that take long.
	Queue = "sweep"
)

// statements clear one table each.
var statements = []func(*db.Queries, context.Context) error{
	(*db.Queries).DeleteClosedWindows,
	(*db.Queries).DeleteExpiredChallenges,
	(*db.Queries).DeleteOldDeviceCodes,
	(*db.Queries).DeleteExpiredOidcLogins,
}

// Expired is the job of clearing every table.
type Expired struct{}

// Kind names the job in the database.
func (Expired) Kind() string { return "sweep_expired" }

// InsertOpts keeps a second one from waiting. A failure is the next one's to mend.
func (Expired) InsertOpts() river.InsertOpts {
	return river.InsertOpts{
		Queue:       Queue,
		MaxAttempts: 1,
		UniqueOpts: river.UniqueOpts{ByState: []rivertype.JobState{
			rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRunning,
			rivertype.JobStateRetryable, rivertype.JobStateScheduled,
		}},
	}
}

// Register makes the workers work the job of this package.
func Register(workers *river.Workers, pool *pgxpool.Pool) {
	river.AddWorker(workers, &worker{queries: db.New(pool)})
}

type worker struct {
	river.WorkerDefaults[Expired]
	queries *db.Queries
}

// Work clears what it can: a table that fails does not spare the others.
func (w *worker) Work(ctx context.Context, _ *river.Job[Expired]) error {
	var failed []error
	for _, statement := range statements {
		failed = append(failed, statement(w.queries, ctx))
	}
	return errors.Join(failed...)
}
