// Package file owns the files of hosts: what the sockets of connections for files can
// do with them, and transfers over HTTP, all over SFTP. It does not know how a
// connection is made; package live has it.
package file

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/google/uuid"
	"golang.org/x/sync/semaphore"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/live"
	"github.com/nexterm-go/nexterm/internal/permission"
	"github.com/nexterm-go/nexterm/internal/ssh"
	"github.com/nexterm-go/nexterm/internal/turn"
)

const (
	// maxTransfers and maxAccountTransfers are how many transfers of a connection, and of
	// all that an account has, go on at a time; more wait. Each takes megabytes.
	maxTransfers        = 4
	maxAccountTransfers = 16
	// maxListings and maxTrees are how many folders, and folders with all that is in them,
	// are looked through for an account at a time: hosts make them as long as they like.
	maxListings = 2
	maxTrees    = 4
)

// Handlers are the operations of the tag file.
type Handlers struct {
	queries   *db.Queries
	changes   *change.Changes
	live      *live.Registry
	log       *slog.Logger
	maxUpload int64
	transfers turn.Lines[uuid.UUID]
	// These are by account.
	accountTransfers, listings, trees turn.Lines[int64]
	// pictures are looked into one after the other for an account, and decodes bounds
	// what all take.
	pictures turn.Lines[int64]
	decodes  *semaphore.Weighted

	mu sync.Mutex
	// open are the channels that the sockets of a connection share.
	open map[uuid.UUID]*shared
}

// shared is the channel of a connection, opened by the first who needs it.
type shared struct {
	mu   sync.Mutex
	host *host
}

// New returns the operations over the connections of this server. Uploads are at most
// so many bytes long, or as long as they like where that is 0.
func New(queries *db.Queries, changes *change.Changes, registry *live.Registry, maxUpload int64, log *slog.Logger) *Handlers {
	return &Handlers{
		queries: queries, changes: changes, live: registry, log: log, maxUpload: maxUpload,
		transfers: turn.Lines[uuid.UUID]{Most: maxTransfers}, pictures: turn.Lines[int64]{Most: 1}, decodes: semaphore.NewWeighted(decoding), open: map[uuid.UUID]*shared{},
		accountTransfers: turn.Lines[int64]{Most: maxAccountTransfers},
		listings:         turn.Lines[int64]{Most: maxListings}, trees: turn.Lines[int64]{Most: maxTrees},
	}
}

// shared returns the channel that the sockets of a connection share.
func (h *Handlers) shared(ctx context.Context, f *live.Files) (*host, error) {
	h.mu.Lock()
	s := h.open[f.ID]
	if s == nil {
		s = &shared{}
		h.open[f.ID] = s
		go func() {
			<-f.Done
			h.mu.Lock()
			delete(h.open, f.ID)
			h.mu.Unlock()
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.host != nil {
				s.host.Close()
			}
		}()
	}
	h.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.host != nil && !s.host.isLost() {
		return s.host, nil
	}
	var err error
	s.host, err = open(ctx, f.Open)
	select {
	case <-f.Done: // nobody else closes it any more
		if err == nil {
			s.host.Close()
			err = errLost
		}
	default:
	}
	return s.host, err
}

// own returns a channel for one transfer, or the shared one at hosts that give no more:
// that is the connection's, whatever others have.
func (h *Handlers) own(ctx context.Context, f *live.Files) (*host, func(), error) {
	own, err := open(ctx, f.New)
	if err == nil {
		return own, own.Close, nil
	}
	if !errors.Is(err, ssh.ErrNotServed) {
		return nil, nil, err
	}
	own, err = h.shared(ctx, f)
	return own, func() {}, err
}

const errForbidden = problem("Forbidden")

// need fails unless the account may do it to the connection's files by now.
func (h *Handlers) need(ctx context.Context, f *live.Files, name permission.Name) error {
	callers, _, err := caller.FindByAccount(ctx, h.queries, []int64{f.AccountID}, nil, 0)
	if err != nil {
		return err
	}
	who := callers[f.AccountID]
	if who == nil {
		return errForbidden
	}
	return who.Need(name, f.Owner, errForbidden, errForbidden)
}

// record tells what has been done, or is about to be.
func (h *Handlers) record(ctx context.Context, f *live.Files, action event.Action, details event.Details) error {
	details["entryId"] = f.EntryID
	return h.changes.Record(ctx, event.Event{Action: action, Owner: f.Owner, Details: details})
}
