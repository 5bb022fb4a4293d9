package server_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/server"
	"github.com/nexterm-go/nexterm/internal/testserver"
)

const statePath = "/api/ws/state?tabId=one&browserId=two"

var topicOrder = []string{"ENTRIES", "IDENTITIES", "SNIPPETS", "CONNECTIONS", "LIVE_SESSIONS"}

// openState opens the feed and reads its first five lists.
func openState(t *testing.T, c *testserver.Client) *testserver.Socket {
	t.Helper()
	socket := c.Socket(statePath)
	fiveLists(t, socket)
	return socket
}

// fiveLists reads all lists in their order.
func fiveLists(t *testing.T, socket *testserver.Socket) map[string]json.RawMessage {
	t.Helper()
	lists := map[string]json.RawMessage{}
	for _, topic := range topicOrder {
		message := socket.Next()
		require.Equal(t, topic, message.Type)
		lists[topic] = message.Data
	}
	return lists
}

// nextIdentities reads until the next list of identities, and returns their names.
func nextIdentities(t *testing.T, socket *testserver.Socket) []string {
	t.Helper()
	for {
		message := socket.Next()
		if message.Type != "IDENTITIES" {
			continue
		}
		var list []struct{ Name string }
		require.NoError(t, json.Unmarshal(message.Data, &list))
		names := []string{}
		for _, item := range list {
			names = append(names, item.Name)
		}
		return names
	}
}

func createIdentity(c *testserver.Client, name string, organization any) {
	c.Put("/api/identity", object{"name": name, "type": "password", "organizationId": organization}).Want(200)
}

func createPersonal(c *testserver.Client, name string) {
	c.Put("/api/identity", object{"name": name, "type": "password"}).Want(200)
}

// tell records events as another server would.
func tell(t *testing.T, s *testserver.Server, events ...event.Event) {
	t.Helper()
	log := event.NewLog(s.Pool, slog.New(slog.DiscardHandler))
	require.NoError(t, change.New(s.Pool, log).Record(t.Context(), events...))
	log.Flush(t.Context())
}

func TestOpeningStateSendsAllListsInOrder(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	createIdentity(s.Owner, "Shared", s.Organization)
	createPersonal(s.Colleague, "Own")
	s.Owner.Put("/api/entry", object{"name": "web", "config": object{}, "organizationId": s.Organization}).Want(200)
	s.Owner.Put("/api/snippet", object{"name": "list", "command": "ls", "organizationId": s.Organization}).Want(200)
	socket := s.Colleague.Socket("/api/ws/state/")
	lists := fiveLists(t, socket)
	for topic, list := range map[string]string{
		"ENTRIES": "/api/entries/list", "IDENTITIES": "/api/identity/list", "SNIPPETS": "/api/snippet/all",
	} {
		require.JSONEq(t, string(s.Colleague.Get(list).Want(200).Body), string(lists[topic]), topic)
	}
	require.JSONEq(t, `[]`, string(lists["CONNECTIONS"]))
	require.JSONEq(t, `[]`, string(lists["LIVE_SESSIONS"]))
}

// Lists that operations answer page by page come whole, unless they are too long.
func TestLongListsComeWhole(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, func(o *server.Options) { o.ListBytes = 1 << 20 })
	const insert = `insert into snippets (account_id, name, command, sort_order) select $1, n, repeat('x', $2), n from generate_series(1, $3::integer) n`
	s.Exec(t, insert, s.Owner.AccountID, 1, 700)
	s.Exec(t, insert, s.Owner.AccountID, 60_000, 10)
	s.Exec(t, `insert into identities (account_id, name, type) select $1, n, 'ssh' from generate_series(1, 1000) n`, s.Owner.AccountID)
	lists := fiveLists(t, s.Owner.Socket(statePath))
	require.JSONEq(t, string(s.Owner.Get("/api/snippet/all").Want(200).Body), string(lists["SNIPPETS"]))
	require.JSONEq(t, string(s.Owner.Get("/api/identity/list").Want(200).Body), string(lists["IDENTITIES"]))

	s.Exec(t, insert, s.Owner.AccountID, 60_000, 10)
	socket := s.Owner.Socket(statePath)
	for _, topic := range []string{"ENTRIES", "IDENTITIES", "CONNECTIONS"} {
		require.Equal(t, topic, socket.Next().Type)
	}
	require.Contains(t, s.Log.String(), "a list is too long to be sent")
}

