package hostkey_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	gossh "golang.org/x/crypto/ssh"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/hostkey"
	"github.com/nexterm-go/nexterm/internal/ssh"
	"github.com/nexterm-go/nexterm/internal/testdb"
)

// home is a database with an organization whose entry is dialled.
type home struct {
	t            *testing.T
	pool         *pgxpool.Pool
	organization int64
	changes      *change.Changes
	log          bytes.Buffer
	logger       *slog.Logger
}

func newHome(t *testing.T) *home {
	t.Helper()
	pool := testdb.New(t)
	h := &home{t: t, pool: pool, changes: change.New(pool, event.NewLog(pool, slog.New(slog.DiscardHandler)))}
	h.logger = slog.New(slog.NewTextHandler(&h.log, nil))
	h.scan(&h.organization, `insert into organizations (name) values ('Engines') returning id`)
	return h
}

func (h *home) scan(into any, query string, args ...any) {
	h.t.Helper()
	require.NoError(h.t, h.pool.QueryRow(h.t.Context(), query, args...).Scan(into))
}

func (h *home) exec(statement string, args ...any) {
	h.t.Helper()
	_, err := h.pool.Exec(h.t.Context(), statement, args...)
	require.NoError(h.t, err)
}

func (h *home) store(policy hostkey.Policy) *hostkey.Store {
	return hostkey.NewStore(db.New(h.pool), h.changes, policy, h.logger)
}

// load is a way to web, through a hop of another name, as the policy has it.
func (h *home) load(policy hostkey.Policy) ([]ssh.Hop, *hostkey.Sightings) {
	h.t.Helper()
	way := []ssh.Hop{{Host: "Bastion"}, {Host: "web", Port: 2222}}
	sightings, err := h.store(policy).Load(h.t.Context(), []hostkey.Dial{{EntryID: 7, Name: "Web", Owner: caller.Organization(h.organization), Way: way}})
	require.NoError(h.t, err)
	return way, sightings
}

// offer is what becomes of the key when the host shows it, as package ssh asks.
func offer(ctx context.Context, keys ssh.HostKeys, key gossh.PublicKey) error {
	for _, known := range keys.Known {
		if bytes.Equal(known.Marshal(), key.Marshal()) {
			keys.Seen(key)
			return nil
		}
	}
	if len(keys.Known) == 0 {
		return keys.Unknown(ctx, key)
	}
	return keys.Changed(ctx, key)
}

// meet is offer of a newly loaded target.
func (h *home) meet(policy hostkey.Policy, key gossh.PublicKey) error {
	h.t.Helper()
	way, sightings := h.load(policy)
	err := offer(h.t.Context(), way[1].HostKeys, key)
	require.NoError(h.t, sightings.Save(h.t.Context()))
	return err
}

func newKey(t *testing.T) gossh.PublicKey {
	t.Helper()
	public, _, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	key, err := gossh.NewPublicKey(public)
	require.NoError(t, err)
	return key
}

// kept are the keys of the database, each with what it tells of itself.
func (h *home) kept() (kept string) {
	h.t.Helper()
	h.scan(&kept, `select coalesce(string_agg(concat_ws(' ', host, port, via, type, case when pinned then 'pinned' end,
		case when first_seen is not null then 'met' end, offered_type), E'\n' order by id), '') from host_keys`)
	return kept
}

func TestNewKeysAreRemembered(t *testing.T) {
	t.Parallel()
	h, key := newHome(t), newKey(t)
	way, _ := h.load(hostkey.AcceptNew)
	require.NoError(t, offer(t.Context(), way[0].HostKeys, newKey(t)))
	require.NoError(t, offer(t.Context(), way[1].HostKeys, key))
	require.NoError(t, offer(t.Context(), way[1].HostKeys, key), "it has become known since it was loaded")
	require.Equal(t, "bastion 22  ssh-ed25519 met\nweb 2222 bastion:22 ssh-ed25519 met", h.kept())
	require.NoError(t, h.meet(hostkey.AcceptNew, key))
	require.NoError(t, h.meet(hostkey.Ask, key))
	require.Equal(t, 2, strings.Count(h.log.String(), "hostKey=remembered"), h.log.String())
	require.Contains(t, h.log.String(), "fingerprint="+gossh.FingerprintSHA256(key))
}

