package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"
)

// Generating changes nothing that is committed.
func TestSDKIsFresh(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, run(filepath.Join("..", "..", "..", "gen", "contract.json"), dir))
	for _, name := range []string{"services.gen.go", "types.gen.go"} {
		want, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		got, err := os.ReadFile(filepath.Join("..", "..", "..", "sdk", "go", name))
		require.NoError(t, err)
		require.Equal(t, string(want), string(got), name)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	require.Equal(t, "ImportSSHConfig", pascal("importSSHConfig"))
	require.Equal(t, "OIDCProviderPatch", pascal("OidcProviderPatch"))
	require.Equal(t, "PVELxc", pascal("pve-lxc"))
	require.Equal(t, "entryID", camel("entryId"))
	require.Equal(t, "id", camel("id"))
	require.Equal(t, "// a\n// b\n//\n// c\n", comment("a\nb\n", "", " c "))
	require.Empty(t, comment(" "))
}

// A plain value is enough where zero says nothing else than absence.
func TestWhatIsOptional(t *testing.T) {
	t.Parallel()
	text := func() *openapi3.Schema { return openapi3.NewStringSchema() }
	for _, field := range []struct {
		schema          *openapi3.Schema
		plain           string
		required, taken bool
		want            string
	}{
		{text().WithMinLength(1), "string", false, true, "string"},
		{text(), "string", false, true, "Optional[string]"},
		{text(), "string", true, true, "string"},
		{text().WithNullable(), "string", false, true, "string"},
		{text().WithNullable(), "string", true, false, "Optional[string]"},
		{text(), "string", false, false, "string"},
		{openapi3.NewBoolSchema(), "bool", false, true, "Optional[bool]"},
		{openapi3.NewBoolSchema().WithDefault(false), "bool", false, true, "bool"},
		{openapi3.NewInt64Schema().WithMin(1), "int64", false, true, "int64"},
		{openapi3.NewInt64Schema().WithMin(0), "int64", false, true, "Optional[int64]"},
		{openapi3.NewArraySchema(), "[]int64", true, true, "List[int64]"},
		{openapi3.NewArraySchema(), "[]int64", false, true, "[]int64"},
		{openapi3.NewArraySchema(), "[]int64", true, false, "[]int64"},
		{openapi3.NewObjectSchema(), "Entry", false, true, "*Entry"},
		{openapi3.NewObjectSchema(), "Entry", true, true, "Entry"},
	} {
		require.Equal(t, field.want, wrap(field.plain, field.schema, field.required, field.taken), "%+v", field)
	}
	threeState := text().WithNullable()
	threeState.Extensions = map[string]any{"x-go-type": "nullable.Nullable[string]"}
	require.Equal(t, "Optional[string]", wrap("string", threeState, false, true))
}