func TestStateChangeReachesTheAffectedOnEveryServer(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	other := testserver.Serve(t, s.Pool, s.Vault)
	colleague, elsewhere := openState(t, s.Colleague), openState(t, s.Colleague.On(other))
	stranger, admin := openState(t, s.Stranger.On(other)), openState(t, s.Admin)

	createIdentity(s.Owner, "Shared", s.Organization)
	require.Equal(t, []string{"Shared"}, nextIdentities(t, colleague))
	require.Equal(t, []string{"Shared"}, nextIdentities(t, elsewhere))

	createPersonal(s.Stranger, "Own")
	require.Equal(t, []string{"Own"}, nextIdentities(t, stranger), "the first news of the stranger is the stranger's own")
	createPersonal(s.Admin, "Own")
	require.Equal(t, []string{"Own"}, nextIdentities(t, admin))
}

func TestStateOfTabsIsTheSame(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	one, other := openState(t, s.Owner), openState(t, s.Owner)
	createPersonal(s.Owner, "Own")
	require.Equal(t, []string{"Own"}, nextIdentities(t, one))
	require.Equal(t, []string{"Own"}, nextIdentities(t, other))
}

func TestBurstIsAnsweredOnce(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	socket := openState(t, s.Owner)
	var burst []event.Event
	for range 50 {
		burst = append(burst,
			event.Event{Action: event.SnippetUpdate, Owner: caller.Account(s.Owner.AccountID)},
			event.Event{Action: event.SnippetUpdate, Owner: caller.Organization(s.Organization)})
	}
	tell(t, s, burst...)
	require.Equal(t, "SNIPPETS", socket.Next().Type)
	socket.Send(`{"action": "refresh", "type": "CONNECTIONS"}`)
	require.Equal(t, "CONNECTIONS", socket.Next().Type)
}

func TestPendingInviteesHearNothing(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	s.Invite(t, s.Stranger)
	socket, owner := openState(t, s.Stranger), openState(t, s.Owner)
	createIdentity(s.Owner, "Shared", s.Organization)
	require.Equal(t, []string{"Shared"}, nextIdentities(t, owner))
	createPersonal(s.Stranger, "Own")
	require.Equal(t, []string{"Own"}, nextIdentities(t, socket))
}

// shareUnannounced adds an identity before a socket opens: what a request announces can
// arrive after that, in the middle of what the test waits for.
func shareUnannounced(t *testing.T, s *testserver.Server) {
	t.Helper()
	s.Exec(t, `insert into identities (organization_id, name, type) values ($1, 'Shared', 'password')`, s.Organization)
}

func TestMembershipShowsInTheNextList(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	shareUnannounced(t, s)
	organization := fmt.Sprintf("/api/organization/%d", s.Organization)
	socket := openState(t, s.Colleague)

	s.Owner.Delete(fmt.Sprintf("%s/members/%d", organization, s.Colleague.AccountID)).Want(200)
	require.Empty(t, nextIdentities(t, socket))
	createIdentity(s.Owner, "Unseen", s.Organization)

	s.Owner.Post(organization+"/invite", object{"username": s.Colleague.Username}).Want(200)
	s.Colleague.Post(fmt.Sprintf("/api/organization/invitations/%d/respond", s.Organization), object{"accept": true}).Want(200)
	require.Equal(t, []string{"Shared", "Unseen"}, nextIdentities(t, socket))
	createIdentity(s.Owner, "Third", s.Organization)
	require.Equal(t, []string{"Shared", "Unseen", "Third"}, nextIdentities(t, socket))
}

func TestDeletedOrganizationDisappears(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	shareUnannounced(t, s)
	socket := openState(t, s.Colleague)
	s.Owner.Delete(fmt.Sprintf("/api/organization/%d", s.Organization)).Want(200)
	fiveLists(t, socket)
	socket.Send(`{"action": "refresh", "type": "IDENTITIES"}`)
	require.Empty(t, nextIdentities(t, socket))
}

