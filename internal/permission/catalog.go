package permission

import "slices"

// Catalog describes the permissions of one scope to people, in display order.
type Catalog struct {
	Scope       Scope
	Categories  []Category
	Permissions []Permission
}

// CatalogOf collects the permissions of one scope and the categories they use.
func CatalogOf(scope Scope) Catalog {
	c := Catalog{Scope: scope}
	for _, p := range Registry {
		if p.Scopes&scope != 0 {
			c.Permissions = append(c.Permissions, p)
		}
	}
	for _, category := range Categories {
		if slices.ContainsFunc(c.Permissions, func(p Permission) bool { return p.Category == category.Key }) {
			c.Categories = append(c.Categories, category)
		}
	}
	return c
}

// Names lists the scopes that s is made of.
func (s Scope) Names() []string {
	var names []string
	if s&System != 0 {
		names = append(names, "system")
	}
	if s&Organization != 0 {
		names = append(names, "organization")
	}
	return names
}
