// Package change owns the one way to write: a rule runs in a transaction that has
// what it touches to itself, and what it records is told with its commit, to
// readers of events and in the audit log. It does not know the rules.
package change

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/event"
)

// attempts bounds how often Do follows what others move away.
const attempts = 20

// errMoved makes Do start again.
var errMoved = errors.New("what was to be changed has moved to another owner meanwhile")

// Changes writes to a database.
type Changes struct {
	// Limits hold for all that is written.
	Limits Limits

	pool   *pgxpool.Pool
	events *event.Log
}

// New returns what writes to the database of the pool and announces it to the
// readers of events.
func New(pool *pgxpool.Pool, events *event.Log) *Changes {
	return &Changes{pool: pool, events: events}
}

// Touch is what a change has to itself until it is committed: the trees of
// owners, named as such or by folders and entries in them. The zero value is
// nothing.
type Touch struct {
	Owners           []caller.Owner
	Folders, Entries []int64
}

func (t Touch) nothing() bool { return len(t.Owners)+len(t.Folders)+len(t.Entries) == 0 }

// Tx is the transaction of one change.
type Tx struct {
	*db.Queries
	// Actor is who the change is said to be made by.
	Actor  caller.Actor
	Limits Limits

	locked []int64
	told   []event.Told

	transaction *transaction
}

// Check is called with the owner of every row in a tree that the rule depends on.
// It fails when the row is not in a locked tree any more, because another change
// has moved it before the lock was taken; the change then starts again.
func (tx *Tx) Check(scope int64) error {
	if !slices.Contains(tx.locked, scope) {
		return errMoved
	}
	return nil
}

// Defer lets statements wait for the end of the rule, where they go together with
// the commit and cost no round trip of their own. They are Execs whose outcome
// the rule does not need to know; an error of theirs fails the change.
func (tx *Tx) Defer(statements func(*db.Queries) error) error {
	tx.transaction.deferring = true
	defer func() { tx.transaction.deferring = false }()
	return statements(tx.Queries)
}

// Record tells what the change has brought about, when it is committed.
func (tx *Tx) Record(events ...event.Event) {
	for _, e := range events {
		tx.told = append(tx.told, e.Told())
	}
}

// Do runs a rule in one transaction. An error of the rule undoes all that it has
// written, and is returned as it is. The rule may run more than once, so it sets
// what it leaves outside each time.
func (c *Changes) Do(ctx context.Context, touch Touch, rule func(*Tx) error) error {
	var err error
	for range attempts {
		if err = c.try(ctx, touch, rule); !errors.Is(err, errMoved) {
			return err
		}
	}
	return err
}

// Record tells of what happened without changing anything here.
func (c *Changes) Record(ctx context.Context, events ...event.Event) error {
	return c.Do(ctx, Touch{}, func(tx *Tx) error {
		tx.Record(events...)
		return nil
	})
}

func (c *Changes) try(ctx context.Context, touch Touch, rule func(*Tx) error) error {
	conn, err := c.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	t := &transaction{conn: conn.Conn()}
	defer t.rollback(ctx)
	tx := &Tx{Queries: db.New(t), Actor: caller.ActorFrom(ctx), Limits: c.Limits, transaction: t}
	if err := tx.lock(ctx, touch); err != nil {
		return err
	}
	if err := rule(tx); err != nil {
		return err
	}
	if len(tx.told) == 0 {
		return c.Limits.orReached(t.commit(ctx))
	}
	t.last = true
	if err := tx.store(ctx); err != nil {
		return c.Limits.orReached(err)
	}
	c.events.Announce()
	return nil
}

func (tx *Tx) lock(ctx context.Context, touch Touch) error {
	if touch.nothing() {
		return nil
	}
	scopes := db.LockScopesParams{FolderIds: touch.Folders, EntryIds: touch.Entries}
	for _, owner := range touch.Owners {
		scopes.Scopes = append(scopes.Scopes, int64(owner))
	}
	if c := caller.Optional(ctx); c != nil {
		scopes.Reach, scopes.ManagesAll = c.Reach, c.ManagesAll()
	}
	var err error
	tx.locked, err = tx.LockScopes(ctx, scopes)
	return err
}

// userAgentLength bounds what the audit log keeps of a User-Agent header, in characters.
const userAgentLength = 512

// store writes all that was recorded in one statement.
func (tx *Tx) store(ctx context.Context) error {
	encoded, err := json.Marshal(tx.told)
	if err != nil {
		return fmt.Errorf("details of %s: %w", tx.told[0].Action, err)
	}
	client := caller.ClientFrom(ctx)
	err = tx.RecordEvents(ctx, db.RecordEventsParams{
		Actor:     string(tx.Actor.Kind),
		AccountID: known(tx.Actor.AccountID), SessionID: known(tx.Actor.SessionID),
		APIKeyID: known(tx.Actor.APIKeyID), ImpersonatorID: known(tx.Actor.ImpersonatorID),
		IPAddress: known(client.IP), UserAgent: known(client.CutAgent(userAgentLength)),
		Events: encoded,
	})
	if err != nil {
		return fmt.Errorf("record %s: %w", tx.told[0].Action, err)
	}
	return nil
}

// known is nil for the zero value.
func known[T comparable](value T) *T {
	var zero T
	if value == zero {
		return nil
	}
	return &value
}
