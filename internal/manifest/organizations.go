package manifest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"

	"github.com/nexterm-go/nexterm/internal/username"
	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

// account is whom a username stands for.
type account struct {
	name string
	id   int64
	// unknown accounts do not exist; of the others without an id, nobody can tell.
	unknown bool
}

// findAccounts looks up the usernames of those whom the plan may have to add.
func (p *planner) findAccounts(ctx context.Context) error {
	for _, o := range p.state.owners {
		for _, m := range o.members {
			p.accounts[username.Fold(m.Username)] = &account{name: m.Username, id: m.AccountID}
		}
	}
	for _, g := range p.state.groups {
		for _, m := range g.Members {
			p.accounts[username.Fold(m.Username)] = &account{name: m.Username, id: m.ID}
		}
	}
	p.accounts[username.Fold(p.state.me.Username)] = &account{name: p.state.me.Username, id: p.state.me.ID}
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(atOnce)
	find := func(name string) {
		folded := username.Fold(name)
		if p.accounts[folded] != nil || name == "" {
			return
		}
		a := &account{name: name}
		p.accounts[folded] = a
		work.Go(func() error { return p.find(ctx, a) })
	}
	for _, o := range p.file.Organizations {
		for _, m := range o.it.Members {
			find(m.it.Username)
		}
	}
	for _, g := range p.file.Groups {
		for _, name := range g.it.Members {
			find(name)
		}
	}
	return work.Wait()
}

// mostFound is how many accounts a search answers with, and leastSearched how long a
// name has to be for it.
const mostFound, leastSearched = 5, 3

// find looks an account up among all of the server's where the caller may, and else by
// the search that everybody has.
func (p *planner) find(ctx context.Context, a *account) error {
	if slices.Contains(p.state.me.Permissions, "users.view") {
		for user, err := range p.client.Users.All(ctx, nexterm.ListUsersQuery{Search: a.name}) {
			if err != nil {
				return err
			}
			if username.Fold(user.Username) == username.Fold(a.name) {
				a.id = user.ID
				return nil
			}
		}
		a.unknown = true
		return nil
	}
	found, err := p.client.Account.Search(ctx, nexterm.SearchAccountsQuery{Search: a.name})
	if err != nil {
		return err
	}
	for _, user := range found.Users {
		if username.Fold(user.Username) == username.Fold(a.name) {
			a.id = user.ID
		}
	}
	a.unknown = a.id == 0 && len(found.Users) < mostFound && utf8.RuneCountInString(a.name) >= leastSearched
	return nil
}

// planOrganization plans what an organization itself is: its name, its settings and
// its members. What the file leaves out stays as it is.
func (p *planner) planOrganization(at *place, o Organization) {
	before := at.now.organization
	if before == nil {
		p.found(at, o)
		before = &nexterm.Organization{AuditSettings: nexterm.AuditSettings{}}
	} else if o.Description != nil && *o.Description != before.Description.Or("") {
		description := nexterm.Null[string]()
		if *o.Description != "" {
			description = nexterm.Value(*o.Description)
		}
		p.change(at, change{
			sign: '~', kind: "organization", name: o.Name, phase: making, permissions: []string{"org.manage"},
			fields: []field{{"description", before.Description.Or(""), *o.Description}},
			run: func(ctx context.Context) error {
				_, err := p.client.Organizations.Update(ctx, at.organizationID(), nexterm.OrganizationPatch{Description: description})
				return err
			},
		})
	}
	p.planSettings(at, "audit settings", before.AuditSettings, o.AuditSettings, func(ctx context.Context, changed []byte) error {
		var patch nexterm.AuditSettingsPatch
		if err := json.Unmarshal(changed, &patch); err != nil {
			return err
		}
		_, err := p.client.Audit.UpdateSettings(ctx, at.organizationID(), patch)
		return err
	})
	p.planSettings(at, "session settings", before.SessionSettings, o.SessionSettings, func(ctx context.Context, changed []byte) error {
		settings := before.SessionSettings // of which one is always sent
		if err := json.Unmarshal(changed, &settings); err != nil {
			return err
		}
		_, err := p.client.Organizations.UpdateSessionSettings(ctx, at.organizationID(), settings)
		return err
	})
	p.planMembers(at, o.Members)
}

func (p *planner) found(at *place, o Organization) {
	body := nexterm.NewOrganization{Name: o.Name}
	if o.Description != nil {
		body.Description = *o.Description
	}
	at.organization.made = p.change(at, change{
		sign: '+', kind: "organization", name: o.Name, phase: founding, permissions: []string{"organizations.create"},
		run: func(ctx context.Context) error {
			created, err := p.client.Organizations.Create(ctx, body)
			if err == nil {
				at.organization.id = created.ID
			}
			return err
		},
	})
}

