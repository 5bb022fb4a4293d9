package connection

import (
	"context"
	"encoding/json"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/live"
	"github.com/nexterm-go/nexterm/internal/vault"
)

var (
	errNoIdentity      = fail.BadRequest("No identity attached to session")
	errNoPassword      = fail.BadRequest("Identity does not contain a password")
	errNoStream        = fail.BadRequest("Session stream not available")
	errForeignIdentity = fail.Forbidden("Identity is not attached to this server")
	errNotShareable    = fail.BadRequest("This session cannot be shared")
	errNotShared       = fail.BadRequest("Session is not being shared")
	errNotPublic       = fail.Forbidden("Public sharing is disabled for this organization")
	errShareNotFound   = fail.NotFound("Shared session not found")
	errIdentityGone    = fail.NotFound("Identity does not exist")
)

// HibernateConnection lets a connection go on unseen. Its sockets are left alone.
func (h *Handlers) HibernateConnection(ctx context.Context, request api.HibernateConnectionRequestObject) (api.HibernateConnectionResponseObject, error) {
	hibernated := true
	err := h.update(ctx, db.UpdateConnectionParams{ID: request.ID, IsHibernated: &hibernated})
	return api.HibernateConnection200JSONResponse{Message: "Session hibernated"}, err
}

// ResumeConnection takes a connection out of hibernation, into a tab.
func (h *Handlers) ResumeConnection(ctx context.Context, request api.ResumeConnectionRequestObject) (api.ResumeConnectionResponseObject, error) {
	hibernated := false
	err := h.update(ctx, db.UpdateConnectionParams{
		ID: request.ID, IsHibernated: &hibernated, TabID: given(request.Body).TabID, BrowserID: given(request.Body).BrowserID,
	})
	return api.ResumeConnection200JSONResponse{Message: "Session resumed"}, err
}

func (h *Handlers) update(ctx context.Context, update db.UpdateConnectionParams) error {
	update.AccountID = caller.From(ctx).AccountID
	return h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		organizationID, err := tx.UpdateConnection(ctx, update)
		if err != nil {
			return fail.OnNoRows(err, errNotFound)
		}
		tx.Record(live.Updated(update.ID, update.AccountID, organizationID))
		return nil
	})
}

// DeleteConnection ends a connection at once.
func (h *Handlers) DeleteConnection(ctx context.Context, request api.DeleteConnectionRequestObject) (api.DeleteConnectionResponseObject, error) {
	accountID := caller.From(ctx).AccountID
	err := h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		organizationID, err := tx.DeleteConnection(ctx, db.DeleteConnectionParams{ID: request.ID, AccountID: accountID})
		if err != nil {
			return fail.OnNoRows(err, errNotFound)
		}
		tx.Record(live.Ended(request.ID, accountID, organizationID))
		return nil
	})
	if err != nil {
		return nil, err
	}
	h.live.End(request.ID)
	return api.DeleteConnection200JSONResponse{Message: "Session deleted"}, nil
}

// PasteConnectionPassword types a stored password into the terminal, which the audit
// log tells first.
func (h *Handlers) PasteConnectionPassword(ctx context.Context, request api.PasteConnectionPasswordRequestObject) (api.PasteConnectionPasswordResponseObject, error) {
	row, err := h.get(ctx, request.ID)
	if err != nil {
		return nil, err
	}
	password, told, err := h.pasted(ctx, row, given(request.Body).IdentityID)
	if err != nil {
		return nil, err
	}
	if row.Kind != "terminal" || !h.live.Type(row.ID, "") {
		return nil, errNoStream
	}
	if err := h.changes.Record(ctx, told); err != nil {
		return nil, err
	}
	if !h.live.Type(row.ID, password) {
		return nil, errNoStream
	}
	return api.PasteConnectionPassword200JSONResponse{Message: "Password pasted"}, nil
}

// pasted is the password that is meant, and what is told of its use.
func (h *Handlers) pasted(ctx context.Context, row db.GetConnectionRow, named *int64) (vault.Secret, event.Event, error) {
	reach := caller.From(ctx).Reach
	id := row.IdentityID
	if named != nil {
		id = named
	}
	if id == nil {
		return "", event.Event{}, errNoIdentity
	}
	if row.IdentityID == nil || *id != *row.IdentityID {
		linked, err := h.queries.IsLinked(ctx, db.IsLinkedParams{EntryID: row.EntryID, IdentityID: *id, Reach: reach})
		if err != nil {
			return "", event.Event{}, err
		}
		if !linked {
			return "", event.Event{}, errForeignIdentity
		}
	}
	identity, err := h.queries.GetPastedIdentity(ctx, db.GetPastedIdentityParams{ID: *id, Reach: reach})
	if err != nil {
		return "", event.Event{}, fail.OnNoRows(err, errIdentityGone)
	}
	if identity.Password == nil {
		return "", event.Event{}, errNoPassword
	}
	password, err := h.vault.Open("credentials", identity.ID, "password", identity.Password)
	return password, event.Event{
		Action: event.IdentityCredentialsAccess, Owner: caller.OwnerOf(caller.From(ctx), identity.OrganizationID), ResourceID: identity.ID,
		Details: event.Details{"identityName": identity.Name, "identityType": identity.Type},
	}, err
}

