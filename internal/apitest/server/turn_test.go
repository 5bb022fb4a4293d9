package server_test

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/app"
	"github.com/nexterm-go/nexterm/internal/server"
	"github.com/nexterm-go/nexterm/internal/testserver"
)

const tooSlow = "The request took too long. Please try again later."

// own starts a server on the database of another one, with connections as in
// production.
func own(t *testing.T, s *testserver.Server, changes ...func(*server.Options)) *testserver.Server {
	t.Helper()
	pool, err := app.OpenPool(t.Context(), s.Pool.Config().ConnString())
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return testserver.Serve(t, pool, s.Vault, changes...)
}

// meanwhile sends a request again and again while others are under way, and
// returns how long the slowest answer took.
func meanwhile(t *testing.T, working *sync.WaitGroup, request func() *testserver.Response) (slowest time.Duration) {
	t.Helper()
	var over atomic.Bool
	go func() { working.Wait(); over.Store(true) }()
	for !over.Load() {
		began := time.Now()
		request().Want(200)
		slowest = max(slowest, time.Since(began))
	}
	return slowest
}

// Whoever changes one folder many times at once waits for itself, and leaves the
// database to others, however long the folder is taken.
func TestOneAccountsImportsLeaveTheOthersAlone(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	served := own(t, s)
	owner, stranger := s.Owner.On(served), s.Stranger.On(served)
	folder := newFolder(t, s, nil)
	taken, err := s.Pool.Begin(t.Context())
	require.NoError(t, err)
	_, err = taken.Exec(t.Context(), `select pg_advisory_xact_lock(hashtextextended('nexterm.scope', $1))`, s.Owner.AccountID)
	require.NoError(t, err)
	imports := func() *testserver.Response {
		return owner.Post("/api/entry/import/ssh-config", object{"folderId": folder, "servers": []any{object{"name": "host", "ip": "192.0.2.1"}}})
	}
	var working sync.WaitGroup
	var busy, refused atomic.Int32
	for range 24 {
		working.Go(func() {
			answer := imports()
			if answer.Message() == "Somebody else is changing this. Please try again later." {
				busy.Add(1)
				assert.Equal(t, []any{503, "1"}, []any{answer.Status, answer.Header.Get("Retry-After")})
				return
			}
			if answer.Message() == tooSlow { // its turn came late
				return
			}
			refused.Add(1)
			assert.Equal(t, 429, answer.Status, "%s", answer.Body)
			assert.Equal(t, "Too many requests at a time. Please try again later.", answer.Message())
			assert.Equal(t, []string{"4;w=10", "4", "0", "1", "1"}, []string{
				answer.Header.Get("RateLimit-Policy"), answer.Header.Get("RateLimit-Limit"),
				answer.Header.Get("RateLimit-Remaining"), answer.Header.Get("RateLimit-Reset"), answer.Header.Get("Retry-After"),
			})
		})
	}
	slowest := meanwhile(t, &working, func() *testserver.Response { return stranger.Get("/api/account/me") })
	require.Less(t, slowest, time.Second)
	served.Anonymous.Get("/readyz").Want(200)
	require.Positive(t, busy.Load())
	require.Positive(t, refused.Load())
	require.NoError(t, taken.Rollback(t.Context()))
	imports().Want(200)
}

// The same holds for lists of all that an account has, and writes do not wait for
// these.
func TestOneAccountsLongListsTakeTurns(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	owner := s.Owner.On(own(t, s))
	inTime := false
	for attempt := 0; attempt < 10 && !inTime; attempt++ {
		inTime = longLists(t, s, owner)
	}
	require.True(t, inTime, "the machine is too slow to tell")
}

