package organization

import (
	"context"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/permission"
	"github.com/nexterm-go/nexterm/internal/timestamp"
	"github.com/nexterm-go/nexterm/internal/username"
)

var (
	errInviteForbidden   = fail.Forbidden("You don't have permission to invite users to this organization")
	errUserNotFound      = fail.NotFound("User not found")
	errAlreadyMember     = fail.Conflict("User is already a member of this organization")
	errAlreadyInvited    = fail.Conflict("User already has a pending invitation")
	errInvitationMissing = fail.NotFound("Invitation not found")
)

// InviteMember invites an account that exists. Of two invitations at once, the
// second one finds the first.
func (h *Handlers) InviteMember(ctx context.Context, request api.InviteMemberRequestObject) (api.InviteMemberResponseObject, error) {
	c := caller.From(ctx)
	if !c.In(request.ID).Has(permission.OrgMembersManage) {
		return nil, errInviteForbidden
	}
	err := h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		row, err := tx.InviteMember(ctx, db.InviteMemberParams{
			OrganizationID: request.ID, FoldedUsername: username.Fold(request.Body.Username), InvitedBy: c.AccountID,
		})
		switch {
		case err != nil:
			err = fail.OnConstraint(err, "organization_members_organization_exists", caller.ErrOrganizationNotFound)
			err = fail.OnConstraint(err, "organization_members_account_exists", errUserNotFound)
			return fail.OnNoRows(err, caller.ErrOrganizationNotFound)
		case row.AccountID == nil:
			return errUserNotFound
		case row.Invited:
			tx.Record(event.Event{
				Action: event.OrganizationInvite, Owner: caller.Organization(request.ID), ResourceID: request.ID,
				Details: event.Details{"accountId": *row.AccountID, "username": row.Username},
			})
			return nil
		case row.Status != nil && *row.Status == string(api.MemberStatusActive):
			return errAlreadyMember
		}
		return errAlreadyInvited
	})
	if err != nil {
		return nil, err
	}
	return api.InviteMember200JSONResponse{Success: true, Message: "Invitation sent successfully"}, nil
}

// ListPendingInvitations answers the invitations that wait for the caller.
func (h *Handlers) ListPendingInvitations(ctx context.Context, _ api.ListPendingInvitationsRequestObject) (api.ListPendingInvitationsResponseObject, error) {
	rows, err := h.queries.ListPendingInvitations(ctx, caller.From(ctx).AccountID)
	if err != nil {
		return nil, err
	}
	invitations := make(api.ListPendingInvitations200JSONResponse, len(rows))
	for i, row := range rows {
		inviter := api.Inviter{
			ID:         row.InviterID,
			Username:   row.InviterUsername,
			FirstName:  row.InviterFirstName,
			LastName:   row.InviterLastName,
			AvatarHash: row.InviterAvatarHash,
			Name:       "Unknown user",
		}
		if row.InviterID != nil {
			inviter.Name = *row.InviterFirstName + " " + *row.InviterLastName
		}
		invitations[i] = api.Invitation{
			ID:           row.ID,
			Organization: api.InvitingOrganization{ID: row.ID, Name: row.Name, Description: row.Description},
			InvitedBy:    inviter,
			CreatedAt:    timestamp.Format(row.CreatedAt),
		}
	}
	return invitations, nil
}

// RespondToInvitation accepts or declines. Only what is still pending can be
// answered, so one of two answers at once finds nothing.
func (h *Handlers) RespondToInvitation(ctx context.Context, request api.RespondToInvitationRequestObject) (api.RespondToInvitationResponseObject, error) {
	accountID, accept := caller.From(ctx).AccountID, request.Body.Accept
	message := "Invitation declined"
	if accept {
		message = "Invitation accepted"
	}
	err := h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) (err error) {
		e := event.Event{
			Action: event.OrganizationDecline, Owner: caller.Organization(request.ID), ResourceID: request.ID,
			Details: event.Details{"accountId": accountID}, Lists: []event.List{},
		}
		var answered int64
		if accept {
			e.Action, e.Accounts = event.OrganizationAccept, []int64{accountID}
			e.AccountLists = []event.List{event.Entries, event.Identities, event.Snippets, event.LiveSessions}
			answered, err = tx.AcceptInvitation(ctx, db.AcceptInvitationParams{OrganizationID: request.ID, AccountID: accountID})
		} else {
			answered, err = tx.DeclineInvitation(ctx, db.DeclineInvitationParams{OrganizationID: request.ID, AccountID: accountID})
		}
		if err != nil {
			return err
		}
		if answered == 0 {
			return errInvitationMissing
		}
		tx.Record(e)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.RespondToInvitation200JSONResponse{Success: true, Message: message}, nil
}
