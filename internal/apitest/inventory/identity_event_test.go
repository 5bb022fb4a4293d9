package inventory_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/testserver"
)

func TestIdentityChangesTellWhoSeesThem(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	next := s.Events(t)
	own, shared := caller.Account(s.Owner.AccountID), caller.Organization(s.Organization)
	told := func(owners ...caller.Owner) {
		t.Helper()
		for _, owner := range owners {
			e := next()
			require.Equal(t, []event.List{event.Identities, event.Entries}, e.Lists)
			require.Equal(t, owner, e.Owner)
		}
	}
	id := s.Owner.Put("/api/identity", body{"name": "Own", "type": "password"}).Want(200).ID()
	told(own)
	s.Owner.Patch(identityPath(id), body{"name": "Renamed"}).Want(200)
	told(own)
	s.Owner.Patch(identityPath(id), body{"organizationId": s.Organization}).Want(200)
	told(own, shared)
	s.Owner.Delete(identityPath(id)).Want(200)
	told(shared)
	id = s.Owner.Put("/api/identity", body{"name": "Own", "type": "password"}).Want(200).ID()
	told(own)
	s.Owner.Post(identityPath(id)+"/move", body{"organizationId": s.Organization}).Want(200)
	moved := next()
	require.Equal(t, shared, moved.Owner)
	require.Equal(t, []int64{s.Owner.AccountID}, moved.Accounts, "it leaves the account's own")
	require.Equal(t, moved.Lists, moved.AccountLists)
}
