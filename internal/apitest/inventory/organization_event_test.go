package inventory_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/testserver"
)

func TestOrganizationChangesTellWhoSeesThem(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	next := s.Events(t)
	entries, sharing, none := []event.List{event.Entries}, []event.List{event.LiveSessions}, []event.List{}
	invite := func(c *testserver.Client) {
		s.Owner.Post(organizationPath(s.Organization, "/invite"), body{"username": c.Username}).Want(200)
	}
	respond := func(c *testserver.Client, accept bool) {
		c.Post(fmt.Sprintf("/api/organization/invitations/%d/respond", s.Organization), body{"accept": accept}).Want(200)
	}
	// told expects what the organization and, apart from it, one account is told.
	told := func(organization int64, lists []event.List, account *testserver.Client, accountLists []event.List) {
		t.Helper()
		e := next()
		require.Equal(t, caller.Organization(organization), e.Owner, e.Action)
		require.Equal(t, lists, e.Lists, e.Action)
		if account == nil {
			require.Empty(t, e.Accounts, e.Action)
			return
		}
		require.Equal(t, []int64{account.AccountID}, e.Accounts, e.Action)
		require.Equal(t, accountLists, e.AccountLists, e.Action)
	}

	created := s.Stranger.Put("/api/organization", body{"name": "New"}).Want(201).ID()
	told(created, entries, nil, nil)
	s.Owner.Patch(organizationPath(s.Organization, ""), body{"name": "Renamed"}).Want(200)
	told(s.Organization, entries, nil, nil)
	invite(s.Stranger)
	told(s.Organization, none, nil, nil)
	respond(s.Stranger, false)
	told(s.Organization, none, nil, nil)
	invite(s.Stranger)
	told(s.Organization, none, nil, nil)
	respond(s.Stranger, true)
	told(s.Organization, none, s.Stranger, []event.List{event.Entries, event.Identities, event.Snippets, event.LiveSessions})
	s.Owner.Put(organizationPath(s.Organization, "/members/%d/permissions", s.Stranger.AccountID),
		body{"permissions": body{"org.sessions.view": "allow"}}).Want(200)
	told(s.Organization, sharing, nil, nil)
	s.Owner.Patch(organizationPath(s.Organization, "/session-settings"), body{"enableLiveSessionSharing": true}).Want(200)
	told(s.Organization, sharing, nil, nil)
	s.Stranger.Post(organizationPath(s.Organization, "/leave"), nil).Want(200)
	told(s.Organization, sharing, s.Stranger, event.AllLists)
	s.Owner.Delete(organizationPath(s.Organization, "/members/%d", s.Colleague.AccountID)).Want(200)
	told(s.Organization, sharing, s.Colleague, event.AllLists)
	s.Stranger.Delete(organizationPath(created, "")).Want(200)
	told(created, none, s.Stranger, event.AllLists)
}
