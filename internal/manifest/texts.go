package manifest

import (
	"context"
	"slices"

	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

// Scripts and snippets are twins whose types and calls are not.
var (
	scripts = kindOfText{
		name: "script", permission: "scripts.manage", key: "content",
		of: func(o *owned) (all []storedText) {
			for _, s := range o.scripts {
				all = append(all, storedText{s.ID, s.Name, s.Content, s.Description.Or(""), s.OSFilter})
			}
			return all
		},
		create: func(ctx context.Context, c *nexterm.Client, organization int64, t Text) error {
			_, err := c.Scripts.Create(ctx, nexterm.NewScript{
				Name: t.Name, Content: t.Content, Description: t.Description, OSFilter: t.OSFilter, OrganizationID: organization,
			})
			return err
		},
		update: func(ctx context.Context, c *nexterm.Client, id, organization int64, t Text, d textChange) error {
			var patch nexterm.ScriptPatch
			if d.content {
				patch.Content = t.Content
			}
			patch.Description, patch.OSFilter = d.patch(t)
			return c.Scripts.Update(ctx, id, patch, nexterm.UpdateScriptQuery{OrganizationID: organization})
		},
		remove: func(ctx context.Context, c *nexterm.Client, id, organization int64) error {
			return c.Scripts.Delete(ctx, id, nexterm.DeleteScriptQuery{OrganizationID: organization})
		},
	}
	snippets = kindOfText{
		name: "snippet", permission: "snippets.manage", key: "command",
		of: func(o *owned) (all []storedText) {
			for _, s := range o.snippets {
				all = append(all, storedText{s.ID, s.Name, s.Command, s.Description.Or(""), s.OSFilter})
			}
			return all
		},
		create: func(ctx context.Context, c *nexterm.Client, organization int64, t Text) error {
			_, err := c.Snippets.Create(ctx, nexterm.NewSnippet{
				Name: t.Name, Command: t.Command, Description: t.Description, OSFilter: t.OSFilter, OrganizationID: organization,
			})
			return err
		},
		update: func(ctx context.Context, c *nexterm.Client, id, organization int64, t Text, d textChange) error {
			var patch nexterm.SnippetPatch
			if d.content {
				patch.Command = t.Command
			}
			patch.Description, patch.OSFilter = d.patch(t)
			return c.Snippets.Update(ctx, id, patch, nexterm.UpdateSnippetQuery{OrganizationID: organization})
		},
		remove: func(ctx context.Context, c *nexterm.Client, id, organization int64) error {
			return c.Snippets.Delete(ctx, id, nexterm.DeleteSnippetQuery{OrganizationID: organization})
		},
	}
)

// patch is what both have, as far as it differs. Nothing is null.
func (d textChange) patch(t Text) (description nexterm.Optional[string], systems nexterm.Optional[[]string]) {
	if d.description {
		if description = nexterm.Null[string](); t.Description != "" {
			description = nexterm.Value(t.Description)
		}
	}
	if d.systems {
		if systems = nexterm.Null[[]string](); len(t.OSFilter) > 0 {
			systems = nexterm.Value(t.OSFilter)
		}
	}
	return description, systems
}

// kindOfText is scripts or snippets.
type kindOfText struct {
	name, permission, key string
	of                    func(*owned) []storedText
	create                func(context.Context, *nexterm.Client, int64, Text) error
	update                func(context.Context, *nexterm.Client, int64, int64, Text, textChange) error
	remove                func(context.Context, *nexterm.Client, int64, int64) error
}

// storedText is a script or a snippet of the server's.
type storedText struct {
	id                       int64
	name, content, describes string
	systems                  []string
}

// textChange is what differs of one.
type textChange struct{ content, description, systems bool }

// planTexts plans an owner's scripts or snippets. New ones are made one after the
// other, which is their order.
func (p *planner) planTexts(at *place, kind kindOfText, texts []item[Text]) {
	keep := names(texts, func(t Text) string { return t.Name })
	found := map[string][]storedText{}
	for _, t := range kind.of(at.now) {
		found[t.name] = append(found[t.name], t)
		if gone(p, texts, keep, t.name) {
			p.change(at, change{
				sign: '-', kind: kind.name, name: t.name, phase: removing, permissions: []string{kind.permission},
				run: func(ctx context.Context) error { return kind.remove(ctx, p.client, t.id, at.organizationID()) },
			})
		}
	}
	var last []*change
	for _, i := range texts {
		t := i.it
		content := t.Content + t.Command
		switch len(found[t.Name]) {
		case 0:
			last = []*change{p.change(at, change{
				sign: '+', kind: kind.name, name: t.Name, fields: []field{{kind.key, "", content}}, phase: making,
				permissions: []string{kind.permission}, after: last,
				run: func(ctx context.Context) error { return kind.create(ctx, p.client, at.organizationID(), t) },
			})}
		case 1:
			p.updateText(at, kind, t, content, found[t.Name][0])
		default:
			p.add(i.line, kind.name+" %s: the server has several of this name", t.Name)
		}
	}
}

func (p *planner) updateText(at *place, kind kindOfText, t Text, content string, before storedText) {
	differs := textChange{content != before.content, t.Description != before.describes, !slices.Equal(t.OSFilter, before.systems)}
	var fields []field
	if differs.content {
		fields = append(fields, field{kind.key, before.content, content})
	}
	if differs.description {
		fields = append(fields, field{"description", before.describes, t.Description})
	}
	if differs.systems {
		fields = append(fields, field{"osFilter", text(before.systems), text(t.OSFilter)})
	}
	if len(fields) == 0 {
		return
	}
	p.change(at, change{
		sign: '~', kind: kind.name, name: t.Name, fields: fields, phase: making, permissions: []string{kind.permission},
		run: func(ctx context.Context) error {
			return kind.update(ctx, p.client, before.id, at.organizationID(), t, differs)
		},
	})
}
