package server_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

const databaseAway = "The database is not available. Please try again later."

// proxy stands between a server and its database, so that a test can take the
// database away and bring it back.
type proxy struct {
	address string
	dial    func() (net.Conn, error)

	mu       sync.Mutex
	listener net.Listener
	conns    []net.Conn
}

// cut closes every connection and refuses new ones.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.listener.Close()
	for _, conn := range p.conns {
		_ = conn.Close()
	}
	p.conns = nil
}

// restore listens again, where it did before.
func (p *proxy) restore(t *testing.T) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	var err error
	p.listener, err = net.Listen("tcp", p.address)
	require.NoError(t, err)
	p.address = p.listener.Addr().String()
	go p.serve(p.listener)
}

func (p *proxy) serve(listener net.Listener) {
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		database, err := p.dial()
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		p.conns = append(p.conns, client, database)
		p.mu.Unlock()
		for _, pair := range [][2]net.Conn{{client, database}, {database, client}} {
			go func() {
				_, _ = io.Copy(pair[0], pair[1])
				_, _ = pair[0].Close(), pair[1].Close()
			}()
		}
	}
}

// behindProxy starts two servers on one database: the second reaches it through
// a proxy, the first directly.
func behindProxy(t *testing.T) (direct, behind *testserver.Server, p *proxy) {
	t.Helper()
	direct = testserver.New(t, manyLogins)
	config := direct.Pool.Config()
	network, address := pgconn.NetworkAddress(config.ConnConfig.Host, config.ConnConfig.Port)
	p = &proxy{address: "127.0.0.1:0", dial: func() (net.Conn, error) { return net.Dial(network, address) }}
	p.restore(t)
	t.Cleanup(p.cut)
	// It stays the same; p.address is written again while the server dials.
	listening := p.address
	config.ConnConfig.DialFunc = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", listening)
	}
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return direct, testserver.Serve(t, pool, direct.Vault, manyLogins), p
}

func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	direct, behind, p := behindProxy(t)
	behind.Owner, behind.Admin = direct.Owner.On(behind), direct.Admin.On(behind)
	behind.Owner.Get("/api/account/me").Want(200)
	behind.Anonymous.Get("/readyz").Want(200)
	paths := map[string]string{}
	for _, o := range contractOperations() {
		paths[o.OperationID] = o.ownersPath(t, direct)
		if o.inQuery() {
			paths[o.OperationID] += "?token=" + direct.Owner.Token
		}
	}
	before := contents(t, direct)

	// The browser that began a sign-in with the state "".
	browser := fmt.Sprintf("__Host-nexterm-login=%x", sha256.Sum256(nil))
	p.cut()
	for _, o := range contractOperations() {
		answer := o.send(o.caller(behind).With("Cookie", browser), paths[o.OperationID], o.example(t))
		if !o.answers(http.StatusServiceUnavailable) {
			assert.Equal(t, http.StatusOK, answer.Status, "%s needs no database, says the contract", o)
			continue
		}
		assert.Equal(t, http.StatusServiceUnavailable, answer.Status, "%s answered %s", o, answer.Body)
		assert.Equal(t, databaseAway, answer.Message(), o)
	}
	behind.Anonymous.Get("/readyz").WantError(503, databaseAway)
	behind.Anonymous.Get("/healthz").Want(200)
	behind.Anonymous.Get("/metrics").Want(200)
	require.Equal(t, before, contents(t, direct))

	p.restore(t)
	require.Eventually(t, func() bool { return behind.Owner.Get("/api/account/me").Status == 200 }, waitLimit, waitTick)
	behind.Anonymous.Get("/readyz").Want(200)
	for _, o := range contractOperations() {
		answer := o.send(o.caller(behind), o.unknownPath(), o.example(t))
		assert.NotEqual(t, http.StatusServiceUnavailable, answer.Status, "%s answered %s", o, answer.Body)
	}
	require.NotContains(t, behind.Log.String(), `"level":"ERROR"`)
}

// A connection that breaks under a request answers 503 and leaves nothing behind.
func TestConnectionCutInTheMiddle(t *testing.T) {
	t.Parallel()
	direct, behind, p := behindProxy(t)
	owner := direct.Owner.On(behind)
	// Other tests use the same cluster.
	const waiting = ` from pg_locks l join pg_database d on d.oid = l.database where not l.granted and d.datname = current_database()`
	identity := map[string]any{"name": "Half", "type": "password", "password": "secret"}
	for name, cut := range map[string]func(){
		"network":  p.cut,
		"database": func() { direct.Exec(t, `select pg_terminate_backend(l.pid)`+waiting) },
	} {
		before := contents(t, direct)
		// The row is written, and the audit row of the same transaction has to wait.
		tx, err := direct.Pool.Begin(t.Context())
		require.NoError(t, err)
		_, err = tx.Exec(t.Context(), `lock table audit_logs in access exclusive mode`)
		require.NoError(t, err)
		answer := make(chan *testserver.Response)
		go func() { answer <- owner.Put("/api/identity", identity) }()
		require.Eventually(t, func() bool {
			var found bool
			direct.Scan(t, &found, `select exists (select`+waiting+`)`)
			return found
		}, waitLimit, waitTick)
		cut()
		(<-answer).WantError(503, databaseAway)
		require.NoError(t, tx.Rollback(t.Context()))
		require.Equal(t, before, contents(t, direct), name)
		if name == "network" {
			p.restore(t)
		}
		require.Eventually(t, func() bool { return owner.Get("/api/account/me").Status == 200 }, waitLimit, waitTick)
	}
	owner.Put("/api/identity", identity).Want(200)
	require.NotContains(t, behind.Log.String(), `"level":"ERROR"`)
}

// More requests than connections wait for their turn.
func TestMoreRequestsThanConnections(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	var wait sync.WaitGroup
	for range 64 {
		wait.Go(func() {
			if answer := s.Owner.Get("/api/identity/list"); answer.Status != 200 {
				t.Errorf("%d: %s", answer.Status, answer.Body)
			}
		})
	}
	wait.Wait()
	require.Zero(t, s.Pool.Stat().AcquiredConns())
}
