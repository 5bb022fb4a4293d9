package connection_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/permission"
	"github.com/nexterm-go/nexterm/internal/testserver"
	"github.com/nexterm-go/nexterm/internal/testssh"
)

func TestSharingByLink(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	entry, _ := played(t, s.Owner, &testssh.Server{Shell: echo}, nil)
	id := open(s.Owner, entry, nil)
	shell := attach(t, s.Owner, "sessionId", id)
	shell.see("ready$ ")
	path := "/api/connections/" + id + "/share"
	s.Owner.Patch(path, object{"writable": true}).WantError(400, "Session is not being shared")
	s.Owner.Delete(path).Want(200)
	var share, again struct {
		ShareID  string
		Writable bool
	}
	s.Owner.Post(path, nil).Want(200).Into(&share)
	require.Len(t, share.ShareID, 22)
	require.False(t, share.Writable)
	require.Equal(t, share.ShareID, connections(s.Owner)[0]["shareId"])
	require.Zero(t, s.Count(t, `connections where to_jsonb(connections)::text like '%' || $1 || '%'`, share.ShareID), "it is sealed")

	shown := s.Anonymous.Get("/api/share/" + share.ShareID).Want(200)
	require.NotContains(t, string(shown.Body), "127.0.0.1")
	require.Equal(t, "no-store", shown.Header.Get("Cache-Control"))
	s.Anonymous.Get("/api/share/"+share.ShareID[1:]).WantError(404, "Shared session not found")
	guest := attach(t, s.Anonymous, "shareId", share.ShareID)
	guest.see("ready$ ")
	guest.Send("\x01200,50")
	guest.Send("not heard")
	time.Sleep(50 * time.Millisecond)
	shell.Send("by the owner.")
	require.NotContains(t, guest.see("by the owner."), "not heard")

	s.Owner.Patch(path, object{"writable": true}).Want(200)
	require.Eventually(t, func() bool {
		guest.Send("g")
		shell.Send(".")
		seen := shell.see(".")
		return strings.Contains(seen, "g")
	}, patience, 50*time.Millisecond)
	s.Owner.Post(path, object{"writable": false}).Want(200).Into(&again)
	require.Equal(t, share.ShareID, again.ShareID, "the link stays")
	s.Owner.Delete(path).Want(200)
	guest.closed(4016, "Sharing stopped")
	attach(t, s.Anonymous, "shareId", share.ShareID).closed(4013, "Invalid share link")
	s.Owner.Post(path, nil).Want(200).Into(&again)
	require.NotEqual(t, share.ShareID, again.ShareID)
	guest = attach(t, s.Anonymous, "shareId", again.ShareID)
	guest.see("ready$ ")
	s.Owner.Delete("/api/connections/" + id).Want(200)
	guest.closed(4016, "Session terminated")
	shell.closed(1000, "Session terminated")
	files := open(s.Owner, entry, object{"type": "sftp"})
	s.Owner.Post("/api/connections/"+files+"/share", nil).WantError(400, "This session cannot be shared")
}

