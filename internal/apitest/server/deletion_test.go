package server_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

// Between its credential and its handler, a request may lose its account. That
// is neither the server's failure nor a reason to hold anybody up.
func TestCallersWhoAreDeletedMeanwhile(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	for _, o := range contractOperations() {
		if len(*o.Security) == 0 || o.inQuery() {
			continue
		}
		s.Owner = s.NewAccount(t, strings.ToLower(o.OperationID))
		s.Promote(t, s.Owner)
		path, example := o.ownersPath(t, s), o.example(t)
		answer := s.WhileDeleting(t, s.Owner, func() *testserver.Response { return o.send(s.Owner, path, example) })
		// Whoever locks a thing of the account first may lose to the deletion: 503.
		assert.NotEqual(t, 500, answer.Status, "%s answered %s", o, answer.Body)
		s.Owner.Get("/api/account/me").WantError(401, badSession)
	}
}

// Rows of accounts that are gone are recognised by the names of foreign keys.
func TestForeignKeysToAccountsAreNamedSo(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	rows, err := s.Pool.Query(t.Context(), `select conname from pg_constraint
		where contype = 'f' and (confrelid = 'accounts'::regclass) <> (conname ~ '_(account|creator|authorizer|impersonator)_exists$')`)
	require.NoError(t, err)
	otherwise, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Empty(t, otherwise)
}
