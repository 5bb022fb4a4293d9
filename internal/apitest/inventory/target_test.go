package inventory_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	sshway "github.com/nexterm-go/nexterm/internal/ssh"
	"github.com/nexterm-go/nexterm/internal/target"
	"github.com/nexterm-go/nexterm/internal/testserver"
)

// login is an identity that logs in as a user of its name, with a password of its name.
func login(c *testserver.Client, name string, more body) int64 {
	b := body{"username": name, "password": name + "-password"}
	for key, value := range more {
		b[key] = value
	}
	return newIdentity(c, name, b)
}

// at is the configuration of an SSH server behind hops.
func at(address string, hops ...int64) body {
	config := body{"protocol": "ssh", "ip": address}
	if hops != nil {
		config["jumpHosts"] = hops
	}
	return config
}

func loadTarget(t *testing.T, s *testserver.Server, id int64) target.Target {
	t.Helper()
	targets, err := target.Load(t.Context(), db.New(s.Pool), s.Vault, []int64{id}, true)
	require.NoError(t, err)
	require.Len(t, targets, 1)
	return targets[0]
}

// wayOf is how background work reaches an entry, as user@host:port for each step,
// or why it does not.
func wayOf(t *testing.T, s *testserver.Server, id int64) (steps string) {
	t.Helper()
	found := loadTarget(t, s, id)
	if found.Problem != nil {
		require.Empty(t, found.Way)
		return found.Problem.String()
	}
	for _, step := range found.Way {
		require.Equal(t, step.Username+"-password", string(step.Password))
		steps += fmt.Sprintf(" %s@%s:%d", step.Username, step.Host, step.Port)
	}
	return steps[1:]
}

func TestTargetsHaveTheirOwnersLogins(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	owner := s.Owner.AccountID
	key := login(s.Owner, "key", body{"type": "both", "sshKey": "the key", "passphrase": "its passphrase"})
	hop := newEntry(s.Owner, "hop", body{"config": at("hop", newEntry(s.Owner, "ignored", nil)), "identities": []int64{login(s.Owner, "hopper", nil)}})
	id := newEntry(s.Owner, "web", body{"config": body{"protocol": "ssh", "ip": "web", "port": 2222, "engineId": 1, "jumpHosts": []int64{hop}}, "identities": []int64{key}})
	found := loadTarget(t, s, id)
	require.Equal(t, target.Target{
		EntryID: id, Owner: caller.Account(s.Owner.AccountID), Name: "web", Type: "server", Protocol: "ssh",
		Way: []sshway.Hop{
			{Host: "hop", Port: 22, Owner: owner, Username: "hopper", Password: "hopper-password"},
			{Host: "web", Port: 2222, Owner: owner, Username: "key", Password: "key-password", PrivateKey: "the key", Passphrase: "its passphrase"},
		},
	}, found)
	for _, verb := range []string{"%v", "%+v", "%#v"} {
		printed := fmt.Sprintf(verb, []any{found, &found, found.Way})
		for _, secret := range []string{"hopper-password", "key-password", "the key", "its passphrase"} {
			require.NotContains(t, printed, secret, verb)
		}
	}

	// Whoever does not log in needs no login, but for the hops.
	s.Owner.Patch(entryPath(id), body{"identities": []int64{}}).Want(200)
	require.Equal(t, "No identities configured", wayOf(t, s, id))
	direct := newEntry(s.Owner, "direct", body{"config": at("direct"), "identities": []int64{key}})
	both, err := target.Load(t.Context(), db.New(s.Pool), s.Vault, []int64{direct, 987654, id}, false)
	require.NoError(t, err)
	require.Len(t, both, 2)
	require.Equal(t, [2]int64{id, direct}, [2]int64{both[0].EntryID, both[1].EntryID})
	require.Equal(t, []sshway.Hop{{Host: "hop", Port: 22, Owner: owner, Username: "hopper", Password: "hopper-password"}, {Host: "web", Port: 2222, Owner: owner}}, both[0].Way)
	require.Equal(t, []sshway.Hop{{Host: "direct", Port: 22, Owner: owner}}, both[1].Way)
}

func TestTargetsKnowTheirPorts(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	for protocol, port := range map[string]int{"ssh": 22, "sftp": 22, "telnet": 23, "rdp": 3389, "vnc": 5900, "ftp": 21, "ftps": 21} {
		id := newEntry(s.Owner, protocol, body{"config": body{"protocol": protocol, "ip": "192.0.2.1"}})
		found, err := target.Load(t.Context(), db.New(s.Pool), s.Vault, []int64{id}, false)
		require.NoError(t, err)
		require.Equal(t, []sshway.Hop{{Host: "192.0.2.1", Port: port, Owner: s.Owner.AccountID}}, found[0].Way, protocol)
	}
}

