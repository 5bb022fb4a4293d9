package remote

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/turn"
)

const (
	// toldTime is how long tunnels of one kind go on without being told of again.
	toldTime = time.Hour
	// maxTold bounds what is remembered of those; the database knows, too.
	maxTold = 10_000
)

// told are the tunnels that this server has told of lately.
type told struct {
	turns turn.Lines[toldOf]

	mu    sync.Mutex
	times map[toldOf]time.Time
}

// toldOf is what makes tunnels of one kind.
type toldOf struct {
	accountID, entryID int64
	target, reason     string
}

func newTold() *told { return &told{turns: turn.Lines[toldOf]{Most: 1}, times: map[toldOf]time.Time{}} }

func (t *told) lately(of toldOf) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	last, known := t.times[of]
	return known && time.Since(last) < toldTime
}

func (t *told) now(of toldOf) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.times) >= maxTold {
		clear(t.times)
	}
	t.times[of] = time.Now()
}

// tellOfTunnel records that a tunnel is opened, once an hour for all that are alike: a
// browser opens hundreds.
func (h *Handlers) tellOfTunnel(ctx context.Context, owner caller.Owner, entryID int64, target, reason string) error {
	of := toldOf{caller.From(ctx).AccountID, entryID, target, reason}
	leave, err := h.told.turns.Enter(ctx, of)
	if err != nil {
		return err
	}
	defer leave()
	if h.told.lately(of) {
		return nil
	}
	d := details("tunnel", reason)
	d["target"] = target
	encoded, err := json.Marshal(d)
	if err != nil {
		return err
	}
	err = h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		if err := tx.LockTunnels(ctx, of.accountID); err != nil {
			return err
		}
		has, err := tx.HasTunnelAudit(ctx, db.HasTunnelAuditParams{AccountID: of.accountID, EntryID: entryID, Details: encoded})
		if err == nil && !has {
			tx.Record(event.Event{Action: event.SSHConnect, Owner: owner, ResourceID: entryID, Reason: reason, Details: d})
		}
		return err
	})
	if err == nil {
		h.told.now(of)
	}
	return err
}
