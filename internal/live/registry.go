// Package live owns the live connections of this server: what of them lies in memory.
// Each has one goroutine that owns its state, dials in the background and is shown in
// sockets, which come and go. All else of connections is rows in the database, which
// any server reads and writes; what others change there is heard of through events.
package live

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/guacamole"
	"github.com/nexterm-go/nexterm/internal/hostkey"
	"github.com/nexterm-go/nexterm/internal/login"
	"github.com/nexterm-go/nexterm/internal/recording"
	"github.com/nexterm-go/nexterm/internal/ssh"
	"github.com/nexterm-go/nexterm/internal/turn"
	"github.com/nexterm-go/nexterm/internal/vault"
)

const (
	// maxDials is how many connections of an account are made at a time; more wait.
	maxDials = 16
	// storeTime bounds what is written about a connection.
	storeTime = 5 * time.Second
	// shownTime is how long a failure is listed after a socket has shown it, and
	// listedTime how long at most.
	shownTime  = 500 * time.Millisecond
	listedTime = 15 * time.Second
)

// Options are what a registry is made of.
type Options struct {
	Queries  *db.Queries
	Changes  *change.Changes
	Vault    *vault.Vault
	Events   *event.Log
	Dialer   *ssh.Dialer
	HostKeys *hostkey.Store
	// Recordings keep what terminals show.
	Recordings *recording.Store
	Log        *slog.Logger
	// Guacd shows desktops, where there is one.
	Guacd guacamole.Daemon
	// Most is how many connections this server has at a time.
	Most int
	// IdleTime and HibernatedTime end connections that are not used.
	IdleTime, HibernatedTime time.Duration
	// SessionIdleDays is how long login sessions hold without being used, 0 for ever.
	SessionIdleDays int32
	// URL is where other servers reach this one, empty where there are none.
	URL string
	// PingInterval and WriteTimeout are those of sockets, 0 for the usual.
	PingInterval, WriteTimeout time.Duration
}

// Registry is the live connections of this server.
type Registry struct {
	Options
	// Node is this server among others.
	Node uuid.UUID

	logins *login.Pool
	dials  turn.Lines[int64]
	timing timing
	// work counts the goroutines that are to end before Run does.
	work sync.WaitGroup

	mu      sync.Mutex
	lives   map[uuid.UUID]*live
	closing bool
	// missed counts the last beats that could not be stored, and besides those at which
	// others were seen that cannot reach this one; both are the watch's own.
	missed, besides int
	// announced is closed when the other servers can know of this one.
	announced chan struct{}
	// check asks for a look at who may still do what, and reviewed hear of each.
	check    chan struct{}
	reviewed []func()
}

// New returns a registry without connections. Run keeps it up to date.
func New(o Options) *Registry {
	r := &Registry{
		Options: o, Node: uuid.New(), logins: login.New(), dials: turn.Lines[int64]{Most: maxDials},
		timing: timing{ping: 30 * time.Second, write: 30 * time.Second},
		lives:  map[uuid.UUID]*live{}, check: make(chan struct{}, 1), announced: make(chan struct{}),
	}
	if o.PingInterval != 0 {
		r.timing.ping = o.PingInterval
	}
	if o.WriteTimeout != 0 {
		r.timing.write = o.WriteTimeout
	}
	return r
}

// OnReview has a function called whenever it is looked at who may still do what, for what
// runs on hosts besides connections. It is for before Run.
func (r *Registry) OnReview(f func()) { r.reviewed = append(r.reviewed, f) }

// ErrFull is for connections that this server has no room for.
var ErrFull = fail.ServiceUnavailable("This server cannot take more connections")

// Room reports whether one more connection can be opened.
func (r *Registry) Room() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closing || len(r.lives) >= r.Most {
		return ErrFull
	}
	return nil
}

// Open makes a connection that is in the database, in the background.
func (r *Registry) Open(o Opening) {
	l := newLive(r, o)
	r.mu.Lock()
	if r.closing {
		r.mu.Unlock()
		l.end(ending{})
		r.store(l)
		return
	}
	r.lives[o.ID] = l
	r.work.Add(2)
	r.mu.Unlock()
	go func() {
		defer r.work.Done()
		l.run()
	}()
	go func() {
		defer r.work.Done()
		if l.Kind == "guac" {
			r.dialDesktop(l)
			return
		}
		r.dial(l)
	}()
}

