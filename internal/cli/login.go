package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/nexterm-go/nexterm/internal/terminal"
	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

func loginCommand() *cobra.Command {
	var how signIn
	command := &cobra.Command{
		Use:   "login [URL]",
		Short: "Sign in to a server, for the commands that follow",
		Long: "Sign in to a server, such as https://nexterm.example.com; without a URL, to the one of the last time or of NEXTERM_URL. " +
			"Without --username, the command shows a code that somebody who is signed in elsewhere approves. " +
			"The session is kept in a file that only you can read; NEXTERM_URL and NEXTERM_TOKEN go before it.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return how.run(cmd, args) },
	}
	command.Flags().StringVarP(&how.username, "username", "u", "", "sign in with this account's password, which is asked for")
	command.Flags().BoolVar(&how.fromStdin, "password-stdin", false, "read the password from the first line of the standard input, and a TOTP code from the second")
	return command
}

// signIn is how somebody signs in.
type signIn struct {
	username  string
	fromStdin bool
}

func (how signIn) run(cmd *cobra.Command, args []string) error {
	if how.fromStdin && how.username == "" {
		return usage("--password-stdin needs --username")
	}
	before, _ := readFile(cmd)
	address, err := addressOf(args, before)
	if err != nil {
		return err
	}
	now := credentials{URL: address}
	anonymous, err := now.client(cmd)
	if err != nil {
		return err
	}
	if isOpen(address) {
		fmt.Fprintf(cmd.ErrOrStderr(), "warning: nothing is encrypted on the way to %s: others there can read the password and the session\n", terminal.Clean(address))
	}
	client, err := how.signIn(cmd, address)
	if err != nil {
		return now.advise(cmd, anonymous, err)
	}
	me, err := client.Account.Get(cmd.Context())
	if err != nil {
		return now.advise(cmd, client, err)
	}
	now.Token = string(client.Token())
	if err := now.save(); err != nil {
		end(cmd, client)
		return fmt.Errorf("the session cannot be kept: %w", err)
	}
	if replaced, err := before.client(cmd); err == nil && before.Token != "" {
		end(cmd, replaced)
	}
	if os.Getenv("NEXTERM_TOKEN") != "" {
		fmt.Fprintln(cmd.ErrOrStderr(), "warning: NEXTERM_URL and NEXTERM_TOKEN are set, and go before this session")
	}
	if difference := versions(cmd, client); difference != "" {
		fmt.Fprintln(cmd.ErrOrStderr(), "warning:", terminal.Clean(difference))
	}
	_, err = fmt.Fprintf(cmd.ErrOrStderr(), "Signed in to %s as %s.\n", terminal.Clean(address), terminal.Clean(me.Username))
	return err
}

// end ends a session that nothing is left to know of, if the server can be told.
func end(cmd *cobra.Command, client *nexterm.Client) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(cmd.Context()), 3*time.Second)
	defer cancel()
	_ = client.Logout(ctx)
}

func addressOf(args []string, before credentials) (string, error) {
	switch fromEnvironment := os.Getenv("NEXTERM_URL"); {
	case len(args) > 0 && strings.Contains(args[0], "://"):
		return args[0], nil
	case len(args) > 0:
		return "https://" + args[0], nil
	case fromEnvironment != "":
		return fromEnvironment, nil
	case before.URL != "":
		return before.URL, nil
	}
	return "", usage("which server? run `nexterm login URL`")
}

// isOpen says whether everybody between here and the server reads along.
func isOpen(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" || u.Hostname() == "localhost" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return ip == nil || !ip.IsLoopback()
}

func (how signIn) signIn(cmd *cobra.Command, address string) (*nexterm.Client, error) {
	if how.username == "" {
		return nexterm.LoginWithDevice(cmd.Context(), address, func(code string, expires time.Time) error {
			_, err := fmt.Fprintf(cmd.ErrOrStderr(), "Approve the code %s where you are signed in, until %s.\n", terminal.Clean(code), expires.Local().Format(time.TimeOnly))
			return err
		}, userAgent(cmd))
	}
	password, err := how.ask(cmd, "Password: ")
	if err != nil {
		return nil, err
	}
	return nexterm.Login(cmd.Context(), address, how.username, password, userAgent(cmd), nexterm.WithTOTP(func(context.Context) (string, error) {
		code, err := how.ask(cmd, "Code: ")
		if errors.Is(err, io.EOF) {
			return "", usage("the account needs a TOTP code; give it in the second line")
		}
		return strings.TrimSpace(code), err
	}))
}

func (how signIn) ask(cmd *cobra.Command, prompt string) (string, error) {
	if how.fromStdin {
		return terminal.Line(cmd.InOrStdin())
	}
	answer, err := terminal.Secret(cmd.Context(), cmd.ErrOrStderr(), prompt)
	if errors.Is(err, terminal.ErrNone) {
		return "", usage("%w; use --password-stdin, or set NEXTERM_URL and NEXTERM_TOKEN to an API key", err)
	}
	return answer, err
}

func logoutCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "logout",
		Short: "End the session and forget it",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := readFile(cmd)
			path, unknown := credentialsPath()
			if err != nil || unknown != nil {
				return errors.Join(err, unknown)
			}
			client, err := c.client(cmd)
			if err != nil {
				return err
			}
			// It is forgotten here whatever the server says.
			if err := os.Remove(path); err != nil {
				return err
			}
			if err := client.Logout(cmd.Context()); err != nil && !errors.Is(err, nexterm.ErrUnauthorized) {
				return fmt.Errorf("the session is forgotten here, and goes on at the server: %w", err)
			}
			return nil
		},
	}
}
