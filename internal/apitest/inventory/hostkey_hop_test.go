package inventory_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	gossh "golang.org/x/crypto/ssh"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/server"
	"github.com/nexterm-go/nexterm/internal/testserver"
)

// Every host has keys of its own: a hop under its own name, and a host again on
// every way that leads to it.
func TestHostKeysOfHops(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	config := func(host string, hops ...int64) body {
		return body{"config": body{"protocol": "ssh", "ip": host, "jumpHosts": hops}}
	}
	outer := newEntry(s.Owner, "outer", config("192.0.2.1"))
	inner := newEntry(s.Owner, "inner", body{"config": body{"protocol": "ssh", "ip": "[2001:DB8::1]", "port": 2222}})
	entry := newEntry(s.Owner, "web", config("web", outer, inner))
	_, line := newPublicKey(t)
	for _, hop := range []body{nil, {"hop": 1}, {"hop": 0}, {"hop": "1"}} {
		for _, l := range []string{line, ecdsaLine} {
			pin(s.Owner, entry, l, hop).Want(200)
		}
	}
	pin(s.Owner, entry, line, body{"hop": 2}).WantError(400, "hop does not exist")
	pin(s.Owner, entry, line, body{"hop": 2147483647}).WantError(400, "hop does not exist")
	pin(s.Owner, outer, line, body{"hop": 0}).WantError(400, "hop does not exist")
	via := []string{"22 web 192.0.2.1:22,[2001:db8::1]:2222", "22 192.0.2.1", "2222 2001:db8::1 192.0.2.1:22"}
	both := func(places ...string) string {
		var all []string
		for _, place := range places {
			all = append(all, ecdsaType+" "+place, "ssh-ed25519 "+place)
		}
		return strings.Join(all, "\n")
	}
	require.Equal(t, both(via...), found(hostKeys(s.Owner, entry)))
	require.Equal(t, both(via[1]), found(hostKeys(s.Owner, outer)), "the first hop is reached as by itself")
	require.Empty(t, hostKeys(s.Owner, inner), "and the second is not")
	keys := hostKeys(s.Owner, entry)
	s.Owner.Delete(hostKeyPath(outer, keys[0].ID)).WantError(404, "Host key does not exist")
	s.Owner.Delete(hostKeyPath(entry, keys[2].ID)).Want(200)
	require.Len(t, hostKeys(s.Owner, outer), 1)

	// The keys are those of the way that there is.
	s.Owner.Patch(entryPath(entry), body{"config": body{"protocol": "ssh", "ip": "web", "jumpHosts": []int64{outer}}}).Want(200)
	require.Equal(t, "ssh-ed25519 "+via[1], found(hostKeys(s.Owner, entry)))
	s.Owner.Patch(entryPath(entry), config("web", outer, inner)).Want(200)
	require.Equal(t, found(append(keys[:2:2], keys[3:]...)), found(hostKeys(s.Owner, entry)))

	// A way that is broken shows what lies before.
	s.Owner.Patch(entryPath(inner), body{"config": body{"protocol": "rdp", "ip": "2001:db8::1"}}).Want(200)
	pin(s.Owner, entry, line, body{"hop": 1}).WantError(400, "Only SSH servers have host keys")
	s.Owner.Delete(entryPath(inner)).Want(200)
	require.Equal(t, "ssh-ed25519 "+via[1], found(hostKeys(s.Owner, entry)))
	pin(s.Owner, entry, line, nil).WantError(400, "Missing host configuration")
	pin(s.Owner, entry, line, body{"hop": 1}).WantError(400, "hop does not exist")
	pin(s.Owner, entry, line, body{"hop": 0}).Want(200)
	s.Owner.Delete(hostKeyPath(entry, keys[4].ID)).WantError(404, "Host key does not exist")
}

func TestEntriesWithoutHostKeys(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	_, line := newPublicKey(t)
	hop := newEntry(s.Owner, "hop", nil)
	for _, c := range []struct {
		entry   body
		message string
	}{
		{body{"config": body{"protocol": "rdp", "ip": "192.0.2.1", "jumpHosts": []int64{hop}}}, "Only SSH servers have host keys"},
		{body{"config": body{"ip": "192.0.2.1"}}, "Only SSH servers have host keys"},
		{body{"type": "pve-lxc"}, "Only SSH servers have host keys"},
		{body{"config": body{"protocol": "ssh"}}, "Missing host configuration"},
	} {
		entry := newEntry(s.Owner, "web", c.entry)
		pin(s.Owner, hop, line, nil).Want(200)
		require.Empty(t, hostKeys(s.Owner, entry))
		pin(s.Owner, entry, line, nil).WantError(400, c.message)
	}
	entry := newEntry(s.Owner, "files", body{"config": body{"protocol": "sftp", "ip": "192.0.2.1"}})
	require.Len(t, hostKeys(s.Owner, entry), 1, "SFTP is spoken over SSH")
}

