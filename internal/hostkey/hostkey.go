// Package hostkey owns the keys by which hosts are known to an owner: what people
// enter, accept and forget of them, and what connections do with a key that a host
// shows. It does not connect.
package hostkey

import (
	"context"
	"encoding/base64"
	"log/slog"
	"slices"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/permission"
	"github.com/nexterm-go/nexterm/internal/ssh"
	"github.com/nexterm-go/nexterm/internal/timestamp"
)

var (
	errEntryNotFound = fail.NotFound("Entry not found")
	errPersonal      = fail.Forbidden("You don't have permission to edit this entry")
	errShared        = fail.Forbidden("You don't have access to this organization's entry")
	errNotFound      = fail.NotFound("Host key does not exist")
	errNoHop         = fail.BadRequest("hop does not exist")
	errNotSSH        = fail.BadRequest("Only SSH servers have host keys")
	errNoHost        = fail.BadRequest("Missing host configuration")
	errTrusted       = fail.Conflict("Another key of this type is trusted")
	errOffered       = fail.Conflict("Another key is offered")
)

// Handlers are the operations of the tag hostkey.
type Handlers struct {
	queries *db.Queries
	changes *change.Changes
	log     *slog.Logger
}

// New returns the operations over a database.
func New(queries *db.Queries, changes *change.Changes, log *slog.Logger) *Handlers {
	return &Handlers{queries, changes, log}
}

// ListHostKeys answers what is known of an entry's host and of its hops.
func (h *Handlers) ListHostKeys(ctx context.Context, request api.ListHostKeysRequestObject) (api.ListHostKeysResponseObject, error) {
	way, err := h.queries.ListWay(ctx, db.ListWayParams{ID: request.EntryID, Reach: caller.From(ctx).Reach})
	if err != nil {
		return nil, err
	}
	if len(way) == 0 {
		return nil, errEntryNotFound
	}
	rows, err := listOf(ctx, h.queries, way)
	if err != nil {
		return nil, err
	}
	keys := make(api.ListHostKeys200JSONResponse, len(rows))
	for i, row := range rows {
		keys[i] = toAPI(row)
	}
	return keys, nil
}

// PinHostKey trusts a key before or after a host is met.
func (h *Handlers) PinHostKey(ctx context.Context, request api.PinHostKeyRequestObject) (api.PinHostKeyResponseObject, error) {
	var pinned db.PinHostKeyRow
	err := h.change(ctx, request.EntryID, func(tx *change.Tx, name string, way []db.ListWayRow) (event.Details, error) {
		key, err := parse(request.Body.PublicKey)
		if err != nil {
			return nil, err
		}
		at, err := choose(way, request.Body.Hop)
		if err != nil {
			return nil, err
		}
		pinned, err = tx.PinHostKey(ctx, db.PinHostKeyParams{
			Scope: int64(at.Owner), Host: at.Host, Port: int32(at.Port), Via: at.Via,
			Type: key.Type(), PublicKey: key.Marshal(), AddedBy: tx.Actor.AccountID,
		})
		if err != nil {
			return nil, fail.OnNoRows(err, errTrusted)
		}
		return details(name, "pinned", at, pinned.Type, pinned.PublicKey, nil), tx.Within(ctx, at.Owner, change.HostKeys)
	})
	if err != nil {
		return nil, err
	}
	return api.PinHostKey200JSONResponse(toAPI(db.ListHostKeysRow(pinned))), nil
}

// AcceptHostKey trusts what a host offers instead of what it has shown before.
func (h *Handlers) AcceptHostKey(ctx context.Context, request api.AcceptHostKeyRequestObject) (api.AcceptHostKeyResponseObject, error) {
	var accepted db.AcceptHostKeyRow
	err := h.change(ctx, request.EntryID, func(tx *change.Tx, name string, way []db.ListWayRow) (event.Details, error) {
		row, err := find(ctx, tx, way, request.HostKeyID)
		if err != nil {
			return nil, err
		}
		if row.OfferedKey == nil || fingerprint(row.OfferedKey) != request.Body.Fingerprint {
			return nil, errOffered
		}
		accepted, err = tx.AcceptHostKey(ctx, db.AcceptHostKeyParams{ID: row.ID, OfferedKey: row.OfferedKey, AddedBy: tx.Actor.AccountID})
		err = fail.OnConstraint(err, "host_keys_one_of_a_type", errTrusted)
		return details(name, "replaced", placeOf(row), accepted.Type, accepted.PublicKey, row.PublicKey), fail.OnNoRows(err, errOffered)
	})
	if err != nil {
		return nil, err
	}
	return api.AcceptHostKey200JSONResponse(toAPI(db.ListHostKeysRow(accepted))), nil
}

