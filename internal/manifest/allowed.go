package manifest

import "slices"

// checkPermissions tells what the caller may not do, before anything is done. The
// founder of an organization may do everything in it.
func (p *planner) checkPermissions() {
	type missing struct {
		at         *place
		permission string
	}
	told := map[missing]bool{}
	for _, c := range p.plan.changes {
		for _, permission := range c.permissions {
			held := p.state.me.Permissions
			if c.place.organization != nil && c.phase != founding {
				if c.place.organization.made != nil && c.place.now.organization == nil {
					continue
				}
				held = c.place.now.organization.Permissions
			}
			m := missing{c.place, permission}
			if slices.Contains(held, permission) || told[m] {
				continue
			}
			told[m] = true
			p.add(c.place.line, "%s: you may not do this, for want of the permission "+permission, c.place.name)
		}
	}
}

// maxTags is what an account can have; the server does not tell.
const maxTags = 1000

// checkLimits tells what would be more than an owner can have.
func (p *planner) checkLimits() {
	limits := p.state.limits
	founding, owning := int64(0), int64(0)
	for _, at := range p.places {
		now := at.now
		created := map[string]int64{}
		for _, c := range p.plan.changes {
			if c.place == at && c.sign == '+' {
				created[c.kind]++
			}
		}
		if founding += created["organization"]; now.organization != nil && now.organization.IsOwner {
			owning++
		}
		for _, l := range []struct {
			kind string
			now  int
			most int64
		}{
			{"entry", len(now.entries), limits.Entries},
			{"folder", len(now.folders), limits.Folders},
			{"identity", len(now.identities), limits.Identities},
			{"script", len(now.scripts), limits.Scripts},
			{"snippet", len(now.snippets), limits.Snippets},
			{"tag", len(p.state.tags), maxTags},
		} {
			if all := int64(l.now) + created[l.kind]; created[l.kind] > 0 && all > l.most {
				p.add(at.line, "%s would have %d of kind "+l.kind+", and the server allows %d", at.name, all, l.most)
			}
		}
	}
	if founding > 0 && founding+owning > limits.Organizations {
		p.add(0, "you would own %d organizations, and the server allows %d", founding+owning, limits.Organizations)
	}
}