// ShareConnection makes a link to a connection, or gives the one there is another right.
func (h *Handlers) ShareConnection(ctx context.Context, request api.ShareConnectionRequestObject) (api.ShareConnectionResponseObject, error) {
	row, err := h.get(ctx, request.ID)
	if err != nil {
		return nil, err
	}
	if row.Kind == "sftp" || row.ScriptID != nil {
		return nil, errNotShareable
	}
	if !row.MayBeShared {
		return nil, errNotPublic
	}
	c := caller.From(ctx)
	answer := api.ShareConnection200JSONResponse{Writable: isWritable(request.Body)}
	err = h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		held, err := tx.ShareConnection(ctx, db.ShareConnectionParams{ID: request.ID, AccountID: c.AccountID})
		if err != nil {
			return fail.OnNoRows(err, errNotFound)
		}
		share := db.SetConnectionShareParams{ID: request.ID, AccountID: c.AccountID, ShareWritable: answer.Writable}
		known, err := h.shareID(held.Number, held.ShareKey)
		if err != nil {
			return err
		}
		if known != nil {
			answer.ShareID = *known
		} else {
			answer.ShareID = vault.NewShareKey()
			sealed, err := h.vault.Seal("connections", held.Number, "share-key", vault.Secret(answer.ShareID))
			if err != nil {
				return err
			}
			share.ShareKeyHash, share.KeyID, share.ShareKey = vault.HashToken(answer.ShareID), &sealed.KeyID, sealed.Ciphertext
		}
		set, err := tx.SetConnectionShare(ctx, share)
		tx.Record(live.Updated(request.ID, c.AccountID, set.OrganizationID))
		return err
	})
	return answer, err
}

// UpdateConnectionShare changes what those who have the link may do.
func (h *Handlers) UpdateConnectionShare(ctx context.Context, request api.UpdateConnectionShareRequestObject) (api.UpdateConnectionShareResponseObject, error) {
	accountID, writable := caller.From(ctx).AccountID, isWritable(request.Body)
	err := h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		row, err := tx.SetConnectionShare(ctx, db.SetConnectionShareParams{ID: request.ID, AccountID: accountID, ShareWritable: writable})
		if err != nil {
			return fail.OnNoRows(err, errNotFound)
		}
		if !row.IsShared {
			return errNotShared
		}
		tx.Record(live.Updated(request.ID, accountID, row.OrganizationID))
		return nil
	})
	return api.UpdateConnectionShare200JSONResponse{Writable: &writable}, err
}

// UnshareConnection stops sharing by link, shared or not.
func (h *Handlers) UnshareConnection(ctx context.Context, request api.UnshareConnectionRequestObject) (api.UnshareConnectionResponseObject, error) {
	accountID := caller.From(ctx).AccountID
	err := h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		organizationID, err := tx.UnshareConnection(ctx, db.UnshareConnectionParams{ID: request.ID, AccountID: accountID})
		if err != nil {
			return fail.OnNoRows(err, errNotFound)
		}
		tx.Record(live.Updated(request.ID, accountID, organizationID))
		return nil
	})
	return api.UnshareConnection200JSONResponse{Message: "Sharing stopped"}, err
}

// GetSharedConnection answers what whoever has the link needs to show the connection.
func (h *Handlers) GetSharedConnection(ctx context.Context, request api.GetSharedConnectionRequestObject) (api.GetSharedConnectionResponseObject, error) {
	row, err := h.queries.GetSharedConnection(ctx, vault.HashToken(request.ShareID))
	if err != nil {
		return nil, fail.OnNoRows(err, errShareNotFound)
	}
	answer := api.GetSharedConnection200JSONResponse{
		ID: row.ID, Writable: row.ShareWritable, Type: row.Type, OrganizationID: row.OrganizationID, OrganizationName: row.OrganizationName,
		Server: api.ConnectionServer{
			ID: row.EntryID, Name: row.Name, Type: row.EntryType, Icon: &row.Icon, Renderer: row.Renderer, Protocol: filled(row.Protocol),
		},
	}
	answer.FontFamily, answer.FontSize = font(row.Terminal)
	return answer, nil
}

// given is a body that may be left out.
func given[T any](body *T) (value T) {
	if body != nil {
		value = *body
	}
	return value
}

func isWritable(body *api.SharedRight) bool {
	right := given(body).Writable
	return right != nil && *right
}

// font reads the owner's, where preferences have one of the right kind.
func font(preferences []byte) (family *string, size *float64) {
	var terminal map[string]any
	if json.Unmarshal(preferences, &terminal) != nil {
		return nil, nil
	}
	if text, is := terminal["fontFamily"].(string); is {
		family = &text
	}
	if number, is := terminal["fontSize"].(float64); is {
		size = &number
	}
	return family, size
}
