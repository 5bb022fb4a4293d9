package inventory_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/testserver"
)

func TestIdentityChangesTellWhoSeesThem(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	next := s.Changes(t)
	told := func(organizations ...int64) {
		t.Helper()
		require.Equal(t, event.Change{
			Topics: []event.Topic{event.Identities, event.Entries}, Accounts: []int64{s.Owner.AccountID}, Organizations: organizations,
		}, next())
	}
	id := s.Owner.Put("/api/identity", body{"name": "Own", "type": "password"}).Want(200).ID()
	told()
	s.Owner.Patch(identityPath(id), body{"name": "Renamed"}).Want(200)
	told()
	s.Owner.Patch(identityPath(id), body{"organizationId": s.Organization}).Want(200)
	told(s.Organization)
	s.Owner.Delete(identityPath(id)).Want(200)
	told(s.Organization)
}
