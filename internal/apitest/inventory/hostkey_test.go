package inventory_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	gossh "golang.org/x/crypto/ssh"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

// hostKey is one as the API shows it.
type hostKey struct {
	ID                                      int64
	Host, Via, Type, Fingerprint, PublicKey string
	Port                                    int
	FirstSeen, LastSeen                     *string
	Pinned                                  bool
	AddedBy                                 *int64
	Offered                                 *struct{ Type, Fingerprint, PublicKey, SeenAt string }
}

func hostKeysPath(entry int64) string { return entryPath(entry) + "/host-keys" }

func hostKeyPath(entry, key int64) string { return fmt.Sprintf("%s/%d", hostKeysPath(entry), key) }

func hostKeys(c *testserver.Client, entry int64) (keys []hostKey) {
	c.Get(hostKeysPath(entry)).Want(200).Into(&keys)
	return keys
}

// found says of keys where they were found, for comparison.
func found(keys []hostKey) string {
	texts := make([]string, len(keys))
	for i, key := range keys {
		texts[i] = strings.TrimSpace(fmt.Sprintf("%s %d %s %s", key.Type, key.Port, key.Host, key.Via))
	}
	return strings.Join(texts, "\n")
}

// newPublicKey is one as OpenSSH's files have it.
func newPublicKey(t *testing.T) (gossh.PublicKey, string) {
	t.Helper()
	public, _, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	key, err := gossh.NewPublicKey(public)
	require.NoError(t, err)
	return key, strings.TrimSpace(string(gossh.MarshalAuthorizedKey(key)))
}

func pin(c *testserver.Client, entry int64, line string, more body) *testserver.Response {
	b := body{"publicKey": line}
	for name, value := range more {
		b[name] = value
	}
	return c.Put(hostKeysPath(entry), b)
}

// offerKey lets the host of a key have shown another one.
func offerKey(t *testing.T, s *testserver.Server, id int64, key gossh.PublicKey) {
	t.Helper()
	s.Exec(t, `update host_keys set offered_type = $2, offered_key = $3, offered_at = '2026-01-31T12:00:00Z' where id = $1`, id, key.Type(), key.Marshal())
}

const (
	ecdsaLine = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBEmKSENjQEezOmxkZMy7opKgwFB9nkt5YRrYMjNuG5N87uRgg6CLrbo5wAdT/y6v0mKV0U2w0WZ2YB/++Tpockg="
	ecdsaType = "ecdsa-sha2-nistp256"
)

