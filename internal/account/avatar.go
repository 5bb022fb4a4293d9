package account

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"

	"golang.org/x/image/webp"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/fail"
)

// avatarHashLength is how much of a picture's SHA-256 tells it from another, in bytes.
const avatarHashLength = 8

// SetAvatar stores the caller's picture. Only its header is decoded: browsers
// decode the rest, and a server that does invites bombs.
func (h *Handlers) SetAvatar(ctx context.Context, request api.SetAvatarRequestObject) (api.SetAvatarResponseObject, error) {
	image, err := io.ReadAll(request.Body)
	if err != nil {
		return nil, err
	}
	if len(image) == 0 {
		return nil, fail.BadRequest("You need to provide the image data in the request body.")
	}
	if _, err := webp.DecodeConfig(bytes.NewReader(image)); err != nil {
		return nil, fail.BadRequest("The provided image must be in the WebP format")
	}
	sum := sha256.Sum256(image)
	hash := hex.EncodeToString(sum[:avatarHashLength])
	id := caller.From(ctx).AccountID
	err = h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		tx.Record(settingsChanged(id, "avatar"))
		return tx.SetAvatar(ctx, db.SetAvatarParams{AccountID: id, Image: image, AvatarHash: hash})
	})
	if err != nil {
		return nil, err
	}
	return api.SetAvatar200JSONResponse{Message: "Your profile picture has been successfully updated.", AvatarHash: hash}, nil
}

// DeleteAvatar removes the caller's picture, if there is one.
func (h *Handlers) DeleteAvatar(ctx context.Context, _ api.DeleteAvatarRequestObject) (api.DeleteAvatarResponseObject, error) {
	id := caller.From(ctx).AccountID
	err := h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		updated, err := tx.DeleteAvatar(ctx, id)
		if err != nil {
			return err
		}
		if updated == 0 {
			return caller.ErrGone
		}
		tx.Record(settingsChanged(id, "avatar"))
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.DeleteAvatar200JSONResponse{Message: "Your profile picture has been successfully removed."}, nil
}

// GetAvatar answers an account's picture. Its address carries the hash, so that
// a browser may keep it for a year.
func (h *Handlers) GetAvatar(ctx context.Context, request api.GetAvatarRequestObject) (api.GetAvatarResponseObject, error) {
	image, err := h.queries.GetAvatar(ctx, request.AccountID)
	if err != nil {
		return nil, fail.OnNoRows(err, fail.NotFound("The requested profile picture does not exist."))
	}
	return api.GetAvatar200ImageWebpResponse{
		Body: bytes.NewReader(image), ContentLength: int64(len(image)),
		Headers: api.GetAvatar200ResponseHeaders{CacheControl: "private, max-age=31536000, immutable"},
	}, nil
}
