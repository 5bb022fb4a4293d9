// Package feed owns the live feed: sockets on which accounts get their lists
// anew whenever these change, and learn that their login session has ended. It
// does not accept connections, nor compute lists; the server hands it both.
package feed

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/goccy/go-json"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/ws"
)

const (
	// DefaultPingInterval is the pause between two pings of a socket.
	DefaultPingInterval = 30 * time.Second
	// DefaultWriteTimeout is how long one message may take to be read.
	DefaultWriteTimeout = 10 * time.Second
	// firstRetry and lastRetry are the pauses before what has failed is repeated,
	// growing from one to the other.
	firstRetry = 500 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// longer is the pause after one that was not enough; the first is after 0.
func longer(pause time.Duration) time.Duration { return min(max(2*pause, firstRetry), lastRetry) }

// Options are what a hub is made of.
type Options struct {
	Pool   *pgxpool.Pool
	Events *event.Log
	Log    *slog.Logger
	// Lists compute what the caller in the context can see; a topic without one
	// is an empty list. What is a PerTab is sent to each tab as it is to see it.
	Lists map[event.List]func(context.Context) (any, error)
	// Presence computes who has a connection open, for the accounts that are to know.
	Presence func(ctx context.Context, connectionID string) (data any, accounts []int64, err error)
	// ListBytes overrides how long a list may be that comes in pages, when it is not 0.
	ListBytes int
	// MaxSockets is how many sockets an account has here.
	MaxSockets int64
	// PingInterval and WriteTimeout override the defaults when they are not 0.
	PingInterval, WriteTimeout time.Duration
	// SessionIdleDays is how long sessions hold without being used, 0 for ever.
	SessionIdleDays int32
}

// Hub knows the open sockets of this process and keeps them up to date.
type Hub struct {
	options Options
	queries *db.Queries
	// open counts the sockets that are being served.
	open sync.WaitGroup

	// Following is closed when the hub has begun to hear of changes.
	Following chan struct{}
	follow    func()

	// mu is taken before a socket's own lock, never after it.
	mu       sync.Mutex
	accounts map[int64]*account
	sessions map[int64][]*socket
	sockets  int
	closing  bool
	ready    []*account
	workers  int
}

// PerTab is a list of which tabs see parts.
type PerTab interface {
	For(tab, browser string) any
}

// New returns a hub; Run delivers changes to its sockets.
func New(options Options) *Hub {
	if options.PingInterval == 0 {
		options.PingInterval = DefaultPingInterval
	}
	if options.WriteTimeout == 0 {
		options.WriteTimeout = DefaultWriteTimeout
	}
	following := make(chan struct{})
	return &Hub{
		options: options, queries: db.New(options.Pool),
		Following: following, follow: sync.OnceFunc(func() { close(following) }),
		accounts: map[int64]*account{}, sessions: map[int64][]*socket{},
	}
}

// Run delivers changes until the context ends. Then it closes all sockets and
// waits for them.
func (h *Hub) Run(ctx context.Context) {
	h.options.Events.Follow(ctx, func(events []event.Committed, missed bool) {
		if missed {
			h.markAll()
			h.follow()
		}
		h.apply(ctx, events)
	})
	h.mu.Lock()
	h.closing = true
	for _, sockets := range h.sessions {
		for _, s := range sockets {
			s.end(goingAway)
		}
	}
	h.mu.Unlock()
	h.open.Wait()
}

// Serve keeps a caller's socket up to date and returns when it is closed.
func (h *Hub) Serve(conn *ws.Conn, c *caller.Caller, tab, browser string) {
	s := &socket{
		conn: conn, log: h.options.Log, session: c.SessionID, place: place{tab, browser},
		pingInterval: h.options.PingInterval, writeTimeout: h.options.WriteTimeout,
	}
	if refused := h.add(s, c.AccountID); refused != nil {
		conn.End(refused.code, refused.reason)
		return
	}
	defer h.open.Done()
	defer h.remove(s)
	defer func() { _ = conn.CloseNow() }() // for a panic; it is closed otherwise
	s.serve(func(wanted topicSet) { h.refresh(s, wanted) })
}

// Sockets is the number of open sockets.
func (h *Hub) Sockets() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.sockets
}

