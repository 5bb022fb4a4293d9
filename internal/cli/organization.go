package cli

import (
	"strings"

	"github.com/spf13/cobra"

	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

var organizations = kind[nexterm.Organization]{
	name: "org", many: "organizations", about: "organizations and their members",
	list:  func(s *session) ([]nexterm.Organization, error) { return s.organizations() },
	thing: func(_ *session, o nexterm.Organization) thing { return thing{id: o.ID, name: o.Name} },
	head:  []string{"ID", "NAME", "ROLE", "DESCRIPTION"},
	row: func(_ *session, o nexterm.Organization) []string {
		return []string{text64(o.ID), o.Name, string(o.Role), firstLine(o.Description.Or(""))}
	},
	fields: []field{{name: "description", usage: "what it is"}},
	create: func(s *session, d document) (any, error) { return send(s, d, s.client.Organizations.Create) },
	edit: func(s *session, o nexterm.Organization, d document) error {
		body, err := decoded[nexterm.OrganizationPatch](d)
		if err != nil {
			return err
		}
		_, err = s.client.Organizations.Update(s.Context(), o.ID, body)
		return err
	},
	remove: func(s *session, o nexterm.Organization) error {
		return s.client.Organizations.Delete(s.Context(), o.ID)
	},
}

func organizationCommand() *cobra.Command {
	var yes bool
	remove := organizations.action("remove", "Take a member out of", func(s *session, o nexterm.Organization, args []string) error {
		members, err := s.client.Organizations.ListMembers(s.Context(), o.ID)
		if err != nil {
			return err
		}
		things := make([]thing, len(members))
		for i, member := range members {
			things[i] = thing{id: member.AccountID, name: member.Username}
		}
		i, err := pick(s, "member", things, args[0])
		if err != nil {
			return err
		}
		if err := s.agree("Take "+things[i].describe(s)+" out of "+o.Name+"?", yes); err != nil {
			return err
		}
		return s.client.Organizations.RemoveMember(s.Context(), o.ID, members[i].AccountID)
	}, "USERNAME")
	remove.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return organizations.command(
		printable(organizations.action("members", "List the members of", func(s *session, o nexterm.Organization, _ []string) error {
			members, err := s.client.Organizations.ListMembers(s.Context(), o.ID)
			if err != nil {
				return err
			}
			rows := [][]string{{"ID", "USERNAME", "NAME", "ROLE", "STATUS"}}
			for _, member := range members {
				rows = append(rows, []string{text64(member.AccountID), member.Username, strings.TrimSpace(member.Name), string(member.Role), string(member.Status)})
			}
			return s.print(members, rows)
		})),
		organizations.action("invite", "Invite an account into", func(s *session, o nexterm.Organization, args []string) error {
			return s.client.Organizations.InviteMember(s.Context(), o.ID, nexterm.NewInvitation{Username: args[0]})
		}, "USERNAME"),
		remove, invitationsCommand(), answerCommand("accept", "Become a member of an organization that has invited you", true), answerCommand("decline", "Decline an invitation", false),
		organizations.action("leave", "Leave", func(s *session, o nexterm.Organization, _ []string) error {
			return s.client.Organizations.Leave(s.Context(), o.ID, map[string]any{})
		}),
	)
}

func invitationsCommand() *cobra.Command {
	return printable(&cobra.Command{
		Use: "invitations", Short: "List the invitations that you have", Args: cobra.NoArgs,
		RunE: signedIn(func(s *session, _ []string) error {
			invitations, err := s.client.Organizations.ListPendingInvitations(s.Context())
			if err != nil {
				return err
			}
			rows := [][]string{{"ID", "ORGANIZATION", "BY"}}
			for _, invitation := range invitations {
				rows = append(rows, []string{text64(invitation.ID), invitation.Organization.Name, invitation.InvitedBy.Username.Or("")})
			}
			return s.print(invitations, rows)
		}),
	})
}

func answerCommand(name, short string, accept bool) *cobra.Command {
	return &cobra.Command{
		Use: name + " ORG", Short: short, Args: cobra.ExactArgs(1),
		RunE: signedIn(func(s *session, args []string) error {
			invitations, err := s.client.Organizations.ListPendingInvitations(s.Context())
			if err != nil {
				return err
			}
			things := make([]thing, len(invitations))
			for i, invitation := range invitations {
				things[i] = thing{id: invitation.ID, name: invitation.Organization.Name}
			}
			i, err := pick(s, "invitation", things, args[0])
			if err != nil {
				return err
			}
			return s.client.Organizations.RespondToInvitation(s.Context(), things[i].id, nexterm.InvitationAnswer{Accept: accept})
		}),
	}
}
