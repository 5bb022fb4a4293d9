package app

import (
	"context"
	"fmt"
	"net"
	"strings"
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

// session is what holds on each connection. It is not among the parameters that a
// connection begins with: poolers refuse all but a few of those.
var session = []string{
	"statement_timeout = '30s'",
	// Disks of today find a page nearly as fast as they read the next one; the
	// usual 4 makes PostgreSQL read whole tables for an account's few rows.
	"random_page_cost = 1.1",
	"lock_timeout = '3s'",
	"idle_in_transaction_session_timeout = '60s'",
}

// OpenPool connects to a database as a server does, or to a pooler that gives each
// connection a session of its own.
func OpenPool(ctx context.Context, url string) (*pgxpool.Pool, error) {
	config, err := configure(url)
	if err != nil {
		return nil, err
	}
	config.ConnConfig.AfterConnect = func(ctx context.Context, conn *pgconn.PgConn) error {
		_, err := conn.Exec(ctx, "set "+strings.Join(session, "; set ")).ReadAll()
		return err
	}
	return open(ctx, config)
}

// OpenTransactionPool is OpenPool where a pooler may give each transaction another
// session. What holds in one is set for the role, in this database and past the
// pooler, whose later sessions begin with it. Statements are described once, and
// not prepared.
func OpenTransactionPool(ctx context.Context, url string, direct *pgxpool.Pool) (*pgxpool.Pool, error) {
	config, err := configure(url)
	if err != nil {
		return nil, err
	}
	alter := "alter role " + pgx.Identifier{config.ConnConfig.User}.Sanitize() +
		" in database " + pgx.Identifier{direct.Config().ConnConfig.Database}.Sanitize() + " set "
	// Locked, as servers that start at once would fail over one row.
	statements := "begin; select pg_advisory_xact_lock(hashtextextended('nexterm.role', 0)); " +
		alter + strings.Join(session, "; "+alter) + "; commit"
	if _, err := direct.Exec(ctx, statements, pgx.QueryExecModeSimpleProtocol); err != nil {
		return nil, fmt.Errorf("set the timeouts of the database's role: %w", err)
	}
	config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	return open(ctx, config)
}

// configure is what connections of all kinds have in common.
func configure(url string) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("DATABASE_URL: %w", err)
	}
	config.MaxConns = poolSize
	config.ConnConfig.ConnectTimeout = 5 * time.Second
	config.ConnConfig.DialFunc = (&net.Dialer{KeepAlive: silenceTime, Control: limitSilence}).DialContext
	config.ConnConfig.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler { return &watcher{conn: conn} }
	config.ConnConfig.RuntimeParams["application_name"] = "nexterm"
	config.ConnConfig.Tracer = telemetry.QueryTracer()
	return config, nil
}

func open(ctx context.Context, config *pgxpool.Config) (*pgxpool.Pool, error) {
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
		conn, err := pgx.ConnectConfig(ctx, pool.Config().ConnConfig)
		if err != nil {
			return nil, err
		}
		if _, err := conn.Exec(ctx, "set statement_timeout = 0; set lock_timeout = 0"); err != nil {
			_ = conn.Close(context.WithoutCancel(ctx))
			return nil, err
		}
		return conn, nil
	}
}
