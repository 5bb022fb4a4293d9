package inventory_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/testserver"
)

func TestOrganizationChangesTellWhoSeesThem(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	next := s.Changes(t)
	all := []event.Topic{event.Entries, event.Identities, event.Snippets, event.Connections, event.LiveSessions}
	entries, sharing := []event.Topic{event.Entries}, []event.Topic{event.LiveSessions}
	members := []int64{s.Organization}
	account := func(c *testserver.Client) []int64 { return []int64{c.AccountID} }
	invite := func(c *testserver.Client) {
		s.Owner.Post(organizationPath(s.Organization, "/invite"), body{"username": c.Username}).Want(200)
	}
	respond := func(c *testserver.Client, accept bool) {
		c.Post(fmt.Sprintf("/api/organization/invitations/%d/respond", s.Organization), body{"accept": accept}).Want(200)
	}

	created := s.Stranger.Put("/api/organization", body{"name": "New"}).Want(201).ID()
	require.Equal(t, event.Change{Topics: entries, Accounts: account(s.Stranger)}, next())
	s.Owner.Patch(organizationPath(s.Organization, ""), body{"name": "Renamed"}).Want(200)
	require.Equal(t, event.Change{Topics: entries, Organizations: members}, next())
	invite(s.Stranger) // concerns no list, nor does declining
	respond(s.Stranger, false)
	invite(s.Stranger)
	respond(s.Stranger, true)
	require.Equal(t, event.Change{
		Topics: []event.Topic{event.Entries, event.Identities, event.Snippets, event.LiveSessions}, Accounts: account(s.Stranger),
	}, next())
	s.Owner.Put(organizationPath(s.Organization, "/members/%d/permissions", s.Stranger.AccountID),
		body{"permissions": body{"org.sessions.view": "allow"}}).Want(200)
	require.Equal(t, event.Change{Topics: sharing, Organizations: members}, next())
	s.Owner.Patch(organizationPath(s.Organization, "/session-settings"), body{"enableLiveSessionSharing": true}).Want(200)
	require.Equal(t, event.Change{Topics: sharing, Organizations: members}, next())
	s.Stranger.Post(organizationPath(s.Organization, "/leave"), nil).Want(200)
	require.Equal(t, event.Change{Topics: all, Accounts: account(s.Stranger)}, next())
	require.Equal(t, event.Change{Topics: sharing, Organizations: members}, next())
	s.Owner.Delete(organizationPath(s.Organization, "/members/%d", s.Colleague.AccountID)).Want(200)
	require.Equal(t, event.Change{Topics: all, Accounts: account(s.Colleague)}, next())
	require.Equal(t, event.Change{Topics: sharing, Organizations: members}, next())
	s.Stranger.Delete(organizationPath(created, "")).Want(200)
	require.Equal(t, event.Change{Topics: all, Accounts: account(s.Stranger)}, next())
}
