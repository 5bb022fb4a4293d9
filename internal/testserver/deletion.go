package testserver

import (
	"context"
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
	// Whoever holds by now what the deletion waits for is the one to give way. The
	// database chooses whose timer ends first, which under load is either.
	_, err = tx.Exec(t.Context(), `select set_config('deadlock_timeout', '1min', true) from pg_roles where rolname = current_user and rolsuper`)
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `delete from accounts where id = $1`, account.AccountID)
	require.NoError(t, err)
	require.NoError(t, tx.Commit(t.Context()))
	if answer == nil {
		answer = <-answers
	}
	return answer
}