func TestClientsAskAgain(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	socket := openState(t, s.Owner)
	s.Exec(t, `insert into identities (account_id, name, type) values ($1, 'Unannounced', 'password')`, s.Owner.AccountID)
	for _, ignored := range []string{
		``, `{`, `null`, `[]`, `"refresh"`, `{}`, `{"action": "Refresh"}`, `{"Action": "refresh"}`, `{"action": 1}`,
		`{"action": "refresh", "type": "WEATHER"}`, `{"action": "refresh", "type": "LOGOUT"}`, `{"action": "refresh", "type": 1}`,
		`{"action": "refresh"} {}`, `{"action": "refresh", "action": "refresh"}`, "{\"action\": \"\xff\"}",
		strings.Repeat("[", 64<<10), strings.Repeat("x", 64<<10),
	} {
		socket.Send(ignored)
	}
	require.NoError(t, socket.Write(t.Context(), websocket.MessageBinary, []byte(`{"action": "refresh"}`)))

	socket.Send(`{"action": "refresh", "type": "IDENTITIES"}`)
	message := socket.Next()
	require.Equal(t, "IDENTITIES", message.Type, "nothing is sent for what is ignored")
	require.Contains(t, string(message.Data), "Unannounced")
	socket.Send(`{"action": "refresh"}`)
	fiveLists(t, socket)
}

func TestWhoAsksTooOftenIsClosed(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	asking, pinging, quiet := openState(t, s.Owner), openState(t, s.Owner), openState(t, s.Owner)
	for range 80 {
		_ = asking.Write(t.Context(), websocket.MessageText, []byte(`{"action": "refresh"}`))
	}
	asking.WantClose(websocket.StatusPolicyViolation, "Too many messages")
	// Each waits for its answer: with its time over, the client would close the socket.
	for range 80 {
		go func() { _ = pinging.Ping(t.Context()) }()
	}
	pinging.WantClose(websocket.StatusPolicyViolation, "Too many messages")
	quiet.Send(`{"action": "refresh"}`)
	fiveLists(t, quiet)
}

func TestRefreshConcernsOneSocket(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	asking, quiet := openState(t, s.Owner), openState(t, s.Owner)
	asking.Send(`{"action": "refresh"}`)
	fiveLists(t, asking)
	quiet.Send(`{"action": "refresh", "type": "SNIPPETS"}`)
	require.Equal(t, "SNIPPETS", quiet.Next().Type)
}

func TestListThatFailsComesLater(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	s.Exec(t, `alter table identities rename to elsewhere`)
	socket := s.Owner.Socket(statePath)
	for message := ""; message != "LIVE_SESSIONS"; {
		message = socket.Next().Type
		require.NotEqual(t, "IDENTITIES", message)
	}
	s.Exec(t, `alter table elsewhere rename to identities`)
	require.Empty(t, nextIdentities(t, socket))
}

func TestALostConnectionLosesNoChange(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	socket := openState(t, s.Owner)
	loseConnection(t, s)
	createPersonal(s.Owner, "Own")
	require.Equal(t, []string{"Own"}, nextIdentities(t, socket))
}

func TestThousandsOfFormerMembersHearOfOneChange(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	socket := openState(t, s.Stranger)
	gone := event.Event{Action: event.OrganizationDelete, Owner: caller.Organization(987654), AccountLists: []event.List{event.LiveSessions}}
	for id := range int64(3_000) {
		gone.Accounts = append(gone.Accounts, 1_000_000+id)
	}
	gone.Accounts = append(gone.Accounts, s.Stranger.AccountID)
	tell(t, s, gone)
	require.Equal(t, "LIVE_SESSIONS", socket.Next().Type)
}

// loseConnection cuts the connections on which servers hear of changes.
func loseConnection(t *testing.T, s *testserver.Server) {
	t.Helper()
	s.Exec(t, `select pg_terminate_backend(pid) from pg_stat_activity
		where datname = current_database() and application_name = 'nexterm events'`)
}

func sessionPath(t *testing.T, s *testserver.Server, c *testserver.Client) string {
	t.Helper()
	var id int64
	s.Scan(t, &id, `select max(id) from sessions where account_id = $1`, c.AccountID)
	return fmt.Sprintf("/api/session/%d", id)
}
