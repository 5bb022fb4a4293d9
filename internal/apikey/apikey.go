// Package apikey owns the API keys of an account. It does not check them;
// package caller does.
package apikey

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/timestamp"
	"github.com/nexterm-go/nexterm/internal/vault"
)

const (
	// most is how many keys an account has at a time, expired ones not counted.
	most = 50
	// prefixLength is how much of a key its owner sees again.
	prefixLength = 10
)

var errTooMany = fail.BadRequest(fmt.Sprintf("You have reached the maximum number of API keys (%d)", most))

// Handlers are the operations of the tag apikey.
type Handlers struct {
	queries *db.Queries
	changes *change.Changes
}

// New returns the operations over a database.
func New(queries *db.Queries, changes *change.Changes) *Handlers {
	return &Handlers{queries: queries, changes: changes}
}

// ListAPIKeys answers the caller's keys, the newest first.
func (h *Handlers) ListAPIKeys(ctx context.Context, _ api.ListAPIKeysRequestObject) (api.ListAPIKeysResponseObject, error) {
	rows, err := h.queries.ListAPIKeys(ctx, caller.From(ctx).AccountID)
	if err != nil {
		return nil, err
	}
	keys := make(api.ListAPIKeys200JSONResponse, len(rows))
	for i, row := range rows {
		keys[i] = api.APIKey{
			ID: row.ID, Name: row.Name, Prefix: row.Prefix,
			LastUsedAt: timestamp.FormatOptional(row.LastUsedAt),
			ExpiresAt:  timestamp.FormatOptional(row.ExpiresAt),
			CreatedAt:  timestamp.Format(row.CreatedAt),
		}
	}
	return keys, nil
}

// CreateAPIKey makes a key and shows it this once.
func (h *Handlers) CreateAPIKey(ctx context.Context, request api.CreateAPIKeyRequestObject) (api.CreateAPIKeyResponseObject, error) {
	expiresAt, err := parseExpiry(request.Body.ExpiresAt)
	if err != nil {
		return nil, err
	}
	key := vault.NewAPIKey()
	prefix := key[:prefixLength] + "…"
	accountID := caller.From(ctx).AccountID
	var row db.CreateAPIKeyRow
	err = h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) (err error) {
		if err := errors.Join(tx.LockAccount(ctx, accountID), tx.DeleteExpiredAPIKeys(ctx, accountID)); err != nil {
			return err
		}
		row, err = tx.CreateAPIKey(ctx, db.CreateAPIKeyParams{
			AccountID: accountID, Name: request.Body.Name, TokenHash: vault.HashToken(key), Prefix: prefix,
			ExpiresAt: expiresAt, Most: most,
		})
		if err != nil {
			return fail.OnNoRows(err, errTooMany)
		}
		tx.Record(event.Event{
			Action: event.APIKeyCreate, Owner: caller.Account(accountID), ResourceID: row.ID,
			Details: event.Details{"name": request.Body.Name, "prefix": prefix},
		})
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.CreateAPIKey200JSONResponse{
		ID: row.ID, Name: request.Body.Name, Prefix: prefix, Token: key,
		ExpiresAt: timestamp.FormatOptional(expiresAt), CreatedAt: timestamp.Format(row.CreatedAt),
	}, nil
}

// parseExpiry reads the end of a key: a time with its zone, or a day that ends
// it at its first moment in UTC. None and empty mean never.
func parseExpiry(text *string) (*time.Time, error) {
	if text == nil || *text == "" {
		return nil, nil
	}
	at, err := time.Parse(time.RFC3339, *text)
	if err != nil {
		at, err = time.Parse(time.DateOnly, *text)
	}
	if err != nil {
		return nil, fail.BadRequest("Invalid expiration date")
	}
	if !at.After(time.Now()) {
		return nil, fail.BadRequest("Expiration date must be in the future")
	}
	return &at, nil
}

// DeleteAPIKey revokes one of the caller's keys.
func (h *Handlers) DeleteAPIKey(ctx context.Context, request api.DeleteAPIKeyRequestObject) (api.DeleteAPIKeyResponseObject, error) {
	accountID := caller.From(ctx).AccountID
	err := h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		name, err := tx.DeleteAPIKey(ctx, db.DeleteAPIKeyParams{ID: request.ID, AccountID: accountID})
		if err != nil {
			return fail.OnNoRows(err, fail.NotFound("API key not found"))
		}
		tx.Record(event.Event{
			Action: event.APIKeyDelete, Owner: caller.Account(accountID), ResourceID: request.ID, Details: event.Details{"name": name},
		})
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.DeleteAPIKey200JSONResponse{Message: "API key deleted successfully"}, nil
}
