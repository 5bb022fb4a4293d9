package inventory_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

func TestEntryLinks(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	const refused = "One or more identities do not exist or you don't have access to them"
	a, b, far := newIdentity(s.Owner, "One", nil), newIdentity(s.Owner, "Two", body{"organizationId": s.Organization}), newIdentity(s.Stranger, "Far", nil)
	id := newEntry(s.Owner, "web", body{"identities": []any{b, fmt.Sprint(a), b}})
	require.Equal(t, ids(b, a), identitiesOf(s.Owner, id), "repeated ones count once")
	for _, list := range [][]int64{{far}, {a, 987654}} {
		s.Owner.Put("/api/entry", entryNamed("x", body{"identities": list})).WantError(400, refused)
		s.Owner.Patch(entryPath(id), body{"identities": list}).WantError(400, refused)
	}
	require.Equal(t, []string{"web"}, entryNames(s.Owner), "nothing is written")
	s.Owner.Patch(entryPath(id), body{"identities": make([]int64, 101)}).WantError(400, "identities[0] must be a positive number")
	many := make([]int64, 101)
	for i := range many {
		many[i] = a
	}
	s.Owner.Patch(entryPath(id), body{"identities": many}).WantError(400, "identities must contain less than or equal to 100 items")
	s.Owner.Patch(entryPath(id), body{"name": "same links"}).Want(200)
	require.Equal(t, ids(b, a), identitiesOf(s.Owner, id))
	s.Owner.Patch(entryPath(id), body{"identities": []int64{a}}).Want(200)
	require.Equal(t, ids(a), identitiesOf(s.Owner, id))
	s.Owner.Patch(entryPath(id), body{"identities": []int64{}}).Want(200)
	require.Empty(t, identitiesOf(s.Owner, id))
}

func TestEntryLinksOfOthersStay(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	owners, colleagues := newIdentity(s.Owner, "Owner's", nil), newIdentity(s.Colleague, "Colleague's", nil)
	shared := newIdentity(s.Owner, "Shared", body{"organizationId": s.Organization})
	second := newIdentity(s.Owner, "Second", body{"organizationId": s.Organization})
	id := newEntry(s.Owner, "web", body{"organizationId": s.Organization, "identities": []int64{owners, shared}})
	require.Equal(t, ids(shared), identitiesOf(s.Colleague, id))

	s.Colleague.Patch(entryPath(id), body{"identities": []int64{colleagues, second}}).Want(200)
	require.Equal(t, ids(colleagues, second), identitiesOf(s.Colleague, id))
	require.Equal(t, ids(owners, second), identitiesOf(s.Owner, id), "the default that the other cannot see stays the default")

	s.Owner.Patch(entryPath(id), body{"identities": []int64{shared, owners}}).Want(200)
	require.Equal(t, ids(shared, owners), identitiesOf(s.Owner, id))
	require.Equal(t, ids(shared, colleagues), identitiesOf(s.Colleague, id), "the first becomes the default when no kept one is")
	s.Colleague.Patch(entryPath(id), body{"identities": []int64{}}).Want(200)
	require.Equal(t, ids(owners), identitiesOf(s.Owner, id), "visible links go, others stay")
}

func TestDeletedIdentitiesHandTheDefaultOn(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	a, b, c := newIdentity(s.Owner, "One", nil), newIdentity(s.Owner, "Two", nil), newIdentity(s.Owner, "Three", nil)
	id := newEntry(s.Owner, "web", body{"identities": []int64{c, a, b}})
	s.Owner.Delete(fmt.Sprintf("/api/identity/%d", c)).Want(200)
	require.Equal(t, ids(a, b), identitiesOf(s.Owner, id))
	s.Owner.Delete(fmt.Sprintf("/api/identity/%d", b)).Want(200)
	require.Equal(t, ids(a), identitiesOf(s.Owner, id))
}

func TestIdentityThatLeavesAnOrganization(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	other := s.NewOrganization(t, s.Owner)
	a := newIdentity(s.Owner, "Leaves", body{"organizationId": s.Organization})
	b := newIdentity(s.Owner, "Stays", body{"organizationId": s.Organization})
	in := func(more body) int64 {
		more["identities"] = []int64{a, b}
		return newEntry(s.Owner, "web", more)
	}
	left, target, personal := in(body{"organizationId": s.Organization}), in(body{"organizationId": other}), in(body{})
	move := func(id, organization int64) {
		s.Owner.Patch(fmt.Sprintf("/api/identity/%d", id), body{"organizationId": organization}).Want(200)
	}
	move(a, s.Organization)
	require.Equal(t, ids(a, b), identitiesOf(s.Owner, left), "the same organization is no move")
	move(a, other)
	require.Equal(t, ids(b), identitiesOf(s.Owner, left), "the next link is the default")
	require.Equal(t, ids(a, b), identitiesOf(s.Owner, target))
	require.Equal(t, ids(a, b), identitiesOf(s.Owner, personal))

	mine := newIdentity(s.Owner, "Mine", nil)
	entry := newEntry(s.Owner, "shared", body{"organizationId": s.Organization, "identities": []int64{mine}})
	require.Empty(t, identitiesOf(s.Colleague, entry))
	s.Owner.Post(fmt.Sprintf("/api/identity/%d/move", mine), body{"organizationId": s.Organization}).Want(200)
	require.Equal(t, ids(mine), identitiesOf(s.Colleague, entry), "handed over, it can be used by all members")
}

func TestIdentityThatGoesDuringADuplication(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	for range 20 {
		gone := newIdentity(s.Owner, "Gone", nil)
		id := newEntry(s.Owner, "web", body{"identities": []int64{gone}})
		var group errgroup.Group
		group.Go(func() error { s.Owner.Delete(fmt.Sprintf("/api/identity/%d", gone)).Want(200); return nil })
		group.Go(func() error { s.Owner.Post(entryPath(id)+"/duplicate", nil).Want(200); return nil })
		require.NoError(t, group.Wait())
	}
}
