package change_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/testdb"
)

func newChanges(t *testing.T) (*change.Changes, *pgxpool.Pool) {
	t.Helper()
	pool := testdb.New(t)
	return change.New(pool, event.NewLog(pool, slog.New(slog.DiscardHandler))), pool
}

// account adds one and returns its id and a context in which it is the caller.
func account(t *testing.T, pool *pgxpool.Pool, name string) (int64, context.Context) {
	t.Helper()
	var id int64
	require.NoError(t, pool.QueryRow(t.Context(), `insert into accounts (username, first_name, last_name, password_hash)
		values ($1, 'A', 'B', '') returning id`, name).Scan(&id))
	return id, caller.With(t.Context(), &caller.Caller{AccountID: id, SessionID: 7, Reach: []int64{id}})
}

const (
	patience = 10 * time.Second
	pause    = 5 * time.Millisecond
)

// counts are the tags, events and audit rows that there are.
func counts(t *testing.T, pool *pgxpool.Pool) (numbers [3]int) {
	t.Helper()
	require.NoError(t, pool.QueryRow(t.Context(), `select (select count(*) from tags), (select count(*) from events),
		(select count(*) from audit_logs)`).Scan(&numbers[0], &numbers[1], &numbers[2]))
	return numbers
}

func tag(accountID int64, name string) db.CreateTagParams {
	return db.CreateTagParams{AccountID: accountID, Name: name, Color: "#fff", Most: 1000}
}

func TestARuleIsKeptWithWhatItRecords(t *testing.T) {
	t.Parallel()
	changes, pool := newChanges(t)
	id, ctx := account(t, pool, "ada")
	ctx = caller.WithClient(ctx, caller.Client{IP: "192.0.2.1", UserAgent: "test"})
	require.NoError(t, changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		tx.Record(event.Event{Action: event.TagCreate, Owner: caller.Account(id), ResourceID: 3, Details: event.Details{"name": "x"}})
		tx.Record(event.Event{Action: event.AccountSettings, Owner: caller.Account(id)})
		_, err := tx.CreateTag(ctx, tag(id, "x"))
		return err
	}))
	require.Equal(t, [3]int{1, 2, 1}, counts(t, pool))
	var row struct {
		actor, action, resource, ip, agent, name string
		account, subject, session                int64
	}
	require.NoError(t, pool.QueryRow(ctx, `select l.actor, l.action, l.resource, l.ip_address, l.user_agent, l.details ->> 'name', l.account_id, l.subject_id, e.session_id
		from audit_logs l join events e on e.action = l.action`).Scan(&row.actor, &row.action, &row.resource, &row.ip, &row.agent, &row.name,
		&row.account, &row.subject, &row.session))
	require.Equal(t, "session tag.create tag 192.0.2.1 test x", row.actor+" "+row.action+" "+row.resource+" "+row.ip+" "+row.agent+" "+row.name)
	require.Equal(t, [3]int64{id, id, 7}, [3]int64{row.account, row.subject, row.session})
}

func TestAFailureUndoesEverything(t *testing.T) {
	t.Parallel()
	changes, pool := newChanges(t)
	id, ctx := account(t, pool, "ada")
	refused := errors.New("refused")
	create := func(tx *change.Tx) error {
		tx.Record(event.Event{Action: event.TagCreate, Owner: caller.Account(id)})
		_, err := tx.CreateTag(ctx, tag(id, "x"))
		return err
	}
	for name, rule := range map[string]func(*change.Tx) error{
		"the rule":            func(tx *change.Tx) error { return errors.Join(create(tx), refused) },
		"a statement":         func(tx *change.Tx) error { return errors.Join(create(tx), create(tx)) },
		"the first statement": func(tx *change.Tx) error { _, err := tx.CreateTag(ctx, tag(0, "x")); return err },
		"a swallowed failure": func(tx *change.Tx) error { _ = errors.Join(create(tx), create(tx)); return nil },
		"a deferred statement": func(tx *change.Tx) error {
			return errors.Join(create(tx), tx.Defer(func(q *db.Queries) error {
				return q.SetCredentials(ctx, db.SetCredentialsParams{IdentityID: 99, Kinds: []string{"password"}, Ciphertexts: [][]byte{{1}}})
			}))
		},
	} {
		require.Error(t, changes.Do(ctx, change.Touch{}, rule), name)
		require.Equal(t, [3]int{}, counts(t, pool), name)
	}
	require.Panics(t, func() {
		_ = changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error { _ = create(tx); panic("rule") })
	})
	require.Equal(t, [3]int{}, counts(t, pool))
	require.Zero(t, pool.Stat().AcquiredConns())
	require.NoError(t, changes.Do(ctx, change.Touch{}, create), "every connection is as good as before")
	require.Equal(t, [3]int{1, 1, 1}, counts(t, pool))
}

// A caller whose time is up leaves nothing behind, between statements and in one.
func TestADeadlineUndoesEverything(t *testing.T) {
	t.Parallel()
	changes, pool := newChanges(t)
	id, ctx := account(t, pool, "ada")
	locked, err := pool.Begin(t.Context())
	require.NoError(t, err)
	_, err = locked.Exec(t.Context(), `lock table events in access exclusive mode`)
	require.NoError(t, err)
	for _, slow := range []bool{false, true} {
		limited, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		defer cancel()
		require.ErrorIs(t, changes.Do(limited, change.Touch{}, func(tx *change.Tx) error {
			tx.Record(event.Event{Action: event.TagCreate, Owner: caller.Account(id)})
			_, err := tx.CreateTag(limited, tag(id, "x"))
			if slow {
				<-limited.Done()
			}
			return err
		}), context.DeadlineExceeded)
	}
	require.NoError(t, locked.Rollback(t.Context()))
	require.Eventually(t, func() bool { return pool.Stat().AcquiredConns() == 0 }, patience, pause)
	require.Equal(t, [3]int{}, counts(t, pool))
}

