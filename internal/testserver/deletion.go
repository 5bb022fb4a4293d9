package testserver

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// WhileDeleting sends a request that meets the deletion of an account: it is
// admitted before, and goes on after as soon as it has to do with the account.
func (s *Server) WhileDeleting(t testing.TB, account *Client, request func() *Response) *Response {
	t.Helper()
	tx, err := s.Pool.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
	var process int
	require.NoError(t, tx.QueryRow(t.Context(), `select pg_backend_pid() from accounts where id = $1 for update`, account.AccountID).Scan(&process))
	answers := make(chan *Response, 1)
	go func() { answers <- request() }()
	var answer *Response
	require.Eventually(t, func() bool {
		select {
		case answer = <-answers:
			return true
		default:
		}
		var waits bool
		s.Scan(t, &waits, `select exists (select from pg_stat_activity where $1 = any(pg_blocking_pids(pid)))`, process)
		return waits
	}, patience, time.Millisecond)
	// Whoever holds by now what the deletion waits for is the one to give way. Left to
	// the database, it would be whose wait is looked at last.
	deleted := make(chan struct{})
	var cancelling sync.WaitGroup
	cancelling.Go(func() {
		for {
			select {
			case <-deleted:
				return
			case <-time.After(200 * time.Millisecond):
				_, _ = s.Pool.Exec(t.Context(), `select pg_cancel_backend(pid) from unnest(pg_blocking_pids($1)) pid`, process)
			}
		}
	})
	_, err = tx.Exec(t.Context(), `delete from accounts where id = $1`, account.AccountID)
	close(deleted)
	cancelling.Wait()
	require.NoError(t, err)
	require.NoError(t, tx.Commit(t.Context()))
	if answer == nil {
		answer = <-answers
	}
	return answer
}
