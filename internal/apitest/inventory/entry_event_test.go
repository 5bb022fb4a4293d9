package inventory_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/testserver"
)

func TestEntryChangesTellWhoSeesThem(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	other := s.NewOrganization(t, s.Owner)
	next := s.Changes(t)
	told := func(want ...int64) {
		t.Helper()
		change := next()
		require.Equal(t, []event.Topic{event.Entries}, change.Topics)
		require.Equal(t, []int64{s.Owner.AccountID}, change.Accounts)
		require.ElementsMatch(t, want, change.Organizations)
	}
	folder := newFolder(s.Owner, "Shared", body{"organizationId": s.Organization})
	told(s.Organization)
	id := newEntry(s.Owner, "web", body{"folderId": folder})
	told(s.Organization)
	mine := newEntry(s.Owner, "mine", nil)
	told()
	s.Owner.Patch(entryPath(id), body{"organizationId": other}).Want(200)
	told(s.Organization, other)
	reposition(s.Owner, id, body{"folderId": nil}).Want(200)
	told(other)
	s.Owner.Post(entryPath(id)+"/duplicate", nil).Want(200)
	told()
	importInto(s.Owner, folder).Want(200) // nothing to tell
	importInto(s.Owner, folder, body{"name": "x", "ip": "x"}).Want(200)
	told(s.Organization)
	s.Owner.Patch(fmt.Sprintf("/api/folder/%d", folder), body{"organizationId": other}).Want(200)
	told(s.Organization, other)
	tag := s.Owner.Put("/api/tag", body{"name": "t", "color": "#fff"}).Want(200).ID() // shows nowhere yet
	s.Owner.Post(fmt.Sprintf("/api/tag/%d/assign/%d", tag, mine), nil).Want(200)
	told()
	s.Owner.Delete(fmt.Sprintf("/api/tag/%d/assign/%d", tag, mine)).Want(200)
	told()
	s.Owner.Patch(fmt.Sprintf("/api/tag/%d", tag), body{"color": "#000"}).Want(200)
	told()
	s.Owner.Delete(fmt.Sprintf("/api/tag/%d", tag)).Want(200)
	told()
	s.Owner.Delete(fmt.Sprintf("/api/folder/%d", folder)).Want(200)
	told(other)
	s.Owner.Delete(entryPath(id)).Want(200)
	told()
}
