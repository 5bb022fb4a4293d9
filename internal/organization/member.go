package organization

import (
	"context"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
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
	row, err := h.queries.RemoveMember(ctx, db.RemoveMemberParams{OrganizationID: request.ID, AccountID: request.AccountID})
	switch {
	case err != nil:
		return nil, fail.OnNoRows(err, errNotFound)
	case row.Removed:
		h.publishDeparture(request.ID, request.AccountID)
		return api.RemoveMember200JSONResponse{Success: true, Message: "Member removed successfully"}, nil
	case row.Role != nil && *row.Role == string(api.OrganizationRoleOwner):
		return nil, errOwnerStays
	}
	return nil, errMemberMissing
}

// LeaveOrganization ends the caller's own membership.
func (h *Handlers) LeaveOrganization(ctx context.Context, request api.LeaveOrganizationRequestObject) (api.LeaveOrganizationResponseObject, error) {
	c := caller.From(ctx)
	if c.Owns(request.ID) {
		return nil, errOwnerCannotLeave
	}
	left, err := h.queries.LeaveOrganization(ctx, db.LeaveOrganizationParams{OrganizationID: request.ID, AccountID: c.AccountID})
	if err != nil {
		return nil, err
	}
	if left == 0 {
		return nil, errNotMember
	}
	h.publishDeparture(request.ID, c.AccountID)
	return api.LeaveOrganization200JSONResponse{Success: true, Message: "You have left the organization"}, nil
}

// publishDeparture tells a former member, who loses everything shared, and
// those who remain.
func (h *Handlers) publishDeparture(organizationID, accountID int64) {
	h.events.Publish(event.Change{Topics: all, Accounts: []int64{accountID}})
	h.events.Publish(event.Change{Topics: []event.Topic{event.LiveSessions}, Organizations: []int64{organizationID}})
}
