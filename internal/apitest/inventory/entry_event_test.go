package inventory_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/testserver"
)

func TestEntryChangesTellWhoSeesThem(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	other := s.NewOrganization(t, s.Owner)
	next := s.Events(t)
	own, shared, elsewhere := caller.Account(s.Owner.AccountID), caller.Organization(s.Organization), caller.Organization(other)
	told := func(owners ...caller.Owner) {
		t.Helper()
		for _, owner := range owners {
			e := next()
			require.Equal(t, []event.List{event.Entries}, e.Lists, e.Action)
			require.Equal(t, owner, e.Owner, e.Action)
			require.Empty(t, e.Accounts)
		}
	}
	folder := newFolder(s.Owner, "Shared", body{"organizationId": s.Organization})
	told(shared)
	id := newEntry(s.Owner, "web", body{"folderId": folder})
	told(shared)
	mine := newEntry(s.Owner, "mine", nil)
	told(own)
	s.Owner.Patch(entryPath(id), body{"organizationId": other}).Want(200)
	told(shared, elsewhere)
	reposition(s.Owner, id, body{"folderId": nil}).Want(200)
	told(elsewhere, own)
	s.Owner.Post(entryPath(id)+"/duplicate", nil).Want(200)
	told(own)
	importInto(s.Owner, folder).Want(200) // nothing to tell
	importInto(s.Owner, folder, body{"name": "x", "ip": "x"}).Want(200)
	told(shared)
	s.Owner.Patch(fmt.Sprintf("/api/folder/%d", folder), body{"organizationId": other}).Want(200)
	told(shared, elsewhere)
	tag := s.Owner.Put("/api/tag", body{"name": "t", "color": "#fff"}).Want(200).ID() // shows nowhere yet
	require.Empty(t, next().Lists)
	s.Owner.Post(fmt.Sprintf("/api/tag/%d/assign/%d", tag, mine), nil).Want(200)
	told(own)
	s.Owner.Delete(fmt.Sprintf("/api/tag/%d/assign/%d", tag, mine)).Want(200)
	told(own)
	s.Owner.Patch(fmt.Sprintf("/api/tag/%d", tag), body{"color": "#000"}).Want(200)
	told(own)
	s.Owner.Delete(fmt.Sprintf("/api/tag/%d", tag)).Want(200)
	told(own)
	s.Owner.Delete(fmt.Sprintf("/api/folder/%d", folder)).Want(200)
	told(elsewhere, elsewhere) // what lies in it goes, too
	s.Owner.Delete(entryPath(id)).Want(200)
	told(own)
}
