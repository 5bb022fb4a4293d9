package cli

import (
	"errors"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"

	"github.com/nexterm-go/nexterm/internal/terminal"
	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

var identities = kind[nexterm.Identity]{
	name: "identity", many: "identities", about: "identities, the logins with which one connects", owned: true,
	list: func(s *session) ([]nexterm.Identity, error) { return s.client.Identities.List(s.Context()) },
	thing: func(_ *session, i nexterm.Identity) thing {
		return thing{id: i.ID, name: i.Name, organization: i.OrganizationID.Or(0)}
	},
	head: []string{"ID", "NAME", "ORGANIZATION", "TYPE", "USERNAME"},
	row: func(s *session, i nexterm.Identity) []string {
		return []string{text64(i.ID), i.Name, s.organizationName(i.OrganizationID.Or(0)), string(i.Type), i.Username.Or("")}
	},
	fields: []field{
		{name: "username", usage: "login name"},
		{name: "type", usage: "which secrets it has", values: []string{"password", "ssh", "both", "password-only"}},
		{name: "password", takes: secretFile, flag: "password-file", usage: "`file` with the password, - for the standard input"},
		{name: "password", takes: secretLine, flag: "password-stdin", usage: "read the password from the standard input; at a terminal, ask for it"},
		{name: "sshKey", takes: wholeFile, flag: "key-file", usage: "`file` with the private key, - for the standard input"},
		{name: "passphrase", takes: secretFile, flag: "passphrase-file", usage: "`file` with the passphrase of the key"},
	},
	fill:   completeIdentity,
	create: func(s *session, d document) (any, error) { return send(s, d, s.client.Identities.Create) },
	edit: func(s *session, i nexterm.Identity, d document) error {
		return sendTo(s, i.ID, d, s.client.Identities.Update)
	},
	remove: func(s *session, i nexterm.Identity) error { return s.client.Identities.Delete(s.Context(), i.ID) },
}

func identityCommand() *cobra.Command {
	return identities.command(identities.action("move", "Hand over to an organization", func(s *session, i nexterm.Identity, args []string) error {
		organization, err := organizationReference.id(s, args[0])
		if err != nil {
			return err
		}
		_, err = s.client.Identities.Move(s.Context(), i.ID, nexterm.IdentityMove{OrganizationID: organization})
		return err
	}, "ORG"))
}

// completeIdentity finds the type by the secrets that are given, and asks for those
// that the type needs.
func completeIdentity(s *session, d document) (err error) {
	key, hasKey := d["sshKey"].(string)
	_, hasPassword := d["password"]
	if d["type"] == nil {
		switch {
		case hasKey && hasPassword:
			d["type"] = nexterm.IdentityTypeBoth
		case hasKey:
			d["type"] = nexterm.IdentityTypeSSH
		default:
			d["type"] = nexterm.IdentityTypePassword
		}
	}
	if !terminal.Is(s.InOrStdin()) {
		return nil
	}
	if !hasPassword && !hasKey {
		if d["password"], err = s.secret("Password: "); err != nil {
			return err
		}
	}
	_, broken := ssh.ParseRawPrivateKey([]byte(key))
	if hasKey && d["passphrase"] == nil && errors.As(broken, new(*ssh.PassphraseMissingError)) {
		d["passphrase"], err = s.secret("Passphrase of the key: ")
	}
	return err
}