func TestNewKeysAreRefused(t *testing.T) {
	t.Parallel()
	h, key := newHome(t), newKey(t)
	for _, policy := range []hostkey.Policy{hostkey.Ask, hostkey.Strict} {
		require.ErrorIs(t, h.meet(policy, key), ssh.ErrHostKeyUnknown)
	}
	require.Empty(t, h.kept())
	require.NoError(t, h.meet(hostkey.AcceptNew, key))
	require.ErrorIs(t, h.meet(hostkey.Strict, key), ssh.ErrHostKeyUnknown, "nobody has decided on it")
	require.ErrorIs(t, h.meet(hostkey.Strict, newKey(t)), ssh.ErrHostKeyUnknown)
	h.exec(`update host_keys set pinned = true`)
	require.NoError(t, h.meet(hostkey.Strict, key))
	require.ErrorIs(t, h.meet(hostkey.Strict, newKey(t)), ssh.ErrHostKeyChanged)
}

// A changed key is told once, however often it is shown and wherever at once.
func TestChangedKeysAreKeptBeside(t *testing.T) {
	t.Parallel()
	h, key, other := newHome(t), newKey(t), newKey(t)
	require.NoError(t, h.meet(hostkey.AcceptNew, key))
	var group sync.WaitGroup
	for range 8 {
		way, _ := h.load(hostkey.AcceptNew)
		group.Go(func() { assert.ErrorIs(t, offer(t.Context(), way[1].HostKeys, other), ssh.ErrHostKeyChanged) })
	}
	group.Wait()
	told := func() (told string) {
		h.scan(&told, `select string_agg(concat_ws(' ', action, actor, resource, resource_id = (select id from host_keys), lists::text), ', ' order by id) from events`)
		return told
	}
	once := "host_key.changed job host_key t {}, entry.update job entry f {}"
	require.Equal(t, once, told())
	var details string
	h.scan(&details, `select concat_ws(' ', actor, account_id, organization_id = $1, resource_id, details) from audit_logs`, h.organization)
	require.JSONEq(t, fmt.Sprintf(`{"name": "Web", "hostKey": "changed", "host": "web", "port": 2222, "via": "bastion:22", "type": "ssh-ed25519",
		"fingerprint": %q, "previousFingerprint": %q}`, gossh.FingerprintSHA256(other), gossh.FingerprintSHA256(key)), details[len("job t 7 "):])
	require.Equal(t, "job t 7 ", details[:len("job t 7 ")])
	require.Equal(t, "web 2222 bastion:22 ssh-ed25519 met ssh-ed25519", h.kept())
	require.Equal(t, 1, strings.Count(h.log.String(), "hostKey=changed"))

	// The trusted one stays so, and only the latest other one is kept.
	require.NoError(t, h.meet(hostkey.AcceptNew, key))
	require.ErrorIs(t, h.meet(hostkey.AcceptNew, newKey(t)), ssh.ErrHostKeyChanged)
	require.Equal(t, once+", "+once, told())
	secret, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	ofAnotherType, err := gossh.NewPublicKey(&secret.PublicKey)
	require.NoError(t, err)
	require.ErrorIs(t, h.meet(hostkey.Ask, ofAnotherType), ssh.ErrHostKeyChanged)
	require.Equal(t, "web 2222 bastion:22 ssh-ed25519 met ssh-rsa", h.kept())
}

// An organization that has switched the audit off is told by the event all the same.
func TestChangedKeysKeepToTheAuditSettings(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.exec(`update organizations set audit_settings = '{"enableServerManagementAudit": false}'`)
	require.NoError(t, h.meet(hostkey.AcceptNew, newKey(t)))
	require.ErrorIs(t, h.meet(hostkey.AcceptNew, newKey(t)), ssh.ErrHostKeyChanged)
	var numbers [2]int
	h.scan(&numbers[0], `select count(*) from audit_logs`)
	h.scan(&numbers[1], `select count(*) from events`)
	require.Equal(t, [2]int{0, 2}, numbers)
}

// Of all that meet a host at once, one is first.
func TestServersRememberAtOnce(t *testing.T) {
	t.Parallel()
	h, keys := newHome(t), []gossh.PublicKey{newKey(t), newKey(t)}
	var group sync.WaitGroup
	var mu sync.Mutex
	met := map[int]map[error]int{0: {}, 1: {}}
	for i := range 16 {
		way, _ := h.load(hostkey.AcceptNew)
		group.Go(func() {
			err := offer(t.Context(), way[1].HostKeys, keys[i%2])
			mu.Lock()
			defer mu.Unlock()
			met[i%2][err]++
		})
	}
	group.Wait()
	trusted, refused := map[error]int{nil: 8}, map[error]int{ssh.ErrHostKeyChanged: 8}
	if met[0][nil] == 0 {
		trusted, refused = refused, trusted
	}
	require.Equal(t, map[int]map[error]int{0: trusted, 1: refused}, met)
	require.Equal(t, "web 2222 bastion:22 ssh-ed25519 met ssh-ed25519", h.kept())
}

