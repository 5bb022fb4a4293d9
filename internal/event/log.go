package event

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/nexterm-go/nexterm/gen/db"
)

const (
	// notifyDelay collects the commits of a burst into one notification.
	notifyDelay = 25 * time.Millisecond
	// notifyTimeout bounds one notification; when it fails, the readers' own
	// interval does instead.
	notifyTimeout = 5 * time.Second
	// pollInterval is how often readers look without being told: a server may have
	// crashed between a commit and its notification.
	pollInterval = 5 * time.Second
	// elderInterval is the pause before events are looked for again that wait for a
	// transaction which began before theirs.
	elderInterval = 25 * time.Millisecond
	// firstRetry and lastRetry are the pauses before what has failed is repeated,
	// growing from one to the other.
	firstRetry = 250 * time.Millisecond
	lastRetry  = 5 * time.Second
	// pageSize bounds the events that are read at a time.
	pageSize = 1000
)

// Log is the table of events, for those who follow it.
//
// Transactions commit in another order than they begin in, so neither ids nor
// times tell a reader what is new. Every event carries the id of its
// transaction, and a reader goes no further than the horizon, below which all
// transactions of the database have ended (pg_current_snapshot): what is there
// is complete and never changes. Read by transaction and id, each committed
// event comes once, and to all readers in one order. The price is that an event
// waits for transactions that are older than its own.
type Log struct {
	queries *db.Queries
	log     *slog.Logger

	mu        sync.Mutex
	readers   map[chan struct{}]struct{}
	scheduled *time.Timer
	warned    time.Time
}

// NewLog returns the log of a database. Run makes its readers quick.
func NewLog(pool *pgxpool.Pool, log *slog.Logger) *Log {
	return &Log{queries: db.New(pool), log: log, readers: map[chan struct{}]struct{}{}}
}

// Announce tells the readers of all servers, shortly, that there is news. It is
// called after the commit: a notification inside the transaction would make
// PostgreSQL serialise all commits.
func (l *Log) Announce() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.scheduled == nil {
		l.scheduled = time.AfterFunc(notifyDelay, func() { l.Flush(context.Background()) })
	}
}

// Flush sends what Announce has scheduled at once, as before the process ends.
func (l *Log) Flush(ctx context.Context) {
	l.mu.Lock()
	scheduled := l.scheduled
	l.scheduled = nil
	l.mu.Unlock()
	if scheduled == nil {
		return
	}
	scheduled.Stop()
	ctx, cancel := context.WithTimeout(ctx, notifyTimeout)
	defer cancel()
	if err := l.queries.Notify(ctx); err != nil {
		l.log.DebugContext(ctx, "announce events", "error", err)
	}
}

// Follow delivers what is committed from now on, in order, until the context
// ends. With missed, events may have been lost on the way: it says so once at
// the beginning, when everything before is unknown, and when the database has
// been replaced by an older one.
func (l *Log) Follow(ctx context.Context, deliver func(events []Committed, missed bool)) {
	news := make(chan struct{}, 1)
	l.mu.Lock()
	l.readers[news] = struct{}{}
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.readers, news)
	}()
	var at *position
	retry := firstRetry
	for ctx.Err() == nil {
		pause, err := l.step(ctx, &at, deliver)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			l.warn(ctx, err)
			pause, retry = retry, min(2*retry, lastRetry)
		} else {
			retry = firstRetry
		}
		select {
		case <-news:
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// warn tells of a failure to read, now and then, and once for all readers, who try
// again at times of their own.
func (l *Log) warn(ctx context.Context, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Since(l.warned) >= lastRetry {
		l.warned = time.Now()
		l.log.WarnContext(ctx, "read events", "error", err)
	}
}

// position is the last event that a reader has seen.
type position struct{ transaction, id int64 }

// step reads one page and returns how long a reader may wait for the next one.
func (l *Log) step(ctx context.Context, at **position, deliver func([]Committed, bool)) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, pollInterval)
	defer cancel()
	if *at == nil {
		horizon, err := l.queries.GetEventsHorizon(ctx)
		if err != nil {
			return 0, err
		}
		*at = &position{transaction: horizon}
		deliver(nil, true)
	}
	row, err := l.queries.ReadEvents(ctx, db.ReadEventsParams{
		AfterTransaction: strconv.FormatInt((*at).transaction, 10), AfterID: (*at).id, Most: pageSize,
	})
	if err != nil {
		return 0, err
	}
	if (*at).transaction > row.EndTransaction {
		*at = nil
		return 0, nil
	}
	var events []Committed
	if err := json.Unmarshal(row.Events, &events); err != nil {
		return 0, fmt.Errorf("read a page of events: %w", err)
	}
	if len(events) > 0 {
		last := events[len(events)-1]
		*at = &position{last.Transaction, last.ID}
		deliver(events, false)
	}
	switch {
	case len(events) == pageSize:
		return 0, nil
	case row.MoreWaits:
		return elderInterval, nil
	}
	return pollInterval, nil
}

// Run listens for announcements until the context ends, and again after a lost
// connection, which is made as those of the pool are. Without it, readers find
// their events by their own interval.
func (l *Log) Run(ctx context.Context, pool *pgxpool.Pool) {
	retry := firstRetry
	for {
		began := time.Now()
		err := l.listen(ctx, pool)
		if ctx.Err() != nil {
			return
		}
		l.log.WarnContext(ctx, "listen for events", "error", err)
		if time.Since(began) > lastRetry {
			retry = firstRetry
		}
		select {
		case <-time.After(retry):
			retry = min(2*retry, lastRetry)
		case <-ctx.Done():
			return
		}
	}
}

func (l *Log) listen(ctx context.Context, pool *pgxpool.Pool) error {
	config := pool.Config().ConnConfig
	config.RuntimeParams["application_name"] = "nexterm events"
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if _, err := conn.Exec(ctx, "listen nexterm"); err != nil {
		return err
	}
	for {
		l.wake()
		if err := next(ctx, conn); err != nil {
			return err
		}
	}
}

// next waits for a notification, or until it was quiet for some time and the
// connection has proved to stand: a peer that is gone without a word would
// otherwise be noticed after minutes.
func next(ctx context.Context, conn *pgx.Conn) error {
	quiet, cancel := context.WithTimeout(ctx, pollInterval)
	defer cancel()
	if _, err := conn.WaitForNotification(quiet); err == nil || quiet.Err() == nil {
		return err
	}
	answer, cancel := context.WithTimeout(ctx, pollInterval)
	defer cancel()
	return conn.Ping(answer)
}

// wake lets every reader look now.
func (l *Log) wake() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for news := range l.readers {
		select {
		case news <- struct{}{}:
		default: // it will look anyway
		}
	}
}
