// Package cli owns the commands that work with a server as its client, on the Go SDK
// alone: who signs in, how things are named, how they are printed, and how failures
// are told. It does not own the commands that run a server, which are internal/command's.
package cli

import (
	"github.com/spf13/cobra"

	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

// group is what the help lists these commands under.
const group = "client"

// AddTo adds the client's commands to those of the program.
func AddTo(root *cobra.Command) {
	root.AddGroup(&cobra.Group{ID: group, Title: "Work with a server:"})
	for _, command := range []*cobra.Command{
		loginCommand(), logoutCommand(), approveCommand(), apiKeys.command(), entryCommand(), folders.command(), identityCommand(),
		scripts.command(), snippets.command(), tags.command(), organizationCommand(), sourceCommand(), monitorCommand(), auditCommand(),
		sshCommand(), forwardCommand(), copyCommand(), playCommand(), importCommand(), applyCommand(), exportCommand(),
	} {
		command.GroupID = group
		root.AddCommand(command)
	}
	root.AddCommand(&cobra.Command{Use: "exit-codes", Short: "What the exit status says", Long: exitCodes})
}

// session is one command's work with a server.
type session struct {
	*cobra.Command
	client *nexterm.Client
	format string
	// known is what was asked for once.
	known struct {
		organizations []nexterm.Organization
		folders       []nexterm.Folder
		paths         map[int64]string
	}
}

// signedIn makes a command's RunE of a function that needs a server.
func signedIn(run func(s *session, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		format, err := format(cmd)
		if err != nil {
			return err
		}
		c, err := readCredentials(cmd)
		if err != nil {
			return err
		}
		client, err := c.client(cmd)
		if err != nil {
			return err
		}
		return c.advise(cmd, client, run(&session{Command: cmd, client: client, format: format}, args))
	}
}
