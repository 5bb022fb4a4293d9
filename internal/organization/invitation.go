package organization

import (
	"context"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/permission"
	"github.com/nexterm-go/nexterm/internal/timestamp"
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
	row, err := h.queries.InviteMember(ctx, db.InviteMemberParams{
		OrganizationID: request.ID, Username: request.Body.Username, InvitedBy: c.AccountID,
	})
	switch {
	case err != nil:
		err = fail.OnConstraint(err, "organization_members_organization_exists", errNotFound)
		err = fail.OnConstraint(err, "organization_members_account_exists", errUserNotFound)
		return nil, fail.OnNoRows(err, errNotFound)
	case row.Invited:
		return api.InviteMember200JSONResponse{Success: true, Message: "Invitation sent successfully"}, nil
	case row.AccountID == nil:
		return nil, errUserNotFound
	case row.Status != nil && *row.Status == string(api.MemberStatusActive):
		return nil, errAlreadyMember
	}
	return nil, errAlreadyInvited
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
	accountID, message := caller.From(ctx).AccountID, "Invitation declined"
	var answered int64
	var err error
	if request.Body.Accept {
		message = "Invitation accepted"
		answered, err = h.queries.AcceptInvitation(ctx, db.AcceptInvitationParams{OrganizationID: request.ID, AccountID: accountID})
	} else {
		answered, err = h.queries.DeclineInvitation(ctx, db.DeclineInvitationParams{OrganizationID: request.ID, AccountID: accountID})
	}
	if err != nil {
		return nil, err
	}
	if answered == 0 {
		return nil, errInvitationMissing
	}
	if request.Body.Accept {
		h.events.Publish(event.Change{
			Topics:   []event.Topic{event.Entries, event.Identities, event.Snippets, event.LiveSessions},
			Accounts: []int64{accountID},
		})
	}
	return api.RespondToInvitation200JSONResponse{Success: true, Message: message}, nil
}
