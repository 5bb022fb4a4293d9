package manifest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

// Export writes what the caller has as a file. Secrets are references to variables,
// which say by their names what belongs into them. What a file cannot say is a problem.
func Export(ctx context.Context, client *nexterm.Client) ([]byte, error) {
	all := func(string) bool { return true }
	s, err := read(ctx, client, wanted{groups: true, members: all, permissions: all})
	if err != nil {
		return nil, err
	}
	e := exporter{state: s, problems: Problems{File: "what the server has"}, variables: map[string]bool{}}
	f := e.file()
	if len(e.problems.All) > 0 {
		return nil, &Unexportable{e.problems.All}
	}
	return f.encode()
}

// Unexportable is that a server has what a file cannot name.
type Unexportable struct{ Problems []Problem }

func (u *Unexportable) Error() string {
	lines := []string{"a file cannot name what the server has; rename or mend it first:"}
	for _, p := range u.Problems {
		lines = append(lines, "  "+p.Text)
	}
	return strings.Join(lines, "\n")
}

// Unwrap says what it is: a conflict, for the exit status.
func (u *Unexportable) Unwrap() error { return nexterm.ErrConflict }

type exporter struct {
	state     *state
	problems  Problems
	variables map[string]bool
}

func (e *exporter) file() *File {
	f := &File{Version: version}
	organizations := map[string]bool{}
	// By name, whatever the ids: the same things give the same file.
	slices.SortStableFunc(e.state.owners[1:], func(a, b *owned) int { return cmp.Compare(a.name(), b.name()) })
	for _, o := range e.state.owners {
		for _, twice := range o.twice() {
			e.problems.add(0, "%s stands for several", twice)
		}
		things := e.things(o)
		if o.organization == nil {
			personal := &Personal{Things: things}
			for _, t := range e.state.tags {
				personal.Tags = append(personal.Tags, item[Tag]{it: Tag{t.Name, t.Color}})
			}
			f.Personal = personal
			continue
		}
		if organizations[o.name()] {
			e.problems.add(0, "organization %s: you are in several of this name", o.name())
		}
		organizations[o.name()] = true
		f.Organizations = append(f.Organizations, item[Organization]{it: e.organization(o, things)})
	}
	f.Groups = e.groups()
	return f
}

func (e *exporter) organization(o *owned, things Things) Organization {
	audit, _ := normal(o.organization.AuditSettings).(map[string]any)
	session, _ := normal(o.organization.SessionSettings).(map[string]any)
	out := Organization{Name: o.name(), AuditSettings: audit, SessionSettings: session, Things: things}
	if description, has := o.organization.Description.Get(); has {
		out.Description = &description
	}
	for _, m := range o.members {
		if m.Role == nexterm.OrganizationRoleOwner {
			continue
		}
		member := Member{Username: m.Username}
		if p := o.permissions[m.AccountID]; p != nil {
			member.Permissions = plainOverrides(p.Overrides)
		}
		out.Members = append(out.Members, item[Member]{it: member})
	}
	slices.SortFunc(out.Members, func(a, b item[Member]) int { return cmp.Compare(a.it.Username, b.it.Username) })
	return out
}

// groups are all but that of administrators; the default group with its permissions.
func (e *exporter) groups() (all []item[Group]) {
	names := map[string]bool{}
	for _, g := range e.state.groups {
		if names[g.Name] {
			e.problems.add(0, "group %s: there are several of this name", g.Name)
		}
		if names[g.Name] = true; g.IsAdmin {
			continue
		}
		out := Group{Name: g.Name, Permissions: plainOverrides(g.Permissions)}
		if !g.IsSystem {
			out.Color = g.Color
			for _, m := range g.Members {
				out.Members = append(out.Members, m.Username)
			}
		}
		all = append(all, item[Group]{it: out})
	}
	return all
}

func plainOverrides(set map[string]nexterm.PermissionOverride) map[string]string {
	out := make(map[string]string, len(set))
	for name, value := range set {
		out[name] = string(value)
	}
	return out
}

// things are an owner's, without what integrations look after.
func (e *exporter) things(o *owned) (t Things) {
	slices.SortFunc(o.identities, func(a, b nexterm.Identity) int { return cmp.Compare(a.Name, b.Name) })
	for _, i := range o.identities {
		t.Identities = append(t.Identities, item[Identity]{it: e.identity(o, i)})
	}
	for _, f := range o.folders {
		if !f.managed {
			t.Folders = append(t.Folders, item[string]{it: f.path})
		}
	}
	written := e.state.spellings(o)
	for _, entry := range o.entries {
		if !entry.managed {
			t.Entries = append(t.Entries, item[Entry]{it: e.entry(o, entry, written)})
		}
	}
	for _, s := range o.scripts {
		t.Scripts = append(t.Scripts, item[Text]{it: Text{
			Name: s.Name, Content: s.Content, Description: s.Description.Or(""), OSFilter: s.OSFilter,
		}})
	}
	for _, s := range o.snippets {
		t.Snippets = append(t.Snippets, item[Text]{it: Text{
			Name: s.Name, Command: s.Command, Description: s.Description.Or(""), OSFilter: s.OSFilter,
		}})
	}
	return t
}

func (e *exporter) identity(o *owned, i nexterm.Identity) Identity {
	out := Identity{Name: i.Name, Type: string(i.Type), Username: i.Username.Or("")}
	for _, kind := range usedBy[out.Type] {
		switch kind {
		case "password":
			out.Password = e.variable(o, i.Name, "PASSWORD")
		case "sshKey":
			out.SSHKey = e.variable(o, i.Name, "KEY")
		}
	}
	return out
}

// variable names the place of a secret after what it is of, and once.
func (e *exporter) variable(o *owned, name, kind string) *Secret {
	base := "NEXTERM_" + upper(o.name()) + "_" + upper(name) + "_" + kind
	unique := base
	for n := 2; e.variables[unique]; n++ {
		unique = fmt.Sprint(base, "_", n)
	}
	e.variables[unique] = true
	return &Secret{Env: unique}
}

func (e *exporter) entry(o *owned, from entry, written spellings) Entry {
	out := Entry{Name: from.Name, Folder: from.folder, Config: settings(from.Config)}
	if from.Type != nexterm.EntryTypeServer {
		out.Type = string(from.Type)
	}
	if icon := from.Icon.Or(defaultIcon); icon != defaultIcon {
		out.Icon = icon
	}
	if _, decided := views[from.Config.Protocol]; !decided {
		out.Renderer = from.Renderer.Or("")
	}
	for _, id := range from.Identities {
		if r, known := written.identities[id]; known {
			out.Identities = append(out.Identities, r)
		}
	}
	for _, t := range from.Tags {
		out.Tags = append(out.Tags, t.Name)
	}
	var hops []any
	for _, id := range from.Config.JumpHosts {
		r, known := written.entries[id]
		if !known {
			e.problems.add(0, "%s: entry %s: a jump host is gone, or not yours to see", o.name(), from.path())
			continue
		}
		if hops = append(hops, r.Name); r.elsewhere {
			hop := map[string]any{"name": r.Name}
			if r.Organization != "" {
				hop["organization"] = r.Organization
			}
			hops[len(hops)-1] = hop
		}
	}
	if hops != nil {
		out.Config["jumpHosts"] = hops
	}
	return out
}
