package change

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

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
	HostKeys      Kind = "hostKeys"
	Organizations Kind = "organizations"
	Sessions      Kind = "sessions"
	StateSockets  Kind = "stateSockets"
	DeviceCodes   Kind = "deviceCodes"
)

var presets = Limits{
	Entries: 20_000, ConfigBytes: 64 << 20, Folders: 5000, Identities: 10_000, Scripts: 5000, Snippets: 5000,
	HostKeys: 100_000, Organizations: 100, Sessions: 200, StateSockets: 100, DeviceCodes: 20,
}

var labels = map[Kind]string{
	Entries: "Entries", ConfigBytes: "Configuration size", Folders: "Folders", Identities: "Identities", Scripts: "Scripts",
	Snippets: "Snippets", HostKeys: "Host keys", Organizations: "Organizations", StateSockets: "State sockets", DeviceCodes: "Device codes",
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

// Within fails the change when an owner has more than it can have. A rule that adds
// something says so; it is looked after once all of the rule is done.
func (tx *Tx) Within(ctx context.Context, owner caller.Owner, kinds ...Kind) error {
	limits := db.CheckLimitsParams{Owner: int64(owner)}
	for _, kind := range kinds {
		limits.Kinds = append(limits.Kinds, string(kind))
		limits.Most = append(limits.Most, tx.Limits.Of(kind))
	}
	return tx.Defer(func(q *db.Queries) error { return q.CheckLimits(ctx, limits) })
}

// orReached is the refusal that the database's check of the limits stands for, if it
// is what has failed.
func (l Limits) orReached(err error) error {
	var failed *pgconn.PgError
	if errors.As(err, &failed) && failed.Code == "NX409" {
		return l.Reached(Kind(failed.Message))
	}
	return err
}
