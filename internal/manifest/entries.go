package manifest

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

const defaultIcon = "server"

// plannedEntry is an entry of the file with what its names lead to.
type plannedEntry struct {
	item[Entry]
	at         *place
	handle     *handle
	before     *entry // nil for a new one
	folder     *handle
	hops       []*handle
	identities []*handle
	tags       []*handle
	// visited is 1 while the ways to its hops are followed, and 2 afterwards.
	visited int
}

func (e *plannedEntry) path() string { return join(e.it.Folder, e.it.Name) }

// planEntries plans the entries of all owners: of them all together, because they can
// be each other's jump hosts.
func (p *planner) planEntries() {
	var planned []*plannedEntry
	for _, at := range p.places {
		planned = append(planned, p.gatherEntries(at)...)
	}
	for _, e := range planned {
		p.lead(e)
	}
	p.createEntries(planned)
	written := map[*place]spellings{}
	for _, e := range planned {
		if e.before == nil {
			continue
		}
		if written[e.at].entries == nil {
			written[e.at] = p.state.spellings(e.at.now)
		}
		p.updateEntry(e, written[e.at])
	}
	for _, at := range p.places {
		p.pruneFolders(at)
	}
}

// gatherEntries lists an owner's entries in the file, and those of the server by their
// paths; what the file does not name is removed, if that is asked for.
func (p *planner) gatherEntries(at *place) (planned []*plannedEntry) {
	keep := names(at.things.Entries, func(e Entry) string { return join(e.Folder, e.Name) })
	stored := map[*handle]*entry{}
	for i := range at.now.entries {
		e := &at.now.entries[i]
		h := &handle{id: e.ID, managed: e.managed, ssh: e.Protocol.Or("") == "ssh"}
		h.doomed = !e.managed && gone(p, at.things.Entries, keep, e.path())
		stored[h] = e
		at.entries.add(e.path(), h)
		if h.doomed {
			p.change(at, change{
				sign: '-', kind: "entry", name: e.path(), phase: removing, permissions: []string{"resources.manage"},
				run: func(ctx context.Context) error { return p.client.Entries.Delete(ctx, e.ID) },
			})
		}
	}
	for _, i := range at.things.Entries {
		e := &plannedEntry{item: i, at: at}
		if found := at.entries[e.path()]; len(found) == 0 {
			e.handle = &handle{}
			at.entries.add(e.path(), e.handle)
		} else if e.handle = p.one(i.line, "entry", e.path(), found); e.handle == nil {
			continue
		} else if e.handle.managed {
			p.add(i.line, "entry %s is looked after by an integration", e.path())
			continue
		}
		e.before = stored[e.handle]
		e.handle.entry, e.handle.ssh = e, i.it.Config["protocol"] == "ssh"
		planned = append(planned, e)
	}
	return planned
}

// lead finds what the names in an entry lead to.
func (p *planner) lead(e *plannedEntry) {
	if e.it.Folder != "" {
		e.folder = p.resolve(e.at, e.line, "folder", reference{Name: e.it.Folder}, func(at *place) table { return at.folders })
		if e.folder != nil && e.folder.managed {
			p.add(e.line, "folder %s is looked after by an integration", e.it.Folder)
		}
	}
	for _, r := range e.it.Identities {
		e.identities = append(e.identities, p.resolve(e.at, e.line, "identity", r, func(at *place) table { return at.identities }))
	}
	for _, r := range e.it.hops() {
		hop := p.resolve(e.at, e.line, "jump host", r, func(at *place) table { return at.entries })
		switch {
		case hop == nil:
		case hop == e.handle:
			p.add(e.line, "entry %s: it cannot be its own jump host", e.path())
			continue
		case !hop.ssh:
			p.add(e.line, "entry %s: the jump host %s is no SSH entry", e.path(), r)
		}
		e.hops = append(e.hops, hop)
	}
	for _, name := range e.it.Tags {
		e.tags = append(e.tags, p.one(e.line, "tag", name, p.tags[name]))
	}
}

// createEntries plans the new ones: jump hosts first, and the rest of a folder one after
// the other in the order of the file.
func (p *planner) createEntries(planned []*plannedEntry) {
	order := make([]*plannedEntry, 0, len(planned))
	for _, e := range planned {
		p.visit(e, &order)
	}
	last := map[string]*change{}
	at := map[*plannedEntry]int{}
	for i, e := range order {
		container := fmt.Sprintf("%p %s", e.at, e.it.Folder)
		at[e] = i
		e.handle.made = p.createEntry(e, last[container])
		last[container] = e.handle.made
	}
	// Those that came before their turn, for others to jump through, go to their place.
	latest, previous, moved := map[string]int{}, map[string]*plannedEntry{}, map[string]*change{}
	for _, e := range planned {
		if e.before != nil {
			continue
		}
		container := fmt.Sprintf("%p %s", e.at, e.it.Folder)
		if before := previous[container]; before != nil && at[e] < latest[container] {
			moved[container] = p.reposition(e, before, moved[container])
		}
		latest[container], previous[container] = max(latest[container], at[e]), e
	}
}

