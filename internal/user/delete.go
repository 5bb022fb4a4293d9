package user

import (
	"context"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/permission"
)

var errLastAdmin = fail.BadRequest("You cannot delete the last administrator account")

// DeleteUser removes an account and all that it owns; foreign keys take most of
// it. Its organizations pass on to a member, or go too.
func (h *Handlers) DeleteUser(ctx context.Context, request api.DeleteUserRequestObject) (api.DeleteUserResponseObject, error) {
	account := caller.Account(request.AccountID)
	// Changes of the account's tree come before, not half way into each other.
	err := h.changes.Do(ctx, change.Touch{Owners: []caller.Owner{account}}, func(tx *change.Tx) error {
		target, _, err := lock(ctx, tx.Queries, request.AccountID, permission.UsersManage)
		if err != nil {
			return err
		}
		if target.IsAdmin && !target.OtherAdmins {
			return errLastAdmin
		}
		owned, err := tx.LockOwnedOrganizations(ctx, target.ID)
		if err != nil {
			return err
		}
		ended, err := tx.EndSessions(ctx, db.EndSessionsParams{AccountID: target.ID})
		if err != nil {
			return err
		}
		var sessions []int64
		for _, s := range ended {
			sessions = append(sessions, s.ID)
			if s.ImpersonatorID != nil {
				tx.Record(event.SessionEnd(s.AccountID, s.ID, s.ImpersonatorID))
			}
		}
		// The owner goes first: an organization never has two.
		if err := tx.DeleteUser(ctx, target.ID); err != nil {
			return err
		}
		tx.Record(event.Event{
			Action: event.AccountDelete, Owner: account, ResourceID: target.ID,
			Details: event.Details{"name": target.Username}, EndedSessions: sessions,
		})
		passedOn, err := tx.PassOnOrganizations(ctx, owned)
		if err != nil {
			return err
		}
		for _, o := range passedOn {
			tx.Record(event.Event{
				Action: event.OrganizationUpdate, Owner: caller.Organization(o.OrganizationID), ResourceID: o.OrganizationID,
				Details: event.Details{"name": o.Name, "ownerId": o.AccountID},
				Lists:   []event.List{event.Entries, event.LiveSessions},
			})
		}
		deleted, err := tx.DeleteOwnerlessOrganizations(ctx, owned)
		if err != nil {
			return err
		}
		for _, o := range deleted {
			tx.Record(event.Event{
				Action: event.OrganizationDelete, Owner: caller.Organization(o.ID), ResourceID: o.ID,
				Details: event.Details{"name": o.Name},
			})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.DeleteUser200JSONResponse{Message: "Account got successfully deleted"}, nil
}
