package permission_test

import (
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/permission"
	"github.com/nexterm-go/nexterm/internal/testdb"
)

func TestRegistry(t *testing.T) {
	t.Parallel()
	require.Len(t, permission.Registry, 34)
	require.Len(t, permission.All(permission.System).Names(), 27)
	require.Len(t, permission.All(permission.Organization).Names(), 21)

	categories := map[string]bool{}
	for _, c := range permission.Categories {
		require.NotEmpty(t, c.Label)
		require.Regexp(t, `^mdi[A-Za-z]+$`, c.Icon)
		require.False(t, categories[c.Key], "%s is there twice", c.Key)
		categories[c.Key] = true
	}
	seen := map[permission.Name]bool{}
	for _, p := range permission.Registry {
		require.Regexp(t, `^[a-z]+(\.[a-z_]+)+$`, p.Name)
		require.False(t, seen[p.Name], "%s is there twice", p.Name)
		seen[p.Name] = true
		require.True(t, categories[p.Category], "%s is in the unknown category %s", p.Name, p.Category)
		require.NotEmpty(t, p.Label)
		require.NotEmpty(t, p.Description)
		require.NotZero(t, p.Scopes)
		if p.Scopes == permission.Organization {
			require.Regexp(t, `^org\.`, p.Name, "names tell what is granted to members only")
			require.False(t, p.Default, "%s: nobody has it by default", p.Name)
		}
	}
}

// The database grants at install what the registry calls the default.
func TestDefaultsAreInstalled(t *testing.T) {
	t.Parallel()
	rows, err := testdb.New(t).Query(t.Context(), `select p.permission from group_permissions p
		join permission_groups g on g.id = p.group_id where g.is_default and p.value = 'allow'`)
	require.NoError(t, err)
	installed, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	var defaults []string
	for _, p := range permission.Registry {
		if p.Default {
			defaults = append(defaults, string(p.Name))
		}
	}
	require.ElementsMatch(t, defaults, installed)
	require.Len(t, defaults, 16)
	require.Empty(t, slices.DeleteFunc(installed, func(name string) bool {
		return permission.Known(permission.Name(name), permission.System)
	}))
}

func TestSet(t *testing.T) {
	t.Parallel()
	set := permission.Of(permission.OrgManage, permission.UsersView)
	require.True(t, set.Has(permission.UsersView))
	require.False(t, set.Has(permission.UsersManage))
	require.False(t, set.Has("unknown"))
	require.Equal(t, []string{"users.view", "org.manage"}, set.Names(), "in the registry's order")
	require.Equal(t, permission.Of(permission.UsersView), permission.Of("users.view", "left.behind"))
	require.Equal(t, []string{}, permission.Set(0).Names(), "never null in an answer")
}

func TestKnown(t *testing.T) {
	t.Parallel()
	require.True(t, permission.Known(permission.UsersView, permission.System))
	require.False(t, permission.Known(permission.UsersView, permission.Organization))
	require.True(t, permission.Known(permission.ResourcesManage, permission.System))
	require.True(t, permission.Known(permission.ResourcesManage, permission.Organization))
	require.False(t, permission.Known(permission.OrgManage, permission.System))
	require.False(t, permission.Known("", permission.System))
}
