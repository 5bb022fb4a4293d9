// Package target owns whose credentials people and work in the background use: the way to an
// entry's host, with a login for each hop and for the host, or why there is none.
// It does not dial.
package target

import (
	"context"
	"fmt"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/ssh"
	"github.com/nexterm-go/nexterm/internal/vault"
)

// Target is an entry that work in the background wants to reach.
type Target struct {
	EntryID              int64
	Owner                caller.Owner
	Name, Type, Protocol string
	// Way are the hops in order and then the entry's host; what is known of host
	// keys is not there yet. It is empty where Problem is not nil.
	Way     []ssh.Hop
	Problem *Problem
}

// Problem is why an entry is not reached, without having tried.
type Problem struct {
	// Hop is the jump host that it is about, counted from 1, or 0 for the entry itself.
	Hop    int
	Reason Reason
}

// Reason is a problem in words, as people read them.
type Reason string

// The reasons.
const (
	OtherEngine  Reason = "No engine connected. Monitoring requires the Nexterm Engine."
	NoHost       Reason = "Missing host configuration"
	HopNotFound  Reason = "Entry not found"
	HopNotSSH    Reason = "Not an SSH server"
	NoIdentities Reason = "No identities configured"
	NoUsable     Reason = "No valid identities found"
	NoUsername   Reason = "Missing username"
	CannotOpen   Reason = "Credential cannot be decrypted"
)

func (p Problem) String() string {
	if p.Hop > 0 {
		return fmt.Sprintf("Jump host %d: %s", p.Hop, p.Reason)
	}
	return string(p.Reason)
}

// Status is what the problem makes of a sample: what fails on the way counts as a
// host that is not there.
func (p Problem) Status() string {
	if p.Hop > 0 {
		return "offline"
	}
	return "error"
}

// Load reads how entries are reached, of any owners, in the order of their ids; those
// that are not there are left out. Hops always have a login, entries with logins. What
// an entry lacks is its own problem, and the others' never.
func Load(ctx context.Context, q *db.Queries, secrets *vault.Vault, ids []int64, logins bool) ([]Target, error) {
	rows, err := q.ListTargets(ctx, db.ListTargetsParams{Ids: ids, WithLogins: logins})
	if err != nil {
		return nil, err
	}
	targets := make([]Target, 0, len(ids))
	for len(rows) > 0 {
		last := 0
		for rows[last].Hop > 0 {
			last++
		}
		targets = append(targets, read(rows[:last+1], secrets, logins))
		rows = rows[last+1:]
	}
	return targets, nil
}

// read makes a target of its way, whose last step is the entry itself.
func read(way []db.ListTargetsRow, secrets *vault.Vault, logins bool) Target {
	own := way[len(way)-1]
	t := Target{EntryID: own.TargetID, Owner: caller.Owner(own.Scope), Name: own.Name, Type: own.Type, Protocol: own.Protocol}
	refuse := func(hop int32, reason Reason) Target {
		t.Way, t.Problem = nil, &Problem{int(hop), reason}
		return t
	}
	if own.OtherEngine {
		return refuse(0, OtherEngine)
	}
	if own.Host == "" || own.Port == 0 {
		return refuse(0, NoHost)
	}
	for _, step := range way {
		reached := ssh.Hop{Host: step.Host, Port: int(step.Port), Owner: own.Scope}
		var reason Reason
		switch {
		case step.EntryID == 0:
			reason = HopNotFound
		case step.Hop > 0 && step.Protocol != "ssh":
			reason = HopNotSSH
		case step.Host == "":
			reason = NoHost
		case step.Hop > 0 || logins:
			reason = login(&reached, step, secrets)
		}
		if reason != "" {
			return refuse(step.Hop, reason)
		}
		t.Way = append(t.Way, reached)
	}
	return t
}

// login fills in a step's username and secrets, or says why it has none.
func login(reached *ssh.Hop, step db.ListTargetsRow, secrets *vault.Vault) Reason {
	switch {
	case !step.Linked:
		return NoIdentities
	case step.IdentityID == 0:
		return NoUsable
	case step.Username == "" && step.Protocol != "rdp" && step.Protocol != "vnc": // desktops may ask, or want none
		return NoUsername
	}
	reached.Username = step.Username
	for _, stored := range []struct {
		kind       string
		ciphertext []byte
		into       *vault.Secret
	}{
		{"password", step.Password, &reached.Password},
		{"ssh-key", step.PrivateKey, &reached.PrivateKey},
		{"passphrase", step.Passphrase, &reached.Passphrase},
	} {
		if stored.ciphertext == nil {
			continue
		}
		secret, err := secrets.Open("credentials", step.IdentityID, stored.kind, stored.ciphertext)
		if err != nil {
			return CannotOpen
		}
		*stored.into = secret
	}
	return ""
}

// LoadFor reads how a person who reaches these owners gets to an entry, with an
// identity or, where that is nil, with what the person brings along: then the
// last hop has no login. The Problem says what is missing.
func LoadFor(ctx context.Context, q *db.Queries, secrets *vault.Vault, accountID int64, reach []int64, entryID int64, identityID *int64) (Target, error) {
	rows, err := q.ListLogins(ctx, db.ListLoginsParams{ID: entryID, Reach: reach, IdentityID: identityID})
	if err != nil {
		return Target{}, err
	}
	if len(rows) == 0 {
		return Target{Problem: &Problem{Reason: HopNotFound}}, nil
	}
	way := make([]db.ListTargetsRow, len(rows))
	for i, row := range rows {
		way[i] = db.ListTargetsRow(row)
	}
	t := read(way, secrets, identityID != nil)
	for i := range t.Way {
		// Hosts are bothered for the person, whoever owns the entry.
		t.Way[i].Owner = accountID
	}
	return t, nil
}