// What a caller cannot read on the way is not told, and what lies behind it neither.
func TestHopsOfOthers(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	hop := newEntry(s.Owner, "bastion", body{"organizationId": s.Organization})
	mine := newEntry(s.Colleague, "mine", body{"config": body{"protocol": "ssh", "ip": "192.0.2.2", "jumpHosts": []int64{hop}}})
	_, line := newPublicKey(t)
	pin(s.Owner, hop, line, nil).Want(200)
	require.Empty(t, hostKeys(s.Colleague, mine), "keys belong to the owner of the entry that is connected to")
	pin(s.Colleague, mine, line, body{"hop": 0}).Want(200)
	pin(s.Colleague, mine, line, nil).Want(200)
	require.Equal(t, "ssh-ed25519 22 192.0.2.2 192.0.2.1:22\nssh-ed25519 22 192.0.2.1", found(hostKeys(s.Colleague, mine)))
	require.Len(t, hostKeys(s.Owner, hop), 1)

	shared := newEntry(s.Owner, "shared", body{"organizationId": s.Organization, "config": body{"protocol": "ssh", "ip": "192.0.2.3", "jumpHosts": []int64{newEntry(s.Owner, "private", nil)}}})
	pin(s.Owner, shared, line, body{"hop": 0}).WantError(400, "hop does not exist")
	pin(s.Owner, shared, line, nil).WantError(400, "Missing host configuration")

	s.Owner.Patch(entryPath(hop), body{"organizationId": nil}).Want(200)
	require.Empty(t, hostKeys(s.Colleague, mine))
	pin(s.Colleague, mine, line, body{"hop": 0}).WantError(400, "hop does not exist")
}

func TestHostKeysHaveALimit(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, func(o *server.Options) { o.Limits = change.Limits{change.HostKeys: 1} })
	entry := newEntry(s.Owner, "web", nil)
	_, line := newPublicKey(t)
	pin(s.Owner, entry, line, nil).Want(200)
	pin(s.Owner, entry, line, nil).Want(200)
	pin(s.Owner, entry, ecdsaLine, nil).WantError(409, "Host keys limit reached (1)")
}

// Of several decisions at once, one is first, and a key that a host shows meanwhile
// loses against none of them.
func TestHostKeysAtOnce(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	other := testserver.Serve(t, s.Pool, s.Vault)
	entry := newEntry(s.Owner, "web", nil)
	offered, _ := newPublicKey(t)
	for range 10 {
		var pins []func() *testserver.Response
		for i := range 4 {
			_, line := newPublicKey(t)
			pins = append(pins, func() *testserver.Response {
				return pin(s.Owner.On([]*testserver.Server{s, other}[i%2]), entry, line, nil)
			})
		}
		require.Equal(t, []int{200, 409, 409, 409}, sorted(pins...))
		key := hostKeys(s.Owner, entry)[0]
		offerKey(t, s, key.ID, offered)
		path := hostKeyPath(entry, key.ID)
		accept := func() *testserver.Response {
			return s.Owner.Post(path+"/accept", body{"fingerprint": gossh.FingerprintSHA256(offered)})
		}
		shown, _ := newPublicKey(t)
		statuses := sorted(accept, accept, func() *testserver.Response {
			_, err := db.New(s.Pool).OfferHostKey(t.Context(), db.OfferHostKeyParams{
				ID: key.ID, PublicKey: decode(t, key.PublicKey), OfferedType: shown.Type(), OfferedKey: shown.Marshal(),
			})
			assert.NoError(t, err)
			return s.Owner.Get(hostKeysPath(entry))
		})
		after := hostKeys(s.Owner, entry)[0]
		if after.Fingerprint == gossh.FingerprintSHA256(offered) {
			require.Equal(t, []int{200, 200, 409}, statuses)
			require.Nil(t, after.Offered, "it was shown instead of a key that is not trusted any more")
		} else {
			require.Equal(t, []int{200, 409, 409}, statuses)
			require.Equal(t, gossh.FingerprintSHA256(shown), after.Offered.Fingerprint)
		}
		gone := func() *testserver.Response { return s.Owner.Delete(path) }
		require.Equal(t, []int{200, 404, 404}, sorted(gone, gone, gone))
	}
	require.Zero(t, s.Count(t, "host_keys"))
}

// sorted are the statuses of requests that are sent at once.
func sorted(requests ...func() *testserver.Response) []int {
	statuses := testserver.AtOnce(requests...)
	slices.Sort(statuses)
	return statuses
}

func decode(t *testing.T, line string) []byte {
	t.Helper()
	key, _, _, _, err := gossh.ParseAuthorizedKey([]byte(line))
	require.NoError(t, err)
	return key.Marshal()
}
