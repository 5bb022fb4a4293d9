// Package rekey owns replacing keys while servers run: the data key that secrets are
// sealed with and the master key that the data keys are sealed with. Each step is
// committed by itself and found again by whoever goes on after an interruption. It
// does no cryptography; package vault does.
package rekey

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/vault"
)

// readersInterval is how often the servers are looked at that have to follow.
const readersInterval = 100 * time.Millisecond

var (
	errRunning   = errors.New("keys are being rotated already")
	errMeanwhile = errors.New("somebody else has changed the data keys meanwhile; run this again")
)

// Rotation replaces keys.
type Rotation struct {
	// Session is a connection that stays the same, past a pooler.
	Session *db.Queries
	Queries *db.Queries
	Changes *change.Changes
	Vault   *vault.Vault
	// Settle is how long what has begun on a server may still seal with the key that
	// it had at the beginning.
	Settle time.Duration
	// Progress is told how many secrets of all are done.
	Progress func(done, all int64)
	// Say is told what is waited for.
	Say func(text string)
}

// alone runs what only one process may do at a time.
func (r Rotation) alone(ctx context.Context, work func(context.Context) error) error {
	begun, err := r.Session.BeginRotation(ctx)
	if err != nil {
		return err
	}
	if !begun {
		return errRunning
	}
	defer func() { _ = r.Session.EndRotation(context.WithoutCancel(ctx)) }()
	if err := r.Vault.Reload(ctx); err != nil {
		return err
	}
	return work(ctx)
}

// store runs a step that changes the data keys, tells the servers and reads them anew.
func (r Rotation) store(ctx context.Context, step func(*change.Tx) error) error {
	err := r.Changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		if err := step(tx); err != nil {
			return err
		}
		return tx.NotifyKeys(ctx)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return errMeanwhile
	}
	if err != nil {
		return err
	}
	return r.Vault.Reload(ctx)
}

// follow waits until all servers that run work with the newest keyset.
func (r Rotation) follow(ctx context.Context) error {
	newest := r.Vault.Keys().Revision
	for said := int64(0); ; {
		readers, err := r.Queries.ListKeysetReaders(ctx)
		if err != nil {
			return err
		}
		var behind int64
		for _, reader := range readers {
			if reader.Revision < newest {
				behind += reader.Servers
			}
		}
		if behind == 0 {
			return nil
		}
		if behind != said {
			said = behind
			r.Say(fmt.Sprintf("waiting for servers to take the new key: %d; this can be interrupted and run again", behind))
		}
		select {
		case <-time.After(readersInterval):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// settle waits until nothing seals with an old key any more, if servers run.
func (r Rotation) settle(ctx context.Context) error {
	readers, err := r.Queries.ListKeysetReaders(ctx)
	if err != nil || len(readers) == 0 {
		return err
	}
	r.Say(fmt.Sprintf("waiting %s for requests that have begun before", r.Settle))
	select {
	case <-time.After(r.Settle):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// MasterKey seals the data keys with the successor of the master key and drops
// what the present one has sealed, once all servers have the successor.
func (r Rotation) MasterKey(ctx context.Context, successor vault.MasterKey) error {
	return r.alone(ctx, func(ctx context.Context) error {
		stored, err := r.Queries.ListKeysets(ctx)
		if err != nil {
			return err
		}
		name := successor.Fingerprint()
		switch {
		case stored[0].Fingerprint == name:
			// It has been interrupted, perhaps after its last step.
		case len(stored) > 1:
			return fmt.Errorf("the master key is being changed to the one of fingerprint %s; that has to be finished first", stored[0].Fingerprint)
		default:
			err := r.store(ctx, func(tx *change.Tx) error {
				sealed, err := r.Vault.Keys().SealedBy(successor)
				if err != nil {
					return err
				}
				tx.Record(event.Event{Action: event.KeyCreate, Details: event.Details{"kind": "master", "fingerprint": name}})
				_, err = tx.CreateSuccessorKeyset(ctx, db.CreateSuccessorKeysetParams{
					Fingerprint: name, Keyset: sealed, Revision: r.Vault.Keys().Revision,
				})
				return err
			})
			if err != nil {
				return err
			}
		}
		if r.Vault.Keys().Fingerprint() != name {
			return errMeanwhile
		}
		if err := r.follow(ctx); err != nil {
			return err
		}
		return r.store(ctx, func(tx *change.Tx) error {
			gone, err := tx.DeleteOtherKeysets(ctx, name)
			if gone > 0 {
				tx.Record(event.Event{Action: event.KeyDelete, Details: event.Details{"kind": "master", "successor": name}})
			}
			return err
		})
	})
}
