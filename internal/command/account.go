package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/nexterm-go/nexterm/db/migrations"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/recovery"
	"github.com/nexterm-go/nexterm/internal/server"
	"github.com/nexterm-go/nexterm/internal/terminal"
	"github.com/nexterm-go/nexterm/internal/vault"
)

// accountCommand is the way back in for an operator who is locked out, whether
// the server runs or not.
func accountCommand() *cobra.Command {
	account := &cobra.Command{
		Use:   "account",
		Short: "Manage accounts from this machine",
		Long: "Manage accounts from this machine, past all permissions, whether the server runs or not. " +
			"The settings are those of `serve`, of which DATABASE_URL and DATA_DIR say where the accounts are.",
		// A mistyped command is a failure, for scripts too, and not a call for help.
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	account.AddCommand(createAccount(), setPassword(), signOut(), listAccounts(), disableTOTP(), enablePasswords())
	return account
}

func createAccount() *cobra.Command {
	var a recovery.Account
	var fromStdin bool
	command := &cobra.Command{
		Use:   "create USERNAME",
		Short: "Create an account; the first one is an administrator in any case",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			a.Username = args[0]
			if a.FirstName == "" {
				a.FirstName = a.Username
			}
			// What is wrong with the rest is said before anybody types a password.
			if err := server.Check("NewAccount", newAccount(a, "any password")); err != nil {
				return err
			}
			if a.Password, err = readPassword(cmd, fromStdin); err != nil {
				return err
			}
			if err := server.Check("NewAccount", newAccount(a, a.Password)); err != nil {
				return err
			}
			return operate(cmd, true, func(ctx context.Context, _ *database, changes *change.Changes) error {
				admin, err := recovery.Create(ctx, changes, a)
				if err != nil {
					return err
				}
				if admin {
					_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is an administrator now\n", a.Username)
				} else {
					_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s has an account now\n", a.Username)
				}
				return err
			})
		},
	}
	command.Flags().BoolVar(&a.Admin, "admin", false, "make it an administrator")
	command.Flags().StringVar(&a.FirstName, "first-name", "", "first name (default USERNAME)")
	command.Flags().StringVar(&a.LastName, "last-name", "Account", "last name")
	passwordFlag(command, &fromStdin)
	return command
}

func newAccount(a recovery.Account, password vault.Secret) map[string]any {
	return map[string]any{
		"username": a.Username, "firstName": a.FirstName, "lastName": a.LastName, "password": string(password),
	}
}

func setPassword() *cobra.Command {
	var fromStdin bool
	command := &cobra.Command{
		Use:   "password USERNAME",
		Short: "Set an account's password; its sessions and API keys stay valid",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			password, err := readPassword(cmd, fromStdin)
			if err != nil {
				return err
			}
			if err := server.Check("NewPassword", map[string]any{"password": string(password)}); err != nil {
				return err
			}
			return operate(cmd, false, func(ctx context.Context, _ *database, changes *change.Changes) error {
				if err := recovery.SetPassword(ctx, changes, args[0], password); err != nil {
					return err
				}
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s has a new password\n", args[0])
				return err
			})
		},
	}
	passwordFlag(command, &fromStdin)
	return command
}

func signOut() *cobra.Command {
	return &cobra.Command{
		Use:   "sign-out USERNAME",
		Short: "End all sessions of an account; its API keys stay valid",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return operate(cmd, false, func(ctx context.Context, _ *database, changes *change.Changes) error {
				if err := recovery.SignOut(ctx, changes, args[0]); err != nil {
					return err
				}
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s is signed out\n", args[0])
				return err
			})
		},
	}
}

func listAccounts() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List all accounts",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return operate(cmd, false, func(ctx context.Context, d *database, _ *change.Changes) error {
				accounts, err := recovery.List(ctx, db.New(d.pool))
				if err != nil {
					return err
				}
				table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
				fmt.Fprintln(table, "ID\tUSERNAME\tNAME\tROLE\tTOTP")
				for _, a := range accounts {
					role, totp := "user", "off"
					if a.IsAdmin {
						role = "admin"
					}
					if a.TOTPEnabled {
						totp = "on"
					}
					// Names come from anybody; a terminal obeys what is not printable.
					fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\n", a.ID, terminal.Clean(a.Username), terminal.Clean(a.FirstName+" "+a.LastName), role, totp)
				}
				return table.Flush()
			})
		},
	}
}

func disableTOTP() *cobra.Command {
	return &cobra.Command{
		Use:   "disable-totp USERNAME",
		Short: "Let an account sign in without a TOTP code",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return operate(cmd, false, func(ctx context.Context, _ *database, changes *change.Changes) error {
				enabled, err := recovery.DisableTOTP(ctx, changes, args[0])
				if err != nil {
					return err
				}
				if enabled {
					_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s signs in without a code now\n", args[0])
				} else {
					_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s needs no code anyway\n", args[0])
				}
				return err
			})
		},
	}
}

func enablePasswords() *cobra.Command {
	return &cobra.Command{
		Use:   "enable-passwords",
		Short: "Let accounts sign in with passwords again, as when a login provider is gone",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return operate(cmd, false, func(ctx context.Context, _ *database, changes *change.Changes) error {
				changed, err := recovery.EnablePasswords(ctx, changes)
				if err != nil {
					return err
				}
				if changed {
					_, err = fmt.Fprintln(cmd.OutOrStdout(), "accounts sign in with passwords again")
				} else {
					_, err = fmt.Fprintln(cmd.OutOrStdout(), "accounts sign in with passwords anyway")
				}
				return err
			})
		},
	}
}

// operate runs a task on the database that the settings name, with the schema that it
// needs. A private one is created only where that makes sense: there are no accounts
// in a new one.
func operate(cmd *cobra.Command, create bool, task func(context.Context, *database, *change.Changes) error) (err error) {
	ctx := cmd.Context()
	settings, err := readSettings()
	if err != nil {
		return err
	}
	d, attached, err := settings.borrow(ctx, create, cmd.OutOrStdout())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	if !attached { // else its schema is that server's business
		if err := migrations.Up(ctx, d.direct, cmd.Root().Version, nil); err != nil {
			return err
		}
	}
	return d.change(ctx, settings.logger(), func(ctx context.Context, changes *change.Changes) error { return task(ctx, d, changes) })
}

func passwordFlag(command *cobra.Command, fromStdin *bool) {
	command.Flags().BoolVar(fromStdin, "password-stdin", false, "read the password from the first line of the standard input instead of asking for it")
}

// readPassword asks for a password, twice and without showing it, or takes it
// from the standard input.
func readPassword(cmd *cobra.Command, fromStdin bool) (vault.Secret, error) {
	if fromStdin {
		line, err := terminal.Line(cmd.InOrStdin())
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return vault.Secret(line), err
	}
	password, err := terminal.Secret(cmd.Context(), cmd.ErrOrStderr(), "Password: ")
	if errors.Is(err, terminal.ErrNone) {
		return "", errors.New("there is no terminal to ask for the password; use --password-stdin")
	}
	if err != nil {
		return "", err
	}
	again, err := terminal.Secret(cmd.Context(), cmd.ErrOrStderr(), "Once more: ")
	if err == nil && again != password {
		err = errors.New("the passwords differ")
	}
	return vault.Secret(password), err
}
