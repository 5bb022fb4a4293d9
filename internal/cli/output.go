package cli

import (
	"encoding/json"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
)

// printable gives a command the flags that say how it prints.
func printable(command *cobra.Command) *cobra.Command {
	command.Flags().Bool("json", false, "print JSON")
	command.Flags().Bool("yaml", false, "print YAML")
	command.MarkFlagsMutuallyExclusive("json", "yaml")
	return command
}

func format(cmd *cobra.Command) string {
	for _, name := range []string{"json", "yaml"} {
		if chosen, err := cmd.Flags().GetBool(name); err == nil && chosen {
			return name
		}
	}
	return "table"
}

// print prints a value as JSON or YAML, whichever is asked for, or else the rows of a
// table, of which the first is its head.
func (s *session) print(value any, rows [][]string) error {
	switch s.format {
	case "json":
		out := json.NewEncoder(s.OutOrStdout())
		out.SetIndent("", "  ")
		out.SetEscapeHTML(false)
		return out.Encode(value)
	case "yaml":
		// By its JSON: what the SDK leaves out there, and how it calls things, holds here too.
		encoded, err := json.Marshal(value)
		if err != nil {
			return err
		}
		var node yaml.Node
		if err := yaml.Unmarshal(encoded, &node); err != nil {
			return err
		}
		block(&node)
		return yaml.NewEncoder(s.OutOrStdout()).Encode(&node)
	}
	out := tabwriter.NewWriter(s.OutOrStdout(), 0, 8, 2, ' ', 0)
	for _, row := range rows {
		if _, err := out.Write([]byte(strings.Join(row, "\t") + "\n")); err != nil {
			return err
		}
	}
	return out.Flush()
}

// block has what was JSON printed in lines, as people write YAML.
func block(node *yaml.Node) {
	node.Style = 0
	for _, child := range node.Content {
		block(child)
	}
}
