package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func root(elements ...string) string {
	return filepath.Join(append([]string{"..", ".."}, elements...)...)
}

// Generating changes nothing that is committed.
func TestSamplesAreFresh(t *testing.T) {
	t.Parallel()
	target := filepath.Join(t.TempDir(), "samples.json")
	require.NoError(t, run(root("gen", "contract.json"), root("sdk", "go"), target))
	want, err := os.ReadFile(target)
	require.NoError(t, err)
	got, err := os.ReadFile(root("gen", "samples.json"))
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
}

func TestLiterals(t *testing.T) {
	t.Parallel()
	value := object{{"name", `it's "x"`}, {"on", true}, {"none", nil}, {"list", []any{1.0, object{}}}, {"a.b", "c"}}
	c := call{method: "PUT", path: "/a/7", ids: []any{7.0}, query: []member{{"dryRun", true}}, body: value, answers: true}
	require.Equal(t, `curl -X PUT "$NEXTERM_URL/a/7?dryRun=true" \
  -H "Authorization: Bearer $NEXTERM_TOKEN" \
  --json '{
  "name": "it'\''s \"x\"",
  "on": true,
  "none": null,
  "list": [1, {}],
  "a.b": "c"
}'`, curl(c))
	require.Equal(t, `const answer = await client.entries.setAll(7, {
  name: "it's \"x\"",
  on: true,
  none: null,
  list: [1, {}],
  'a.b': 'c'
}, { dryRun: true })`, typescript("entries", "setAll", c))
	require.Equal(t, `answer = client.entries.set_all(
    7,
    name="it's \"x\"",
    on=True,
    none=None,
    list=[1, {}],
    a.b="c",
    dry_run=True
)`, python("entries", "setAll", c))
}
