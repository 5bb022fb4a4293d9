package inventory_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

const cutOff = "No valid identities found"

// A colleague may manage the entry, but does not decide where the owner's own
// identity is sent.
func TestNobodyLeadsAnothersLoginElsewhere(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	shared := func(name string, config body, identities ...int64) int64 {
		return newEntry(s.Owner, name, body{"organizationId": s.Organization, "config": config, "identities": identities})
	}
	mine, ours := login(s.Owner, "mine", nil), login(s.Owner, "ours", body{"organizationId": s.Organization})
	trap := newEntry(s.Colleague, "trap", body{"organizationId": s.Organization, "config": at("trap"), "identities": []int64{login(s.Colleague, "colleagues", nil)}})
	hop, other := shared("hop", at("hop"), mine), shared("other", at("other"), ours)
	web := shared("web", at("web", other), mine)
	personal := newEntry(s.Owner, "own", body{"config": at("own", other), "identities": []int64{mine}})
	behind := shared("behind", at("behind", hop), ours)
	for name, attack := range map[string]struct {
		entry int64
		as    body
		ways  map[int64]string
	}{
		"address":           {web, at("trap", other), map[int64]string{web: cutOff}},
		"port":              {web, body{"protocol": "ssh", "ip": "web", "port": 2222, "jumpHosts": []int64{other}}, map[int64]string{web: cutOff}},
		"protocol":          {web, body{"protocol": "ftp", "ip": "web", "port": 22, "jumpHosts": []int64{other}}, map[int64]string{web: cutOff}},
		"no hop":            {web, at("web"), map[int64]string{web: cutOff}},
		"another hop":       {web, at("web", trap), map[int64]string{web: cutOff}},
		"one more hop":      {web, at("web", trap, other), map[int64]string{web: cutOff}},
		"the hop's address": {other, at("trap"), map[int64]string{web: cutOff, personal: cutOff}},
		"the hop's port":    {other, body{"protocol": "ssh", "ip": "other", "port": 1}, map[int64]string{web: cutOff, personal: cutOff}},
		"the hop's login":   {hop, at("trap"), map[int64]string{behind: "Jump host 1: " + cutOff}},
		"a hop before it":   {behind, at("behind", trap, hop), map[int64]string{behind: "Jump host 2: " + cutOff}},
	} {
		ways := map[int64]string{
			web: "ours@other:22 mine@web:22", personal: "ours@other:22 mine@own:22", behind: "mine@hop:22 ours@behind:22",
		}
		for id, way := range ways {
			require.Equal(t, way, wayOf(t, s, id), name)
		}
		before := getEntry(s.Owner, attack.entry)["config"]
		s.Colleague.Patch(entryPath(attack.entry), body{"config": attack.as}).Want(200)
		for id, way := range attack.ways {
			require.Equal(t, way, wayOf(t, s, id), name)
		}
		// Whoever saves something else is not asked where the entry leads by now.
		current := getEntry(s.Owner, attack.entry)
		current["config"].(body)["notes"] = "seen"
		s.Owner.Patch(entryPath(attack.entry), body{"name": "renamed", "config": current["config"], "identities": current["identities"]}).Want(200)
		for id, way := range attack.ways {
			require.Equal(t, way, wayOf(t, s, id), name)
		}
		s.Colleague.Patch(entryPath(attack.entry), body{"config": before}).Want(200)
	}
	// A copy is no better than what it is made from.
	s.Colleague.Patch(entryPath(web), body{"config": at("trap")}).Want(200)
	require.Equal(t, cutOff, wayOf(t, s, s.Owner.Post(entryPath(web)+"/duplicate", nil).Want(200).ID()))
	s.Colleague.Patch(entryPath(web), body{"organizationId": nil}).Want(200)
	require.Equal(t, "No identities configured", wayOf(t, s, web), "what is taken away from all is no longer linked")
	s.Colleague.Patch(entryPath(hop), body{"organizationId": nil}).Want(200)
	require.Equal(t, "Jump host 1: Entry not found", wayOf(t, s, behind))
}

// An organization's identity is its members', wherever they send it; not those of
// another organization, behind whose hop it is used.
func TestNobodyLeadsAnotherOrganizationsLoginElsewhere(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	ours, theirs := login(s.Owner, "ours", body{"organizationId": s.Organization}), login(s.Owner, "theirs", body{"organizationId": s.NewOrganization(t, s.Owner)})
	hop := newEntry(s.Owner, "hop", body{"organizationId": s.Organization, "config": at("hop"), "identities": []int64{ours}})
	web := newEntry(s.Owner, "web", body{"organizationId": s.Organization, "config": at("web", hop), "identities": []int64{ours}})
	personal := newEntry(s.Owner, "own", body{"config": at("own", hop), "identities": []int64{theirs}})
	require.Equal(t, "ours@hop:22 theirs@own:22", wayOf(t, s, personal))
	s.Colleague.Patch(entryPath(hop), body{"config": at("moved")}).Want(200)
	require.Equal(t, "ours@moved:22 ours@web:22", wayOf(t, s, web))
	require.Equal(t, cutOff, wayOf(t, s, personal))
}

