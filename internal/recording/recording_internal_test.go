package recording

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/klauspost/compress/gzip"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/change"
	events "github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/ssh"
	"github.com/nexterm-go/nexterm/internal/testdb"
	"github.com/nexterm-go/nexterm/internal/vault"
)

// newStore is one of a database with an organization that records its one connection.
func newStore(t *testing.T) (*Store, *pgxpool.Pool, uuid.UUID) {
	t.Helper()
	pool := testdb.New(t)
	keys, err := vault.Load(t.Context(), db.New(pool), vault.MasterKey{1, 2, 3})
	require.NoError(t, err)
	log := slog.New(slog.DiscardHandler)
	id := uuid.New()
	for _, step := range []string{
		`insert into accounts (username, first_name, last_name, password_hash) values ('ada', 'A', 'B', '')`,
		`insert into organizations (name, audit_settings) values ('Company', '{"enableSessionRecording": true}')`,
		`insert into entries (organization_id, type, name, rank) select id, 'server', 'Host', 0 from organizations`,
	} {
		exec(t, pool, step)
	}
	exec(t, pool, `insert into connections (id, account_id, entry_id, organization_id, kind, protocol, node_id, audit_log_id)
		select $1, a.id, e.id, e.organization_id, 'terminal', 'ssh', gen_random_uuid(), 7 from accounts a, entries e`, id)
	return NewStore(db.New(pool), change.New(pool, events.NewLog(pool, log)), keys, log), pool, id
}

func exec(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) {
	t.Helper()
	_, err := pool.Exec(t.Context(), sql, args...)
	require.NoError(t, err, sql)
}

// record begins to record, with what has been shown already, until it is ended.
func record(t *testing.T, s *Store, connection uuid.UUID, shown ...string) (r *Recorder, end func()) {
	t.Helper()
	r, write, err := s.Record(t.Context(), connection, ssh.Size{Columns: 80, Rows: 24}, func() {})
	require.NoError(t, err)
	require.NotNil(t, r)
	for _, text := range shown {
		r.Show([]byte(text))
	}
	var writing sync.WaitGroup
	writing.Go(write)
	return r, func() { r.End(); writing.Wait() }
}

func play(t *testing.T, s *Store) string {
	t.Helper()
	lines, err := gzip.NewReader(&reader{ctx: t.Context(), store: s, id: 7, last: -1})
	require.NoError(t, err)
	text, err := io.ReadAll(lines)
	require.NoError(t, err)
	row, err := s.queries.GetRecording(t.Context(), 7)
	if err == nil {
		require.Equal(t, int64(len(text)), row.Bytes)
	}
	return string(text)
}

func TestOutputThatComesTogetherIsOneEvent(t *testing.T) {
	t.Parallel()
	s, pool, connection := newStore(t)
	_, end := record(t, s, connection, "a\x1b[1m\"\\", "<&>\u2028\x00", "ü\r\n")
	end()
	lines := strings.Split(play(t, s), "\n")
	require.Len(t, lines, 4, "%q", lines)
	require.Regexp(t, `^\{"version":2,"width":80,"height":24,"timestamp":\d+,`, lines[0])
	require.Regexp(t, `^\[0\.\d{6},"o","a.*ü\\r\\n"\]$`, lines[1])
	require.Regexp(t, `^\[\d+\.\d{6},"o",""\]$`, lines[2])
	var details string
	require.NoError(t, pool.QueryRow(t.Context(), `select details::text from audit_details where audit_log_id = 7`).Scan(&details))
	require.JSONEq(t, `{"hasRecording": true, "recordingType": "cast"}`, details)
}

func TestRecordingsEndWhereTheyAreLongEnough(t *testing.T) {
	t.Parallel()
	s, _, connection := newStore(t)
	s.longest = 1 << 20
	r, end := record(t, s, connection)
	for range 40 {
		r.Show(bytes.Repeat([]byte("x"), 64<<10))
		for r.Behind() {
			time.Sleep(time.Millisecond)
		}
	}
	end()
	text := play(t, s)
	require.Less(t, len(text), 1<<20+100)
	require.True(t, strings.HasSuffix(text, `"o","\r\n[recording limit reached]\r\n"]`+"\n"), text[len(text)-100:])
}

// A database that is away for a while costs nothing; one that is away for long, the
// rest of the recording, but not the terminal.
func TestTheDatabaseIsAwayWhileItIsRecorded(t *testing.T) {
	t.Parallel()
	for name, patience := range map[string]time.Duration{"a while": time.Minute, "long": 1500 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, pool, connection := newStore(t)
			s.patience = patience
			r, end := record(t, s, connection)
			exec(t, pool, `alter table recording_chunks rename to away`)
			noise := make([]byte, 128<<10) // so that there is soon enough to store
			_, _ = rand.Read(noise)
			random := hex.EncodeToString(noise)
			shown := 0
			for deadline := time.Now().Add(3 * time.Second); time.Now().Before(deadline); {
				if r.Behind() {
					time.Sleep(time.Millisecond)
					continue
				}
				shown++
				r.Show([]byte(random[shown%36 : shown%36+30_000]))
				if shown == 3000 {
					break
				}
			}
			if patience < time.Minute {
				require.Eventually(t, func() bool { return !r.Behind() }, 30*time.Second, 10*time.Millisecond)
			}
			exec(t, pool, `alter table away rename to recording_chunks`)
			if patience < time.Minute {
				r.Show([]byte("the terminal goes on"))
				end()
				exec(t, pool, `update connections set audit_log_id = null`)
				require.NoError(t, s.FinishLost(t.Context()))
				var left int
				require.NoError(t, pool.QueryRow(t.Context(), `select count(*) from recordings`).Scan(&left))
				require.Zero(t, left, "nothing of it was stored")
				return
			}
			r.Show([]byte("the end"))
			end()
			text := play(t, s)
			require.Greater(t, len(text), shown*30_000)
			require.Contains(t, text, "the end")
		})
	}
}

// Whoever finishes a recording that another server still writes has the last word.
func TestARecordingIsFinishedOnce(t *testing.T) {
	t.Parallel()
	s, pool, connection := newStore(t)
	r, end := record(t, s, connection)
	noise := strings.Repeat("0123456789", 30_000)
	for i := range 200 {
		r.Show([]byte(uuid.NewString() + noise[i:]))
		for r.Behind() {
			time.Sleep(time.Millisecond)
		}
	}
	require.Eventually(t, func() bool {
		var chunks int
		return pool.QueryRow(t.Context(), `select count(*) from recording_chunks`).Scan(&chunks) == nil && chunks > 0
	}, 10*time.Second, 5*time.Millisecond)
	require.NoError(t, s.FinishLost(t.Context()), "there is no such server")
	before := play(t, s)
	r.Show([]byte("too late"))
	end()
	require.Equal(t, before, play(t, s))
	require.True(t, strings.HasSuffix(before, "\"]\n"))
}