// planSettings plans the settings that the file has. Those of an organization that is to
// come are set whatever they are.
func (p *planner) planSettings(at *place, kind string, stored any, want values, set func(context.Context, []byte) error) {
	before, _ := normal(stored).(map[string]any)
	var fields []field
	changed := values{}
	for _, key := range slices.Sorted(maps.Keys(want)) {
		old := fmt.Sprint(before[key])
		if at.now.organization == nil {
			old = ""
		}
		if old != fmt.Sprint(want[key]) {
			changed[key] = want[key]
			fields = append(fields, field{key, old, fmt.Sprint(want[key])})
		}
	}
	if len(changed) == 0 {
		return
	}
	p.change(at, change{
		sign: '~', kind: kind, name: at.name, fields: fields, phase: making, permissions: []string{"org.manage"},
		run: func(ctx context.Context) error {
			encoded, err := json.Marshal(changed)
			if err != nil {
				return err
			}
			return set(ctx, encoded)
		},
	})
}

// planMembers invites those who are not in it, and sets what those who are may do.
func (p *planner) planMembers(at *place, members []item[Member]) {
	stored := map[string]nexterm.Member{}
	keep := names(members, func(m Member) string { return username.Fold(m.Username) })
	for _, m := range at.now.members {
		stored[username.Fold(m.Username)] = m
		if m.Role == nexterm.OrganizationRoleOwner || m.AccountID == p.state.me.ID || !gone(p, members, keep, username.Fold(m.Username)) {
			continue
		}
		p.change(at, change{
			sign: '-', kind: "member", name: m.Username, phase: removing, permissions: []string{"org.members.manage"},
			run: func(ctx context.Context) error {
				return p.client.Organizations.RemoveMember(ctx, at.organizationID(), m.AccountID)
			},
		})
	}
	me := username.Fold(p.state.me.Username)
	for _, i := range members {
		if at.now.organization == nil && username.Fold(i.it.Username) == me {
			if i.it.Permissions != nil {
				p.add(i.line, "member %s is the owner, who may do everything", i.it.Username)
			}
			continue
		}
		m, is := stored[username.Fold(i.it.Username)]
		a := p.accounts[username.Fold(i.it.Username)]
		switch {
		case is && m.Status == nexterm.MemberStatusActive:
			p.planOverrides(at, i, m)
		case is: // and invited
		case a == nil || a.unknown:
			p.add(i.line, "member %s: there is no account of this name", i.it.Username)
		default:
			p.change(at, change{
				sign: '+', kind: "member", name: i.it.Username, phase: making, permissions: []string{"org.members.manage"},
				run: func(ctx context.Context) error {
					return p.client.Organizations.InviteMember(ctx, at.organizationID(), nexterm.NewInvitation{Username: i.it.Username})
				},
			})
		}
		if m.Status != nexterm.MemberStatusActive && len(i.it.Permissions) > 0 {
			p.note("%s: %s has to accept the invitation before permissions can be set; run it again then", at.name, i.it.Username)
		}
	}
}

func (p *planner) planOverrides(at *place, i item[Member], m nexterm.Member) {
	if i.it.Permissions == nil {
		return
	}
	if m.Role == nexterm.OrganizationRoleOwner {
		p.add(i.line, "member %s is the owner, who may do everything", i.it.Username)
		return
	}
	set := at.now.permissions[m.AccountID]
	if set == nil {
		p.add(i.line, "member %s: you may not see or set permissions, for want of the permission org.members.manage", i.it.Username)
		return
	}
	p.checkNames(i.line, set.Catalog, i.it.Permissions)
	fields, changes := overrides(set.Overrides, i.it.Permissions)
	if len(fields) == 0 {
		return
	}
	if m.AccountID == p.state.me.ID {
		p.add(i.line, "member %s: nobody can set their own permissions", i.it.Username)
	}
	p.change(at, change{
		sign: '~', kind: "member", name: m.Username, fields: fields, phase: making, permissions: []string{"org.members.manage"},
		run: func(ctx context.Context) error {
			_, err := p.client.Organizations.UpdateMemberPermissions(ctx, at.organizationID(), m.AccountID, nexterm.PermissionChanges{Permissions: changes})
			return err
		},
	})
}

// checkNames tells of permissions that there are not.
func (p *planner) checkNames(line int, catalog nexterm.PermissionCatalog, permissions map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(permissions)) {
		if !slices.ContainsFunc(catalog.Permissions, func(d nexterm.PermissionDescription) bool { return d.ID == name }) {
			p.add(line, "there is no permission %s here", name)
		}
	}
}

// overrides is what leads from what is set to what shall be: all else is taken away.
func overrides(set map[string]nexterm.PermissionOverride, want map[string]string) (fields []field, changes map[string]nexterm.PermissionChange) {
	changes = map[string]nexterm.PermissionChange{}
	all := map[string]bool{}
	for name := range set {
		all[name] = true
	}
	for name := range want {
		all[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		before, after := string(set[name]), want[name]
		if before == after {
			continue
		}
		fields = append(fields, field{name, before, after})
		if changes[name] = nexterm.PermissionChange(after); after == "" {
			changes[name] = nexterm.PermissionChangeNeutral
		}
	}
	return fields, changes
}
