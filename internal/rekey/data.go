package rekey

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/event"
)

const (
	// batch is how many secrets one transaction seals anew. What waits for its locks
	// waits a few milliseconds.
	batch = 25
	// rest is how many times what a batch has taken the pause after it lasts, at least
	// shortest: most of a small machine is left to others.
	rest     = 4
	shortest = 5 * time.Millisecond
	// mostBroken is how many secrets may not open before something else is the matter.
	mostBroken = 100
)

// DataKey seals every secret with a new data key, or goes on where that was
// interrupted, and returns the key. The old ones are dropped at the end; until
// then, all of them open.
func (r Rotation) DataKey(ctx context.Context) (id int64, err error) {
	return id, r.alone(ctx, func(ctx context.Context) error {
		stored, err := r.Queries.ListKeysets(ctx)
		if err != nil {
			return err
		}
		if len(stored) > 1 {
			return errors.New("the master key is being changed; finish that first with key rotate --master")
		}
		if len(r.Vault.Keys().IDs) == 1 {
			if err := r.introduce(ctx); err != nil {
				return err
			}
		}
		// It opens everywhere before it seals anywhere, and seals everywhere before
		// the rest is sealed anew.
		if err := r.follow(ctx); err != nil {
			return err
		}
		if err := r.promote(ctx); err != nil {
			return err
		}
		if err := r.follow(ctx); err != nil {
			return err
		}
		id = r.Vault.Keys().Primary
		if err := r.reseal(ctx); err != nil {
			return err
		}
		if err := r.settle(ctx); err != nil {
			return err
		}
		for {
			if err := r.reseal(ctx); err != nil {
				return err
			}
			err := r.retire(ctx)
			var refused *pgconn.PgError
			if errors.As(err, &refused) && (refused.Code == "23503" || refused.Code == "55P03") {
				// A transaction that had begun before has sealed with an old key.
				time.Sleep(shortest)
				continue
			}
			return err
		}
	})
}

func (r Rotation) introduce(ctx context.Context) error {
	return r.store(ctx, func(tx *change.Tx) error {
		keys := r.Vault.Keys()
		id, sealed, err := keys.WithNew()
		if err != nil {
			return err
		}
		if err := tx.CreateDataKey(ctx, id); err != nil {
			return err
		}
		tx.Record(event.Event{Action: event.KeyCreate, Details: event.Details{"kind": "data", "key": id}})
		_, err = tx.UpdateKeyset(ctx, db.UpdateKeysetParams{Keyset: sealed, Revision: keys.Revision})
		return err
	})
}

func (r Rotation) promote(ctx context.Context) error {
	keys := r.Vault.Keys()
	if keys.Primary == keys.IDs[len(keys.IDs)-1] {
		return nil
	}
	return r.store(ctx, func(tx *change.Tx) error {
		sealed, err := keys.WithNewestPrimary()
		if err != nil {
			return err
		}
		_, err = tx.UpdateKeyset(ctx, db.UpdateKeysetParams{Keyset: sealed, Revision: keys.Revision})
		return err
	})
}

func (r Rotation) retire(ctx context.Context) error {
	keys := r.Vault.Keys()
	return r.store(ctx, func(tx *change.Tx) error {
		sealed, err := keys.WithPrimaryOnly()
		if err != nil {
			return err
		}
		if err := tx.DeleteOtherDataKeys(ctx, keys.Primary); err != nil {
			return err
		}
		tx.Record(event.Event{Action: event.KeyDelete, Details: event.Details{"kind": "data", "successor": keys.Primary}})
		_, err = tx.UpdateKeyset(ctx, db.UpdateKeysetParams{Keyset: sealed, Revision: keys.Revision})
		return err
	})
}

// reseal seals anew what other keys than the primary one have sealed.
func (r Rotation) reseal(ctx context.Context) error {
	key := r.Vault.Keys().Primary
	counts, err := r.Queries.CountSealedSecrets(ctx)
	if err != nil {
		return err
	}
	var all, done int64
	for _, c := range counts {
		all += c.Secrets
		if c.KeyID == key {
			done += c.Secrets
		}
	}
	broken := []string{} // null would skip all
	for {
		began := time.Now()
		rows, err := r.Queries.ListSealedSecrets(ctx, db.ListSealedSecretsParams{KeyID: key, Skip: broken, Most: batch})
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			break
		}
		sealed := db.ResealSecretsParams{KeyID: key}
		for _, row := range rows {
			secret, err := r.Vault.Open(row.Place, row.ID, row.Kind, row.Ciphertext, row.Bound...)
			if err != nil {
				broken = append(broken, fmt.Sprintf("%s %d %s", row.Place, row.ID, row.Kind))
				continue
			}
			anew, err := r.Vault.Seal(row.Place, row.ID, row.Kind, secret, row.Bound...)
			if err != nil {
				return err
			}
			sealed.Places = append(sealed.Places, row.Place)
			sealed.Ids = append(sealed.Ids, row.ID)
			sealed.Kinds = append(sealed.Kinds, row.Kind)
			sealed.Befores = append(sealed.Befores, row.Ciphertext)
			sealed.Ciphertexts = append(sealed.Ciphertexts, anew.Ciphertext)
		}
		if len(broken) > mostBroken {
			break
		}
		err = r.Changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error { return tx.ResealSecrets(ctx, sealed) })
		if err != nil {
			return err
		}
		done = min(done+int64(len(sealed.Ids)), all)
		r.Progress(done, all)
		select {
		case <-time.After(max(shortest, rest*time.Since(began))):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if len(broken) > 0 {
		// Their key stays: whoever mends what was done to the rows can still open them.
		shown := broken[:min(len(broken), 10)]
		return fmt.Errorf("%d secrets or more do not open, so their key stays; enter them anew or delete them, then run this again: %s", len(broken), strings.Join(shown, ", "))
	}
	return nil
}