func TestHostKeysArePinnedAcceptedAndForgotten(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	entry := newEntry(s.Owner, "web", body{"organizationId": s.Organization, "config": body{"protocol": "ssh", "ip": "Web.Example.com.", "port": 2222}})
	require.Empty(t, hostKeys(s.Colleague, entry))
	key, line := newPublicKey(t)
	var pinned hostKey
	pin(s.Owner, entry, line+" root@web", nil).Want(200).Into(&pinned)
	require.Equal(t, hostKey{
		ID: pinned.ID, Host: "web.example.com", Port: 2222, Type: "ssh-ed25519", Fingerprint: gossh.FingerprintSHA256(key), PublicKey: line,
		Pinned: true, AddedBy: &s.Owner.AccountID,
	}, pinned)
	require.Equal(t, []hostKey{pinned}, hostKeys(s.Colleague, entry))
	s.Owner.Get(strings.Replace(hostKeysPath(entry), "/entry/", "/entries/", 1)).Want(200)

	other, otherLine := newPublicKey(t)
	pin(s.Owner, entry, otherLine, nil).WantError(409, "Another key of this type is trusted")
	accept := func(key gossh.PublicKey) *testserver.Response {
		return s.Owner.Post(hostKeyPath(entry, pinned.ID)+"/accept", body{"fingerprint": gossh.FingerprintSHA256(key)})
	}
	accept(other).WantError(409, "Another key is offered")
	offerKey(t, s, pinned.ID, other)
	keys := hostKeys(s.Owner, entry)
	require.Equal(t, "ssh-ed25519 "+gossh.FingerprintSHA256(other)+" "+otherLine+" 2026-01-31T12:00:00.000Z",
		strings.Join([]string{keys[0].Offered.Type, keys[0].Offered.Fingerprint, keys[0].Offered.PublicKey, keys[0].Offered.SeenAt}, " "))
	accept(key).WantError(409, "Another key is offered")
	latest, latestLine := newPublicKey(t)
	offerKey(t, s, pinned.ID, latest)
	accept(other).WantError(409, "Another key is offered")
	var accepted hostKey
	accept(latest).Want(200).Into(&accepted)
	require.Equal(t, "2026-01-31T12:00:00.000Z", *accepted.FirstSeen)
	require.Equal(t, "2026-01-31T12:00:00.000Z", *accepted.LastSeen)
	accepted.FirstSeen, accepted.LastSeen = nil, nil
	pinned.PublicKey, pinned.Fingerprint = latestLine, gossh.FingerprintSHA256(latest)
	require.Equal(t, pinned, accepted)
	accept(latest).WantError(409, "Another key is offered")
	second := pin(s.Owner, entry, ecdsaLine, nil).Want(200).ID()
	offerKey(t, s, second, other)
	s.Owner.Post(hostKeyPath(entry, second)+"/accept", body{"fingerprint": gossh.FingerprintSHA256(other)}).
		WantError(409, "Another key of this type is trusted")
	s.Owner.Delete(hostKeyPath(entry, second)).Want(200)

	s.Owner.Delete(hostKeyPath(entry, pinned.ID)).Want(200)
	s.Owner.Delete(hostKeyPath(entry, pinned.ID)).WantError(404, "Host key does not exist")
	accept(latest).WantError(404, "Host key does not exist")
	require.Empty(t, hostKeys(s.Owner, entry))

	var details []string
	s.Scan(t, &details, `select array_agg(details::text order by id) from audit_logs
		where organization_id = $1 and account_id = $2 and action = 'entry.update' and resource_id = $3
			and details ->> 'type' = 'ssh-ed25519'`, s.Organization, s.Owner.AccountID, entry)
	common := `{"name": "web", "host": "web.example.com", "port": 2222, "via": "", "type": "ssh-ed25519", `
	require.Len(t, details, 3)
	require.JSONEq(t, fmt.Sprintf(`%s"hostKey": "pinned", "fingerprint": %q}`, common, gossh.FingerprintSHA256(key)), details[0])
	require.JSONEq(t, fmt.Sprintf(`%s"hostKey": "replaced", "fingerprint": %q, "previousFingerprint": %q}`, common,
		gossh.FingerprintSHA256(latest), gossh.FingerprintSHA256(key)), details[1])
	require.JSONEq(t, fmt.Sprintf(`%s"hostKey": "forgotten", "fingerprint": %q}`, common, gossh.FingerprintSHA256(latest)), details[2])
	for _, became := range []string{"pinned", "replaced", "forgotten"} {
		require.Contains(t, s.Log.String(), fmt.Sprintf(`"hostKey":%q`, became))
	}
}

func TestARememberedKeyIsPinned(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	entry := newEntry(s.Owner, "web", nil)
	key, line := newPublicKey(t)
	s.Exec(t, `insert into host_keys (account_id, host, port, type, public_key, first_seen, last_seen)
		values ($1, '192.0.2.1', 22, 'ssh-ed25519', $2, now(), now())`, s.Owner.AccountID, key.Marshal())
	remembered := hostKeys(s.Owner, entry)[0]
	require.False(t, remembered.Pinned)
	require.Nil(t, remembered.AddedBy)
	remembered.Pinned, remembered.AddedBy = true, &s.Owner.AccountID
	for range 2 {
		var pinned hostKey
		pin(s.Owner, entry, line, nil).Want(200).Into(&pinned)
		require.Equal(t, remembered, pinned)
	}
}

