package cli

import (
	"strings"

	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

var osFilter = field{name: "osFilter", takes: list, flag: "os-filter", usage: "the `systems` that it is meant for; empty for every one"}

var scripts = kind[nexterm.Script]{
	name: "script", many: "scripts", about: "scripts that run on servers", owned: true,
	list: func(s *session) ([]nexterm.Script, error) { return s.client.Scripts.ListAll(s.Context()) },
	thing: func(_ *session, x nexterm.Script) thing {
		return thing{id: x.ID, name: x.Name, organization: x.OrganizationID.Or(0)}
	},
	head: []string{"ID", "NAME", "ORGANIZATION", "SYSTEMS", "DESCRIPTION"},
	row: func(s *session, x nexterm.Script) []string {
		return []string{text64(x.ID), x.Name, s.organizationName(x.OrganizationID.Or(0)), strings.Join(x.OSFilter, ", "), firstLine(x.Description.Or(""))}
	},
	fields: []field{
		{name: "description", usage: "what it is for"}, osFilter,
		{name: "content", takes: wholeFile, flag: "content-file", usage: "`file` with the script, - for the standard input"},
	},
	create: func(s *session, d document) (any, error) { return send(s, d, s.client.Scripts.Create) },
	edit: func(s *session, x nexterm.Script, d document) error {
		body, err := decoded[nexterm.ScriptPatch](d)
		if err != nil {
			return err
		}
		return s.client.Scripts.Update(s.Context(), x.ID, body, nexterm.UpdateScriptQuery{OrganizationID: x.OrganizationID.Or(0)})
	},
	remove: func(s *session, x nexterm.Script) error {
		return s.client.Scripts.Delete(s.Context(), x.ID, nexterm.DeleteScriptQuery{OrganizationID: x.OrganizationID.Or(0)})
	},
}

var snippets = kind[nexterm.Snippet]{
	name: "snippet", many: "snippets", about: "snippets, commands to be typed", owned: true,
	list: func(s *session) ([]nexterm.Snippet, error) { return s.client.Snippets.List(s.Context()) },
	thing: func(_ *session, x nexterm.Snippet) thing {
		return thing{id: x.ID, name: x.Name, organization: x.OrganizationID.Or(0)}
	},
	head: []string{"ID", "NAME", "ORGANIZATION", "SYSTEMS", "COMMAND"},
	row: func(s *session, x nexterm.Snippet) []string {
		return []string{text64(x.ID), x.Name, s.organizationName(x.OrganizationID.Or(0)), strings.Join(x.OSFilter, ", "), firstLine(x.Command)}
	},
	fields: []field{
		{name: "description", usage: "what it is for"}, osFilter,
		{name: "command", usage: "the command"},
		{name: "command", takes: wholeFile, flag: "command-file", usage: "`file` with the command, - for the standard input"},
	},
	create: func(s *session, d document) (any, error) { return send(s, d, s.client.Snippets.Create) },
	edit: func(s *session, x nexterm.Snippet, d document) error {
		body, err := decoded[nexterm.SnippetPatch](d)
		if err != nil {
			return err
		}
		return s.client.Snippets.Update(s.Context(), x.ID, body, nexterm.UpdateSnippetQuery{OrganizationID: x.OrganizationID.Or(0)})
	},
	remove: func(s *session, x nexterm.Snippet) error {
		return s.client.Snippets.Delete(s.Context(), x.ID, nexterm.DeleteSnippetQuery{OrganizationID: x.OrganizationID.Or(0)})
	},
}

// firstLine is what a table shows of a text.
func firstLine(text string) string {
	line, _, more := strings.Cut(text, "\n")
	if more {
		line += " …"
	}
	return line
}

var tags = kind[nexterm.Tag]{
	name: "tag", many: "tags", about: "your own tags, which you give to entries",
	list:  func(s *session) ([]nexterm.Tag, error) { return s.client.Tags.List(s.Context()) },
	thing: func(_ *session, t nexterm.Tag) thing { return thing{id: t.ID, name: t.Name} },
	head:  []string{"ID", "NAME", "COLOR"},
	row:   func(_ *session, t nexterm.Tag) []string { return []string{text64(t.ID), t.Name, t.Color} },
	fields: []field{
		{name: "color", usage: "a color such as #3b82f6"},
	},
	create: func(s *session, d document) (any, error) { return send(s, d, s.client.Tags.Create) },
	edit:   func(s *session, t nexterm.Tag, d document) error { return sendTo(s, t.ID, d, s.client.Tags.Update) },
	remove: func(s *session, t nexterm.Tag) error { return s.client.Tags.Delete(s.Context(), t.ID) },
}
