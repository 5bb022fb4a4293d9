package connection_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/server"
	"github.com/nexterm-go/nexterm/internal/testserver"
	"github.com/nexterm-go/nexterm/internal/testssh"
)

// Whoever loses the right to a connection loses the connection.
func TestConnectionsEndWithTheRightToThem(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	for name, c := range map[string]struct {
		lose   func(c *testserver.Client, entry int64)
		code   websocket.StatusCode
		reason string
	}{
		"login session": {func(c *testserver.Client, _ int64) { c.Post("/api/auth/logout", object{"token": c.Token}).Want(200) }, 4010, "Session invalidated"},
		"account":       {func(c *testserver.Client, _ int64) { s.Admin.Delete(fmt.Sprint("/api/users/", c.AccountID)).Want(200) }, 4010, "Session invalidated"},
		"entry":         {func(c *testserver.Client, entry int64) { c.Delete(fmt.Sprint("/api/entry/", entry)).Want(200) }, 4005, "You don't have access to this entry"},
		"permission": {func(c *testserver.Client, _ int64) {
			s.Admin.Put(fmt.Sprint("/api/permissions/users/", c.AccountID, "/permissions"), object{"permissions": object{"connect.ssh": "deny"}}).Want(200)
		}, 4005, "You don't have access to this entry"},
	} {
		t.Run(name, func(t *testing.T) {
			by := s.NewAccount(t, strings.ReplaceAll(name, " ", "-"))
			host := &testssh.Server{Shell: echo}
			entry, _ := played(t, by, host, nil)
			shell := attach(t, by, "sessionId", open(by, entry, nil))
			shell.see("ready$ ")
			c.lose(by, entry)
			shell.closed(c.code, c.reason)
			if name == "login session" {
				require.Eventually(t, func() bool { return host.Open() == 0 }, patience, 5*time.Millisecond, "the shared login goes, too")
			}
		})
	}
}

func TestKeysTakeTheirConnectionsAlong(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	entry, _ := played(t, s.Owner, &testssh.Server{Shell: echo}, nil)
	key := s.NewAPIKey(t, s.Owner)
	id := open(key, entry, nil)
	shell := attach(t, s.Owner, "sessionId", id)
	shell.see("ready$ ")
	var keys []struct{ ID int64 }
	s.Owner.Get("/api/account/api-keys").Want(200).Into(&keys)
	s.Owner.Delete(fmt.Sprint("/api/account/api-keys/", keys[0].ID)).Want(200)
	shell.closed(4010, "Session invalidated")
}

func TestHibernation(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	entry, _ := played(t, s.Owner, &testssh.Server{Shell: echo}, nil)
	id := open(s.Owner, entry, object{"tabId": "first", "browserId": "one"})
	shell := attach(t, s.Owner, "sessionId", id)
	shell.see("ready$ ")
	list := func(query string) (ids []any) {
		var all []object
		s.Owner.Get("/api/connections" + query).Want(200).Into(&all)
		for _, c := range all {
			ids = append(ids, c["isHibernated"])
		}
		return ids
	}
	require.Equal(t, []any{false}, list(""))
	require.Equal(t, []any{false}, list("?browserId=one&tabId=other"))
	require.Empty(t, list("?browserId=two"))
	s.Owner.Patch("/api/account/session-sync", object{"sessionSync": "same_tab"}).Want(200)
	require.Empty(t, list("?browserId=one&tabId=other"))
	require.Equal(t, []any{false}, list("?tabId=first"))
	s.Owner.Post("/api/connections/"+id+"/hibernate", nil).Want(200)
	require.Equal(t, []any{true}, list("?tabId=other"), "hibernated ones are everywhere")
	shell.Send("still here")
	shell.see("still here")
	s.Owner.Post("/api/connections/"+id+"/resume", object{"tabId": "other"}).Want(200)
	require.Equal(t, []any{false}, list("?tabId=other"))
	require.Empty(t, list("?tabId=first"))
	s.Owner.Post("/api/connections/"+id+"/hibernate", object{}).Want(200)
	attach(t, s.Owner, "sessionId", id).see("still here")
	require.Equal(t, []any{false}, list("?tabId=other"), "a socket resumes it")
}

// The list of the live feed is that of the operation, as each tab is to see it.
func TestTheFeedTellsEachTabItsConnections(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	s.Owner.Patch("/api/account/session-sync", object{"sessionSync": "same_tab"}).Want(200)
	feeds := map[string]*testserver.Socket{}
	next := func(tab, text string) {
		for {
			m := feeds[tab].Next()
			if m.Type == "CONNECTIONS" && strings.Contains(string(m.Data), text) && (text != "" || string(m.Data) == "[]") {
				return
			}
		}
	}
	for _, tab := range []string{"mine", "other"} {
		feeds[tab] = s.Owner.Socket("/api/ws/state?tabId=" + tab)
		next(tab, "")
	}
	entry, _ := played(t, s.Owner, &testssh.Server{Shell: echo}, nil)
	id := open(s.Owner, entry, object{"tabId": "mine"})
	next("mine", `"status":"active"`)
	next("other", "")
	s.Owner.Post("/api/connections/"+id+"/hibernate", nil).Want(200)
	next("other", id)
	s.Owner.Delete("/api/connections/" + id).Want(200)
	next("other", "")
}

func TestConnectionsThatNobodyUsesEnd(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, func(o *server.Options) { o.Connections.IdleTime = time.Second })
	entry, _ := played(t, s.Owner, &testssh.Server{Shell: echo}, nil)
	kept := open(s.Owner, entry, nil)
	s.Owner.Post("/api/connections/"+kept+"/hibernate", nil).Want(200)
	shell := attach(t, s.Owner, "sessionId", open(s.Owner, entry, nil))
	shell.see("ready$ ")
	for range 15 { // what clients send all the time is no use
		shell.Send("\x0180,24")
		time.Sleep(100 * time.Millisecond)
	}
	shell.closed(1000, "Session terminated")
	require.Equal(t, "active", state(t, s, kept))
}
