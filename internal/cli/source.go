package cli

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/nexterm-go/nexterm/internal/terminal"
	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

var sources = kind[nexterm.Source]{
	name: "source", many: "sources", about: "sources, which deliver scripts and snippets",
	list:  func(s *session) ([]nexterm.Source, error) { return s.client.Sources.List(s.Context()) },
	thing: func(_ *session, x nexterm.Source) thing { return thing{id: x.ID, name: x.Name} },
	head:  []string{"ID", "NAME", "URL", "ENABLED", "STATUS", "SCRIPTS", "SNIPPETS"},
	row: func(_ *session, x nexterm.Source) []string {
		return []string{
			text64(x.ID), x.Name, x.URL, strconv.FormatBool(x.Enabled), x.LastSyncStatus.Or(""), strconv.Itoa(x.ScriptCount), strconv.Itoa(x.SnippetCount),
		}
	},
	fields: []field{
		{name: "url", usage: "where its files or its git repository are"},
		{name: "enabled", takes: yesNo, usage: "synchronize it, and show what it delivers"},
	},
	create: func(s *session, d document) (any, error) { return send(s, d, s.client.Sources.Create) },
	edit: func(s *session, x nexterm.Source, d document) error {
		body, err := decoded[nexterm.SourcePatch](d)
		if err != nil {
			return err
		}
		_, err = s.client.Sources.Update(s.Context(), x.ID, body)
		return err
	},
	remove: func(s *session, x nexterm.Source) error { return s.client.Sources.Delete(s.Context(), x.ID) },
}

func sourceCommand() *cobra.Command {
	return sources.command(&cobra.Command{
		Use: "sync [SOURCE...]", Short: "Fetch what sources deliver, without arguments of all that are enabled",
		ValidArgsFunction: sources.completeAll,
		RunE: signedIn(func(s *session, args []string) error {
			all, _, err := sources.items(s)
			if len(args) > 0 {
				all, _, err = sources.find(s, args)
			}
			if err != nil {
				return err
			}
			progress := terminal.Progress(s.ErrOrStderr())
			for i, source := range all {
				progress(int64(i), int64(len(all)))
				if !source.Enabled && len(args) == 0 {
					continue
				}
				if failed := s.client.Sources.Sync(s.Context(), source.ID); failed != nil {
					err = errors.Join(err, fmt.Errorf("%s: %w", terminal.Clean(source.Name), failed))
				}
				if s.Context().Err() != nil {
					break
				}
			}
			progress(int64(len(all)), int64(len(all)))
			return err
		}),
	})
}
