package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nexterm-go/nexterm/internal/importing"
)

func importCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "import",
		Short: "Bring servers over from other programs",
		Long: "Bring servers over from other programs' files. What is there already stays as it is, so that the same import can be " +
			"repeated, also after it was interrupted. With --dry-run nothing is written.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	command.PersistentFlags().Bool("dry-run", false, "say what would be done, and do nothing")
	command.AddCommand(importSSHConfig())
	return command
}

// importer is a command that makes rows of a file and brings them to the server.
func importer(command *cobra.Command, read func(cmd *cobra.Command, name string) ([]*importing.Row, error)) *cobra.Command {
	command.Args = cobra.ExactArgs(1)
	flags := command.Flags()
	flags.String("org", "", "the `organization`, by name or id, that owns what is made; you do without it")
	completeFlag(command, "org", organizationReference)
	folder := flags.String("folder", "", "the folder for it, such as prod/eu, which is made if need be")
	command.RunE = signedIn(func(s *session, args []string) error {
		rows, err := read(s.Command, args[0])
		if err != nil {
			return err
		}
		to := importing.Destination{}
		if to.DryRun, err = s.Flags().GetBool("dry-run"); err != nil {
			return err
		}
		if *folder != "" {
			to.Folder = strings.Split(strings.Trim(*folder, "/"), "/")
		}
		if to.Organization, _, err = s.organization(); err != nil {
			return err
		}
		results, failure := importing.Bring(s.Context(), s.client, rows, to)
		return errors.Join(s.printResults(results, to.DryRun), failure)
	})
	return printable(command)
}

// printResults prints what has become of each row, and fails if any has.
func (s *session) printResults(results []importing.Result, dry bool) error {
	table, counts := [][]string{{"LINE", "FOLDER", "NAME", "RESULT"}}, map[string]int{}
	for _, r := range results {
		counts[r.Status]++
		text := r.Status
		if r.Reason != "" {
			text += ": " + r.Reason
		}
		table = append(table, []string{strconv.Itoa(r.Line), r.Folder, r.Name, text})
	}
	if err := s.print(results, table); err != nil {
		return err
	}
	fmt.Fprintf(s.ErrOrStderr(), "%d created, %d there already, %d skipped, %d failed.\n",
		counts[importing.Created]+counts[importing.Create], counts[importing.Exists], counts[importing.Skipped], counts[importing.Failed])
	if dry {
		fmt.Fprintln(s.ErrOrStderr(), "This was a dry run: nothing is written.")
	}
	if failed := counts[importing.Failed]; failed > 0 {
		return fmt.Errorf("%d of %d could not be imported", failed, len(results))
	}
	return nil
}

// openFile opens a file to read, which a directory is not, or the standard input for "-".
func openFile(cmd *cobra.Command, name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(cmd.InOrStdin()), nil
	}
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, fmt.Errorf("%s is a directory", name)
	}
	return os.Open(name)
}

func importSSHConfig() *cobra.Command {
	command := &cobra.Command{
		Use:   "ssh-config FILE",
		Short: "Import the hosts of an OpenSSH client configuration",
		Example: "  nexterm import ssh-config ~/.ssh/config --dry-run\n" +
			"  nexterm import ssh-config ~/.ssh/config --folder prod --read-keys",
	}
	readKeys := command.Flags().Bool("read-keys", false, "read the private keys that IdentityFile names, and send them to the server")
	return importer(command, func(cmd *cobra.Command, name string) ([]*importing.Row, error) {
		file, err := openFile(cmd, name)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		rows, err := importing.SSHConfig(name, file, true)
		if err == nil && *readKeys {
			importing.ReadKeys(rows)
		}
		return rows, err
	})
}
