package importing

import (
	"context"
	"errors"

	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

// bringOrganizations brings organizations over as their owners, who make them and what
// belongs to them, and invite the members.
func (m *moving) bringOrganizations(ctx context.Context, original *Original) error {
	for _, organization := range original.Organizations {
		owner := m.accounts[organization.Owner]
		client, missing := m.as(ctx, owner)
		if organization.Owner == 0 {
			missing = errors.New("it has no owner")
		}
		if hopeless(missing) {
			return missing
		}
		id, status, err := m.organization(ctx, client, organization, missing)
		if failure := m.report(Result{Kind: KindOrganization, Name: organization.Name, Status: status}, err); failure != nil {
			return failure
		}
		if err == nil && client != nil && id != 0 {
			if err := m.members(ctx, client, id, organization); err != nil {
				return err
			}
		}
		if status == Created && m.DryRun {
			client = nil // There is nothing yet that it could be compared with.
		}
		if err := m.bringThings(ctx, client, original, Owner{Organization: organization.ID}, organization.Name, id, err); err != nil {
			return err
		}
	}
	return nil
}

// organization finds or makes one, as its owner; 0 where a dry run has none.
func (m *moving) organization(ctx context.Context, client *nexterm.Client, wanted OriginalOrganization, missing error) (int64, string, error) {
	if missing != nil {
		return 0, "", missing
	}
	if client != nil {
		organizations, err := client.Organizations.List(ctx)
		if err != nil {
			return 0, "", err
		}
		for _, o := range organizations {
			if o.Name == wanted.Name && o.IsOwner {
				return o.ID, Exists, nil
			}
		}
	}
	if m.DryRun {
		return 0, Created, nil
	}
	created, err := client.Organizations.Create(ctx, nexterm.NewOrganization{Name: wanted.Name, Description: wanted.Description})
	if err != nil {
		return 0, "", err
	}
	return created.ID, Created, nil
}

// members invites those who are none yet. Who was one in the original accepts.
func (m *moving) members(ctx context.Context, client *nexterm.Client, id int64, organization OriginalOrganization) error {
	members, err := client.Organizations.ListMembers(ctx, id)
	if err != nil {
		return err
	}
	there := map[int64]nexterm.MemberStatus{}
	for _, member := range members {
		there[member.AccountID] = member.Status
	}
	for accepts, accounts := range map[bool][]int64{true: organization.Active, false: organization.Pending} {
		for _, original := range accounts {
			account := m.accounts[original]
			if account == nil {
				continue
			}
			status, err := m.member(ctx, client, id, account, there[account.id], accepts)
			if err := m.report(Result{Kind: KindMember, Owner: organization.Name, Name: account.username, Status: status}, err); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *moving) member(ctx context.Context, client *nexterm.Client, id int64, account *movedAccount, status nexterm.MemberStatus, accepts bool) (string, error) {
	switch {
	case account.missing != nil:
		return "", account.missing
	case status == nexterm.MemberStatusActive || status == nexterm.MemberStatusPending && !accepts:
		return Exists, nil
	case m.DryRun:
		return Created, nil
	}
	if status == "" {
		if err := client.Organizations.InviteMember(ctx, id, nexterm.NewInvitation{Username: account.username}); err != nil {
			return "", err
		}
	}
	if !accepts {
		return Created, nil
	}
	invited, err := m.as(ctx, account)
	if err != nil {
		return "", err
	}
	return Created, invited.Organizations.RespondToInvitation(ctx, id, nexterm.InvitationAnswer{Accept: true})
}
