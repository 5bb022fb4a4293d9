package hostkey

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	gossh "golang.org/x/crypto/ssh"
	"golang.org/x/time/rate"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/ssh"
	"github.com/nexterm-go/nexterm/internal/vault"
)

// Policy is what becomes of the key of a host of which none is known.
type Policy string

// The policies, as settings name them.
const (
	// AcceptNew remembers it.
	AcceptNew Policy = "accept-new"
	// Ask asks whoever can be asked, and refuses it otherwise.
	Ask Policy = "ask"
	// Strict refuses it, and trusts only keys that a person has decided on.
	Strict Policy = "strict"
)

// UnmarshalText reads a setting.
func (p *Policy) UnmarshalText(text []byte) error {
	*p = Policy(text)
	if !slices.Contains([]Policy{AcceptNew, Ask, Strict}, *p) {
		return fmt.Errorf("%q is neither accept-new, ask nor strict", text)
	}
	return nil
}

const (
	// sightingAge is how old a sighting is before the next one is written.
	sightingAge = time.Hour
	// attempts bounds how often a key is judged anew because others write it.
	attempts = 10
	// offerRate and offerBurst bound the changed keys of an owner that are told, and
	// audited: hosts that show another one each time fill no disk. Those of a fleet
	// that is set up anew are kept one after the other.
	offerRate  = 1
	offerBurst = 200
)

// errRaced makes judging start again.
var errRaced = errors.New("others write the same host key all the time")

// Store is the host keys, as connections use them.
type Store struct {
	queries *db.Queries
	changes *change.Changes
	policy  Policy
	log     *slog.Logger

	mu     sync.Mutex
	offers map[caller.Owner]*rate.Limiter
}

// NewStore returns the keys of a database.
func NewStore(queries *db.Queries, changes *change.Changes, policy Policy, log *slog.Logger) *Store {
	return &Store{queries: queries, changes: changes, policy: policy, log: log, offers: map[caller.Owner]*rate.Limiter{}}
}

// Dial is a way that is about to be gone for an entry, with the entry's name and owner.
type Dial struct {
	EntryID int64
	Name    string
	Owner   caller.Owner
	// AccountID is who connects, 0 for nobody.
	AccountID int64
	Way       []ssh.Hop

	// Ask puts a question to whoever connects, Note tells of a key that is remembered,
	// MayReplace says whether the other is one who may trust a changed key, and Replaced
	// hears of that within its change. With nobody there, all are nil.
	Ask        func(context.Context, string) (vault.Secret, error)
	Note       func(string)
	MayReplace func() bool
	Replaced   func(*change.Tx) error
}

// Load fills in the HostKeys of every hop, all by one statement.
func (s *Store) Load(ctx context.Context, dials []Dial) (*Sightings, error) {
	known := map[Place][]db.ListHostKeysRow{}
	var places []Place
	for _, d := range dials {
		for _, at := range Places(d.Owner, d.Way) {
			if _, again := known[at]; !again {
				known[at] = nil
				places = append(places, at)
			}
		}
	}
	rows, err := list(ctx, s.queries, places)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		known[placeOf(row)] = append(known[placeOf(row)], row)
	}
	sightings := &Sightings{changes: s.changes}
	for _, d := range dials {
		for i, at := range Places(d.Owner, d.Way) {
			judge := func(ctx context.Context, key gossh.PublicKey) error {
				return s.consult(ctx, d, at, key, s.judge(ctx, d, at, key))
			}
			keys := ssh.HostKeys{Unknown: judge, Changed: judge, Seen: func(key gossh.PublicKey) { sightings.add(known[at], key) }}
			for _, row := range known[at] {
				key, err := gossh.ParsePublicKey(row.PublicKey)
				if err != nil {
					return nil, fmt.Errorf("host key %d: %w", row.ID, err)
				}
				if s.trusts(row) {
					keys.Known = append(keys.Known, key)
				}
			}
			d.Way[i].HostKeys = keys
		}
	}
	return sightings, nil
}

func (s *Store) trusts(row db.ListHostKeysRow) bool { return row.Pinned || s.policy != Strict }