// visit appends an entry and, before it, the new ones among its jump hosts.
func (p *planner) visit(e *plannedEntry, order *[]*plannedEntry) {
	if e.before != nil || e.visited == 2 {
		return
	}
	if e.visited == 1 {
		p.add(e.line, "entry %s: its jump hosts lead back to it", e.path())
		return
	}
	e.visited = 1
	for _, hop := range e.hops {
		if hop != nil && hop.entry != nil {
			p.visit(hop.entry, order)
		}
	}
	e.visited = 2
	*order = append(*order, e)
}

func (p *planner) createEntry(e *plannedEntry, sibling *change) *change {
	c := change{
		sign: '+', kind: "entry", name: e.path(), fields: e.summary(), phase: adding, permissions: []string{"resources.manage"},
		run: func(ctx context.Context) error {
			created, err := p.client.Entries.Create(ctx, nexterm.NewEntry{
				Name: e.it.Name, Config: e.config(), Type: nexterm.EntryType(e.it.Type), Icon: e.it.Icon, Renderer: e.it.Renderer,
				FolderID: id(e.folder), OrganizationID: e.at.organizationID(), Identities: ids(e.identities),
			})
			if err != nil {
				return err
			}
			e.handle.id = created.ID
			for _, tag := range e.tags {
				if err := p.client.Tags.Assign(ctx, tag.id, created.ID); err != nil {
					return err
				}
			}
			return nil
		},
	}
	if sibling != nil {
		c.after = append(c.after, sibling)
	}
	for _, hop := range e.hops {
		if hop != nil && hop.made != nil {
			c.after = append(c.after, hop.made)
		}
	}
	return p.change(e.at, c)
}

func (p *planner) reposition(e, after *plannedEntry, last *change) *change {
	c := change{kind: "place of entry", name: e.path(), phase: changing, run: func(ctx context.Context) error {
		to := nexterm.EntryPosition{Placement: "after", TargetID: after.handle.id, OrganizationID: e.at.organizationID()}
		if e.folder != nil {
			to.FolderID = nexterm.Value(e.folder.id)
		}
		return p.client.Entries.Reposition(ctx, e.handle.id, to)
	}}
	if last != nil {
		c.after = append(c.after, last)
	}
	return p.change(e.at, c)
}

// updateEntry plans what differs, and nothing else.
func (p *planner) updateEntry(e *plannedEntry, written spellings) {
	var patch nexterm.EntryPatch
	var fields []field
	differs := func(name, before, after string) bool {
		if before != after {
			fields = append(fields, field{name, before, after})
		}
		return before != after
	}
	if kind := cmp.Or(e.it.Type, "server"); differs("type", string(e.before.Type), kind) {
		patch.Type = nexterm.EntryType(kind)
	}
	if icon := cmp.Or(e.it.Icon, defaultIcon); differs("icon", e.before.Icon.Or(defaultIcon), icon) {
		patch.Icon = nexterm.Value(icon)
	}
	protocol, _ := e.it.Config["protocol"].(string)
	if _, decided := views[protocol]; !decided && differs("renderer", e.before.Renderer.Or(""), e.it.Renderer) {
		if patch.Renderer = nexterm.Null[string](); e.it.Renderer != "" {
			patch.Renderer = nexterm.Value(e.it.Renderer)
		}
	}
	configured := e.configFields(written.entries)
	fields = append(fields, configured...)
	linked := !slices.Equal(ids(e.identities), e.before.Identities)
	if linked {
		fields = append(fields, field{"identities", text(spelled(written.identities, e.before.Identities)), text(stringsOf(e.it.Identities))})
	}
	patched := len(fields) > 0
	add, remove := e.tagging(p)
	fields = append(fields, add.fields...)
	if len(fields) == 0 {
		return
	}
	p.change(e.at, change{
		sign: '~', kind: "entry", name: e.path(), fields: fields, phase: changing, permissions: []string{"resources.manage"},
		run: func(ctx context.Context) error {
			if patched {
				if len(configured) > 0 {
					config := e.config()
					patch.Config = &config
				}
				if linked {
					patch.Identities = ids(e.identities)
				}
				if err := p.client.Entries.Update(ctx, e.before.ID, patch); err != nil {
					return err
				}
			}
			for _, tag := range add.tags {
				if err := p.client.Tags.Assign(ctx, tag.id, e.before.ID); err != nil {
					return err
				}
			}
			for _, tag := range remove {
				if err := p.client.Tags.Unassign(ctx, tag, e.before.ID); err != nil {
					return err
				}
			}
			return nil
		},
	})
}