func TestTargetsThatAreNotReached(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	mine := login(s.Owner, "mine", nil)
	broken, nobody := login(s.Owner, "broken", nil), newIdentity(s.Owner, "nobody", body{"type": "password-only"})
	s.Exec(t, `update credentials set ciphertext = 'x' where identity_id = $1`, broken)
	entry := func(more body) int64 { return newEntry(s.Owner, "x", more) }
	good := entry(body{"config": at("good"), "identities": []int64{mine}})
	deleted := entry(nil)
	s.Owner.Delete(entryPath(deleted)).Want(200)
	ftp := entry(body{"identities": []int64{mine}})
	behind := func(hop int64) int64 {
		return entry(body{"config": at("web", good, hop), "identities": []int64{mine}})
	}
	behindFTP, behindDeleted, behindNothing := behind(ftp), behind(entry(body{"identities": []int64{mine}})), behind(entry(body{"config": body{"protocol": "ssh"}}))
	s.Owner.Patch(entryPath(ftp), body{"config": body{"protocol": "ftp", "ip": "192.0.2.1"}}).Want(200)
	s.Exec(t, `update entries set config = jsonb_set(config, '{jumpHosts,1}', to_jsonb($2::bigint)) where id = $1`, behindDeleted, deleted)
	for id, want := range map[int64]target.Problem{
		entry(nil): {Reason: "No identities configured"},
		entry(body{"config": body{"protocol": "ssh"}}): {Reason: "Missing host configuration"},
		entry(body{"config": body{"ip": "192.0.2.1"}}): {Reason: "Missing host configuration"},
		entry(body{"type": "pve-lxc"}):                 {Reason: "Missing host configuration"},
		entry(body{"identities": []int64{nobody}}):     {Reason: "Missing username"},
		entry(body{"identities": []int64{broken}}):     {Reason: "Credential cannot be decrypted"},
		entry(body{"config": body{"protocol": "ssh", "ip": "x", "engineId": "2"}, "identities": []int64{mine}}): {Reason: "No engine connected. Monitoring requires the Nexterm Engine."},
		behind(entry(nil)): {Hop: 2, Reason: "No identities configured"},
		behind(entry(body{"identities": []int64{nobody}})): {Hop: 2, Reason: "Missing username"},
		behind(entry(body{"identities": []int64{broken}})): {Hop: 2, Reason: "Credential cannot be decrypted"},
		behindFTP:     {Hop: 2, Reason: "Not an SSH server"},
		behindNothing: {Hop: 2, Reason: "Missing host configuration"},
		behindDeleted: {Hop: 2, Reason: "Entry not found"},
	} {
		targets, err := target.Load(t.Context(), db.New(s.Pool), s.Vault, []int64{good, id}, true)
		require.NoError(t, err)
		require.Len(t, targets, 2)
		require.Nil(t, targets[0].Problem, "others' problems are not its own")
		require.Equal(t, &want, targets[1].Problem)
		require.Equal(t, want.Hop > 0, targets[1].Problem.Status() == "offline")
	}
	require.Equal(t, "Jump host 2: Entry not found", wayOf(t, s, behindDeleted))
}

func TestWhoseLoginATargetHas(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	shared := body{"organizationId": s.Organization}
	other := s.NewOrganization(t, s.Owner)
	mine, ours := login(s.Owner, "mine", nil), login(s.Owner, "ours", shared)
	theirs, colleagues := login(s.Owner, "theirs", body{"organizationId": other}), login(s.Colleague, "colleagues", nil)

	personal := newEntry(s.Owner, "web", body{"config": at("web"), "identities": []int64{theirs, mine}})
	require.Equal(t, "theirs@web:22", wayOf(t, s, personal), "an identity of any organization of the owner's, in the order of the links")
	organization := newEntry(s.Owner, "web", body{"config": at("web"), "organizationId": s.Organization, "identities": []int64{theirs, mine, ours}})
	require.Equal(t, "ours@web:22", wayOf(t, s, organization), "the organization's own comes first")
	s.Owner.Delete(fmt.Sprintf("/api/identity/%d", ours)).Want(200)
	require.Equal(t, "mine@web:22", wayOf(t, s, organization), "then a member's; another organization's is none of its")
	s.Owner.Patch(entryPath(organization), body{"identities": []int64{theirs}}).Want(200)
	require.Equal(t, "No valid identities found", wayOf(t, s, organization))
	s.Owner.Delete(fmt.Sprintf("/api/identity/%d", theirs)).Want(200)
	require.Equal(t, "No identities configured", wayOf(t, s, organization))
	require.Equal(t, "mine@web:22", wayOf(t, s, personal))

	s.Colleague.Patch(entryPath(organization), body{"identities": []int64{colleagues}}).Want(200)
	require.Equal(t, "colleagues@web:22", wayOf(t, s, organization))
	s.Exec(t, `update organization_members set status = 'pending' where account_id = $1`, s.Colleague.AccountID)
	require.Equal(t, "No valid identities found", wayOf(t, s, organization), "no member, no login")
	s.Exec(t, `update organization_members set status = 'active' where account_id = $1`, s.Colleague.AccountID)
	s.Owner.Delete(fmt.Sprintf("/api/organization/%d/members/%d", s.Organization, s.Colleague.AccountID)).Want(200)
	require.NotEqual(t, "colleagues@web:22", wayOf(t, s, organization))

	// A member's own entry, with what was the organization's.
	s.Owner.Patch(entryPath(personal), body{"identities": []int64{login(s.Owner, "ours", shared)}}).Want(200)
	require.Equal(t, "ours@web:22", wayOf(t, s, personal))
	s.Exec(t, `delete from organization_members where organization_id = $1`, s.Organization)
	require.Equal(t, "No valid identities found", wayOf(t, s, personal))
}

