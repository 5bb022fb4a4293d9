package vault

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/nexterm-go/nexterm/gen/db"
)

// watchInterval is how often the data keys are looked after without being told,
// and the pause before a lost connection is replaced.
const watchInterval = 5 * time.Second

// Watch reads the data keys anew whenever they change, until the context ends, and
// shows by a lock that carries their revision which ones this server works with:
// a new key seals nothing before all servers can open it. The connection is for
// Watch alone, past a pooler that gives each transaction another session.
func (v *Vault) Watch(ctx context.Context, connect func(context.Context) (*pgx.Conn, error), log *slog.Logger) {
	for {
		err := v.watch(ctx, connect, log)
		if ctx.Err() != nil {
			return
		}
		// Whoever listens for events says louder that the same database is away.
		log.DebugContext(ctx, "watch the data keys", "error", err)
		select {
		case <-time.After(watchInterval):
		case <-ctx.Done():
			return
		}
	}
}

func (v *Vault) watch(ctx context.Context, connect func(context.Context) (*pgx.Conn, error), log *slog.Logger) error {
	conn, err := connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	// The lock of a machine that is gone without a word would stay for hours.
	if _, err := conn.Exec(ctx, "set tcp_keepalives_idle = 10; set tcp_keepalives_interval = 5; set tcp_keepalives_count = 3; listen nexterm_keys"); err != nil {
		return err
	}
	q := db.New(conn)
	var held int64
	var said string
	for {
		// What cannot be opened now may be later, when the master key is there.
		if err := v.reload(ctx, q); err != nil && err.Error() != said && ctx.Err() == nil {
			said = err.Error()
			log.ErrorContext(ctx, "read the data keys", "error", err)
		}
		if now := v.Keys().Revision; now != held {
			if err := q.HoldRevision(ctx, int32(now)); err != nil {
				return err
			}
			if held != 0 {
				if err := q.ReleaseRevision(ctx, int32(held)); err != nil {
					return err
				}
			}
			held = now
		}
		quiet, cancel := context.WithTimeout(ctx, watchInterval)
		_, err := conn.WaitForNotification(quiet)
		gone := quiet.Err() == nil
		cancel()
		if err != nil && (gone || ctx.Err() != nil) {
			return err
		}
	}
}
