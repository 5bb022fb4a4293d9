// Package device owns signing in a device that another, signed-in one approves.
// It does not check the tokens that it hands out; package caller does.
package device

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/signin"
	"github.com/nexterm-go/nexterm/internal/timestamp"
	"github.com/nexterm-go/nexterm/internal/vault"
)

var (
	errUnknown    = fail.NotFound("Invalid or expired device code")
	errAuthorized = fail.BadRequest("Device code has already been authorized")
)

// Handlers are the operations of the tag device.
type Handlers struct {
	queries *db.Queries
	changes *change.Changes
}

// New returns the operations over a database.
func New(queries *db.Queries, changes *change.Changes) *Handlers {
	return &Handlers{queries: queries, changes: changes}
}

// CreateDeviceCode makes a code for people and a secret to poll with.
func (h *Handlers) CreateDeviceCode(ctx context.Context, request api.CreateDeviceCodeRequestObject) (api.CreateDeviceCodeResponseObject, error) {
	client := caller.ClientFrom(ctx)
	token := vault.NewDeviceToken()
	params := db.CreateDeviceCodeParams{
		TokenHash: vault.HashToken(token), ClientType: string(request.Body.ClientType),
		IPAddress: client.IP, UserAgent: client.Agent("Unknown Device"),
	}
	if c := caller.Optional(ctx); c != nil {
		params.CreatedByAccountID = &c.AccountID
	}
	var expiresAt time.Time
	err := h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		for {
			params.Code = vault.NewDeviceCode()
			var err error
			if expiresAt, err = tx.CreateDeviceCode(ctx, params); err == nil {
				break
			}
			if !errors.Is(err, pgx.ErrNoRows) {
				return err
			}
			// The code is taken.
		}
		if params.CreatedByAccountID == nil {
			return nil
		}
		return tx.Within(ctx, caller.Account(*params.CreatedByAccountID), change.DeviceCodes)
	})
	if err != nil {
		return nil, err
	}
	return api.CreateDeviceCode200JSONResponse{Code: params.Code, Token: token, ExpiresAt: timestamp.Format(expiresAt)}, nil
}

// PollDeviceCode opens the session of an approved code, for the client that
// polls, and answers its token once.
func (h *Handlers) PollDeviceCode(ctx context.Context, request api.PollDeviceCodeRequestObject) (api.PollDeviceCodeResponseObject, error) {
	hash := vault.HashToken(strings.ToLower(request.Body.Token))
	var token string
	err := h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		accountID, err := tx.PollDeviceCode(ctx, hash)
		if err != nil {
			return err
		}
		token, err = signin.Open(ctx, tx, accountID, signin.ByDevice)
		return err
	})
	if err == nil {
		return api.PollDeviceCode200JSONResponse{Status: api.DevicePollStatusAuthorized, Token: &token}, nil
	}
	if !errors.Is(err, pgx.ErrNoRows) {
		return nil, err
	}
	open, err := h.queries.IsDeviceCodeOpen(ctx, hash)
	if err != nil {
		return nil, err
	}
	if open {
		return api.PollDeviceCode200JSONResponse{Status: api.DevicePollStatusPending}, nil
	}
	return api.PollDeviceCode200JSONResponse{Status: api.DevicePollStatusInvalid}, nil
}

// GetDeviceCode answers who asks to be signed in.
func (h *Handlers) GetDeviceCode(ctx context.Context, request api.GetDeviceCodeRequestObject) (api.GetDeviceCodeResponseObject, error) {
	row, err := h.find(ctx, request.Body.Code)
	if err != nil {
		return nil, err
	}
	return api.GetDeviceCode200JSONResponse{
		IPAddress: row.IPAddress, UserAgent: row.UserAgent, ClientType: api.DeviceClientType(row.ClientType),
		ExpiresAt: timestamp.Format(row.ExpiresAt),
	}, nil
}

// find returns a code that waits to be approved.
func (h *Handlers) find(ctx context.Context, code string) (db.GetDeviceCodeRow, error) {
	row, err := h.queries.GetDeviceCode(ctx, code)
	if err != nil {
		return row, fail.OnNoRows(err, errUnknown)
	}
	if row.Authorized {
		return row, errAuthorized
	}
	return row, nil
}

// AuthorizeDeviceCode lets the device sign in as the caller.
func (h *Handlers) AuthorizeDeviceCode(ctx context.Context, request api.AuthorizeDeviceCodeRequestObject) (api.AuthorizeDeviceCodeResponseObject, error) {
	accountID := caller.From(ctx).AccountID
	var row db.AuthorizeDeviceCodeRow
	err := h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) (err error) {
		if row, err = tx.AuthorizeDeviceCode(ctx, db.AuthorizeDeviceCodeParams{Code: request.Body.Code, AccountID: accountID}); err != nil {
			return err
		}
		tx.Record(event.Event{
			Action: event.DeviceAuthorize, Owner: caller.Account(accountID),
			Details: event.Details{"clientType": row.ClientType, "ipAddress": row.IPAddress},
		})
		return nil
	})
	if errors.Is(err, pgx.ErrNoRows) {
		_, err = h.find(ctx, request.Body.Code)
		return nil, cmp.Or(err, errUnknown)
	}
	if err != nil {
		return nil, err
	}
	return api.AuthorizeDeviceCode200JSONResponse{
		Message: "Device authorized successfully",
		DeviceInfo: api.DeviceInfo{
			IPAddress: row.IPAddress, UserAgent: row.UserAgent, ClientType: api.DeviceClientType(row.ClientType),
		},
	}, nil
}

// GetDeviceLinkStatus answers how a code stands that the caller created or approved.
func (h *Handlers) GetDeviceLinkStatus(ctx context.Context, request api.GetDeviceLinkStatusRequestObject) (api.GetDeviceLinkStatusResponseObject, error) {
	status, err := h.queries.GetDeviceLinkStatus(ctx, db.GetDeviceLinkStatusParams{
		Code: request.Body.Code, AccountID: caller.From(ctx).AccountID,
	})
	if errors.Is(err, pgx.ErrNoRows) {
		status = string(api.DeviceLinkStatusStatusExpired)
	} else if err != nil {
		return nil, err
	}
	return api.GetDeviceLinkStatus200JSONResponse{Status: api.DeviceLinkStatusStatus(status)}, nil
}
