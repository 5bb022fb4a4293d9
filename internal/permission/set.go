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

// What a group, an account or a member has set for a permission, and what a
// change makes of that.
const (
	Allow   = "allow"
	Deny    = "deny"
	Neutral = "neutral"
)

// Sort reads a change: permissions by what becomes of them. Names that the
// scope does not know drop out.
func Sort[T ~string](change map[string]T, scope Scope) (allow, deny, neutral Set) {
	for name, value := range change {
		named := Of(name) & All(scope)
		switch value {
		case Allow:
			allow |= named
		case Deny:
			deny |= named
		case Neutral:
			neutral |= named
		}
	}
	return allow, deny, neutral
}

// Overrides is what is set, by permission.
func Overrides[T ~string](allowed, denied Set) map[string]T {
	overrides := map[string]T{}
	for _, name := range allowed.Names() {
		overrides[name] = Allow
	}
	for _, name := range denied.Names() {
		overrides[name] = Deny
	}
	return overrides
}
