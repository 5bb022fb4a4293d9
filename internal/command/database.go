package command

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/nexterm-go/nexterm/internal/postgres"
)

// poolSize is where throughput stops to grow on small machines.
const poolSize = 16

// database is the pool and, for the private one, the cluster behind it.
type database struct {
	pool    *pgxpool.Pool
	cluster *postgres.Cluster
	// failed is closed when the private cluster has ended by itself.
	failed <-chan struct{}
}

func openDatabase(ctx context.Context, settings Settings, log *slog.Logger) (*database, error) {
	d := &database{}
	url, err := settings.databaseURL()
	if err != nil {
		return nil, err
	}
	if url == "" {
		d.cluster, err = postgres.Start(ctx, postgres.Options{
			DataDir: settings.DataDir, BinDir: settings.PostgresBin, Log: log,
			Progress: func(step string) { fmt.Println(step) },
		})
		if err != nil {
			return nil, err
		}
		url, d.failed = d.cluster.URL(), d.cluster.Done()
	}
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("DATABASE_URL: %w", err), d.close())
	}
	config.MaxConns = poolSize
	config.ConnConfig.ConnectTimeout = 5 * time.Second
	config.ConnConfig.RuntimeParams["application_name"] = "nexterm"
	config.ConnConfig.RuntimeParams["statement_timeout"] = "30s"
	config.ConnConfig.RuntimeParams["idle_in_transaction_session_timeout"] = "60s"
	if d.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return nil, errors.Join(fmt.Errorf("DATABASE_URL: %w", err), d.close())
	}
	if err := d.pool.Ping(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("connect to the database: %w", err), d.close())
	}
	return d, nil
}

func (d *database) close() error {
	if d.pool != nil {
		d.pool.Close()
	}
	if d.cluster == nil {
		return nil
	}
	return d.cluster.Stop(context.Background())
}