// What was loaded is not the last word.
func TestPeopleDecideDuringADial(t *testing.T) {
	t.Parallel()
	h, key, other := newHome(t), newKey(t), newKey(t)
	require.NoError(t, h.meet(hostkey.AcceptNew, key))
	way, _ := h.load(hostkey.AcceptNew)
	h.exec(`update host_keys set public_key = $1`, other.Marshal())
	require.NoError(t, offer(t.Context(), way[1].HostKeys, other), "accepted")
	h.exec(`delete from host_keys`)
	require.NoError(t, offer(t.Context(), way[1].HostKeys, other), "forgotten, and so it is new")
	require.ErrorIs(t, h.meet(hostkey.AcceptNew, key), ssh.ErrHostKeyChanged)
	way, _ = h.load(hostkey.Strict)
	h.exec(`update host_keys set pinned = true`)
	require.NoError(t, offer(t.Context(), way[1].HostKeys, other), "pinned")
}

func TestSightingsAreWrittenNowAndThen(t *testing.T) {
	t.Parallel()
	h, key := newHome(t), newKey(t)
	require.NoError(t, h.meet(hostkey.AcceptNew, key))
	version := func() (version string) {
		h.scan(&version, `select xmin::text from host_keys`)
		return version
	}
	before := version()
	require.NoError(t, h.meet(hostkey.AcceptNew, key))
	require.Equal(t, before, version(), "it has been seen just before")
	for _, age := range []string{`last_seen = now() - interval '61 minutes'`, `first_seen = null, last_seen = null`} {
		h.exec(`update host_keys set ` + age)
		require.NoError(t, h.meet(hostkey.AcceptNew, key))
		var seen bool
		h.scan(&seen, `select first_seen is not null and last_seen > now() - interval '1 minute' from host_keys`)
		require.True(t, seen, age)
	}
}

func TestNobodyRemembersWithoutLimit(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.changes.Limits = change.Limits{change.HostKeys: 1}
	way, _ := h.load(hostkey.AcceptNew)
	require.NoError(t, offer(t.Context(), way[0].HostKeys, newKey(t)))
	require.ErrorIs(t, offer(t.Context(), way[1].HostKeys, newKey(t)), ssh.ErrHostKeyUnknown)
	require.Equal(t, "bastion 22  ssh-ed25519 met", h.kept())
	require.Contains(t, h.log.String(), "Host keys limit reached (1)")
}

// The longest names there are, on the longest way.
func TestLongWays(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	way := make([]ssh.Hop, 11)
	for i := range way {
		for range 255 {
			way[i].Host += string(rune(0x10000 + mathrand.N(0x10000)))
		}
	}
	dials := []hostkey.Dial{{Owner: caller.Organization(h.organization), Way: way}}
	for range 2 {
		_, err := h.store(hostkey.AcceptNew).Load(t.Context(), dials)
		require.NoError(t, err)
		for _, hop := range way {
			if len(hop.HostKeys.Known) == 0 {
				require.NoError(t, hop.HostKeys.Unknown(t.Context(), newKey(t)))
			}
		}
	}
	var count int
	h.scan(&count, `select count(*) from host_keys`)
	require.Equal(t, 11, count)
}

func TestOwnersTakeTheirKeysAlong(t *testing.T) {
	t.Parallel()
	h, key := newHome(t), newKey(t)
	var account int64
	h.scan(&account, `insert into accounts (username, first_name, last_name, password_hash) values ('ada', 'A', 'B', '') returning id`)
	for _, owner := range []caller.Owner{caller.Account(account), caller.Organization(h.organization)} {
		way := []ssh.Hop{{Host: "web"}}
		_, err := h.store(hostkey.AcceptNew).Load(t.Context(), []hostkey.Dial{{Owner: owner, Way: way}})
		require.NoError(t, err)
		require.NoError(t, offer(t.Context(), way[0].HostKeys, key), "what another owner knows does not count")
	}
	require.Equal(t, "web 22  ssh-ed25519 met\nweb 22  ssh-ed25519 met", h.kept())
	h.exec(`delete from accounts`)
	h.exec(`delete from organizations`)
	require.Empty(t, h.kept())
}
