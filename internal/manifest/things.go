package manifest

import (
	"context"
	"slices"
	"unicode/utf8"

	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

// gone reports whether a name that the server has is to go: the file has the list, and
// not the name.
func gone[T any](p *planner, named []item[T], keep map[string]bool, name string) bool {
	return p.Prune && named != nil && !keep[name]
}

func names[T any](items []item[T], name func(T) string) map[string]bool {
	all := make(map[string]bool, len(items))
	for _, i := range items {
		all[name(i.it)] = true
	}
	return all
}

// planTags plans the caller's tags.
func (p *planner) planTags(tags []item[Tag]) {
	at := p.places[0]
	keep := names(tags, func(t Tag) string { return t.Name })
	colors := map[string]string{}
	for _, t := range p.state.tags {
		h := &handle{id: t.ID, doomed: gone(p, tags, keep, t.Name)}
		p.tags.add(t.Name, h)
		colors[t.Name] = t.Color
		if h.doomed {
			p.change(at, change{
				sign: '-', kind: "tag", name: t.Name, phase: removing, permissions: []string{"resources.manage"},
				run: func(ctx context.Context) error { return p.client.Tags.Delete(ctx, t.ID) },
			})
		}
	}
	for _, i := range tags {
		t, before := i.it, colors[i.it.Name]
		fields := []field{{"color", before, t.Color}}
		found := p.tags[t.Name]
		switch {
		case len(found) == 0:
			h := &handle{}
			h.made = p.change(at, change{
				sign: '+', kind: "tag", name: t.Name, fields: fields, phase: making, permissions: []string{"resources.manage"},
				run: func(ctx context.Context) error {
					created, err := p.client.Tags.Create(ctx, nexterm.NewTag{Name: t.Name, Color: t.Color})
					if err == nil {
						h.id = created.ID
					}
					return err
				},
			})
			p.tags.add(t.Name, h)
		case before != t.Color:
			p.change(at, change{
				sign: '~', kind: "tag", name: t.Name, fields: fields, phase: making, permissions: []string{"resources.manage"},
				run: func(ctx context.Context) error {
					return p.client.Tags.Update(ctx, found[0].id, nexterm.TagPatch{Color: t.Color})
				},
			})
		}
	}
}

// planFolders plans an owner's folders, those around others included.
func (p *planner) planFolders(at *place) {
	lines := map[string]int{}
	var paths []string
	for _, f := range at.things.Folders {
		for _, path := range ancestors(f.it) {
			if lines[path] == 0 {
				lines[path] = f.line
				paths = append(paths, path)
			}
		}
	}
	for _, f := range at.now.folders {
		at.folders.add(f.path, &handle{id: f.id, managed: f.managed, doomed: !f.managed && p.Prune && at.things.Folders != nil && lines[f.path] == 0})
	}
	// Siblings are made one after the other, which is their order.
	last := map[string]*change{}
	for _, path := range paths {
		parent, name := split(path)
		found := at.folders[path]
		if len(found) > 0 {
			if h := p.one(lines[path], "folder", path, found); h != nil && h.managed {
				p.add(lines[path], "folder %s is looked after by an integration", path)
			}
			continue
		}
		if n := utf8.RuneCountInString(name); n < minFolderName || n > maxFolderName {
			p.add(lines[path], "folder %s: a name has from %d to %d characters", path, minFolderName, maxFolderName)
		}
		var around *handle
		if parents := at.folders[parent]; parent != "" && len(parents) > 0 {
			around = parents[0]
		}
		h := &handle{}
		made := change{
			sign: '+', kind: "folder", name: path, phase: making, permissions: []string{"resources.manage"},
			run: func(ctx context.Context) error {
				body := nexterm.NewFolder{Name: name, OrganizationID: at.organizationID()}
				if around != nil {
					body.ParentID = around.id
				}
				created, err := p.client.Folders.Create(ctx, body)
				if err == nil {
					h.id = created.ID
				}
				return err
			},
		}
		if around != nil && around.made != nil {
			made.after = append(made.after, around.made)
		}
		if last[parent] != nil {
			made.after = append(made.after, last[parent])
		}
		h.made = p.change(at, made)
		last[parent] = h.made
		at.folders.add(path, h)
	}
}

// pruneFolders removes folders in which nothing stays, from the innermost.
func (p *planner) pruneFolders(at *place) {
	stays := map[string]bool{}
	for path, found := range at.entries {
		if slices.ContainsFunc(found, func(h *handle) bool { return !h.doomed }) {
			folder, _ := split(path)
			for _, around := range ancestors(folder) {
				stays[around] = true
			}
		}
	}
	for path, found := range at.folders {
		if slices.ContainsFunc(found, func(h *handle) bool { return h.managed }) {
			for _, around := range ancestors(path) {
				stays[around] = true
			}
		}
	}
	var inner []*change
	for _, f := range slices.Backward(at.now.folders) {
		i := slices.IndexFunc(at.folders[f.path], func(h *handle) bool { return h.id == f.id })
		if h := at.folders[f.path][i]; !h.doomed {
			continue
		}
		if stays[f.path] {
			p.note("%s: folder %s stays, for what is in it that the file does not look after", at.name, f.path)
			continue
		}
		removed := change{
			sign: '-', kind: "folder", name: f.path, phase: emptying, permissions: []string{"resources.manage"}, after: slices.Clone(inner),
			run: func(ctx context.Context) error { return p.client.Folders.Delete(ctx, f.id) },
		}
		inner = []*change{p.change(at, removed)}
	}
}