func TestSharingInOrganizations(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	host := testssh.Start(t, &testssh.Server{Shell: echo})
	identity := newIdentity(s.Owner, testssh.Password)
	entry := s.Owner.Put("/api/entry", object{
		"name": "shared", "organizationId": s.Organization, "config": object{"protocol": "ssh", "ip": "127.0.0.1", "port": host.Port()},
	}).Want(200).ID()
	id := open(s.Owner, entry, object{"identityId": identity})
	shell := attach(t, s.Owner, "sessionId", id)
	shell.see("ready$ ")
	settings := fmt.Sprint("/api/organization/", s.Organization, "/session-settings")
	attach(t, s.Colleague, "joinSessionId", id).closed(4007, "Session not found")
	s.OverrideMember(t, s.Colleague, permission.OrgSessionsView, "allow")
	attach(t, s.Colleague, "joinSessionId", id).closed(4003, "Live session sharing is disabled for this organization")
	s.Owner.Patch(settings, object{"enableLiveSessionSharing": true}).Want(200)
	attach(t, s.Owner, "joinSessionId", id).closed(4003, "You already own this session")
	attach(t, s.Stranger, "joinSessionId", id).closed(4007, "Session not found")
	colleague := attach(t, s.Colleague, "joinSessionId", id)
	colleague.see("ready$ ")
	colleague.Send("not heard")
	time.Sleep(50 * time.Millisecond)
	shell.Send("by the owner.")
	require.NotContains(t, colleague.see("by the owner."), "not heard")
	require.Len(t, connections(s.Owner)[0]["participants"], 2)

	presence := s.Owner.Socket("/api/ws/state")
	present := func(is func(participants []object) bool) {
		for {
			m := presence.Next()
			var shown struct {
				SessionID    string
				Participants []object
			}
			if m.Type != "SESSION_PRESENCE" {
				continue
			}
			require.NoError(t, unmarshal(m.Data, &shown))
			require.Equal(t, id, shown.SessionID)
			if is(shown.Participants) {
				return
			}
		}
	}
	second := attach(t, s.Colleague, "joinSessionId", id)
	present(func(all []object) bool {
		return len(all) == 2 && all[0]["username"] == "owner" && all[1]["username"] == "colleague" && all[1]["kind"] == "organization"
	})
	require.Len(t, connections(s.Owner)[0]["participants"], 2, "one account is one participant")
	require.NoError(t, second.Close(1000, ""))
	shell.Send("t")
	present(func(all []object) bool { return all[0]["typing"] == true })
	present(func(all []object) bool { return all[0]["typing"] == false })

	var live []object
	feed := s.Colleague.Socket("/api/ws/state")
	for {
		if m := feed.Next(); m.Type == "LIVE_SESSIONS" {
			require.NoError(t, unmarshal(m.Data, &live))
			break
		}
	}
	require.Len(t, live, 1)
	require.Equal(t, id, live[0]["id"])
	require.Equal(t, "owner", live[0]["owner"].(object)["username"])
	require.Equal(t, false, live[0]["writable"])

	s.Owner.Put(fmt.Sprint("/api/organization/", s.Organization, "/members/", s.Colleague.AccountID, "/permissions"),
		object{"permissions": object{"org.sessions.view": "allow", "org.sessions.control": "allow"}}).Want(200)
	require.Eventually(t, func() bool {
		colleague.Send("c")
		shell.Send(".")
		return strings.Contains(shell.see("."), "c")
	}, patience, 50*time.Millisecond)
	var share struct{ ShareID string }
	s.Owner.Post("/api/connections/"+id+"/share", nil).Want(200).Into(&share)
	guest := attach(t, s.Anonymous, "shareId", share.ShareID)
	guest.see("ready$ ")
	s.Owner.Patch(settings, object{"enableLiveSessionSharing": true, "enablePublicShareLinks": false}).Want(200)
	guest.closed(4016, "Sharing stopped")
	attach(t, s.Anonymous, "shareId", share.ShareID).closed(4013, "Invalid share link")
	s.Owner.Post("/api/connections/"+id+"/share", nil).WantError(403, "Public sharing is disabled for this organization")
	s.Owner.Patch(settings, object{"enableLiveSessionSharing": false}).Want(200)
	colleague.closed(4016, "Live session sharing disabled")
	s.Owner.Patch(settings, object{"enableLiveSessionSharing": true}).Want(200)
	colleague = attach(t, s.Colleague, "joinSessionId", id)
	colleague.see("ready$ ")
	s.Owner.Delete(fmt.Sprint("/api/organization/", s.Organization, "/members/", s.Colleague.AccountID)).Want(200)
	colleague.closed(4016, "Session terminated")
	shell.Send("goes on")
	shell.see("goes on")
}
