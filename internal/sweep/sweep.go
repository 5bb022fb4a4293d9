// Package sweep owns clearing away what has expired. It does not decide what
// has: whoever reads a row judges it by its time, cleared away or not.
package sweep

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/riverqueue/river"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/job"
)

const (
	// interval is how often everything is swept.
	interval = 10 * time.Minute
	queue    = "sweep"
	// lockNotAvailable is PostgreSQL's word for what does not get its lock in time.
	lockNotAvailable = "55P03"
)

// statements clear one table each.
var statements = []func(*change.Tx, context.Context) error{
	(*change.Tx).DeleteClosedWindows,
	(*change.Tx).DeleteExpiredChallenges,
	(*change.Tx).DeleteOldDeviceCodes,
	(*change.Tx).DeleteExpiredOidcLogins,
	(*change.Tx).DeleteOldEvents,
	(*change.Tx).DeleteEndedConnections,
	(*change.Tx).SumAccountCounts,
	(*change.Tx).MakeAuditPartitions,
	(*change.Tx).MakeSamplePartitions,
	(*change.Tx).DropSamplePartitions,
}

// auditBatch bounds the old audit rows that are deleted in one transaction, and
// recordingBatch the recordings, each of which is long.
const (
	auditBatch     = 5000
	recordingBatch = 20
)

// Expired is the job of clearing every table.
type Expired struct{}

// Kind names the job in the database.
func (Expired) Kind() string { return "sweep_expired" }

// InsertOpts keeps a second one from waiting. A failure is the next one's to mend.
func (Expired) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: queue, MaxAttempts: 1, UniqueOpts: job.Unique()}
}

// Prepare makes room for the audit rows and the samples that are to come, before
// the first of them is written, and drops samples that are too old. A table that
// others are long at, such as a dump, has to do without until the next sweep.
func Prepare(ctx context.Context, changes *change.Changes) error {
	for _, statement := range []func(*change.Tx, context.Context) error{
		(*change.Tx).MakeAuditPartitions, (*change.Tx).MakeSamplePartitions, (*change.Tx).DropSamplePartitions,
	} {
		err := changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error { return statement(tx, ctx) })
		var failed *pgconn.PgError
		if err != nil && (!errors.As(err, &failed) || failed.Code != lockNotAvailable) {
			return err
		}
	}
	return nil
}

// Jobs are the one of clearing every table of a database. Sessions go when they are
// idle for so many days and audit rows when they are so old, unless that is 0.
func Jobs(changes *change.Changes, sessionIdleDays int32, auditDays int) job.Work {
	return job.Work{
		Queue:      queue,
		MaxWorkers: 1,
		AddWorkers: func(workers *river.Workers) {
			river.AddWorker(workers, &worker{changes: changes, sessionIdleDays: sessionIdleDays, auditDays: auditDays})
		},
		PeriodicJobs: []job.PeriodicJob{{Interval: interval, Args: Expired{}}},
	}
}

type worker struct {
	river.WorkerDefaults[Expired]
	changes         *change.Changes
	sessionIdleDays int32
	auditDays       int
}

func (w *worker) endSessions(tx *change.Tx, ctx context.Context) error {
	ended, err := tx.EndExpiredSessions(ctx, w.sessionIdleDays)
	for _, s := range ended {
		tx.Record(event.SessionEnd(s.AccountID, s.ID, s.ImpersonatorID))
	}
	return err
}

// Work clears what it can: a table that fails does not spare the others.
func (w *worker) Work(ctx context.Context, _ *river.Job[Expired]) error {
	var failed []error
	for _, statement := range append(statements, w.endSessions) {
		failed = append(failed, w.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error { return statement(tx, ctx) }))
	}
	var before time.Time
	if w.auditDays > 0 {
		before = time.Now().AddDate(0, 0, -w.auditDays)
		failed = append(failed, w.expireAuditLogs(ctx, before),
			w.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error { return tx.DeleteOldAuditDetails(ctx, before) }))
	}
	return errors.Join(append(failed, w.expireRecordings(ctx, before))...)
}

// expireRecordings deletes those that organizations keep no longer, and those whose
// audit rows or organizations are gone.
func (w *worker) expireRecordings(ctx context.Context, before time.Time) (err error) {
	for deleted := int64(recordingBatch); deleted == recordingBatch && err == nil; {
		err = w.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) (err error) {
			deleted, err = tx.DeleteOldRecordings(ctx, db.DeleteOldRecordingsParams{Before: before, Most: recordingBatch})
			return err
		})
	}
	return err
}

// expireAuditLogs drops what is old as a whole and deletes the rest of it.
func (w *worker) expireAuditLogs(ctx context.Context, before time.Time) error {
	err := w.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error { return tx.DropAuditPartitions(ctx, before) })
	for deleted := int64(auditBatch); deleted == auditBatch && err == nil; {
		err = w.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) (err error) {
			deleted, err = tx.DeleteOldAuditLogs(ctx, db.DeleteOldAuditLogsParams{Before: before, Most: auditBatch})
			return err
		})
	}
	return err
}
