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
)

var (
	errRemoveForbidden  = fail.Forbidden("You don't have permission to remove members from this organization")
	errOwnerStays       = fail.Forbidden("Cannot remove the organization owner")
	errOwnerCannotLeave = fail.Forbidden("As the owner, you cannot leave the organization. You must delete it instead")
	errMemberMissing    = fail.NotFound("Member not found in this organization")
	errNotMember        = fail.NotFound("You are not a member of this organization")
)

// ListMembers answers active members and invited accounts.
func (h *Handlers) ListMembers(ctx context.Context, request api.ListMembersRequestObject) (api.ListMembersResponseObject, error) {
	if err := h.checkMember(ctx, caller.From(ctx), request.ID); err != nil {
		return nil, err
	}
	rows, err := h.queries.ListMembers(ctx, request.ID)
	if err != nil {
		return nil, err
	}
	members := make(api.ListMembers200JSONResponse, len(rows))
	for i, row := range rows {
		members[i] = api.Member{
			ID:         row.ID,
			AccountID:  row.ID,
			Username:   row.Username,
			FirstName:  row.FirstName,
			LastName:   row.LastName,
			Name:       row.FirstName + " " + row.LastName,
			AvatarHash: row.AvatarHash,
			Role:       api.OrganizationRole(row.Role),
			Status:     api.MemberStatus(row.Status),
		}
	}
	return members, nil
}

// RemoveMember ends a membership or withdraws an invitation.
func (h *Handlers) RemoveMember(ctx context.Context, request api.RemoveMemberRequestObject) (api.RemoveMemberResponseObject, error) {
	if !caller.From(ctx).In(request.ID).Has(permission.OrgMembersManage) {
		return nil, errRemoveForbidden
	}
	err := h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		row, err := tx.RemoveMember(ctx, db.RemoveMemberParams{OrganizationID: request.ID, AccountID: request.AccountID})
		switch {
		case err != nil:
			return fail.OnNoRows(err, caller.ErrOrganizationNotFound)
		case row.Removed:
			e := departure(event.OrganizationMemberRemove, request.ID, request.AccountID)
			e.Details["username"] = row.Username
			tx.Record(e)
			return nil
		case row.Role != nil && *row.Role == string(api.OrganizationRoleOwner):
			return errOwnerStays
		}
		return errMemberMissing
	})
	if err != nil {
		return nil, err
	}
	return api.RemoveMember200JSONResponse{Success: true, Message: "Member removed successfully"}, nil
}

// LeaveOrganization ends the caller's own membership.
func (h *Handlers) LeaveOrganization(ctx context.Context, request api.LeaveOrganizationRequestObject) (api.LeaveOrganizationResponseObject, error) {
	c := caller.From(ctx)
	if c.Owns(request.ID) {
		return nil, errOwnerCannotLeave
	}
	err := h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) error {
		left, err := tx.LeaveOrganization(ctx, db.LeaveOrganizationParams{OrganizationID: request.ID, AccountID: c.AccountID})
		if err != nil {
			return err
		}
		if left == 0 {
			return errNotMember
		}
		tx.Record(departure(event.OrganizationLeave, request.ID, c.AccountID))
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.LeaveOrganization200JSONResponse{Success: true, Message: "You have left the organization"}, nil
}

// departure tells those who remain, and a former member, who loses everything shared.
func departure(action event.Action, organizationID, accountID int64) event.Event {
	return event.Event{
		Action: action, Owner: caller.Organization(organizationID), ResourceID: organizationID,
		Details: event.Details{"accountId": accountID}, Accounts: []int64{accountID}, AccountLists: event.AllLists,
	}
}
