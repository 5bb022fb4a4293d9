// Package remote owns what is done on the hosts of SSH entries without a terminal:
// single commands, and tunnels to what can be reached from there. It does not own how
// hosts are reached.
package remote

import (
	"cmp"
	"context"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/live"
	"github.com/nexterm-go/nexterm/internal/login"
)

var errDenied = fail.Forbidden("Access denied")

// defaultPingInterval is the pause between two pings of a socket.
const defaultPingInterval = 30 * time.Second

// partTime is how long a host has to let go of a channel.
const partTime = 5 * time.Second

// Handlers are the operations of the tag remote, and its socket.
type Handlers struct {
	queries         *db.Queries
	changes         *change.Changes
	live            *live.Registry
	log             *slog.Logger
	sessionIdleDays int32
	pingInterval    time.Duration
	works           *works
	stalls          stalls
	told            *told
}

// New returns the operations. Run ends what may not go on. Tunnels are pinged at an
// interval, 0 for the usual one.
func New(queries *db.Queries, changes *change.Changes, live *live.Registry, sessionIdleDays int32, pingInterval time.Duration, log *slog.Logger) *Handlers {
	h := &Handlers{
		queries: queries, changes: changes, live: live, log: log, sessionIdleDays: sessionIdleDays,
		pingInterval: cmp.Or(pingInterval, defaultPingInterval), works: newWorks(), told: newTold(),
		stalls: stalls{all: map[*tunnel]time.Time{}},
	}
	live.OnReview(h.works.wake)
	return h
}

// open takes a channel on the login that is the caller's there, with nobody to answer
// questions, and begins there what it is for.
func (h *Handlers) open(ctx context.Context, who *caller.Caller, entryID, identityID int64, use login.Use) (*login.Channel, error) {
	leave, err := h.live.Turn(ctx, who.AccountID)
	if err != nil {
		return nil, err
	}
	defer leave()
	return h.live.Channel(ctx, live.Opening{
		AccountID: who.AccountID, SessionID: who.SessionID, APIKeyID: who.APIKeyID, EntryID: entryID, IdentityID: &identityID,
	}, nil, use)
}

// trimmed is a reason that counts: blanks are none.
func trimmed(reason *string) string {
	if reason == nil {
		return ""
	}
	return strings.TrimSpace(*reason)
}

// part closes a channel and waits for those who use it. A host that does not let go of
// it loses the whole login: everything on it would wait like that.
func part(place *login.Channel, channel io.Closer, parted <-chan struct{}) {
	go channel.Close() // which may wait for the host, too
	select {
	case <-parted:
	case <-time.After(partTime):
		place.Login.Close()
		<-parted
	}
	place.Close()
}

// details are what the audit log keeps besides: never what is done.
func details(purpose, reason string) event.Details {
	d := event.Details{"purpose": purpose}
	if reason != "" {
		d["connectionReason"] = reason
	}
	return d
}
