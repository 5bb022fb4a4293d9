package contentsource

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/outbound"
)

const (
	// syncTime bounds the waiting and fetching of one synchronization, so that
	// its answer comes before the server gives the request up. What is not
	// fetched by then comes with the next one.
	syncTime = 45 * time.Second
	// maxSyncBytes bounds what one synchronization fetches, in the same way.
	maxSyncBytes = 32 << 20
	// fetches is how many files are fetched at a time.
	fetches = 8
)

// Limits bound what is kept, in bytes: it is listed whole, to every account.
type Limits struct {
	// Source is for one source, All for all of them together.
	Source, All int64
}

// orDefault replaces limits that are 0.
func (l Limits) orDefault() Limits {
	return Limits{Source: cmp.Or(l.Source, 8<<20), All: cmp.Or(l.All, 32<<20)}
}

var (
	errNotFound = fail.NotFound("Source not found")
	errDisabled = fail.BadRequest("Source is disabled")
)

// Syncer brings what is stored of a source in line with what it delivers.
type Syncer struct {
	queries  *db.Queries
	changes  *change.Changes
	connect  func(context.Context) (*pgx.Conn, error)
	outbound *outbound.Client
	log      *slog.Logger
	limits   Limits
	slots    chan struct{}

	mu sync.Mutex
	// callers are the places of each account that waits for one or has one.
	callers map[int64]*callerSlots
}

// NewSyncer returns a syncer that fetches through the given client. connect opens
// a connection on which a statement may wait without a limit. Limits that are 0
// are the defaults.
func NewSyncer(queries *db.Queries, changes *change.Changes, connect func(context.Context) (*pgx.Conn, error), client *outbound.Client, log *slog.Logger, limits Limits) *Syncer {
	return &Syncer{
		queries: queries, changes: changes, connect: connect, outbound: client, log: log, limits: limits.orDefault(),
		slots: make(chan struct{}, syncs), callers: map[int64]*callerSlots{},
	}
}

// Sync waits for a running synchronization of the same source, on whatever
// server, and runs another one. That the source is unusable is an error of type
// unusable, and kept as its status.
func (s *Syncer) Sync(ctx context.Context, id int64) error {
	limited, cancel := context.WithTimeout(ctx, syncTime)
	defer cancel()
	unlock, err := s.lock(limited, id)
	if err != nil {
		return orTimeout(ctx, err)
	}
	defer unlock()
	row, err := s.queries.GetSource(ctx, id)
	if err != nil {
		return fail.OnNoRows(err, errNotFound)
	}
	if !row.Enabled {
		return errDisabled
	}
	found, err := list(limited, s.outbound, row.URL)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		s.log.DebugContext(ctx, "source is unusable", "source", id, "url", row.URL, "reason", err)
		return errors.Join(err, s.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
			tx.Record(event.Event{
				Action: event.SourceSyncFail, ResourceID: id, Details: event.Details{"name": row.Name, "reason": err.Error()},
			})
			return tx.FailSync(ctx, db.FailSyncParams{ID: id, URL: row.URL})
		}))
	}
	stored, err := s.queries.ListSourceFiles(ctx, id)
	if err != nil {
		return err
	}
	items := s.fetch(limited, id, found, stored)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return s.store(ctx, row, found, items)
}

// orTimeout names the end of the syncer's own time; the caller's stays what it is.
func orTimeout(ctx context.Context, err error) error {
	if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		return errTimeout
	}
	return err
}

// lock waits for a place on this server, then for the source. The lock lives on
// a connection of its own: fetching takes long, and the pool is for requests.
func (s *Syncer) lock(ctx context.Context, id int64) (unlock func(), err error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			leave()
		}
	}()
	conn, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	if err := db.New(conn).LockSync(ctx, fmt.Sprint("source ", id)); err != nil {
		_ = conn.Close(context.WithoutCancel(ctx))
		return nil, err
	}
	return func() {
		_ = conn.Close(context.WithoutCancel(ctx))
		leave()
	}, nil
}

// try lists what a URL delivers. Its errors are unusable, but for the end of
// the caller's time.
func (s *Syncer) try(ctx context.Context, url string) (listing, error) {
	limited, cancel := context.WithTimeout(ctx, syncTime)
	defer cancel()
	leave, err := s.enter(limited)
	if err != nil {
		return listing{}, orTimeout(ctx, err)
	}
	defer leave()
	return list(limited, s.outbound, url)
}

