package manifest

import (
	"context"
	"fmt"
	"io"
	"slices"

	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

// Options say how a file is held against a server.
type Options struct {
	// Prune removes what the file does not name, in the lists that it has.
	Prune bool
	// Secrets writes all secrets again. Without it they are written with what is created,
	// and when an identity's type changes: the server never tells what it has.
	Secrets bool
	// Folder is where files of secrets are relative to.
	Folder string
	// Stdin is where a secret may come from; nil if the file itself has come from there.
	Stdin io.Reader
}

// handle is something that references lead to: at the server, or to come.
type handle struct {
	id int64
	// made is the change that makes it.
	made *change
	// doomed is what the plan removes.
	doomed, managed bool
	entry           *plannedEntry
	ssh             bool
}

// table finds what an owner has by name or path; several where a name is not unique.
type table map[string][]*handle

func (t table) add(name string, h *handle) { t[name] = append(t[name], h) }

// place is an owner in a plan.
type place struct {
	name string
	// rank is the place among the others, in the plan.
	rank int
	// line is where the file names the owner, 0 where it does not.
	line int
	// organization has the id of an organization, and is nil for the caller.
	organization *handle
	now          *owned
	things       Things

	identities, folders, entries table
}

// organizationID is what requests have, 0 for the caller.
func (p *place) organizationID() int64 {
	if p.organization == nil {
		return 0
	}
	return p.organization.id
}

// ownedBy tells whether somebody else has the say in an organization, who may have
// given it the name that the file means another one by.
func (p *place) ownedBy() string {
	if p.now.organization == nil || p.now.organization.IsOwner {
		return ""
	}
	return " (owned by somebody else)"
}

// founded is the change that makes the owner, if that is new.
func (p *place) founded() []*change {
	if p.organization == nil || p.organization.made == nil {
		return nil
	}
	return []*change{p.organization.made}
}

type planner struct {
	Options
	*Problems
	file     *File
	client   *nexterm.Client
	state    *state
	plan     Plan
	places   []*place
	tags     table
	accounts map[string]*account
}

// Plan holds the file against what the server has, and fails with all problems that
// there are.
func (d *Document) Plan(ctx context.Context, client *nexterm.Client, options Options) (*Plan, error) {
	// What has been read is planned as often as wanted.
	problems := &Problems{File: d.problems.File, All: slices.Clone(d.problems.All)}
	p := &planner{
		Options: options, Problems: problems, file: &d.file, client: client, tags: table{}, accounts: map[string]*account{},
	}
	var err error
	if p.state, err = read(ctx, client, d.wanted()); err != nil {
		return nil, err
	}
	if err := p.findAccounts(ctx); err != nil {
		return nil, err
	}
	p.findPlaces()
	if personal := d.file.Personal; personal != nil {
		p.planTags(personal.Tags)
	} else {
		p.planTags(nil)
	}
	for _, at := range p.places {
		p.planIdentities(at)
		p.planFolders(at)
		p.planTexts(at, scripts, at.things.Scripts)
		p.planTexts(at, snippets, at.things.Snippets)
	}
	p.planEntries()
	for i, at := range p.places {
		at.rank = i
	}
	p.planGroups()
	p.checkPermissions()
	p.checkLimits()
	return &p.plan, problems.err()
}

// wanted is what has to be read for the file.
func (d *Document) wanted() wanted {
	members, permissions := map[string]bool{}, map[string]bool{}
	for _, o := range d.file.Organizations {
		members[o.it.Name] = o.it.Members != nil
		for _, m := range o.it.Members {
			permissions[o.it.Name] = permissions[o.it.Name] || m.it.Permissions != nil
		}
	}
	return wanted{
		groups:      d.file.Groups != nil,
		members:     func(name string) bool { return members[name] },
		permissions: func(name string) bool { return permissions[name] },
	}
}

// findPlaces lists the owners: the caller, the organizations that the caller is in, and
// those that are to come.
func (p *planner) findPlaces() {
	for _, o := range p.state.owners {
		at := &place{name: o.name(), now: o, identities: table{}, folders: table{}, entries: table{}}
		if o.organization != nil {
			at.organization = &handle{id: o.organization.ID}
		}
		p.places = append(p.places, at)
	}
	if personal := p.file.Personal; personal != nil {
		p.places[0].things, p.places[0].line = personal.Things, 1
	}
	for _, item := range p.file.Organizations {
		o := item.it
		at, several := p.findOrganization(o.Name)
		switch {
		case several:
			p.add(item.line, "you are in several organizations called %s", o.Name)
			continue
		case at == nil:
			at = &place{
				name: o.Name, organization: &handle{}, now: &owned{}, identities: table{}, folders: table{}, entries: table{},
			}
			p.places = append(p.places, at)
		}
		at.line, at.things = item.line, o.Things
		p.planOrganization(at, o)
	}
}

func (p *planner) findOrganization(name string) (found *place, several bool) {
	for _, at := range p.places {
		if at.organization != nil && at.name == name {
			several = found != nil
			found = at
		}
	}
	return found, several
}

// resolve finds what a reference leads to, and tells where it leads nowhere.
func (p *planner) resolve(from *place, line int, kind string, r reference, in func(*place) table) *handle {
	to := from
	if r.elsewhere && r.Organization == "" {
		to = p.places[0]
	}
	if r.elsewhere && r.Organization != "" {
		var several bool
		if to, several = p.findOrganization(r.Organization); to == nil || several {
			p.add(line, kind+" %s: you are not in one organization of this name, and the file has none", r)
			return nil
		}
	}
	return p.one(line, kind, r.String(), in(to)[r.Name])
}

// one is the only thing of a name.
func (p *planner) one(line int, kind, name string, found []*handle) *handle {
	switch {
	case len(found) == 0:
		p.add(line, kind+" %s does not exist: neither the file nor the server has it", name)
	case len(found) > 1:
		p.add(line, kind+" %s: the server has several of this name", name)
	case found[0].doomed:
		p.add(line, kind+" %s is not in the file, and --prune would remove it", name)
	default:
		return found[0]
	}
	return nil
}

// change adds to the plan what is done for an owner.
func (p *planner) change(at *place, c change) *change {
	c.place = at
	c.after = append(c.after, at.founded()...)
	p.plan.changes = append(p.plan.changes, &c)
	return &c
}

func (p *planner) note(format string, args ...any) {
	for i, arg := range args {
		if text, is := arg.(string); is {
			args[i] = show(text)
		}
	}
	p.plan.notes = append(p.plan.notes, fmt.Sprintf(format, args...))
}
