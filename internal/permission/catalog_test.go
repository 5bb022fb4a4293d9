package permission_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/permission"
)

func TestCatalogNamesTheCategoriesInUse(t *testing.T) {
	t.Parallel()
	type catalog struct {
		Scope       string
		Categories  []struct{ Key string }
		Permissions []struct{ ID permission.Name }
	}
	read := func(encoded json.RawMessage) (c catalog) {
		require.NoError(t, json.Unmarshal(encoded, &c))
		return c
	}
	keys := func(c catalog) (keys []string) {
		for _, category := range c.Categories {
			keys = append(keys, category.Key)
		}
		return keys
	}
	system := read(permission.SystemCatalog)
	require.Equal(t, "system", system.Scope)
	require.Len(t, system.Permissions, 27)
	require.Equal(t, permission.UsersView, system.Permissions[0].ID)
	require.Equal(t, []string{
		"users", "permissions", "organizations", "auditing", "settings", "resources", "connections", "files",
	}, keys(system))
	organization := read(permission.OrganizationCatalog)
	require.Equal(t, "organization", organization.Scope)
	require.Len(t, organization.Permissions, 21)
	require.Equal(t, []string{
		"resources", "connections", "files", "general", "members", "audit", "sessions",
	}, keys(organization))
}

func TestOverridesDecideInAnOrganization(t *testing.T) {
	t.Parallel()
	everything := permission.All(permission.Organization)
	system := permission.Of(permission.UsersView, permission.FilesView, permission.FilesModify)
	allowed, denied := permission.Of(permission.OrgManage, permission.UsersManage), permission.Of(permission.FilesModify)

	inherited, effective := system.InOrganization(false, allowed, denied)
	require.Equal(t, permission.Of(permission.FilesView, permission.FilesModify), inherited)
	require.Equal(t, permission.Of(permission.FilesView, permission.OrgManage), effective)

	inherited, effective = system.InOrganization(true, allowed, denied)
	require.Equal(t, []permission.Set{everything, everything}, []permission.Set{inherited, effective})
	inherited, effective = permission.Of(permission.OrganizationsManageAll).InOrganization(false, 0, everything)
	require.Equal(t, []permission.Set{everything, everything}, []permission.Set{inherited, effective})
}
