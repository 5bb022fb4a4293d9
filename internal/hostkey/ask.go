package hostkey

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	gossh "golang.org/x/crypto/ssh"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/ssh"
	"github.com/nexterm-go/nexterm/internal/timestamp"
)

// consult asks whoever connects about a key that is refused, where people decide.
// What they say holds for what they have been shown, and for nothing newer.
func (s *Store) consult(ctx context.Context, d Dial, at Place, key gossh.PublicKey, refused error) error {
	var question, wanted string
	var trusted *db.ListHostKeysRow
	switch {
	case d.Ask == nil:
		return refused
	case errors.Is(refused, ssh.ErrHostKeyUnknown) && s.policy == Ask:
		question, wanted = fmt.Sprintf("The host key of %s is not known: %s\nAnswer yes to trust it: ", at.of(d.Name), shown(key)), "yes"
	case errors.Is(refused, ssh.ErrHostKeyChanged) && d.MayReplace():
		rows, err := list(ctx, s.queries, []Place{at})
		if err != nil {
			return err
		}
		for i := range rows {
			if trusted == nil && s.trusts(rows[i]) || rows[i].Type == key.Type() {
				trusted = &rows[i]
			}
		}
		if trusted == nil || trusted.OfferedKey == nil || string(trusted.OfferedKey) != string(key.Marshal()) {
			return refused
		}
		question = fmt.Sprintf("WARNING: the host key of %s has changed. Somebody may be listening.\nTrusted since %s: %s %s\nOffered now: %s\nType replace to trust the new one: ",
			at.of(d.Name), since(trusted), name(trusted.Type), fingerprint(trusted.PublicKey), shown(key))
		wanted = "replace"
	default:
		return refused
	}
	resume := ssh.Unhurried(ctx)
	answer, err := d.Ask(ctx, question)
	resume()
	if err != nil {
		return err
	}
	if strings.TrimSpace(string(answer)) != wanted {
		return refused
	}
	return s.trust(ctx, d, at, key, trusted)
}

// trust keeps a key that a person has decided on.
func (s *Store) trust(ctx context.Context, d Dial, at Place, key gossh.PublicKey, before *db.ListHostKeysRow) error {
	var became event.Details
	err := s.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		if before == nil {
			_, err := tx.PinHostKey(ctx, db.PinHostKeyParams{
				Scope: int64(at.Owner), Host: at.Host, Port: int32(at.Port), Via: at.Via,
				Type: key.Type(), PublicKey: key.Marshal(), AddedBy: d.AccountID,
			})
			if err != nil {
				return err
			}
			became = details(d.Name, "pinned", at, key.Type(), key.Marshal(), nil)
			return tx.Within(ctx, at.Owner, change.HostKeys)
		}
		accepted, err := tx.AcceptHostKey(ctx, db.AcceptHostKeyParams{ID: before.ID, OfferedKey: key.Marshal(), AddedBy: d.AccountID})
		if err != nil {
			return err
		}
		became = details(d.Name, "replaced", at, accepted.Type, accepted.PublicKey, before.PublicKey)
		tx.Record(event.Event{Action: event.EntryUpdate, Owner: at.Owner, ResourceID: d.EntryID, Details: became, Lists: []event.List{}})
		return d.Replaced(tx)
	})
	if err != nil {
		s.log.WarnContext(ctx, "keep a host key that a person trusts", "error", err)
		return ssh.ErrHostKeyUnknown
	}
	warn(ctx, s.log, at.Owner, became)
	return nil
}

// of names the host as the entry and as it is reached.
func (p Place) of(entry string) string {
	return fmt.Sprintf("%s (%s)", entry, net.JoinHostPort(p.Host, strconv.Itoa(p.Port)))
}

// shown is a key as people compare it.
func shown(key gossh.PublicKey) string { return name(key.Type()) + " " + fingerprint(key.Marshal()) }

// name is what people call a type of keys.
func name(keyType string) string {
	switch keyType {
	case gossh.KeyAlgoED25519:
		return "ED25519"
	case gossh.KeyAlgoRSA:
		return "RSA"
	case gossh.KeyAlgoECDSA256, gossh.KeyAlgoECDSA384, gossh.KeyAlgoECDSA521:
		return "ECDSA"
	}
	return keyType
}

func since(row *db.ListHostKeysRow) string {
	if row.FirstSeen == nil {
		return "it was entered"
	}
	return timestamp.Format(*row.FirstSeen)
}
