package app

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/telemetry"
)

const (
	// poolSize is where throughput stops to grow on small machines.
	poolSize = 16
	// cancelDelay is how long a statement may still end by itself when nobody waits
	// for it any more, and abandonTime how long after that moment its connection is
	// given up.
	cancelDelay = 500 * time.Millisecond
	abandonTime = 3 * time.Second
	// silenceTime is how long a database's machine may leave what is sent to it
	// without an acknowledgement.
	silenceTime = 10 * time.Second
)

// OpenPool connects to a database as a server does.
func OpenPool(ctx context.Context, url string) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("DATABASE_URL: %w", err)
	}
	config.MaxConns = poolSize
	config.ConnConfig.ConnectTimeout = 5 * time.Second
	config.ConnConfig.DialFunc = (&net.Dialer{KeepAlive: silenceTime, Control: limitSilence}).DialContext
	config.ConnConfig.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler { return &watcher{conn: conn} }
	config.ConnConfig.RuntimeParams["application_name"] = "nexterm"
	config.ConnConfig.RuntimeParams["statement_timeout"] = "30s"
	// Disks of today find a page nearly as fast as they read the next one; the
	// usual 4 makes PostgreSQL read whole tables for an account's few rows.
	config.ConnConfig.RuntimeParams["random_page_cost"] = "1.1"
	config.ConnConfig.RuntimeParams["lock_timeout"] = "3s"
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

// watcher ends what a connection does when its context ends. pgx closes the
// connection for that, which costs a new one: clients that abort their requests
// would leave the others without any. So for a request PostgreSQL is asked to
// cancel the statement. Listeners, whose waits end all the time and without harm
// to the connection, are not requests.
type watcher struct {
	ctxwatch.Handler
	conn *pgconn.PgConn
}

func (w *watcher) HandleCancel(ctx context.Context) {
	w.Handler = &pgconn.DeadlineContextWatcherHandler{Conn: w.conn.Conn()}
	if caller.ClientFrom(ctx) != (caller.Client{}) {
		w.Handler = &pgconn.CancelRequestContextWatcherHandler{
			Conn: w.conn, CancelRequestDelay: cancelDelay, DeadlineDelay: abandonTime,
		}
	}
	w.Handler.HandleCancel(ctx)
}

// patient opens connections beside a pool, on which a statement may wait without
// a limit.
func patient(pool *pgxpool.Pool) func(context.Context) (*pgx.Conn, error) {
	return func(ctx context.Context) (*pgx.Conn, error) {
		config := pool.Config().ConnConfig
		config.RuntimeParams["statement_timeout"], config.RuntimeParams["lock_timeout"] = "0", "0"
		return pgx.ConnectConfig(ctx, config)
	}
}
