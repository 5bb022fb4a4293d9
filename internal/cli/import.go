package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nexterm-go/nexterm/internal/importing"
	"github.com/nexterm-go/nexterm/internal/terminal"
	nexterm "github.com/nexterm-go/nexterm/sdk/go"
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
	command.AddCommand(importSSHConfig(), importCSV(), importPuTTY(), importMRemoteNG(), importNexterm())
	return command
}

// importer is a command that makes rows of a file and brings them to the server.
func importer(command *cobra.Command, read func(s *session, name string) ([]*importing.Row, error)) *cobra.Command {
	command.Args = cobra.ExactArgs(1)
	flags := command.Flags()
	flags.String("org", "", "the `organization`, by name or id, that owns what is made; you do without it")
	completeFlag(command, "org", organizationReference)
	folder := flags.String("folder", "", "the folder for it, such as prod/eu, which is made if need be")
	command.RunE = signedIn(func(s *session, args []string) error {
		rows, err := read(s, args[0])
		if err != nil {
			return err
		}
		to := importing.Destination{Progress: terminal.Progress(s.ErrOrStderr())}
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
		if results == nil {
			return failure
		}
		return errors.Join(s.printResults(results, to.DryRun), failure)
	})
	return printable(command)
}

// printResults prints what has become of each row, and fails if any has.
func (s *session) printResults(results []importing.Result, dry bool) error {
	several := slices.ContainsFunc(results, func(r importing.Result) bool { return r.File != results[0].File })
	head, row := []string{"LINE", "FOLDER", "NAME", "RESULT"}, func(r importing.Result) []string { return []string{where(r, several), r.Folder, r.Name} }
	if len(results) > 0 && results[0].File == "" {
		head = []string{"KIND", "OWNER", "FOLDER", "NAME", "RESULT"}
		row = func(r importing.Result) []string {
			return []string{cmp.Or(string(r.Kind), "entry"), r.Owner, r.Folder, r.Name}
		}
	}
	table, counts := [][]string{head}, map[string]int{}
	for _, r := range results {
		counts[r.Status]++
		text := r.Status
		if r.Reason != "" {
			text += ": " + r.Reason
		}
		table = append(table, append(row(r), text))
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

// where a row stands, in one of several files or in the only one.
func where(r importing.Result, several bool) string {
	var parts []string
	if several {
		parts = append(parts, filepath.Base(r.File))
	}
	if r.Line > 0 {
		parts = append(parts, strconv.Itoa(r.Line))
	}
	return strings.Join(parts, ":")
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

// fileImporter is importer for a parser of one file.
func fileImporter(command *cobra.Command, parse func(s *session, name string, from io.Reader) ([]*importing.Row, error)) *cobra.Command {
	return importer(command, func(s *session, name string) ([]*importing.Row, error) {
		file, err := openFile(s.Command, name)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		return parse(s, name, file)
	})
}

// keyImporter is fileImporter for files that name private keys.
func keyImporter(command *cobra.Command, parse func(name string, from io.Reader) ([]*importing.Row, error)) *cobra.Command {
	readKeys := command.Flags().Bool("read-keys", false, "read the private keys that the file names, and send them to the server; asked for at a terminal")
	return fileImporter(command, func(s *session, name string, from io.Reader) ([]*importing.Row, error) {
		rows, err := parse(name, from)
		if err != nil {
			return nil, err
		}
		dry, err := s.Flags().GetBool("dry-run")
		if keys := importing.Keys(rows); err == nil && len(keys) > 0 && !dry && !s.Flags().Changed("read-keys") && name != "-" && terminal.Is(s.InOrStdin()) {
			named := strings.Join(keys[:min(len(keys), 5)], ", ")
			if more := len(keys) - 5; more > 0 {
				named += fmt.Sprintf(" and %d more", more)
			}
			*readKeys, err = terminal.Confirm(s.Context(), s.ErrOrStderr(), terminal.Clean("Read the private keys "+named+", and send them to the server?"))
		}
		if *readKeys {
			importing.ReadKeys(rows)
		}
		return rows, err
	})
}

func importSSHConfig() *cobra.Command {
	return keyImporter(&cobra.Command{
		Use:   "ssh-config FILE",
		Short: "Import the hosts of an OpenSSH client configuration",
		Example: "  nexterm import ssh-config ~/.ssh/config --dry-run\n" +
			"  nexterm import ssh-config ~/.ssh/config --folder prod --read-keys",
	}, func(name string, from io.Reader) ([]*importing.Row, error) {
		return importing.SSHConfig(name, from, true)
	})
}

func importCSV() *cobra.Command {
	return keyImporter(&cobra.Command{
		Use:   "csv FILE",
		Short: "Import the servers of a table",
		Long: "Import the servers of a CSV file in UTF-8, which commas, semicolons or tabs divide. Its first line names the columns, in any order:\n  " +
			strings.Join(importing.Columns, ", ") + ".\nName and host are needed; a folder is like prod/eu, and jump hosts are names of the file, like outer > inner.",
		Example: "  nexterm import csv servers.csv --dry-run",
	}, importing.CSV)
}

func importPuTTY() *cobra.Command {
	return importer(&cobra.Command{
		Use:   "putty PATH",
		Short: "Import the sessions of PuTTY",
		Long:  "Import the sessions of PuTTY: on Windows from a registry export, elsewhere from the directory in which they lie.",
		Example: "  reg export HKCU\\Software\\SimonTatham\\PuTTY\\Sessions putty.reg\n" +
			"  nexterm import putty putty.reg\n" +
			"  nexterm import putty ~/.putty/sessions",
	}, func(_ *session, path string) ([]*importing.Row, error) { return importing.PuTTY(path) })
}

func importMRemoteNG() *cobra.Command {
	command := &cobra.Command{
		Use:   "mremoteng FILE",
		Short: "Import the connections of mRemoteNG",
		Long: "Import the connections of mRemoteNG from its confCons.xml, with their passwords. If the file has a password of its own, " +
			"it is asked for, or read from --password-file.",
		Example: "  nexterm import mremoteng confCons.xml --password-file master",
	}
	passwordFile := command.Flags().String("password-file", "", "the file with the password of confCons.xml")
	return fileImporter(command, func(s *session, name string, from io.Reader) ([]*importing.Row, error) {
		return importing.MRemoteNG(name, from, func() (nexterm.Secret, error) {
			if *passwordFile != "" {
				return s.secretFile(*passwordFile)
			}
			password, err := s.secret("Password of " + name + ": ")
			if errors.Is(err, io.EOF) {
				err = usage("it has a password of its own: name a file with it by --password-file")
			}
			return nexterm.Secret(password), err
		})
	})
}

// secretFile reads a file that has a secret in it, in one line.
func (s *session) secretFile(name string) (nexterm.Secret, error) {
	content, err := s.content(name)
	return nexterm.Secret(strings.TrimRight(content, "\r\n")), err
}
