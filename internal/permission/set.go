package permission

// Set holds permissions, one bit for each place in the Registry.
type Set uint64

var bits = func() map[Name]Set {
	index := make(map[Name]Set, len(Registry))
	for i, p := range Registry {
		index[p.Name] = 1 << i
	}
	return index
}()

// Of collects names; unknown ones, left behind by an older version, are skipped.
func Of[T ~string](names ...T) Set {
	var s Set
	for _, name := range names {
		s |= bits[Name(name)]
	}
	return s
}

// All is every permission of a scope.
func All(scope Scope) Set {
	var s Set
	for i, p := range Registry {
		if p.Scopes&scope != 0 {
			s |= 1 << i
		}
	}
	return s
}

// Known reports whether the registry has this name in this scope.
func Known(name Name, scope Scope) bool { return bits[name]&All(scope) != 0 }

// Has reports whether the set contains the permission.
func (s Set) Has(name Name) bool { return s&bits[name] != 0 }

// Names lists the set in registry order.
func (s Set) Names() []string {
	names := make([]string, 0, len(Registry))
	for i, p := range Registry {
		if s&(1<<i) != 0 {
			names = append(names, string(p.Name))
		}
	}
	return names
}

// InOrganization resolves what an active member of an organization may do in
// it, from these system permissions and the member's overrides: inherited is
// what it would be without any, effective what it is. The owner and those who
// manage all organizations may do everything, whatever the overrides say.
func (s Set) InOrganization(owner bool, allowed, denied Set) (inherited, effective Set) {
	every := All(Organization)
	if owner || s.Has(OrganizationsManageAll) {
		return every, every
	}
	inherited = s & every
	return inherited, (inherited | allowed) &^ denied & every
}
