package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nexterm-go/nexterm/internal/manifest"
	"github.com/nexterm-go/nexterm/internal/terminal"
)

func applyCommand() *cobra.Command {
	var file string
	var yes, schema bool
	var options manifest.Options
	command := &cobra.Command{
		Use:   "apply -f FILE",
		Short: "Bring a server to what a file says",
		Long: "Bring a server to what a file says: what accounts and organizations have, who is a member and who may do what.\n\n" +
			"The command shows what it would do and asks. Without a terminal it needs --yes; else it only shows, and ends with status 7 if there is something to do. " +
			"Nothing is done if anything in the file is wrong.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if schema {
				_, err := cmd.OutOrStdout().Write(manifest.Schema)
				return err
			}
			if file == "" {
				return usage("-f FILE says what to apply; - is standard input")
			}
			content, err := readManifest(cmd, file)
			if err != nil {
				return err
			}
			document, err := manifest.Parse(file, content)
			if err != nil {
				return err
			}
			if options.Folder = filepath.Dir(file); file != "-" {
				options.Stdin = cmd.InOrStdin()
			}
			return signedIn(func(s *session, _ []string) error {
				return s.apply(document, options, yes)
			})(cmd, args)
		},
	}
	command.Flags().StringVarP(&file, "file", "f", "", "the file; - is standard input")
	command.Flags().BoolVarP(&yes, "yes", "y", false, "do it without asking")
	command.Flags().BoolVar(&options.Prune, "prune", false, "remove what the file does not name, in the lists that it has")
	command.Flags().BoolVar(&options.Secrets, "secrets", false, "write all secrets of identities again; else only those of new ones are")
	command.Flags().BoolVar(&schema, "schema", false, "print the file's JSON Schema, for editors")
	return command
}

func readManifest(cmd *cobra.Command, file string) ([]byte, error) {
	in := cmd.InOrStdin()
	if file != "-" {
		opened, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer opened.Close()
		in = opened
	}
	return io.ReadAll(io.LimitReader(in, manifest.MaxBytes+1))
}

// apply plans, shows, asks and does it; and looks whether that was all. Only who does
// it keeps others away.
func (s *session) apply(document *manifest.Document, options manifest.Options, yes bool) error {
	if yes {
		return s.carryOut(document, options, "")
	}
	plan, err := s.show(document, options)
	if err != nil || plan == "" {
		return err
	}
	if !terminal.Is(s.InOrStdin()) || !terminal.Is(s.OutOrStdout()) {
		return manifest.ErrDrift
	}
	agreed, err := terminal.Confirm(s.Context(), s.ErrOrStderr(), "Do this?")
	if err == nil && !agreed {
		err = manifest.ErrDrift
	}
	if err != nil {
		return err
	}
	return s.carryOut(document, options, plan)
}

// show prints a plan and returns it as text, empty if there is nothing to do.
func (s *session) show(document *manifest.Document, options manifest.Options) (string, error) {
	plan, err := document.Plan(s.Context(), s.client, options)
	if err != nil {
		return "", err
	}
	if err := plan.Print(s.OutOrStdout(), colourful(s.OutOrStdout())); err != nil || plan.Empty() {
		return "", err
	}
	var text strings.Builder
	err = plan.Print(&text, false)
	return text.String(), err
}

// carryOut does what is agreed to, or whatever differs if nobody was asked.
func (s *session) carryOut(document *manifest.Document, options manifest.Options, agreed string) error {
	ctx := s.Context()
	release, err := manifest.Lock(ctx, s.client)
	if err != nil {
		return err
	}
	defer release()
	plan, err := document.Plan(ctx, s.client, options)
	if err != nil {
		return err
	}
	if agreed == "" {
		if err := plan.Print(s.OutOrStdout(), colourful(s.OutOrStdout())); err != nil || plan.Empty() {
			return err
		}
	} else {
		// The answer may have taken long.
		var now strings.Builder
		if err := plan.Print(&now, false); err != nil {
			return err
		}
		if now.String() != agreed {
			return errors.New("the server has changed since it was shown, and nothing was done: run it again")
		}
	}
	bar, all := terminal.Progress(s.ErrOrStderr()), int64(plan.Size())
	if err := plan.Apply(ctx, func(done int) { bar(int64(done), all) }); err != nil {
		if errors.Is(err, context.Canceled) {
			fmt.Fprintln(s.ErrOrStderr(), terminal.CleanLines(err.Error()))
		}
		return err
	}
	return s.verify(document, options)
}

// verify looks at the server once more: somebody else may have been at work too.
func (s *session) verify(document *manifest.Document, options manifest.Options) error {
	options.Secrets = false
	left, err := document.Plan(s.Context(), s.client, options)
	var problems *manifest.Problems
	switch {
	case errors.As(err, &problems):
		return fmt.Errorf("all changes are made, but somebody else has made some as well:%s\n%w", problems.Lines(), manifest.ErrDrift)
	case err != nil:
		return fmt.Errorf("all changes are made; whether they are all that is needed is not known: %w", err)
	case !left.Empty():
		fmt.Fprintln(s.ErrOrStderr(), "All changes are made, but the server differs from the file again:")
		return errors.Join(left.Print(s.ErrOrStderr(), false), manifest.ErrDrift)
	}
	fmt.Fprintln(s.ErrOrStderr(), "Done.")
	return nil
}

func exportCommand() *cobra.Command {
	var file string
	command := &cobra.Command{
		Use:   "export",
		Short: "Write what you and your organizations have as a file that apply takes, without secrets",
		Args:  cobra.NoArgs,
		RunE: signedIn(func(s *session, _ []string) error {
			content, err := manifest.Export(s.Context(), s.client)
			if err != nil {
				return err
			}
			if file == "" {
				_, err := s.OutOrStdout().Write(content)
				return err
			}
			return os.WriteFile(file, content, 0o600)
		}),
	}
	command.Flags().StringVarP(&file, "output", "o", "", "the file; standard output without it")
	return command
}
