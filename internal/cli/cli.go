// Package cli owns the commands that work with a server as its client, on the Go SDK
// alone: who signs in, how things are named, and how they are printed. It does not
// own the commands that run a server, which are internal/command's.
package cli

import (
	"errors"

	"github.com/spf13/cobra"

	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

// group is what the help lists these commands under.
const group = "client"

// AddTo adds the client's commands to those of the program.
func AddTo(root *cobra.Command) {
	root.AddGroup(&cobra.Group{ID: group, Title: "Work with a server:"})
	for _, command := range []*cobra.Command{loginCommand(), logoutCommand(), entryCommand()} {
		command.GroupID = group
		root.AddCommand(command)
	}
}

// Exit statuses, for scripts. 1 is every other failure.
const (
	exitUsage       = 2
	exitForbidden   = 3
	exitNotFound    = 4
	exitConflict    = 5
	exitUnavailable = 6
)

// ExitStatus is what the process ends with after a failure.
func ExitStatus(err error) int {
	for kind, status := range map[error]int{
		nexterm.ErrBadRequest: exitUsage, nexterm.ErrUnauthorized: exitForbidden, nexterm.ErrForbidden: exitForbidden,
		nexterm.ErrNotFound: exitNotFound, nexterm.ErrConflict: exitConflict,
		nexterm.ErrTooManyRequests: exitUnavailable, nexterm.ErrUnavailable: exitUnavailable,
	} {
		if errors.Is(err, kind) {
			return status
		}
	}
	return 1
}

// session is one command's work with a server.
type session struct {
	*cobra.Command
	client *nexterm.Client
	format string
}

// signedIn makes a command's RunE of a function that needs a server.
func signedIn(run func(s *session, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		client, err := connect(cmd)
		if err != nil {
			return err
		}
		return run(&session{Command: cmd, client: client, format: format(cmd)}, args)
	}
}
