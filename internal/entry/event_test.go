package entry_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/server"
	"github.com/nexterm-go/nexterm/internal/testserver"
)

func TestWritesTellWhoSeesThem(t *testing.T) {
	t.Parallel()
	var bus *event.Bus
	s := testserver.New(t, func(o *server.Options) { bus = o.Events })
	other := s.NewOrganization(t, s.Owner)
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	changes := bus.Subscribe(ctx, 1000)
	// The first delivery shows that the bus listens.
	require.Eventually(t, func() bool {
		bus.Publish(event.Change{Topics: []event.Topic{event.Snippets}})
		select {
		case <-changes:
			return true
		case <-time.After(50 * time.Millisecond):
			return false
		}
	}, 10*time.Second, time.Millisecond)

	told := func(want ...int64) {
		t.Helper()
		for {
			select {
			case c := <-changes:
				if c.Topics[0] == event.Snippets || c.Topics[0] == event.Identities {
					continue
				}
				require.Equal(t, []event.Topic{event.Entries}, c.Topics)
				require.Equal(t, []int64{s.Owner.AccountID}, c.Accounts)
				require.ElementsMatch(t, want, c.Organizations)
				return
			case <-time.After(10 * time.Second):
				require.Fail(t, "nobody is told")
			}
		}
	}
	folder := newFolder(s.Owner, "Shared", body{"organizationId": s.Organization})
	told(s.Organization)
	id := create(s.Owner, "web", body{"folderId": folder})
	told(s.Organization)
	mine := create(s.Owner, "mine", nil)
	told()
	s.Owner.Patch(path(id), body{"organizationId": other}).Want(200)
	told(s.Organization, other)
	reposition(s.Owner, id, body{"folderId": nil}).Want(200)
	told(other)
	s.Owner.Post(path(id)+"/duplicate", nil).Want(200)
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
	s.Owner.Delete(path(id)).Want(200)
	told()
}