func TestPublicKeys(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	entry := newEntry(s.Owner, "web", nil)
	key, line := newPublicKey(t)
	blob := strings.Fields(line)[1]
	for _, good := range []string{
		line, "  " + line + "\r\n", "web.example.com,192.0.2.1 " + line, "|1|c2FsdA==|aGFzaA== " + line + " comment", "[web]:2222\t" + line,
		`no-pty,command="a b" ` + line,
	} {
		var pinned hostKey
		pin(s.Owner, entry, good, nil).Want(200).Into(&pinned)
		require.Equal(t, line, pinned.PublicKey, good)
	}
	secret, err := gossh.NewSignerFromSigner(ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)))
	require.NoError(t, err)
	certificate := &gossh.Certificate{Key: key, CertType: gossh.HostCert, ValidPrincipals: []string{"web"}}
	require.NoError(t, certificate.SignCert(rand.Reader, secret))
	security := gossh.Marshal(struct {
		Type        string
		Key         []byte
		Application string
	}{gossh.KeyAlgoSKED25519, make([]byte, ed25519.PublicKeySize), "ssh:"})
	for _, bad := range []string{
		"", " ", "#", blob, "ssh-ed25519", "ssh-rsa " + blob, "web ssh-rsa " + blob, "ssh-ed25519 ssh-rsa " + blob, "ssh-ed25519 " + blob[:40], "ssh-ed25519 " + blob + "AAAA",
		"ssh-ed25519 !", line + "\n" + ecdsaLine, "# comment\n" + line, "@revoked web " + line, "@cert-authority web " + line,
		string(gossh.MarshalAuthorizedKey(certificate)), gossh.KeyAlgoSKED25519 + " " + base64.StdEncoding.EncodeToString(security),
		"-----BEGIN PUBLIC KEY-----", "ssh-ed25519 " + base64.StdEncoding.EncodeToString([]byte("\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x01x")),
		strings.Repeat("x", 16<<10),
	} {
		pin(s.Owner, entry, bad, nil).WantError(400, "publicKey is not an SSH public key")
	}
	require.Equal(t, 1, s.Count(t, "host_keys"))
}

// Whoever may change an entry decides on its keys.
func TestRightsOverHostKeys(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	s.Exec(t, `insert into organization_member_permissions (organization_id, account_id, permission, value) values ($1, $2, 'resources.manage', 'deny')`,
		s.Organization, s.Colleague.AccountID)
	shared := newEntry(s.Owner, "shared", body{"organizationId": s.Organization})
	own := newEntry(s.Owner, "own", nil)
	key, line := newPublicKey(t)
	ids := map[int64]int64{}
	for _, entry := range []int64{shared, own} {
		ids[entry] = pin(s.Owner, entry, line, nil).Want(200).ID()
		offerKey(t, s, ids[entry], key)
	}
	require.NotEqual(t, ids[shared], ids[own], "every owner has its own")
	refuse := func(c *testserver.Client, entry int64, status int, message string) {
		t.Helper()
		c.Patch(entryPath(entry), body{"name": "x"}).WantError(status, message)
		pin(c, entry, line, nil).WantError(status, message)
		c.Post(hostKeyPath(entry, ids[entry])+"/accept", body{"fingerprint": gossh.FingerprintSHA256(key)}).WantError(status, message)
		c.Delete(hostKeyPath(entry, ids[entry])).WantError(status, message)
	}
	require.Len(t, hostKeys(s.Colleague, shared), 1)
	refuse(s.Colleague, shared, 403, "You don't have access to this organization's entry")
	for _, c := range []*testserver.Client{s.Stranger, s.Colleague, s.Admin} {
		c.Get(hostKeysPath(own)).WantError(404, "Entry not found")
		refuse(c, own, 404, "Entry not found")
	}
	s.Stranger.Get(hostKeysPath(shared)).WantError(404, "Entry not found")
	s.Owner.Delete(hostKeyPath(own, ids[shared])).WantError(404, "Host key does not exist")

	// Administrators manage organizations that they are no members of.
	s.Admin.Get(hostKeysPath(shared)).WantError(404, "Entry not found")
	s.Admin.Delete(hostKeyPath(shared, ids[shared])).Want(200)
	s.Exec(t, `update organization_member_permissions set value = 'allow'`)
	pin(s.Colleague, shared, line, nil).Want(200)
	s.Exec(t, `delete from accounts where id = $1`, s.Colleague.AccountID)
	kept := hostKeys(s.Owner, shared)[0]
	require.True(t, kept.Pinned)
	require.Nil(t, kept.AddedBy)
}
