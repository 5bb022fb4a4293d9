// Package event owns telling every server of a deployment what has changed. It
// does not carry the changed data: who is told reads it anew, with its own
// rights.
package event

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/nexterm-go/nexterm/gen/db"
)

// Topic names a list that clients draw.
type Topic string

// The topics, as they are called on the state socket.
const (
	Entries      Topic = "ENTRIES"
	Identities   Topic = "IDENTITIES"
	Snippets     Topic = "SNIPPETS"
	Connections  Topic = "CONNECTIONS"
	LiveSessions Topic = "LIVE_SESSIONS"
)

// Change tells whose lists are out of date, and which login sessions have ended.
type Change struct {
	Topics []Topic `json:"topics,omitempty"`
	// Accounts see the change themselves; of Organizations all active members do.
	Accounts      []int64 `json:"accounts,omitempty"`
	Organizations []int64 `json:"organizations,omitempty"`
	EndedSessions []int64 `json:"endedSessions,omitempty"`
}

const (
	channel = "nexterm"
	// flushInterval collects the changes of a burst into few notifications.
	flushInterval = 25 * time.Millisecond
	// batchSize keeps a notification below PostgreSQL's 8,000 bytes.
	batchSize = 20
	// retryInterval is the pause before a lost connection is tried again.
	retryInterval = time.Second
)

// Bus publishes changes after they are committed and delivers those of all
// servers (LISTEN and NOTIFY). A notification inside the transaction would make
// PostgreSQL serialise all commits, so it is sent apart, and right after.
type Bus struct {
	pool *pgxpool.Pool
	log  *slog.Logger

	mu          sync.Mutex
	pending     []Change
	scheduled   bool
	subscribers map[chan Change]struct{}
}

// NewBus returns a bus that can publish; Run delivers to subscribers.
func NewBus(pool *pgxpool.Pool, log *slog.Logger) *Bus {
	return &Bus{pool: pool, log: log, subscribers: map[chan Change]struct{}{}}
}

// Publish announces a committed change and returns at once.
func (b *Bus) Publish(c Change) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pending = append(b.pending, c)
	if !b.scheduled {
		b.scheduled = true
		time.AfterFunc(flushInterval, b.flush)
	}
}

func (b *Bus) flush() {
	b.mu.Lock()
	changes := b.pending
	b.pending, b.scheduled = nil, false
	b.mu.Unlock()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for batch := range slices.Chunk(changes, batchSize) {
		payload, err := json.Marshal(batch)
		if err == nil {
			err = db.New(b.pool).Notify(ctx, string(payload))
		}
		if err != nil {
			b.log.WarnContext(ctx, "publish changes", "count", len(batch), "error", err)
		}
	}
}

// Subscribe delivers the changes of all servers until the context ends. A
// subscriber that falls behind by more than the buffer loses its channel: it is
// closed.
func (b *Bus) Subscribe(ctx context.Context, buffer int) <-chan Change {
	changes := make(chan Change, buffer)
	b.mu.Lock()
	b.subscribers[changes] = struct{}{}
	b.mu.Unlock()
	context.AfterFunc(ctx, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.drop(changes)
	})
	return changes
}

// drop closes a subscriber's channel once; the caller holds the lock.
func (b *Bus) drop(changes chan Change) {
	if _, subscribed := b.subscribers[changes]; subscribed {
		delete(b.subscribers, changes)
		close(changes)
	}
}

// Run listens until the context ends, and again after a lost connection.
func (b *Bus) Run(ctx context.Context) {
	for ctx.Err() == nil {
		err := b.listen(ctx)
		if ctx.Err() != nil {
			return
		}
		b.log.WarnContext(ctx, "listen for changes", "error", err)
		select {
		case <-time.After(retryInterval):
		case <-ctx.Done():
		}
	}
}

func (b *Bus) listen(ctx context.Context) error {
	conn, err := pgx.ConnectConfig(ctx, b.pool.Config().ConnConfig)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if _, err := conn.Exec(ctx, "listen "+channel); err != nil {
		return err
	}
	for {
		notification, err := conn.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		var changes []Change
		if err := json.Unmarshal([]byte(notification.Payload), &changes); err != nil {
			b.log.WarnContext(ctx, "read a notification", "error", err)
			continue
		}
		b.deliver(changes)
	}
}

func (b *Bus) deliver(changes []Change) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range changes {
		for subscriber := range b.subscribers {
			select {
			case subscriber <- c:
			default:
				b.drop(subscriber)
			}
		}
	}
}