func TestLoginsFollowTheirOwner(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	mine, colleagues := login(s.Owner, "mine", nil), login(s.Colleague, "colleagues", nil)
	shared := func(config body) int64 {
		return newEntry(s.Owner, "web", body{"organizationId": s.Organization, "config": config, "identities": []int64{mine}})
	}
	hop := shared(at("hop"))
	web := shared(at("web", hop))
	personal := newEntry(s.Owner, "own", body{"config": at("own", hop), "identities": []int64{mine}})
	patch := func(c *testserver.Client, id int64, config body) {
		c.Patch(entryPath(id), body{"config": config}).Want(200)
	}
	require.Equal(t, "mine@hop:22 mine@web:22", wayOf(t, s, web))
	patch(s.Owner, web, at("www", hop))
	patch(s.Owner, hop, at("bastion"))
	require.Equal(t, "mine@bastion:22 mine@www:22", wayOf(t, s, web), "to a new address, and behind a moved hop")
	require.Equal(t, "mine@bastion:22 mine@own:22", wayOf(t, s, personal))
	patch(s.Owner, web, at("www"))
	require.Equal(t, "mine@www:22", wayOf(t, s, web))

	// What a colleague has changed on the way is not taken over with an own change.
	patch(s.Owner, web, at("www", hop))
	s.Colleague.Patch(entryPath(web), body{"identities": []int64{colleagues}}).Want(200)
	patch(s.Colleague, hop, body{"protocol": "ssh", "ip": "trap"})
	s.Colleague.Patch(entryPath(hop), body{"identities": []int64{colleagues}}).Want(200)
	require.Equal(t, "colleagues@trap:22 colleagues@www:22", wayOf(t, s, web), "those of whoever has changed it go along")
	s.Colleague.Patch(entryPath(web), body{"identities": []int64{}}).Want(200)
	patch(s.Owner, web, body{"protocol": "ssh", "ip": "www", "port": 2222, "jumpHosts": []int64{hop}})
	require.Equal(t, cutOff, wayOf(t, s, web))
	patch(s.Owner, hop, body{"protocol": "ssh", "ip": "trap", "port": 2222})
	require.Equal(t, cutOff, wayOf(t, s, web), "nor by a change of another part of it")
	// Linked anew, it is sent where the entry leads by now.
	s.Owner.Patch(entryPath(web), body{"identities": []int64{}}).Want(200)
	s.Owner.Patch(entryPath(web), body{"identities": []int64{mine}}).Want(200)
	require.Equal(t, "mine@trap:2222 mine@www:2222", wayOf(t, s, web))
}

func TestLoginsFollowConcurrentChanges(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	mine := login(s.Owner, "mine", nil)
	hops, entries := make([]int64, 2), make([]int64, 8)
	for i := range hops {
		hops[i] = newEntry(s.Owner, "hop", body{"organizationId": s.Organization, "config": at(fmt.Sprint("hop-", i)), "identities": []int64{login(s.Owner, "ours", body{"organizationId": s.Organization})}})
	}
	for i := range entries {
		entries[i] = newEntry(s.Owner, "web", body{"organizationId": s.Organization, "config": at("web", hops...), "identities": []int64{mine}})
	}
	var group errgroup.Group
	for i := range 2 * len(hops) {
		group.Go(func() error {
			for round := range 5 {
				s.Owner.Patch(entryPath(hops[i%len(hops)]), body{"config": at(fmt.Sprintf("hop-%d-%d", i, round))}).Want(200)
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
	for _, id := range entries {
		require.Regexp(t, `^ours@hop-[02]-4:22 ours@hop-[13]-4:22 mine@web:22$`, wayOf(t, s, id))
	}
}

// Nobody else is on the way: whatever the owner does with the own entries, they
// keep their logins.
func TestOwnEntriesKeepTheirLogins(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	mine := login(s.Owner, "mine", nil)
	folder := newFolder(s.Owner, "folder", nil)
	first := newEntry(s.Owner, "first", body{"config": at("first"), "identities": []int64{mine}})
	second := newEntry(s.Owner, "second", body{"config": at("second", first), "identities": []int64{mine}})
	web := newEntry(s.Owner, "web", body{"config": at("web", first, second), "identities": []int64{mine}})
	var imported struct{ Details []struct{ EntryID int64 } }
	s.Owner.Post("/api/entry/import/ssh-config", body{"folderId": folder, "servers": []body{
		{"name": "imported", "ip": "imported", "port": 2222, "identities": []int64{mine}, "config": body{"jumpHosts": []int64{second}}},
	}}).Want(200).Into(&imported)
	copied := s.Owner.Post(entryPath(web)+"/duplicate", nil).Want(200).ID()
	check := func(first, web string) {
		t.Helper()
		require.Equal(t, fmt.Sprintf("mine@%s:22 mine@second:22 mine@%s:22", first, web), wayOf(t, s, copied))
		require.Equal(t, "mine@second:22 mine@imported:2222", wayOf(t, s, imported.Details[0].EntryID))
	}
	check("first", "web")
	s.Owner.Patch(entryPath(first), body{"config": at("1st")}).Want(200)
	s.Owner.Patch(entryPath(copied), body{"config": at("www", first, second), "folderId": folder}).Want(200)
	check("1st", "www")

	// So do they in an organization, as long as nobody else changes them.
	s.Owner.Patch(fmt.Sprintf("/api/folder/%d", folder), body{"organizationId": s.Organization}).Want(200)
	for _, id := range []int64{first, second} {
		s.Owner.Patch(entryPath(id), body{"organizationId": s.Organization}).Want(200)
	}
	require.Equal(t, "mine@1st:22 mine@second:22 mine@www:22", wayOf(t, s, copied))
	require.Equal(t, "Jump host 1: "+cutOff, wayOf(t, s, imported.Details[0].EntryID), "it is linked there behind another hop")
}