// End ends a connection that is deleted, if it is here.
func (r *Registry) End(id uuid.UUID) {
	if l := r.find(id); l != nil {
		l.post(func() { l.end(terminated(true)) })
	}
}

// Direct is the login that a connection has been opened with.
func (r *Registry) Direct(id uuid.UUID) *Direct {
	if l := r.find(id); l != nil {
		return l.Direct
	}
	return nil
}

// Type types a text into a terminal as if a viewer did, and reports whether there is one.
func (r *Registry) Type(id uuid.UUID, text vault.Secret) bool {
	l := r.find(id)
	typed := false
	return l != nil && l.await(func() {
		if typed = l.shell != nil; typed {
			l.use()
			l.input = append(l.input, text...)
		}
	}) && typed
}

func (r *Registry) find(id uuid.UUID) *live {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lives[id]
}

func (r *Registry) all() []*live {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]*live, 0, len(r.lives))
	for _, l := range r.lives {
		all = append(all, l)
	}
	return all
}

// do writes about a connection, whoever has gone meanwhile.
func (r *Registry) do(what string, rule func(context.Context, *change.Tx) error) {
	ctx, cancel := context.WithTimeout(caller.WithActor(context.Background(), caller.BySystem), storeTime)
	defer cancel()
	err := r.Changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error { return fail.OnNoRows(rule(ctx, tx), nil) })
	if err != nil {
		r.Log.ErrorContext(ctx, what, "error", err)
	}
}

// told is the event of a connection that makes the lists of its account out of date.
func told(action event.Action, id uuid.UUID, accountID int64, organizationID *int64) event.Event {
	e := event.Event{
		Action: action, Details: event.Details{"connectionId": id.String()}, Lists: []event.List{},
		Accounts: []int64{accountID}, AccountLists: []event.List{event.Connections},
	}
	if organizationID != nil {
		e.Owner, e.Lists = caller.Organization(*organizationID), []event.List{event.LiveSessions}
	}
	return e
}

// Updated tells of a connection that is changed, and Ended of one that is over.
func Updated(id uuid.UUID, accountID int64, organizationID *int64) event.Event {
	return told(event.ConnectionUpdate, id, accountID, organizationID)
}

// Ended is Updated's counterpart.
func Ended(id uuid.UUID, accountID int64, organizationID *int64) event.Event {
	return told(event.ConnectionEnd, id, accountID, organizationID)
}

func (r *Registry) connected(l *live) {
	r.work.Go(func() {
		r.do("store that a connection is made", func(ctx context.Context, tx *change.Tx) error {
			row, err := tx.ConnectConnection(ctx, l.ID)
			if err == nil {
				tx.Record(Updated(l.ID, row.AccountID, row.OrganizationID))
			}
			return err
		})
	})
}

// store keeps what has become of a connection.
func (r *Registry) store(l *live) {
	if l.ending.isStored {
		return
	}
	r.do("store the end of a connection", func(ctx context.Context, tx *change.Tx) error {
		ended := db.EndConnectionParams{ID: l.ID}
		if l.ending.failure != "" {
			text := string(l.ending.failure)
			ended.Failure = &text
		}
		row, err := tx.EndConnection(ctx, ended)
		if err == nil {
			tx.Record(Ended(l.ID, row.AccountID, row.OrganizationID))
		}
		return err
	})
}

// remove forgets a connection that has ended. A failure stays listed for a moment.
func (r *Registry) remove(l *live, wasShown bool) {
	r.mu.Lock()
	delete(r.lives, l.ID)
	r.mu.Unlock()
	if l.ending.failure == "" {
		return
	}
	if wasShown {
		r.shown(l.ID)
		return
	}
	time.AfterFunc(listedTime, func() { r.unlist(l.ID) })
}

// shown takes a failure that a socket has told off the list, shortly.
func (r *Registry) shown(id uuid.UUID) { time.AfterFunc(shownTime, func() { r.unlist(id) }) }

func (r *Registry) unlist(id uuid.UUID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closing {
		return // others see it by its time
	}
	r.work.Go(func() {
		r.do("take a failed connection off the list", func(ctx context.Context, tx *change.Tx) error {
			row, err := tx.UnlistConnection(ctx, id)
			if err == nil {
				tx.Record(Updated(id, row.AccountID, row.OrganizationID))
			}
			return err
		})
	})
}
