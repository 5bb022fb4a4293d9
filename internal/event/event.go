// Package event owns telling every server of a deployment what has changed. It
// does not carry the changed data: who is told reads it anew, with its own
// rights.
package event

import (
	"context"
	"log/slog"
	"sync"
	"time"

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
	// Missed says that changes were lost on the way, so that every list of every
	// account may be out of date and any session may have ended.
	Missed bool `json:"missed,omitempty"`
}

const (
	// flushInterval collects the changes of a burst into few notifications.
	flushInterval = 25 * time.Millisecond
	// flushTimeout bounds one attempt to send what is pending.
	flushTimeout = 10 * time.Second
	// flushRetry is the pause before a failed attempt is repeated.
	flushRetry = 250 * time.Millisecond
	// maxPending bounds what waits while it cannot be sent; more than that is
	// announced as missed.
	maxPending = 10_000
)

// Bus publishes changes after they are committed and delivers those of all
// servers (LISTEN and NOTIFY). A notification inside the transaction would make
// PostgreSQL serialise all commits, so it is sent apart, and right after.
type Bus struct {
	pool *pgxpool.Pool
	log  *slog.Logger

	// sending is held while changes are on their way, so that they keep their order.
	sending sync.Mutex

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
	b.pend([]Change{c})
	b.schedule(flushInterval)
}

// Tell announces a change of lists to an account and to the active members of
// organizations; nil stands for none.
func (b *Bus) Tell(accountID int64, organizations []*int64, topics ...Topic) {
	change := Change{Topics: topics, Accounts: []int64{accountID}}
	for _, id := range organizations {
		if id != nil {
			change.Organizations = append(change.Organizations, *id)
		}
	}
	b.Publish(change)
}

// pend adds to what is pending; the caller holds the lock.
func (b *Bus) pend(changes []Change) {
	if len(b.pending)+len(changes) > maxPending {
		changes, b.pending = []Change{{Missed: true}}, nil
	}
	b.pending = append(b.pending, changes...)
}

// schedule plans the next attempt to send; the caller holds the lock.
func (b *Bus) schedule(after time.Duration) {
	if b.scheduled {
		return
	}
	b.scheduled = true
	time.AfterFunc(after, func() {
		ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
		defer cancel()
		if err := b.Flush(ctx); err != nil {
			b.log.WarnContext(ctx, "publish changes", "error", err)
		}
	})
}

// Flush sends what is pending and waits for it, as before the process ends.
// After an error it is still pending and sent again by itself.
func (b *Bus) Flush(ctx context.Context) error {
	b.sending.Lock()
	defer b.sending.Unlock()

	b.mu.Lock()
	changes := b.pending
	b.pending, b.scheduled = nil, false
	b.mu.Unlock()
	if len(changes) == 0 {
		return nil
	}

	messages, err := payloads(changes)
	if err != nil {
		return err
	}
	if err = db.New(b.pool).Notify(ctx, messages); err == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	later := b.pending
	b.pending = changes
	b.pend(later)
	b.schedule(flushRetry)
	return err
}
