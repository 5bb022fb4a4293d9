package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

func loginCommand() *cobra.Command {
	var username string
	command := &cobra.Command{
		Use:   "login URL",
		Short: "Sign in to a server, for the commands that follow",
		Long: "Sign in to a server. Without --username, the command shows a code that somebody who is signed in elsewhere approves. " +
			"The session is kept in a file that only you can read.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := signIn(cmd, args[0], username)
			if err != nil {
				return err
			}
			me, err := client.Account.Get(cmd.Context())
			if err != nil {
				return err
			}
			if err := (credentials{URL: args[0], Token: string(client.Token())}).save(); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.ErrOrStderr(), "Signed in as %s.\n", me.Username)
			return err
		},
	}
	command.Flags().StringVarP(&username, "username", "u", "", "sign in with this account's password, which is asked for")
	return command
}

func signIn(cmd *cobra.Command, url, username string) (*nexterm.Client, error) {
	if username == "" {
		return nexterm.LoginWithDevice(cmd.Context(), url, func(code string, expires time.Time) error {
			_, err := fmt.Fprintf(cmd.ErrOrStderr(), "Approve the code %s where you are signed in, until %s.\n", code, expires.Local().Format(time.TimeOnly))
			return err
		}, userAgent(cmd))
	}
	password, err := ask(cmd, "Password: ")
	if err != nil {
		return nil, err
	}
	return nexterm.Login(cmd.Context(), url, username, password, userAgent(cmd), nexterm.WithTOTP(func(context.Context) (string, error) {
		return ask(cmd, "Code: ")
	}))
}

// ask reads a secret from the terminal, which does not show it.
func ask(cmd *cobra.Command, prompt string) (string, error) {
	terminal := int(os.Stdin.Fd())
	if !term.IsTerminal(terminal) {
		return "", errors.New("a password is read from a terminal only; without one, set NEXTERM_URL and NEXTERM_TOKEN to an API key")
	}
	fmt.Fprint(cmd.ErrOrStderr(), prompt)
	defer fmt.Fprintln(cmd.ErrOrStderr())
	secret, err := term.ReadPassword(terminal)
	return string(secret), err
}

func logoutCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "logout",
		Short: "End the session and forget it",
		Args:  cobra.NoArgs,
		RunE: signedIn(func(s *session, _ []string) error {
			if err := s.client.Logout(s.Context()); err != nil && !errors.Is(err, nexterm.ErrUnauthorized) {
				return err
			}
			path, err := credentialsPath()
			if err != nil {
				return err
			}
			if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			return nil
		}),
	}
}
