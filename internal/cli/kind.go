package cli

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nexterm-go/nexterm/internal/terminal"
)

// kind is one kind of things that a server keeps. Its commands are made of this table:
// what differs between kinds stands here, and what does not in this file.
type kind[T any] struct {
	name, many, about string
	// owned things may be an organization's.
	owned bool
	// list has them all, and get one of them by its id where that is quicker.
	list  func(s *session) ([]T, error)
	get   func(s *session, id int64) (*T, error)
	thing func(s *session, item T) thing
	// head and row are of the table that ls prints.
	head []string
	row  func(s *session, item T) []string
	// fields are what create and edit may set, besides the name.
	fields []field
	// fill adds to a new thing what is asked for or follows from the rest.
	fill func(s *session, d document) error
	// create answers what the API does. It has an id, or else what the command prints.
	prints string
	create func(s *session, d document) (any, error)
	// edit is nil for what does not change.
	edit   func(s *session, item T, d document) error
	remove func(s *session, item T) error
}

// command is the command of a kind, with those that only it has.
func (k kind[T]) command(more ...*cobra.Command) *cobra.Command {
	command := &cobra.Command{
		Use: k.name, Short: "Manage " + k.about, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	if k.owned {
		command.PersistentFlags().String("org", "", "the `organization` that it belongs to, by name or id, or personal")
		completeFlag(command, "org", organizationReference)
	}
	command.AddCommand(k.listCommand(), k.showCommand(), k.removeCommand(), k.createCommand())
	if k.edit != nil {
		command.AddCommand(k.editCommand())
	}
	command.AddCommand(more...)
	return command
}

func (k kind[T]) listCommand() *cobra.Command {
	return printable(&cobra.Command{
		Use: "ls", Short: "List " + k.many, Args: cobra.NoArgs,
		RunE: signedIn(func(s *session, _ []string) error {
			items, _, err := k.items(s)
			if err != nil {
				return err
			}
			rows := [][]string{k.head}
			for _, item := range items {
				rows = append(rows, k.row(s, item))
			}
			return s.print(items, rows)
		}),
	})
}

func (k kind[T]) showCommand() *cobra.Command {
	return printable(k.action("show", "Show", func(s *session, item T, _ []string) error {
		if s.format == "table" {
			s.format = "yaml"
		}
		return s.print(item, nil)
	}))
}

func (k kind[T]) removeCommand() *cobra.Command {
	var yes bool
	command := &cobra.Command{
		ValidArgsFunction: k.completeAll,
		Use:               "rm " + strings.ToUpper(k.name) + "...", Short: "Delete " + k.many, Args: cobra.MinimumNArgs(1),
		RunE: signedIn(func(s *session, args []string) error {
			items, things, err := k.find(s, args)
			if err != nil {
				return err
			}
			var names []string
			for _, thing := range things {
				names = append(names, thing.describe(s))
			}
			if err := s.agree("Delete "+k.name+" "+strings.Join(names, ", ")+"?", yes); err != nil {
				return err
			}
			for i, item := range items {
				if err := k.remove(s, item); err != nil {
					return fmt.Errorf("%s: %w", names[i], err)
				}
				fmt.Fprintf(s.ErrOrStderr(), "Deleted %s %s.\n", k.name, names[i])
			}
			return nil
		}),
	}
	command.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return command
}

// agree asks whether something is to be done that cannot be undone.
func (s *session) agree(question string, yes bool) error {
	switch {
	case yes:
		return nil
	case !terminal.Is(s.InOrStdin()):
		return usage("there is no terminal to ask at; --yes says that it is meant")
	}
	agreed, err := terminal.Confirm(s.Context(), s.ErrOrStderr(), terminal.Clean(question))
	if err == nil && !agreed {
		err = errors.New("nothing is done")
	}
	return err
}

func (k kind[T]) createCommand() *cobra.Command {
	command := printable(&cobra.Command{
		Use: "create NAME", Short: "Create " + k.one() + ", and print its " + cmp.Or(k.prints, "id"), Args: cobra.ExactArgs(1),
		RunE: signedIn(func(s *session, args []string) error {
			d, err := s.document(k.fields)
			if err != nil {
				return err
			}
			d["name"] = args[0]
			if k.owned {
				organization, _, err := s.organization()
				if err != nil {
					return err
				}
				if organization != 0 {
					d["organizationId"] = organization
				}
			}
			if k.fill != nil {
				if err := k.fill(s, d); err != nil {
					return err
				}
			}
			created, err := k.create(s, d)
			if err != nil {
				return err
			}
			if s.format != "table" {
				return s.print(created, nil)
			}
			answer, err := decoded[struct {
				ID    int64
				Token string
			}](created)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(s.OutOrStdout(), cmp.Or(terminal.Clean(answer.Token), text64(answer.ID)))
			return err
		}),
	})
	addFlags(command, k.fields)
	return command
}

func (k kind[T]) editCommand() *cobra.Command {
	command := k.action("edit", "Change", func(s *session, item T, _ []string) error {
		fields := append([]field{{name: "name"}}, k.fields...)
		d, err := s.document(fields)
		if err != nil {
			return err
		}
		if len(d) == 0 {
			return s.editText(item, fields, func(d document) error { return k.edit(s, item, d) })
		}
		if config, given := d["config"].(document); given {
			// It is replaced as a whole.
			whole, err := decoded[struct{ Config document }](item)
			if err != nil {
				return err
			}
			for key, value := range config {
				whole.Config[key] = value
			}
			d["config"] = whole.Config
		}
		return k.edit(s, item, d)
	})
	command.Short += ", by flags or else in an editor"
	command.Flags().String("name", "", "another name")
	addFlags(command, k.fields)
	return command
}

// one is the kind with its article.
func (k kind[T]) one() string {
	if strings.ContainsRune("aeiou", rune(k.name[0])) {
		return "an " + k.name
	}
	return "a " + k.name
}

// action is a command that does something with one thing, and with what the arguments
// after it say.
func (k kind[T]) action(name, short string, run func(s *session, item T, more []string) error, more ...string) *cobra.Command {
	named := append([]*reference{k.reference()}, make([]*reference, len(more))...)
	for i, argument := range more {
		named[i+1] = map[string]*reference{"TAG": tagReference, "ORG": organizationReference}[argument]
	}
	return &cobra.Command{
		ValidArgsFunction: func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(args) >= len(named) || named[len(args)] == nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return named[len(args)].complete(cmd, begun)
		},
		Use:   strings.Join(append([]string{name, strings.ToUpper(k.name)}, more...), " "),
		Short: short + " " + k.one(), Args: cobra.ExactArgs(1 + len(more)),
		RunE: signedIn(func(s *session, args []string) error {
			items, _, err := k.find(s, args[:1])
			if err != nil {
				return err
			}
			return run(s, items[0], args[1:])
		}),
	}
}
