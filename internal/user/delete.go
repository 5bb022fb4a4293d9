package user

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/permission"
)

var errLastAdmin = fail.BadRequest("You cannot delete the last administrator account")

// DeleteUser removes an account and all that it owns; foreign keys take most of
// it. Its organizations pass on to a member, or go too.
func (h *Handlers) DeleteUser(ctx context.Context, request api.DeleteUserRequestObject) (api.DeleteUserResponseObject, error) {
	var sessions, passedOn []int64
	err := pgx.BeginFunc(ctx, h.pool, func(tx pgx.Tx) error {
		q := h.queries.WithTx(tx)
		// Changes of the account's tree come before, not half way into each other.
		if _, err := q.LockScopes(ctx, db.LockScopesParams{Scopes: []int64{request.AccountID}}); err != nil {
			return err
		}
		target, _, err := lock(ctx, q, request.AccountID, permission.UsersManage)
		if err != nil {
			return err
		}
		if target.IsAdmin && !target.OtherAdmins {
			return errLastAdmin
		}
		owned, err := q.LockOwnedOrganizations(ctx, target.ID)
		if err != nil {
			return err
		}
		if sessions, err = q.EndSessions(ctx, target.ID); err != nil {
			return err
		}
		// The owner goes first: an organization never has two.
		if err := q.DeleteUser(ctx, target.ID); err != nil {
			return err
		}
		if err := q.PassOnOrganizations(ctx, owned); err != nil {
			return err
		}
		deleted, err := q.DeleteOwnerlessOrganizations(ctx, owned)
		passedOn = slices.DeleteFunc(owned, func(id int64) bool { return slices.Contains(deleted, id) })
		return err
	})
	if err != nil {
		return nil, err
	}
	h.events.Publish(event.Change{EndedSessions: sessions})
	for _, id := range passedOn {
		h.events.Publish(event.Change{Topics: []event.Topic{event.Entries, event.LiveSessions}, Organizations: []int64{id}})
	}
	return api.DeleteUser200JSONResponse{Message: "Account got successfully deleted"}, nil
}
