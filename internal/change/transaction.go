package change

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// rollbackTime bounds the end of a transaction whose caller is gone.
const rollbackTime = 5 * time.Second

// transaction is a connection within a transaction that costs no round trips of
// its own: it begins together with the first statement and ends with the last.
type transaction struct {
	conn *pgx.Conn
	open bool
	// last makes the next statement, an Exec, the one that is committed.
	last bool
	// deferring makes an Exec wait for the last statement, and deferred are those
	// that do.
	deferring bool
	deferred  []*pgx.QueuedQuery
}

// batch is a statement with the beginning or the end that goes along with it;
// nil when it goes alone.
func (t *transaction) batch(sql string, args []any) *pgx.Batch {
	if t.open && !t.last {
		return nil
	}
	batch := &pgx.Batch{}
	if !t.open {
		t.open = true
		batch.Queue("begin")
	}
	if t.last {
		batch.QueuedQueries = append(batch.QueuedQueries, t.deferred...)
	}
	batch.Queue(sql, args...)
	if t.last {
		batch.Queue("commit")
	}
	return batch
}

// send sends a batch and takes the answers to what is before its statement.
func (t *transaction) send(ctx context.Context, batch *pgx.Batch) (pgx.BatchResults, error) {
	results := t.conn.SendBatch(ctx, batch)
	before := 0
	if batch.QueuedQueries[0].SQL == "begin" {
		before++
	}
	if t.last {
		before += len(t.deferred)
	}
	for range before {
		if _, err := results.Exec(); err != nil {
			_ = results.Close()
			return nil, err
		}
	}
	return results, nil
}

func (t *transaction) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	if t.deferring {
		t.deferred = append(t.deferred, &pgx.QueuedQuery{SQL: sql, Arguments: args})
		return pgconn.CommandTag{}, nil
	}
	batch := t.batch(sql, args)
	if batch == nil {
		return t.conn.Exec(ctx, sql, args...)
	}
	results, err := t.send(ctx, batch)
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	tag, err := results.Exec()
	if closed := results.Close(); err == nil {
		err = closed
	}
	if t.last && err == nil {
		t.open = false
	}
	return tag, err
}

func (t *transaction) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	batch := t.batch(sql, args)
	if batch == nil {
		return t.conn.Query(ctx, sql, args...)
	}
	results, err := t.send(ctx, batch)
	if err != nil {
		return nil, err
	}
	found, err := results.Query()
	return rows{found, results}, err
}

func (t *transaction) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	batch := t.batch(sql, args)
	if batch == nil {
		return t.conn.QueryRow(ctx, sql, args...)
	}
	results, err := t.send(ctx, batch)
	return row{results, err}
}

// commit ends a transaction that has nothing more to say.
func (t *transaction) commit(ctx context.Context) error {
	if len(t.deferred) > 0 {
		statement := t.deferred[len(t.deferred)-1]
		t.deferred, t.last = t.deferred[:len(t.deferred)-1], true
		_, err := t.Exec(ctx, statement.SQL, statement.Arguments...)
		return err
	}
	if !t.open {
		return nil
	}
	tag, err := t.conn.Exec(ctx, "commit")
	if err == nil {
		t.open = false
		if tag.String() != "COMMIT" {
			err = pgx.ErrTxCommitRollback
		}
	}
	return err
}

// rollback undoes what is not committed, whether or not the caller still waits.
// A connection on which that fails is not used again: the pool sees that it is
// within a transaction.
func (t *transaction) rollback(ctx context.Context) {
	if !t.open || t.conn.IsClosed() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTime)
	defer cancel()
	_, _ = t.conn.Exec(ctx, "rollback")
}

// rows and row end the batch that they came with.
type rows struct {
	pgx.Rows
	results pgx.BatchResults
}

func (r rows) Close() {
	r.Rows.Close()
	_ = r.results.Close()
}

type row struct {
	results pgx.BatchResults
	err     error
}

func (r row) Scan(into ...any) error {
	if r.err != nil {
		return r.err
	}
	err := r.results.QueryRow().Scan(into...)
	if closed := r.results.Close(); err == nil {
		err = closed
	}
	return err
}
