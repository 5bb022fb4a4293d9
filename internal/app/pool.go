package app

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/nexterm-go/nexterm/internal/telemetry"
)

// poolSize is where throughput stops to grow on small machines.
const poolSize = 16

// OpenPool connects to a database as a server does.
func OpenPool(ctx context.Context, url string) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("DATABASE_URL: %w", err)
	}
	config.MaxConns = poolSize
	config.ConnConfig.ConnectTimeout = 5 * time.Second
	config.ConnConfig.RuntimeParams["application_name"] = "nexterm"
	config.ConnConfig.RuntimeParams["statement_timeout"] = "30s"
	// Disks of today find a page nearly as fast as they read the next one; the
	// usual 4 makes PostgreSQL read whole tables for an account's few rows.
	config.ConnConfig.RuntimeParams["random_page_cost"] = "1.1"
	config.ConnConfig.RuntimeParams["idle_in_transaction_session_timeout"] = "60s"
	config.ConnConfig.Tracer = telemetry.QueryTracer()
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("DATABASE_URL: %w", err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("connect to the database: %w", err)
	}
	return pool, nil
}

// patient opens connections beside a pool, on which a statement may wait without
// a limit.
func patient(pool *pgxpool.Pool) func(context.Context) (*pgx.Conn, error) {
	return func(ctx context.Context) (*pgx.Conn, error) {
		config := pool.Config().ConnConfig
		config.RuntimeParams["statement_timeout"] = "0"
		return pgx.ConnectConfig(ctx, config)
	}
}
