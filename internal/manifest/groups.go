package manifest

import (
	"context"
	"maps"
	"slices"

	"github.com/nexterm-go/nexterm/internal/username"
	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

const groupColor = "#314BD3"

// planGroups plans the groups of the whole server, one after the other, because who may
// do what can depend on each.
func (p *planner) planGroups() {
	if p.file.Groups == nil {
		return
	}
	at := &place{name: "groups", line: 1, rank: len(p.places), now: &owned{}}
	var last []*change
	add := func(c change) {
		c.phase, c.permissions, c.after = granting, []string{"permissions.manage"}, last
		last = []*change{p.change(at, c)}
	}
	keep := names(p.file.Groups, func(g Group) string { return g.Name })
	stored := map[string][]nexterm.GroupDetails{}
	for _, g := range p.state.groups {
		stored[g.Name] = append(stored[g.Name], g)
		if !g.IsSystem && gone(p, p.file.Groups, keep, g.Name) {
			add(change{sign: '-', kind: "group", name: g.Name, run: func(ctx context.Context) error { return p.client.Groups.Delete(ctx, g.ID) }})
		}
	}
	var before, after []string
	for _, g := range p.state.groups {
		if keep[g.Name] && !g.IsSystem {
			before = append(before, g.Name)
		}
	}
	order := []*handle{}
	for _, i := range p.file.Groups {
		h := &handle{}
		found := stored[i.it.Name]
		switch {
		case len(found) > 1:
			p.add(i.line, "group %s: the server has several of this name", i.it.Name)
			continue
		case len(found) == 1 && found[0].IsAdmin:
			p.add(i.line, "group %s has every permission and is not looked after by a file", i.it.Name)
			continue
		case len(found) == 1 && found[0].IsSystem:
			if i.it.Members != nil || i.it.Color != "" {
				p.add(i.line, "group %s is built in: a file can only say its permissions", i.it.Name)
			}
			h.id = found[0].ID
			p.planGroupPermissions(h, i, found[0].Permissions, add)
			continue
		case len(found) == 1:
			h.id = found[0].ID
			p.updateGroup(h, i, found[0], add)
		default:
			p.createGroup(h, i, add)
		}
		order, after = append(order, h), append(after, i.it.Name)
	}
	// New ones come last.
	if len(before) <= len(after) && slices.Equal(before, after[:len(before)]) {
		return
	}
	add(change{
		sign: '~', kind: "order", name: "of priority", fields: []field{{"groups", text(before), text(after)}},
		run: func(ctx context.Context) error {
			var body nexterm.GroupOrder
			for _, h := range order {
				body.Order = append(body.Order, h.id)
			}
			_, err := p.client.Groups.Order(ctx, body)
			return err
		},
	})
}

func (p *planner) createGroup(h *handle, i item[Group], add func(change)) {
	color := i.it.Color
	if color == "" {
		color = groupColor
	}
	add(change{
		sign: '+', kind: "group", name: i.it.Name, fields: []field{{"color", "", color}},
		run: func(ctx context.Context) error {
			created, err := p.client.Groups.Create(ctx, nexterm.NewGroup{Name: i.it.Name, Color: color})
			if err == nil {
				h.id = created.ID
			}
			return err
		},
	})
	p.planGroupPermissions(h, i, nil, add)
	p.planGroupMembers(h, i, nil, add)
}

func (p *planner) updateGroup(h *handle, i item[Group], before nexterm.GroupDetails, add func(change)) {
	if i.it.Color != "" && i.it.Color != before.Color {
		add(change{
			sign: '~', kind: "group", name: i.it.Name, fields: []field{{"color", before.Color, i.it.Color}},
			run: func(ctx context.Context) error {
				_, err := p.client.Groups.Update(ctx, h.id, nexterm.GroupPatch{Color: i.it.Color})
				return err
			},
		})
	}
	p.planGroupPermissions(h, i, before.Permissions, add)
	p.planGroupMembers(h, i, before.Members, add)
}

func (p *planner) planGroupPermissions(h *handle, i item[Group], set map[string]nexterm.PermissionOverride, add func(change)) {
	if i.it.Permissions == nil {
		return
	}
	if p.state.catalog != nil {
		p.checkNames(i.line, p.state.catalog.System, i.it.Permissions)
	}
	fields, changes := overrides(set, i.it.Permissions)
	if len(fields) == 0 {
		return
	}
	add(change{
		sign: '~', kind: "permissions of group", name: i.it.Name, fields: fields,
		run: func(ctx context.Context) error {
			_, err := p.client.Groups.UpdatePermissions(ctx, h.id, nexterm.PermissionChanges{Permissions: changes})
			return err
		},
	})
}

func (p *planner) planGroupMembers(h *handle, i item[Group], members []nexterm.AccountView, add func(change)) {
	if i.it.Members == nil {
		return
	}
	left := map[string]nexterm.AccountView{}
	for _, m := range members {
		left[username.Fold(m.Username)] = m
	}
	for _, name := range i.it.Members {
		folded := username.Fold(name)
		if _, is := left[folded]; is {
			delete(left, folded)
			continue
		}
		a := p.accounts[folded]
		if a == nil || a.id == 0 {
			p.add(i.line, "group %s: there is no account %s, or you cannot find it", i.it.Name, name)
			continue
		}
		add(change{
			sign: '+', kind: "member of group " + show(i.it.Name) + ":", name: name,
			run: func(ctx context.Context) error {
				return p.client.Groups.AddMember(ctx, h.id, nexterm.NewRoleMember{AccountID: a.id})
			},
		})
	}
	for _, folded := range slices.Sorted(maps.Keys(left)) {
		m := left[folded]
		if !p.Prune {
			continue
		}
		add(change{
			sign: '-', kind: "member of group " + show(i.it.Name) + ":", name: m.Username,
			run: func(ctx context.Context) error { return p.client.Groups.RemoveMember(ctx, h.id, m.ID) },
		})
	}
}