func TestDeferredStatementsComeWithTheCommit(t *testing.T) {
	t.Parallel()
	changes, pool := newChanges(t)
	id, ctx := account(t, pool, "ada")
	_, err := pool.Exec(ctx, `insert into rate_limits (limiter, subject, hits, window_ends_at) values ('a', 'b', 10, now() + interval '1 hour')`)
	require.NoError(t, err)
	forgive := func(q *db.Queries) error {
		return q.ForgiveAttempt(ctx, db.ForgiveAttemptParams{Limiter: "a", Subject: "b"})
	}
	hits := func() (hits int) {
		require.NoError(t, pool.QueryRow(ctx, `select hits from rate_limits`).Scan(&hits))
		return hits
	}
	// With nothing else, with a statement before, and with something to record.
	require.NoError(t, changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error { return tx.Defer(forgive) }))
	require.Equal(t, 9, hits())
	require.NoError(t, changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		if err := errors.Join(tx.Defer(forgive), tx.Defer(forgive)); err != nil {
			return err
		}
		_, err := tx.ListTags(ctx, id)
		return err
	}))
	require.Equal(t, 7, hits())
	require.NoError(t, changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		tx.Record(event.Event{Action: event.AccountUpdate, Owner: caller.Account(id)})
		return tx.Defer(forgive)
	}))
	require.Equal(t, 6, hits())
	require.Equal(t, [3]int{0, 1, 1}, counts(t, pool))
}

func TestActors(t *testing.T) {
	t.Parallel()
	changes, pool := newChanges(t)
	with := func(c caller.Caller) context.Context { return caller.With(t.Context(), &c) }
	for _, c := range []struct {
		ctx  context.Context
		want string
	}{
		{with(caller.Caller{AccountID: 1, SessionID: 2}), "session 1 2 - -"},
		{with(caller.Caller{AccountID: 1, APIKeyID: 3}), "api_key 1 - 3 -"},
		{with(caller.Caller{AccountID: 1, SessionID: 2, ImpersonatorID: 4}), "impersonation 1 2 - 4"},
		{caller.WithActor(t.Context(), caller.ByJob), "job - - - -"},
		{caller.WithActor(t.Context(), caller.ByOperator), "operator - - - -"},
		{t.Context(), "system - - - -"},
	} {
		require.NoError(t, changes.Record(c.ctx, event.Event{Action: event.SourceSyncFail}))
		var events, logs string
		require.NoError(t, pool.QueryRow(t.Context(), `select concat_ws(' ', actor, coalesce(account_id::text, '-'), coalesce(session_id::text, '-'),
			coalesce(api_key_id::text, '-'), coalesce(impersonator_id::text, '-')) from events order by transaction_id desc limit 1`).Scan(&events))
		require.NoError(t, pool.QueryRow(t.Context(), `select concat_ws(' ', actor, coalesce(account_id::text, '-'), coalesce(impersonator_id::text, '-'))
			from audit_logs order by id desc limit 1`).Scan(&logs))
		require.Equal(t, c.want, events)
		kind, rest := events[:len(events)-8], events[len(events)-8:]
		require.Equal(t, kind+rest[:2]+rest[6:], logs)
	}
}

// Changes of one tree wait for each other, and follow what has moved meanwhile.
func TestChangesFollowWhatMoves(t *testing.T) {
	t.Parallel()
	changes, pool := newChanges(t)
	one, _ := account(t, pool, "one")
	other, _ := account(t, pool, "other")
	ctx := caller.With(t.Context(), &caller.Caller{AccountID: one, Reach: []int64{one, other}})
	var folder int64
	require.NoError(t, pool.QueryRow(ctx, `insert into folders (account_id, name, position) values ($1, 'folder', 0) returning id`, one).Scan(&folder))
	var tries int
	inside, move := make(chan struct{}), make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		err := changes.Do(ctx, change.Touch{Folders: []int64{folder}}, func(tx *change.Tx) error {
			close(inside)
			<-move
			_, err := tx.MoveFolder(ctx, db.MoveFolderParams{ID: folder, Reach: []int64{one}, NewScope: other})
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-inside
	done.Go(func() {
		err := changes.Do(ctx, change.Touch{Folders: []int64{folder}}, func(tx *change.Tx) error {
			tries++
			row, err := tx.LockFolder(ctx, db.LockFolderParams{ID: folder, Reach: []int64{one, other}})
			if err != nil {
				return err
			}
			return tx.Check(row.Scope)
		})
		if err != nil {
			t.Error(err)
		}
	})
	require.Eventually(t, func() bool {
		var waits bool
		require.NoError(t, pool.QueryRow(ctx, `select exists (select from pg_locks where locktype = 'advisory' and not granted
			and database = (select oid from pg_database where datname = current_database()))`).Scan(&waits))
		return waits
	}, patience, pause)
	close(move)
	done.Wait()
	require.Equal(t, 2, tries)
}

// Nobody makes another organization's members wait by naming it.
func TestForeignTreesAreNotLocked(t *testing.T) {
	t.Parallel()
	changes, pool := newChanges(t)
	_, ctx := account(t, pool, "ada")
	moved := changes.Do(ctx, change.Touch{Owners: []caller.Owner{caller.Organization(5)}}, func(tx *change.Tx) error { return tx.Check(-5) })
	require.ErrorContains(t, moved, "moved")
}