// judge decides on a key that was not known, as of now: meanwhile another server may
// have met the host, or a person decided. What it refuses is an error of package ssh.
func (s *Store) judge(ctx context.Context, d Dial, at Place, key gossh.PublicKey) error {
	var became string
	var previous []byte
	err := errRaced
	for i := 0; i < attempts && errors.Is(err, errRaced); i++ {
		err = s.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) (err error) {
			became, previous, err = s.settle(ctx, tx, d, at, key)
			return err
		})
	}
	var full *fail.Error
	switch {
	case errors.As(err, &full): // nothing more can be remembered for the owner
		s.log.WarnContext(ctx, full.Message, "owner", int64(at.Owner))
		return ssh.ErrHostKeyUnknown
	case err != nil || became == "":
		return err
	}
	warn(ctx, s.log, at.Owner, details(d.Name, became, at, key.Type(), key.Marshal(), previous))
	if became == "changed" {
		return ssh.ErrHostKeyChanged
	}
	if d.Note != nil {
		d.Note(fmt.Sprintf("host key of %s remembered: %s", at.of(d.Name), shown(key)))
	}
	return nil
}

// settle says what has become of the key, and instead of which other one: nothing
// where it was trusted already.
func (s *Store) settle(ctx context.Context, tx *change.Tx, d Dial, at Place, key gossh.PublicKey) (became string, previous []byte, err error) {
	rows, err := list(ctx, tx.Queries, []Place{at})
	if err != nil {
		return "", nil, err
	}
	wire := key.Marshal()
	var same, trusted *db.ListHostKeysRow
	for i := range rows {
		if rows[i].Type == key.Type() {
			same = &rows[i]
		}
		if trusted == nil && s.trusts(rows[i]) {
			trusted = &rows[i]
		}
	}
	known := same != nil && bytes.Equal(same.PublicKey, wire)
	switch {
	case known && s.trusts(*same):
		return "", nil, nil
	case known, trusted == nil && s.policy != AcceptNew:
		return "", nil, ssh.ErrHostKeyUnknown
	case trusted == nil:
		return "remembered", nil, remember(ctx, tx, at, key)
	case same == nil:
		same = trusted
	}
	if bytes.Equal(same.OfferedKey, wire) || !s.offersMore(at.Owner) {
		return "", nil, ssh.ErrHostKeyChanged
	}
	offered, err := tx.OfferHostKey(ctx, db.OfferHostKeyParams{
		ID: same.ID, PublicKey: same.PublicKey, OfferedType: key.Type(), OfferedKey: wire,
	})
	if err != nil {
		return "", nil, err
	}
	if offered == 0 {
		return "", nil, errRaced
	}
	// Whoever connects has not changed it.
	tx.Actor = caller.Actor{Kind: caller.ByJob}
	changed := details(d.Name, "changed", at, key.Type(), wire, same.PublicKey)
	tx.Record(
		event.Event{Action: event.HostKeyChanged, Owner: at.Owner, ResourceID: same.ID, Details: changed},
		event.Event{Action: event.EntryUpdate, Owner: at.Owner, ResourceID: d.EntryID, Details: changed, Lists: []event.List{}},
	)
	return "changed", same.PublicKey, nil
}

func (s *Store) offersMore(owner caller.Owner) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.offers[owner] == nil {
		s.offers[owner] = rate.NewLimiter(offerRate, offerBurst)
	}
	return s.offers[owner].Allow()
}

func remember(ctx context.Context, tx *change.Tx, at Place, key gossh.PublicKey) error {
	added, err := tx.RememberHostKey(ctx, db.RememberHostKeyParams{
		Scope: int64(at.Owner), Host: at.Host, Port: int32(at.Port), Via: at.Via, Type: key.Type(), PublicKey: key.Marshal(),
	})
	if err != nil {
		return err
	}
	if added == 0 {
		return errRaced
	}
	return tx.Within(ctx, at.Owner, change.HostKeys)
}

// Sightings are the known keys that hosts have shown since Load.
type Sightings struct {
	changes *change.Changes
	mu      sync.Mutex
	ids     []int64
}

func (s *Sightings) add(known []db.ListHostKeysRow, key gossh.PublicKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, row := range known {
		if bytes.Equal(row.PublicKey, key.Marshal()) && (row.LastSeen == nil || time.Since(*row.LastSeen) > sightingAge) {
			s.ids = append(s.ids, row.ID)
		}
	}
}

// Save writes those since the last time, as far as they are news, by one statement.
func (s *Sightings) Save(ctx context.Context) error {
	s.mu.Lock()
	ids := s.ids
	s.ids = nil
	s.mu.Unlock()
	if len(ids) == 0 {
		return nil
	}
	return s.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error { return tx.TouchHostKeys(ctx, ids) })
}