// DeleteHostKey makes a host as new.
func (h *Handlers) DeleteHostKey(ctx context.Context, request api.DeleteHostKeyRequestObject) (api.DeleteHostKeyResponseObject, error) {
	err := h.change(ctx, request.EntryID, func(tx *change.Tx, name string, way []db.ListWayRow) (event.Details, error) {
		row, err := find(ctx, tx, way, request.HostKeyID)
		if err != nil {
			return nil, err
		}
		forgotten, err := tx.DeleteHostKey(ctx, row.ID)
		return details(name, "forgotten", placeOf(row), forgotten.Type, forgotten.PublicKey, nil), fail.OnNoRows(err, errNotFound)
	})
	if err != nil {
		return nil, err
	}
	return api.DeleteHostKey200JSONResponse{Message: "Host key forgotten"}, nil
}

// change runs a rule on the way to an entry that the caller may change. What has
// become of a key by it is told as a change of the entry.
func (h *Handlers) change(ctx context.Context, entryID int64, rule func(tx *change.Tx, name string, way []db.ListWayRow) (event.Details, error)) error {
	c := caller.From(ctx)
	var owner caller.Owner
	var became event.Details
	err := h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		entry, err := tx.LockEntry(ctx, db.LockEntryParams{ID: entryID, Reach: c.Reach, ManagesAll: c.ManagesAll()})
		if err != nil {
			return fail.OnNoRows(err, errEntryNotFound)
		}
		owner = caller.Owner(entry.Scope)
		if err := c.Need(permission.ResourcesManage, owner, errPersonal, errShared); err != nil {
			return err
		}
		way, err := tx.ListWay(ctx, db.ListWayParams{ID: entryID, Reach: c.Reach, ManagesAll: c.ManagesAll()})
		if err != nil {
			return err
		}
		if became, err = rule(tx, entry.Name, way); err != nil {
			return err
		}
		tx.Record(event.Event{Action: event.EntryUpdate, Owner: owner, ResourceID: entryID, Details: became, Lists: []event.List{}})
		return nil
	})
	if err == nil {
		warn(ctx, h.log, owner, became)
	}
	return err
}

// speaks reports whether the host of an entry has keys.
func speaks(row db.ListWayRow) bool {
	return api.EntryType(row.Type) == api.EntryTypeServer && (row.Protocol == "ssh" || row.Protocol == "sftp")
}

// placesOf are those of the hosts on the way to an SSH entry, as far as it is known.
func placesOf(way []db.ListWayRow) []Place {
	entry := way[len(way)-1]
	var known []ssh.Hop
	for _, row := range way {
		if !speaks(entry) || !speaks(row) || row.Host == "" {
			break
		}
		known = append(known, ssh.Hop{Host: row.Host, Port: int(row.Port)})
	}
	return Places(caller.Owner(entry.Scope), known)
}

// choose is the place of a hop, by its number in jumpHosts, or of the entry itself.
func choose(way []db.ListWayRow, hop *int32) (Place, error) {
	entry := len(way) - 1
	number := entry
	if hop != nil {
		if number = int(*hop); number >= entry || way[number].Type == "" {
			return Place{}, errNoHop
		}
	}
	if !speaks(way[entry]) || !speaks(way[number]) {
		return Place{}, errNotSSH
	}
	places := placesOf(way)
	if number >= len(places) {
		return Place{}, errNoHost
	}
	return places[number], nil
}

// listOf reads what is known of an entry, its own keys first.
func listOf(ctx context.Context, q *db.Queries, way []db.ListWayRow) ([]db.ListHostKeysRow, error) {
	places := placesOf(way)
	if entry := len(way) - 1; len(places) > entry {
		places = slices.Insert(places[:entry:entry], 0, places[entry])
	}
	return list(ctx, q, places)
}

// find is one of the keys that are listed for an entry.
func find(ctx context.Context, tx *change.Tx, way []db.ListWayRow, id int64) (db.ListHostKeysRow, error) {
	rows, err := listOf(ctx, tx.Queries, way)
	if err != nil {
		return db.ListHostKeysRow{}, err
	}
	for _, row := range rows {
		if row.ID == id {
			return row, nil
		}
	}
	return db.ListHostKeysRow{}, errNotFound
}

func toAPI(row db.ListHostKeysRow) api.HostKey {
	key := api.HostKey{
		ID: row.ID, Host: row.Host, Port: row.Port, Via: row.Via,
		Type: row.Type, Fingerprint: fingerprint(row.PublicKey), PublicKey: text(row.Type, row.PublicKey),
		FirstSeen: timestamp.FormatOptional(row.FirstSeen), LastSeen: timestamp.FormatOptional(row.LastSeen),
		Pinned: row.Pinned, AddedBy: row.AddedBy,
	}
	if row.OfferedKey != nil {
		key.Offered = &api.OfferedHostKey{
			Type: *row.OfferedType, Fingerprint: fingerprint(row.OfferedKey), PublicKey: text(*row.OfferedType, row.OfferedKey),
			SeenAt: timestamp.Format(*row.OfferedAt),
		}
	}
	return key
}

// text is a key as OpenSSH's files have it.
func text(keyType string, key []byte) string {
	return keyType + " " + base64.StdEncoding.EncodeToString(key)
}
