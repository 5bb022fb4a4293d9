package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/nexterm-go/nexterm/internal/app"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/postgres"
)

// database is the pool and, for the private one, the cluster behind it.
type database struct {
	pool *pgxpool.Pool
	// direct is the pool, or leads past a pooler.
	direct  *pgxpool.Pool
	cluster *postgres.Cluster
	// failed is closed when the private cluster has ended by itself.
	failed <-chan struct{}
}

// borrow opens a database as it is. The private cluster is that of a server that runs
// on it, to which it is attached then, or else started.
func (s Settings) borrow(ctx context.Context, create bool, progress io.Writer) (d *database, attached bool, err error) {
	if s.DatabaseURL == "" && !create && !postgres.HasCluster(s.DataDir) {
		return nil, false, fmt.Errorf("there is no database in %s: DATA_DIR names where the server keeps its own", s.DataDir)
	}
	d, err = openDatabase(ctx, s, s.logger(), progress)
	if attached = errors.Is(err, postgres.ErrInUse); attached {
		if s.DatabaseURL, err = postgres.Attach(ctx, s.DataDir); err != nil {
			return nil, true, err
		}
		d, err = openDatabase(ctx, s, s.logger(), progress)
	}
	return d, attached, err
}

// openDatabase tells of steps that somebody waits for.
func openDatabase(ctx context.Context, settings Settings, log *slog.Logger, progress io.Writer) (*database, error) {
	d := &database{}
	url, err := settings.withPassword("DATABASE_URL", settings.DatabaseURL)
	if err != nil {
		return nil, err
	}
	direct, err := settings.withPassword("DATABASE_DIRECT_URL", settings.DatabaseDirectURL)
	if err != nil {
		return nil, err
	}
	if url == "" {
		d.cluster, err = postgres.Start(ctx, postgres.Options{
			DataDir: settings.DataDir, BinDir: settings.PostgresBin, Log: log,
			Progress: func(step string) { fmt.Fprintln(progress, step) },
		})
		if err != nil {
			return nil, err
		}
		url, d.failed = d.cluster.URL(), d.cluster.Done()
	}
	if d.direct, err = app.OpenPool(ctx, cmp.Or(direct, url)); err != nil {
		return nil, errors.Join(err, d.close())
	}
	switch {
	case settings.DatabasePooler == "transaction":
		d.pool, err = app.OpenTransactionPool(ctx, url, d.direct)
	case direct != "":
		d.pool, err = app.OpenPool(ctx, url)
	default:
		d.pool = d.direct
	}
	if err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

// change hands over what changes the database, by the operator's hand.
func (d *database) change(ctx context.Context, log *slog.Logger, task func(context.Context, *change.Changes) error) error {
	events := event.NewLog(d.pool, log)
	defer events.Flush(context.WithoutCancel(ctx))
	return task(caller.WithActor(ctx, caller.ByOperator), change.New(d.pool, events))
}

func (d *database) close() error {
	select {
	case <-d.failed:
		return nil // the pool would wait for answers that do not come
	default:
	}
	for _, pool := range []*pgxpool.Pool{d.pool, d.direct} {
		if pool != nil {
			pool.Close()
		}
	}
	if d.cluster == nil {
		return nil
	}
	return d.cluster.Stop(context.Background())
}