// fetch reads the files that are new or changed; nil stands for one that is
// kept as it is, also because it could not be fetched.
func (s *Syncer) fetch(ctx context.Context, id int64, found listing, stored []db.ListSourceFilesRow) []*item {
	known := make(map[string]db.ListSourceFilesRow, len(stored))
	for _, row := range stored {
		known[row.Path] = row
	}
	room := s.limits.Source
	for _, f := range found.files {
		room -= known[f.path].Size
	}
	items := make([]*item, len(found.files))
	var left atomic.Int64
	left.Store(min(maxSyncBytes, room))
	var group errgroup.Group
	group.SetLimit(fetches)
	for i, f := range found.files {
		if row, kept := known[f.path]; f.kind == themeKind || kept && row.Hash == f.hash {
			continue
		}
		group.Go(func() error {
			// Once the time or the room is used up, the rest is for the next time.
			if left.Load() > 0 && ctx.Err() == nil {
				items[i] = s.read(ctx, id, found, f, &left)
			}
			return nil
		})
	}
	_ = group.Wait() // no fetch returns an error
	return items
}

// read fetches one file; nil when it cannot be used or there is no room for it.
func (s *Syncer) read(ctx context.Context, id int64, found listing, f file, left *atomic.Int64) *item {
	content, err := found.read(ctx, f)
	var parsed item
	if err == nil {
		parsed, err = parseItem(f, content)
	}
	if err != nil {
		s.log.DebugContext(ctx, "skip a file of a source", "source", id, "path", f.path, "reason", err)
		return nil
	}
	if left.Add(-int64(len(content))) < 0 {
		return nil
	}
	return &parsed
}

// store writes the outcome in one transaction, unless the source has moved in
// the meantime.
func (s *Syncer) store(ctx context.Context, row db.Source, found listing, items []*item) error {
	return s.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		// One after the other, so that the sum of all sources holds.
		if err := tx.LockOrder(ctx, "sources"); err != nil {
			return err
		}
		url, err := tx.LockSource(ctx, row.ID)
		if err != nil {
			return fail.OnNoRows(err, errNotFound)
		}
		if url != row.URL {
			return nil
		}
		kept, err := tx.MeasureSources(ctx)
		if err != nil {
			return err
		}
		left := s.limits.All - kept
		scripts, snippets := gather(scriptKind, row.ID, found, items, &left), gather(snippetKind, row.ID, found, items, &left)
		if err := tx.StoreSourceScripts(ctx, scripts.changed); err != nil {
			return err
		}
		if err := tx.ArrangeSourceScripts(ctx, db.ArrangeSourceScriptsParams{SourceID: row.ID, Paths: scripts.listed}); err != nil {
			return err
		}
		if err := tx.StoreSourceSnippets(ctx, db.StoreSourceSnippetsParams(snippets.changed)); err != nil {
			return err
		}
		if err := tx.ArrangeSourceSnippets(ctx, db.ArrangeSourceSnippetsParams{SourceID: row.ID, Paths: snippets.listed}); err != nil {
			return err
		}
		tx.Record(event.Event{Action: event.SourceSync, ResourceID: row.ID, Details: event.Details{"name": row.Name}})
		return tx.FinishSync(ctx, db.FinishSyncParams{ID: row.ID, ThemeCount: found.count(themeKind)})
	})
}

// outcome is what one kind of items has come to, as far as there is room left.
// Listed is never nil, or nothing would count as gone.
type outcome struct {
	listed  []string
	changed db.StoreSourceScriptsParams
}

func gather(wanted kind, id int64, found listing, items []*item, left *int64) outcome {
	o := outcome{listed: []string{}, changed: db.StoreSourceScriptsParams{SourceID: id}}
	for i, f := range found.files {
		if f.kind != wanted {
			continue
		}
		o.listed = append(o.listed, f.path)
		if items[i] == nil {
			continue
		}
		if *left -= int64(len(items[i].text)); *left < 0 {
			continue
		}
		o.changed.Paths = append(o.changed.Paths, f.path)
		o.changed.Hashes = append(o.changed.Hashes, f.hash)
		o.changed.Names = append(o.changed.Names, items[i].name)
		o.changed.Contents = append(o.changed.Contents, items[i].text)
		o.changed.Descriptions = append(o.changed.Descriptions, items[i].description)
		o.changed.OsFilters = append(o.changed.OsFilters, strings.Join(items[i].systems, ","))
	}
	return o
}
