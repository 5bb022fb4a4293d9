package server_test

import (
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/app"
	"github.com/nexterm-go/nexterm/internal/testdb"
	"github.com/nexterm-go/nexterm/internal/testserver"
	"github.com/nexterm-go/nexterm/internal/vault"
)

// A database that keeps its connections and answers nothing, as one does whose
// machine hangs, keeps no request waiting for long; and whoever serves next is
// used, be it the same one or another.
func TestFrozenDatabase(t *testing.T) {
	t.Parallel()
	primary := testdb.NewCluster(t)
	var serving atomic.Pointer[testdb.Cluster]
	serving.Store(primary)
	p := &proxy{address: "127.0.0.1:0", dial: func() (net.Conn, error) {
		config, err := pgconn.ParseConfig(serving.Load().URL())
		if err != nil {
			return nil, err
		}
		network, address := pgconn.NetworkAddress(config.Host, config.Port)
		return net.Dial(network, address)
	}}
	p.restore(t)
	t.Cleanup(p.cut)
	config, err := pgxpool.ParseConfig(primary.URL())
	require.NoError(t, err)
	pool, err := app.OpenPool(t.Context(), fmt.Sprintf("postgres://%s@%s/%s?sslmode=disable",
		config.ConnConfig.User, p.address, config.ConnConfig.Database))
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	keys, err := vault.Load(t.Context(), db.New(pool), vault.MasterKey{1, 2, 3})
	require.NoError(t, err)
	s := testserver.Serve(t, pool, keys)
	owner := s.NewAccount(t, "owner")

	const requests, limit = 16, 15 * time.Second
	var answered atomic.Int32
	var working sync.WaitGroup
	for i := range requests {
		working.Go(func() {
			for {
				began := time.Now()
				var answer *testserver.Response
				if i%2 == 0 {
					answer = owner.Get("/api/account/me")
				} else {
					answer = owner.Put("/api/identity", object{"name": "Some", "type": "password", "password": "secret"})
				}
				if answer.Status == http.StatusOK {
					answered.Add(1)
					continue
				}
				assert.Equal(t, http.StatusServiceUnavailable, answer.Status, "%s", answer.Body)
				assert.Less(t, time.Since(began), limit)
				return
			}
		})
	}
	require.Eventually(t, func() bool { return answered.Load() > 100 }, waitLimit, waitTick)
	thaw := primary.Freeze(t)
	working.Wait()

	succeeds := func() {
		t.Helper()
		began := time.Now()
		for {
			answer := owner.Get("/api/account/me")
			if answer.Status == http.StatusOK {
				break
			}
			require.Equal(t, http.StatusServiceUnavailable, answer.Status, "%s", answer.Body)
		}
		require.Less(t, time.Since(began), waitLimit)
		owner.Put("/api/identity", object{"name": "After", "type": "ssh"}).Want(200)
	}
	thaw()
	succeeds()
	primary.Freeze(t)
	serving.Store(primary.Copy(t))
	p.cut()
	p.restore(t)
	succeeds()
	require.NotContains(t, s.Log.String(), `"level":"ERROR"`)
}
