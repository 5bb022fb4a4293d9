package server_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

// A client that goes away takes no database connection with it, whether its
// statement is running or waits: opening new ones would make everybody slow.
func TestConnectionsSurviveAbortedRequests(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	served := own(t, s)
	pool := served.Pool
	abort := func(wait time.Duration) {
		t.Helper()
		locked, err := s.Pool.Begin(t.Context())
		require.NoError(t, err)
		_, err = locked.Exec(t.Context(), `lock table sessions in access exclusive mode`)
		require.NoError(t, err)
		ctx, leave := context.WithCancel(t.Context())
		var requests sync.WaitGroup
		for range 2 * pool.Config().MaxConns {
			requests.Go(func() {
				request, err := http.NewRequestWithContext(ctx, http.MethodGet, served.URL+"/api/account/me", nil)
				require.NoError(t, err)
				request.Header.Set("Authorization", "Bearer "+s.Owner.Token)
				answer, err := http.DefaultClient.Do(request)
				if err == nil {
					_ = answer.Body.Close()
				}
				require.ErrorIs(t, err, context.Canceled)
			})
		}
		require.Eventually(t, func() bool {
			var waiting int32
			s.Scan(t, &waiting, `select count(*) from pg_stat_activity
				where datname = current_database() and application_name = 'nexterm' and wait_event_type = 'Lock'`)
			return waiting == pool.Config().MaxConns
		}, waitLimit, waitTick)
		leave()
		requests.Wait()
		time.Sleep(wait)
		require.NoError(t, locked.Rollback(t.Context()))
		require.Eventually(t, func() bool { return pool.Stat().AcquiredConns() == 0 }, waitLimit, waitTick)
		require.Eventually(t, func() bool { return s.Owner.On(served).Get("/api/account/me").Status == 200 }, waitLimit, waitTick)
	}
	connections := func() (pids []int32) {
		s.Scan(t, &pids, `select array_agg(pid order by pid) from pg_stat_activity
			where datname = current_database() and application_name = 'nexterm'`)
		return pids
	}
	abort(0)
	before, opened := connections(), pool.Stat().NewConnsCount()
	for range 3 {
		abort(0)
	}
	abort(time.Second) // PostgreSQL is asked to cancel
	require.Equal(t, opened, pool.Stat().NewConnsCount())
	require.Equal(t, before, connections())
	require.NotRegexp(t, `"level":"(WARN|ERROR)"`, served.Log.String())
}
