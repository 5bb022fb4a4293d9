package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/openapi/sdk"
)

// Generating changes nothing that is committed.
func TestSDKIsFresh(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, run(filepath.Join("..", "..", "..", "gen", "contract.json"), dir))
	for _, name := range []string{"models.py", "services.py"} {
		want, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		got, err := os.ReadFile(filepath.Join("..", "..", "..", "sdk", "python", "nexterm", name))
		require.NoError(t, err)
		require.Equal(t, string(want), string(got), name)
	}
}

func TestDocstring(t *testing.T) {
	t.Parallel()
	require.Equal(t, "    \"\"\"a\"\"\"\n", docstring(4, "", " a\n"))
	require.Equal(t, "  \"\"\"a\n  b\n\n  c\n  \"\"\"\n", docstring(2, "a\nb", "c"))
	require.Equal(t, "r\"\"\"\\d\"\"\"\n", docstring(0, `\d`))
	require.Empty(t, docstring(4, "", " "))
}

const contract = `{"openapi": "3.0.3", "tags": [{"name": "entry"}],
	"paths": {"/e/{entryId}": {
		"parameters": [{"name": "entryId", "in": "path", "required": true, "schema": {"type": "integer"}}, {"name": "dryRun", "in": "query", "schema": {"type": "boolean"}}],
		"put": {"operationId": "createEntry", "tags": ["entry"], "summary": "Create?", "security": [{"queryToken": []}],
			"requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/New"}}}},
			"responses": {"200": {"description": "d", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Entry"}}}}}}}},
	"components": {"schemas": {
		"New": {"type": "object", "required": ["name"], "x-property-order": ["name", "folderId", "part"], "properties": {
			"name": {"type": "string", "description": "What it is called."}, "folderId": {"type": "integer", "nullable": true}, "part": {"$ref": "#/components/schemas/Part"}}},
		"Part": {"type": "object", "required": ["someIPs"], "x-property-order": ["someIPs"], "properties": {"someIPs": {"type": "array", "items": {"type": "string", "format": "date-time"}}}},
		"Entry": {"type": "object", "required": ["enableAIHelp", "part"], "x-sdk-name": "Made", "x-property-order": ["enableAIHelp", "part", "token", "any"], "properties": {
			"enableAIHelp": {"type": "boolean"}, "part": {"$ref": "#/components/schemas/Part"}, "token": {"type": "string"},
			"any": {"anyOf": [{"type": "string", "nullable": true}, {"type": "number"}]}}}}}}`

func TestModelsAndMethods(t *testing.T) {
	t.Parallel()
	document, err := openapi3.NewLoader().LoadFromData([]byte(contract))
	require.NoError(t, err)
	services, err := sdk.Services(document)
	require.NoError(t, err)
	g := newGenerator(document.Components.Schemas, services)

	require.Equal(t, []Model{
		{Name: "Part", Dict: true, Fields: []Field{{Name: "someIPs", Type: "Required[List[datetime]]"}}},
		{Name: "Made", Fields: []Field{
			{Name: "enable_ai_help", Type: "bool", Default: `field(metadata={"json": "enableAIHelp"})`},
			{Name: "part", Type: "Part"},
			{Name: "token", Type: "str | None", Default: "field(default=None, repr=False)"},
			{Name: "any", Type: "str | float | None", Default: "None"},
		}},
	}, g.models())

	m := g.services(services)[0].Methods[0]
	require.Equal(t, `
        self,
        entry_id: int,
        *,
        name: str,
        folder_id: int | None | Omit = OMIT,
        part: models.Part | Omit = OMIT,
        dry_run: bool | Omit = OMIT,
    `, m.Parameters())
	require.Equal(t, "name: What it is called.", m.Hints())
	require.Equal(t, "models.Made", m.Result)
	require.Equal(t, `"entries.create", "PUT", f"/e/{segment(entry_id)}", `+
		`body={"name": name, "folderId": folder_id, "part": part}, query={"dryRun": dry_run}, token_in_query=True`, m.Call)
}
