package cli

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/nexterm-go/nexterm/internal/importing"
	"github.com/nexterm-go/nexterm/internal/terminal"
	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

func importNexterm() *cobra.Command {
	command := &cobra.Command{
		Use:   "nexterm",
		Short: "Import the database of an original Nexterm",
		Long: "Import the SQLite database of an original Nexterm: accounts, organizations with their members, folders, entries, identities, " +
			"scripts and snippets. It takes an administrator who has signed in by `nexterm login`. Accounts that are there by their names " +
			"get what was theirs; new ones get a random password, which --passwords keeps, or nobody. What is left out is said in the end.",
		Example: "  nexterm import nexterm --sqlite data/nexterm.db --key-file key --dry-run\n" +
			"  ENCRYPTION_KEY=… nexterm import nexterm --sqlite data/nexterm.db --passwords passwords",
		Args: cobra.NoArgs,
	}
	flags := command.Flags()
	database := flags.String("sqlite", "", "the database, of a server that does not run")
	keyFile := flags.String("key-file", "", "the file with the original's ENCRYPTION_KEY; the environment's ENCRYPTION_KEY without it")
	passwords := flags.String("passwords", "", "the file to which the passwords of new accounts are added")
	cobra.CheckErr(command.MarkFlagRequired("sqlite"))
	command.RunE = signedIn(func(s *session, _ []string) error {
		key, err := s.originalKey(*keyFile)
		if err != nil {
			return err
		}
		original, err := importing.ReadOriginal(s.Context(), *database, key)
		if err != nil {
			return err
		}
		move := importing.Move{Progress: terminal.Progress(s.ErrOrStderr())}
		if move.DryRun, err = s.Flags().GetBool("dry-run"); err != nil {
			return err
		}
		if *passwords != "" && !move.DryRun {
			file, err := os.OpenFile(*passwords, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
			if err != nil {
				return err
			}
			defer file.Close()
			if info, err := file.Stat(); err != nil || info.Mode().Perm()&0o077 != 0 {
				return errors.Join(err, fmt.Errorf("%s can be read by others", *passwords))
			}
			move.Password = func(username string, password nexterm.Secret) error {
				_, err := fmt.Fprintf(file, "%s\t%s\n", username, string(password))
				return errors.Join(err, file.Sync())
			}
		}
		results, failure := importing.BringOriginal(s.Context(), s.client, original, move)
		if results != nil {
			failure = errors.Join(failure, s.printResults(results, move.DryRun))
		}
		fmt.Fprintln(s.ErrOrStderr(), "Left out of the database:")
		for _, left := range original.Left {
			fmt.Fprintln(s.ErrOrStderr(), "  "+left)
		}
		return failure
	})
	return printable(command)
}

// originalKey reads the key from a file or the environment, but not from the arguments,
// which others see.
func (s *session) originalKey(file string) (nexterm.Secret, error) {
	if file != "" {
		return s.secretFile(file)
	}
	if key := os.Getenv("ENCRYPTION_KEY"); key != "" {
		return nexterm.Secret(key), nil
	}
	return "", usage("the original's key is needed: --key-file, or ENCRYPTION_KEY in the environment")
}
