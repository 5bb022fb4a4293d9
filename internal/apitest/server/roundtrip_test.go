package server_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/testdb"
	"github.com/nexterm-go/nexterm/internal/testserver"
	"github.com/nexterm-go/nexterm/internal/vault"
)

// wire counts the times that a pool's connections wait for the database, which
// is what a request takes where the database is on another machine. As a tracer
// it leaves out what goes on beside requests.
type wire struct {
	mu     sync.Mutex
	trips  int
	beside map[*trippingConn]bool
}

// trippingConn counts a round trip for every reading that follows writing. A
// connection counts from when it is in the pool: the one that listens for events
// never is.
type trippingConn struct {
	net.Conn
	wire           *wire
	pooled, writes bool
}

func (c *trippingConn) Write(b []byte) (int, error) {
	c.wire.mu.Lock()
	c.writes = true
	c.wire.mu.Unlock()
	return c.Conn.Write(b)
}

func (c *trippingConn) Read(b []byte) (int, error) {
	c.wire.mu.Lock()
	if c.writes && c.pooled && !c.wire.beside[c] {
		c.wire.trips++
	}
	c.writes = false
	c.wire.mu.Unlock()
	return c.Conn.Read(b)
}

// below is the counting connection that another one uses, through TLS or not.
func below(conn *pgx.Conn) *trippingConn {
	given := conn.PgConn().Conn()
	if encrypted, ok := given.(*tls.Conn); ok {
		given = encrypted.NetConn()
	}
	return given.(*trippingConn)
}

func (w *wire) TraceQueryStart(ctx context.Context, conn *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.beside[below(conn)] = beside(ctx)
	return ctx
}

func (w *wire) TraceQueryEnd(_ context.Context, conn *pgx.Conn, _ pgx.TraceQueryEndData) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.beside, below(conn))
}

// take returns how many round trips there were since the last time.
func (w *wire) take() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	trips := w.trips
	w.trips = 0
	return trips
}

// wired is a server of its own whose round trips are counted.
func wired(t *testing.T) (*testserver.Server, *wire) {
	t.Helper()
	w := &wire{beside: map[*trippingConn]bool{}}
	config, err := pgxpool.ParseConfig(testdb.URL(t))
	require.NoError(t, err)
	config.MaxConns = 2 // one for the request, one for what goes on beside
	config.ConnConfig.Tracer = w
	dial := config.ConnConfig.DialFunc
	config.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		return &trippingConn{Conn: conn, wire: w}, err
	}
	config.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		below(conn).pooled = true
		return nil
	}
	// Requests come slowly where tests are many; a connection that has rested is
	// asked first whether it stands.
	config.ShouldPing = func(context.Context, pgxpool.ShouldPingParams) bool { return false }
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	keys, err := vault.Load(t.Context(), db.New(pool), vault.MasterKey{1, 2, 3})
	require.NoError(t, err)
	s := testserver.Serve(t, pool, keys)
	s.Owner = s.NewAccount(t, "owner")
	return s, w
}

// A request waits for the database as often as it has to, and not for beginnings,
// commits and events of their own: these go along with its statements.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	s, w := wired(t)
	entry := newEntry(t, s, nil)
	number := 0
	for _, operation := range []struct {
		name string
		most int
		send func() *testserver.Response
	}{
		{"getMe", 2, func() *testserver.Response { return s.Owner.Get("/api/account/me") }},
		// The credential; the beginning with the lock; the update; the events with the commit.
		{"updateEntry", 4, func() *testserver.Response {
			number++
			return s.Owner.Patch(fmt.Sprintf("/api/entry/%d", entry), object{"name": fmt.Sprint("renamed ", number)})
		}},
		// The attempt; the account; the session; the events with the commit.
		{"login", 4, func() *testserver.Response { return signIn(s.Anonymous, "owner") }},
		// The credential; the beginning with the identity; its secrets with the events and the commit.
		{"createIdentity", 3, func() *testserver.Response {
			return s.Owner.Put("/api/identity", object{"name": "Deploy", "type": "password", "password": "secret"})
		}},
	} {
		// A connection prepares a statement when it first meets it, which costs one
		// more, and either connection may serve; what is seen often is what counts.
		fewest := 1 << 30
		var seen []int
		for range 8 {
			w.take()
			operation.send().Want(200)
			trips := w.take()
			seen, fewest = append(seen, trips), min(fewest, trips)
		}
		assert.LessOrEqual(t, fewest, operation.most, operation.name)
		assert.Positive(t, fewest, operation.name)
		t.Logf("%-15s %d round trips, of %v", operation.name, fewest, seen)
	}
}
