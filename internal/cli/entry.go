package cli

import (
	"strconv"

	"github.com/spf13/cobra"
)

func entryCommand() *cobra.Command {
	entry := &cobra.Command{
		Use:   "entry",
		Short: "Manage entries, the servers that one connects to",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	entry.AddCommand(listEntries())
	return entry
}

func listEntries() *cobra.Command {
	return printable(&cobra.Command{
		Use:   "ls",
		Short: "List entries",
		Args:  cobra.NoArgs,
		RunE: signedIn(func(s *session, _ []string) error {
			entries, err := s.client.Entries.List(s.Context())
			if err != nil {
				return err
			}
			rows := [][]string{{"ID", "NAME", "TYPE"}}
			for _, entry := range entries {
				rows = append(rows, []string{strconv.FormatInt(entry.ID, 10), entry.Name, string(entry.Type)})
			}
			return s.print(entries, rows)
		}),
	})
}
