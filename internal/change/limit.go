package change

import (
	"context"
	"fmt"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/fail"
)

// Kind is what an owner can have so much of.
type Kind string

// The kinds, as statements name them.
const (
	Entries       Kind = "entries"
	ConfigBytes   Kind = "configBytes"
	Folders       Kind = "folders"
	Identities    Kind = "identities"
	Scripts       Kind = "scripts"
	Snippets      Kind = "snippets"
	Organizations Kind = "organizations"
	Sessions      Kind = "sessions"
	StateSockets  Kind = "stateSockets"
	DeviceCodes   Kind = "deviceCodes"
)

var presets = Limits{
	Entries: 20_000, ConfigBytes: 64 << 20, Folders: 5000, Identities: 10_000, Scripts: 5000, Snippets: 5000,
	Organizations: 100, Sessions: 200, StateSockets: 100, DeviceCodes: 20,
}

var labels = map[Kind]string{
	Entries: "Entries", ConfigBytes: "Configuration size", Folders: "Folders", Identities: "Identities", Scripts: "Scripts",
	Snippets: "Snippets", Organizations: "Organizations", StateSockets: "State sockets", DeviceCodes: "Device codes",
}

// Limits are how much an owner can have.
type Limits map[Kind]int64

// Of is the limit of a kind: the preset one unless there is another.
func (l Limits) Of(kind Kind) int64 {
	if most, set := l[kind]; set {
		return most
	}
	return presets[kind]
}

// Reached is the refusal of more.
func (l Limits) Reached(kind Kind) error {
	return fail.Conflict(fmt.Sprintf("%s limit reached (%d)", labels[kind], l.Of(kind)))
}

// Within fails when an owner has more than it can have. It comes last in a rule that
// has added something: other changes that add to the same owner's wait for it, and
// then count what this one has added.
func (tx *Tx) Within(ctx context.Context, owner caller.Owner, kinds ...Kind) error {
	if err := tx.LockOrder(ctx, fmt.Sprintf("limits %d", owner)); err != nil {
		return err
	}
	names := make([]string, len(kinds))
	for i, kind := range kinds {
		names[i] = string(kind)
	}
	rows, err := tx.MeasureOwner(ctx, db.MeasureOwnerParams{Scope: int64(owner), Kinds: names})
	if err != nil {
		return err
	}
	for _, row := range rows {
		if row.Size > tx.Limits.Of(Kind(row.Kind)) {
			return tx.Limits.Reached(Kind(row.Kind))
		}
	}
	return nil
}
