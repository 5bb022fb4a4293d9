package live

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/event"
)

const (
	// typingTime is how long somebody types after a key, and stirTime between two times
	// that the others are told of it.
	typingTime = 1500 * time.Millisecond
	stirTime   = 250 * time.Millisecond
)

// attached keeps who has the connection open: a viewer that comes, with its right, or
// one that has gone.
func (r *Registry) attached(v *viewer, writable *bool) {
	r.do("store who has a connection open", func(ctx context.Context, tx *change.Tx) error {
		tx.Record(presence(v.live.ID))
		if writable == nil {
			if v.kind == kindOwner {
				if err := tx.AddConnectionDuration(ctx, v.live.ID); err != nil {
					return err
				}
			}
			return tx.DetachViewer(ctx, v.id)
		}
		viewer := db.AttachViewerParams{ViewerID: v.id, ConnectionID: v.live.ID, NodeID: r.Node, Kind: v.kind, Writable: *writable}
		if v.accountID != 0 {
			viewer.AccountID = &v.accountID
		}
		return tx.AttachViewer(ctx, viewer)
	})
}

// presence is the event of who has a connection open.
func presence(id uuid.UUID) event.Event {
	return event.Event{Action: event.ConnectionPresence, Details: event.Details{"connectionId": id.String()}}
}

// types notes that a viewer types, for the others to see for a moment.
func (l *live) types(v *viewer) {
	if len(l.viewers) < 2 {
		return
	}
	if v.typing != nil && v.typing.Stop() {
		v.typing.Reset(typingTime)
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(typingTime, func() {
		l.post(func() {
			if v.typing == timer {
				v.typing = nil
				l.stir()
			}
		})
	})
	v.typing = timer
	l.stir()
}

// stir tells what viewers do and may do, now and then.
func (l *live) stir() {
	if l.stirring {
		return
	}
	l.stirring = true
	time.AfterFunc(stirTime, func() {
		l.post(func() {
			l.stirring = false
			var viewers db.UpdateViewersParams
			for _, v := range l.viewers {
				viewers.ViewerIds = append(viewers.ViewerIds, v.id)
				viewers.Writables = append(viewers.Writables, v.writable)
				viewers.Typings = append(viewers.Typings, v.typing != nil)
			}
			l.registry.work.Go(func() {
				l.registry.do("store what viewers do", func(ctx context.Context, tx *change.Tx) error {
					tx.Record(presence(l.ID))
					return tx.UpdateViewers(ctx, viewers)
				})
			})
		})
	})
}
