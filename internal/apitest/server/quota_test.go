package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/server"
	"github.com/nexterm-go/nexterm/internal/testserver"
)

func limited(limits change.Limits) func(*server.Options) {
	return func(o *server.Options) { o.Limits = limits }
}

// All that adds something to an owner stops at the limit, however it adds it.
func TestOwnersHaveLimits(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, limited(change.Limits{
		change.Entries: 2, change.Folders: 2, change.Identities: 2, change.Scripts: 2, change.Snippets: 2,
		change.Organizations: 2, change.DeviceCodes: 2,
	}))
	entries, folders, identities := "Entries limit reached (2)", "Folders limit reached (2)", "Identities limit reached (2)"
	c, inOrganization := s.Owner, func(more object) object {
		more["organizationId"] = s.Organization
		return more
	}
	entry := func() object { return object{"name": "x", "config": object{}} }
	first, folder := c.Put("/api/entry", entry()).Want(200).ID(), c.Put("/api/folder", object{"name": "one"}).Want(200).ID()
	c.Post(fmt.Sprintf("/api/entry/%d/duplicate", first), nil).Want(200)
	c.Put("/api/entry", entry()).WantError(409, entries)
	c.Post(fmt.Sprintf("/api/entry/%d/duplicate", first), nil).WantError(409, entries)
	c.Post("/api/entry/import/ssh-config", object{"folderId": folder, "servers": []object{{"name": "web", "ip": "192.0.2.1"}}}).
		WantError(409, entries)
	c.Put("/api/folder", object{"name": "two"}).Want(200)
	c.Put("/api/folder", object{"name": "three"}).WantError(409, folders)

	// An organization has its own, which moves do not get around.
	for range 2 {
		c.Put("/api/entry", inOrganization(entry())).Want(200)
		c.Put("/api/folder", inOrganization(object{"name": "shared"})).Want(200)
		c.Put("/api/identity", inOrganization(object{"name": "shared", "type": "password"})).Want(200)
	}
	c.Patch(fmt.Sprintf("/api/entry/%d", first), inOrganization(object{"folderId": nil})).WantError(409, entries)
	c.Patch(fmt.Sprintf("/api/entry/%d/reposition", first), inOrganization(object{"folderId": nil, "placement": "after"})).WantError(409, entries)
	c.Patch(fmt.Sprintf("/api/folder/%d", folder), inOrganization(object{"parentId": nil})).WantError(409, folders)

	identity := c.Put("/api/identity", object{"name": "mine", "type": "password"}).Want(200).ID()
	c.Patch(fmt.Sprintf("/api/identity/%d", identity), inOrganization(object{})).WantError(409, identities)
	c.Post(fmt.Sprintf("/api/identity/%d/move", identity), inOrganization(object{})).WantError(409, identities)
	c.Put("/api/identity", object{"name": "mine", "type": "password"}).Want(200)
	c.Put("/api/identity", object{"name": "mine", "type": "password"}).WantError(409, identities)

	for range 2 {
		c.Post("/api/scripts", object{"name": "x", "content": "x"}).Want(201)
		c.Put("/api/snippet", object{"name": "x", "command": "x"}).Want(200)
		c.Post("/api/auth/device/create", object{"clientType": "connector"}).Want(200)
	}
	c.Post("/api/auth/device/create", object{"clientType": "connector"}).WantError(409, "Device codes limit reached (2)")
	c.Post("/api/scripts", object{"name": "x", "content": "x"}).WantError(409, "Scripts limit reached (2)")
	c.Put("/api/snippet", object{"name": "x", "command": "x"}).WantError(409, "Snippets limit reached (2)")
	c.Put("/api/organization", object{"name": "second"}).Want(201)
	c.Put("/api/organization", object{"name": "third"}).WantError(409, "Organizations limit reached (2)")
	var told map[string]int64
	c.Get("/api/service/limits").Want(200).Into(&told)
	require.Equal(t, map[string]int64{
		"entries": 2, "configBytes": 64 << 20, "folders": 2, "identities": 2, "scripts": 2, "snippets": 2,
		"hostKeys": 100_000, "organizations": 2, "sessions": 200, "stateSockets": 100, "deviceCodes": 2,
	}, told)
}

// However many add at once, no more is there in the end.
func TestLimitsHoldAtOnce(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, limited(change.Limits{change.Identities: 5, change.Entries: 5}))
	var group sync.WaitGroup
	var made [2]atomic.Int32
	for range 12 {
		for i, add := range []func() *testserver.Response{
			func() *testserver.Response {
				return s.Owner.Put("/api/identity", object{"name": "mine", "type": "password"})
			},
			func() *testserver.Response {
				return s.Owner.Put("/api/entry", object{"name": "x", "config": object{}})
			},
		} {
			group.Go(func() {
				if add().Status == http.StatusOK {
					made[i].Add(1)
				}
			})
		}
	}
	group.Wait()
	require.Equal(t, [2]int32{5, 5}, [2]int32{made[0].Load(), made[1].Load()})
	require.Equal(t, 5, s.Count(t, "identities"))
	require.Equal(t, 5, s.Count(t, "entries"))
}

func TestConfigurationsHaveALimitTogether(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, limited(change.Limits{change.ConfigBytes: 1000}))
	notes := func(length int) object { return object{"config": object{"notes": strings.Repeat("x", length)}} }
	c, refusal := s.Owner, "Configuration size limit reached (1000)"
	small := notes(400)
	small["name"] = "x"
	id := c.Put("/api/entry", small).Want(200).ID()
	c.Put("/api/entry", small).Want(200)
	c.Put("/api/entry", small).WantError(409, refusal)
	c.Patch(fmt.Sprintf("/api/entry/%d", id), notes(600)).WantError(409, refusal)
	c.Patch(fmt.Sprintf("/api/entry/%d", id), notes(100)).Want(200)
	c.Patch(fmt.Sprintf("/api/entry/%d", id), notes(500)).Want(200)
}

func TestTheOldestSessionMakesRoom(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, limited(change.Limits{change.Sessions: 3}))
	first := s.Owner.Socket(statePath)
	fiveLists(t, first)
	s.Exec(t, `update sessions set last_activity = now() - interval '1 hour' where account_id = $1`, s.Owner.AccountID)
	for range 3 {
		s.Anonymous.Post("/api/auth/login", object{"username": "owner", "password": testserver.Password}).Want(200)
	}
	wantLogout(t, first)
	s.Owner.Get("/api/account/me").Want(401)
	require.Equal(t, 3, s.Count(t, "sessions where account_id = $1", s.Owner.AccountID))
}

func TestAnAccountHasSoManySockets(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, limited(change.Limits{change.StateSockets: 2}))
	one := openState(t, s.Owner)
	openState(t, s.Owner)
	s.Owner.Socket(statePath).WantClose(websocket.StatusPolicyViolation, "State sockets limit reached (2)")
	openState(t, s.Colleague)
	require.NoError(t, one.Close(websocket.StatusNormalClosure, ""))
	require.Eventually(t, func() bool {
		socket := s.Owner.Socket(statePath)
		_, _, err := socket.Read(t.Context())
		return err == nil
	}, 10*time.Second, 20*time.Millisecond)
}
