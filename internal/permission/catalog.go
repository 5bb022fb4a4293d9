package permission

import (
	"encoding/json"
	"slices"
)

// catalog shows the permissions of one scope to people, in display order.
type catalog struct {
	Scope       string        `json:"scope"`
	Categories  []Category    `json:"categories"`
	Permissions []description `json:"permissions"`
}

type description struct {
	ID          Name     `json:"id"`
	Scopes      []string `json:"scopes"`
	Category    string   `json:"category"`
	Label       string   `json:"label"`
	Description string   `json:"description"`
	Default     bool     `json:"default,omitempty"`
	Dangerous   bool     `json:"dangerous,omitempty"`
}

// What answers show of the permissions of each scope, and the categories that
// they use: the schema PermissionCatalog of the contract, written once.
var (
	SystemCatalog       = catalogOf(System)
	OrganizationCatalog = catalogOf(Organization)
)

func catalogOf(scope Scope) json.RawMessage {
	c := catalog{Scope: scope.names()[0]}
	for _, p := range Registry {
		if p.Scopes&scope != 0 {
			c.Permissions = append(c.Permissions, description{
				p.Name, p.Scopes.names(), p.Category, p.Label, p.Description, p.Default, p.Dangerous,
			})
		}
	}
	for _, category := range Categories {
		if slices.ContainsFunc(c.Permissions, func(d description) bool { return d.Category == category.Key }) {
			c.Categories = append(c.Categories, category)
		}
	}
	encoded, err := json.Marshal(c)
	if err != nil {
		panic(err) // texts and truths can be written
	}
	return encoded
}

// names lists the scopes that s is made of.
func (s Scope) names() []string {
	var names []string
	if s&System != 0 {
		names = append(names, "system")
	}
	if s&Organization != 0 {
		names = append(names, "organization")
	}
	return names
}