func TestIdentitiesThatMoveTakeTheirRightsAlong(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	other := s.NewOrganization(t, s.Owner)
	mine := login(s.Owner, "mine", nil)
	id := newEntry(s.Owner, "web", body{"config": at("web"), "organizationId": s.Organization, "identities": []int64{mine}})
	personal := newEntry(s.Owner, "web", body{"config": at("web"), "identities": []int64{mine}})
	require.Equal(t, "mine@web:22", wayOf(t, s, id))
	s.Owner.Post(fmt.Sprintf("/api/identity/%d/move", mine), body{"organizationId": s.Organization}).Want(200)
	require.Equal(t, "mine@web:22", wayOf(t, s, id))
	s.Owner.Patch(fmt.Sprintf("/api/identity/%d", mine), body{"organizationId": other}).Want(200)
	require.Equal(t, "No identities configured", wayOf(t, s, id))
	require.Equal(t, "mine@web:22", wayOf(t, s, personal))

	elsewhere := login(s.Owner, "elsewhere", nil)
	id = newEntry(s.Owner, "web", body{"config": at("web"), "organizationId": s.Organization, "identities": []int64{elsewhere}})
	s.Owner.Post(fmt.Sprintf("/api/identity/%d/move", elsewhere), body{"organizationId": other}).Want(200)
	require.Equal(t, "No valid identities found", wayOf(t, s, id), "the entry's organization may not use another's")
}

func TestHopsBelongToThoseWhoAreBehindThem(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	other := s.NewOrganization(t, s.Owner)
	mine, ours, theirs := login(s.Owner, "mine", nil), login(s.Owner, "ours", body{"organizationId": s.Organization}), login(s.Owner, "theirs", body{"organizationId": other})
	own := newEntry(s.Owner, "hop", body{"config": at("own"), "identities": []int64{mine}})
	shared := newEntry(s.Owner, "hop", body{"config": at("shared"), "organizationId": s.Organization, "identities": []int64{mine, ours}})
	far := newEntry(s.Owner, "hop", body{"config": at("far"), "organizationId": other, "identities": []int64{theirs}})

	personal := newEntry(s.Owner, "web", body{"config": at("web", own, far), "identities": []int64{mine}})
	require.Equal(t, "mine@own:22 theirs@far:22 mine@web:22", wayOf(t, s, personal))
	s.Owner.Patch(entryPath(personal), body{"config": at("web", own, shared, far)}).Want(200)
	require.Equal(t, "Jump host 3: No valid identities found", wayOf(t, s, personal), "others' members lead it there")
	s.Owner.Patch(entryPath(personal), body{"config": at("web", own, shared)}).Want(200)
	require.Equal(t, "mine@own:22 ours@shared:22 mine@web:22", wayOf(t, s, personal))
	organization := newEntry(s.Owner, "web", body{"config": at("web", shared), "organizationId": s.Organization, "identities": []int64{ours}})
	require.Equal(t, "ours@shared:22 ours@web:22", wayOf(t, s, organization))
	for _, hop := range []int64{own, far} {
		s.Owner.Patch(entryPath(organization), body{"config": at("web", hop)}).Want(200)
		require.Equal(t, "Jump host 1: Entry not found", wayOf(t, s, organization), "a member reads it, the organization does not")
	}
	s.Owner.Patch(entryPath(own), body{"organizationId": s.Organization}).Want(200)
	s.Owner.Patch(entryPath(organization), body{"config": at("web", own)}).Want(200)
	require.Equal(t, "mine@own:22 ours@web:22", wayOf(t, s, organization))
	s.Owner.Patch(entryPath(own), body{"organizationId": other}).Want(200)
	require.Equal(t, "Jump host 1: Entry not found", wayOf(t, s, organization), "a hop that leaves is gone")

	s.Exec(t, `delete from organization_members where organization_id = $1`, s.Organization)
	require.Equal(t, "Jump host 2: Entry not found", wayOf(t, s, personal), "no longer read")
}