// add counts a socket in, or tells how it is refused.
func (h *Hub) add(s *socket, accountID int64) *ending {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closing {
		return goingAway
	}
	if a := h.accounts[accountID]; a != nil && int64(len(a.sockets)) >= h.options.MaxSockets {
		return &ending{code: ws.PolicyViolation, reason: fmt.Sprintf("State sockets limit reached (%d)", h.options.MaxSockets)}
	}
	s.account = h.accounts[accountID]
	if s.account == nil {
		s.account = &account{id: accountID}
		h.accounts[accountID] = s.account
	}
	s.account.sockets = append(s.account.sockets, s)
	h.sessions[s.session] = append(h.sessions[s.session], s)
	h.sockets++
	h.open.Add(1)
	// From here on no change passes the socket by, and the first lists are read
	// after it, together with whether the session still holds.
	s.wanted = everything
	h.schedule(s.account, 0)
	return nil
}

func (h *Hub) remove(s *socket) {
	h.mu.Lock()
	defer h.mu.Unlock()
	same := func(other *socket) bool { return other == s }
	s.account.sockets = slices.DeleteFunc(s.account.sockets, same)
	if len(s.account.sockets) == 0 {
		delete(h.accounts, s.account.id)
	}
	h.sessions[s.session] = slices.DeleteFunc(h.sessions[s.session], same)
	if len(h.sessions[s.session]) == 0 {
		delete(h.sessions, s.session)
	}
	h.sockets--
}

// refresh sends lists to one socket that asks for them.
func (h *Hub) refresh(s *socket, wanted topicSet) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s.wanted |= wanted
	h.schedule(s.account, 0)
}

// markAll makes every list of every account out of date, and so finds out which
// sessions still hold.
func (h *Hub) markAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, a := range h.accounts {
		h.mark(a, everything)
	}
}

// apply finds out whom events concern: the accounts that they name, and those
// connected accounts that are members of the organizations, with one query for
// all of them.
func (h *Hub) apply(ctx context.Context, events []event.Committed) {
	h.mu.Lock()
	organizations := map[int64]topicSet{}
	var stirred []string
	for _, e := range events {
		if id, is := e.Details["connectionId"].(string); is && e.Action == event.ConnectionPresence && !slices.Contains(stirred, id) {
			stirred = append(stirred, id)
		}
		for _, id := range e.EndedSessions {
			for _, s := range h.sessions[id] {
				s.end(loggedOut)
			}
		}
		for _, id := range e.Accounts {
			h.mark(h.accounts[id], setOf(e.AccountLists))
		}
		if id := e.Owner.AccountID(); id != nil {
			h.mark(h.accounts[*id], setOf(e.Lists))
		}
		if id := e.Owner.OrganizationID(); id != nil && len(e.Lists) > 0 {
			organizations[*id] |= setOf(e.Lists)
		}
	}
	connected := slices.Collect(maps.Keys(h.accounts))
	h.mu.Unlock()
	if len(connected) > 0 {
		h.showPresence(ctx, stirred)
	}
	if len(organizations) == 0 || len(connected) == 0 {
		return
	}

	members, err := h.membersAmong(ctx, slices.Collect(maps.Keys(organizations)), connected)
	if err != nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, member := range members {
		h.mark(h.accounts[member.AccountID], organizations[member.OrganizationID])
	}
}

// showPresence tells who has connections open.
func (h *Hub) showPresence(ctx context.Context, connections []string) {
	ctx, cancel := context.WithTimeout(ctx, computeTimeout)
	defer cancel()
	for _, id := range connections {
		data, accounts, err := h.options.Presence(ctx, id)
		var frame []byte
		if err == nil {
			frame, err = json.Marshal(struct {
				Type string `json:"type"`
				Data any    `json:"data"`
			}{"SESSION_PRESENCE", data})
		}
		if err != nil {
			h.options.Log.WarnContext(ctx, "compute who has a connection open", "error", err)
			continue
		}
		h.mu.Lock()
		for _, account := range accounts {
			if a := h.accounts[account]; a != nil {
				for _, s := range a.sockets {
					s.push("SESSION_PRESENCE "+id, frame)
				}
			}
		}
		h.mu.Unlock()
	}
}

// membersAmong asks until it is answered or the context ends: without an answer
// nobody would hear of the change.
func (h *Hub) membersAmong(ctx context.Context, organizations, accounts []int64) ([]db.ListMembersAmongRow, error) {
	var pause time.Duration
	for {
		attempt, cancel := context.WithTimeout(ctx, computeTimeout)
		members, err := h.queries.ListMembersAmong(attempt, db.ListMembersAmongParams{OrganizationIds: organizations, AccountIds: accounts})
		cancel()
		if err == nil || ctx.Err() != nil {
			return members, err
		}
		h.options.Log.WarnContext(ctx, "find the members that a change concerns", "error", err)
		pause = longer(pause)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
