package event

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// retryInterval is the pause before a lost connection is tried again.
	retryInterval = 250 * time.Millisecond
	// quietInterval is how long a connection may say nothing before it is asked
	// whether it still stands, and how long it has to answer. A peer that is gone
	// without a word would otherwise be noticed after minutes.
	quietInterval = 5 * time.Second
)

// Subscribe delivers the changes of all servers until the context ends; then
// the channel is closed. Instead of what a subscriber has no room for, or what
// was published while the connection was lost, it gets a change that says
// Missed. Each new connection begins with one.
func (b *Bus) Subscribe(ctx context.Context, buffer int) <-chan Change {
	changes := make(chan Change, max(buffer, 1))
	b.mu.Lock()
	b.subscribers[changes] = struct{}{}
	b.mu.Unlock()
	context.AfterFunc(ctx, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.subscribers, changes)
		close(changes)
	})
	return changes
}

// Run listens until the context ends, and again after a lost connection.
func (b *Bus) Run(ctx context.Context) {
	for {
		err := b.listen(ctx)
		if ctx.Err() != nil {
			return
		}
		b.log.WarnContext(ctx, "listen for changes", "error", err)
		select {
		case <-time.After(retryInterval):
		case <-ctx.Done():
			return
		}
	}
}

func (b *Bus) listen(ctx context.Context) error {
	config := b.pool.Config().ConnConfig
	config.RuntimeParams["application_name"] = "nexterm events"
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if _, err := conn.Exec(ctx, "listen nexterm"); err != nil {
		return err
	}
	b.deliver(Change{Missed: true})
	for {
		notification, err := next(ctx, conn)
		if err != nil {
			return err
		}
		if notification == nil {
			continue
		}
		var changes []Change
		if err := json.Unmarshal([]byte(notification.Payload), &changes); err != nil {
			// Another version's, perhaps: what it says is unknown, that it says something is not.
			b.log.WarnContext(ctx, "read a notification", "error", err)
			changes = []Change{{Missed: true}}
		}
		b.deliver(changes...)
	}
}

// next waits for a notification; nil when it was quiet, but the connection stands.
func next(ctx context.Context, conn *pgx.Conn) (notification *pgconn.Notification, err error) {
	quiet, cancel := context.WithTimeout(ctx, quietInterval)
	defer cancel()
	if notification, err = conn.WaitForNotification(quiet); err == nil || quiet.Err() == nil {
		return notification, err
	}
	answer, cancel := context.WithTimeout(ctx, quietInterval)
	defer cancel()
	return nil, conn.Ping(answer)
}

func (b *Bus) deliver(changes ...Change) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range changes {
		for subscriber := range b.subscribers {
			select {
			case subscriber <- c:
			default:
				overflow(subscriber)
			}
		}
	}
}

// overflow replaces a subscriber's backlog. Nobody else sends, so that there is
// room afterwards.
func overflow(subscriber chan Change) {
	for {
		select {
		case <-subscriber:
		default:
			subscriber <- Change{Missed: true}
			return
		}
	}
}