// What a hundred organizations may have does not fit into memory as one answer.
func TestListsThatDoNotFitAreRefused(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, func(o *server.Options) { o.ListBytes = 1 << 20 })
	s.Exec(t, `insert into entries (account_id, name, type, icon, config, rank)
		select $1, n, 'server', 'server', jsonb_build_object('notes', repeat('x', 100000)), n from generate_series(1, 11) n`, s.Owner.AccountID)
	for _, path := range []string{"/api/entry/list", "/api/entries/list"} {
		s.Owner.Get(path).WantError(503, "The list is too long to be answered")
	}
	s.Exec(t, `delete from entries where rank > 10`)
	for _, path := range []string{"/api/entry/list", "/api/entries/list"} {
		s.Owner.Get(path).Want(200)
	}
}

// longLists has lists wait for a lock, and reports whether that was shorter than the
// server lets them wait; if not, nothing is known.
func longLists(t *testing.T, s *testserver.Server, owner *testserver.Client) (inTime bool) {
	t.Helper()
	began := time.Now()
	locked, err := s.Pool.Begin(t.Context())
	require.NoError(t, err)
	_, err = locked.Exec(t.Context(), `lock table entries in access exclusive mode`)
	require.NoError(t, err)
	var working sync.WaitGroup
	statuses := make([]int, 6)
	for i := range statuses {
		working.Go(func() { statuses[i] = owner.Get("/api/entry/list").Status })
	}
	asking := func() (count int) {
		s.Scan(t, &count, `select count(*) from pg_stat_activity
			where datname = current_database() and application_name = 'nexterm' and wait_event_type = 'Lock'`)
		return count
	}
	for asking() < 2 && time.Since(began) < waitLimit {
		time.Sleep(waitTick)
	}
	owner.Put("/api/identity", object{"name": "Some", "type": "ssh"}).Want(200)
	time.Sleep(200 * time.Millisecond)
	waiting := asking()
	inTime = time.Since(began) < 2500*time.Millisecond
	require.NoError(t, locked.Rollback(t.Context()))
	working.Wait()
	if inTime {
		require.Equal(t, 2, waiting)
		require.Equal(t, []int{200, 200, 200, 200, 200, 200}, statuses)
	}
	return inTime
}

// An account that has taken all its turns waits with every operation that takes
// one, for as long as the operation may take, and is refused then.
func TestEveryOperationThatTakesTurnsRefusesThem(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, func(o *server.Options) { o.WriteTimeout = time.Minute })
	s.Promote(t, s.Owner)
	s.Exec(t, `insert into scripts (account_id, name, content) select $1, n, repeat('x', 1 << 20) from generate_series(1, 16) n`, s.Owner.AccountID)
	hold := func(request string) {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		require.NoError(t, conn.(*net.TCPConn).SetReadBuffer(4096))
		_, err = fmt.Fprintf(conn, request+"\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", s.Owner.Token)
		require.NoError(t, err)
	}
	for range 4 {
		hold("PUT /api/identity HTTP/1.1\r\nContent-Length: 10") // which never come
	}
	for range 2 {
		hold("GET /api/scripts HTTP/1.1") // whose answer nobody reads
	}
	impatient := http.Client{Timeout: time.Second}
	for method, path := range map[string]string{http.MethodDelete: "/api/tag/987654321", http.MethodGet: "/api/snippet/all"} {
		require.Eventually(t, func() bool {
			request, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, nil)
			require.NoError(t, err)
			request.Header.Set("Authorization", "Bearer "+s.Owner.Token)
			answer, err := impatient.Do(request)
			if err != nil {
				return true // it waits for its turn
			}
			return answer.Body.Close() != nil
		}, waitLimit, waitTick)
	}
	var working sync.WaitGroup
	for _, o := range contractOperations() {
		if large := o.Extensions["x-large"] == true; o.public() || o.streams() || o.Extensions["x-own-turns"] == true || o.method == http.MethodGet && !large {
			continue
		}
		working.Go(func() {
			answer := o.send(s.Owner, o.unknownPath(), o.example(t))
			assert.Equal(t, http.StatusTooManyRequests, answer.Status, "%s answered %s", o, answer.Body)
		})
	}
	working.Wait()
}
