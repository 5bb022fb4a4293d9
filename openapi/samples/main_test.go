package main

import (
	"encoding/json"
	"fmt"
	"html"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
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

// The samples in Go, and those of the guide, are compiled as one package, laid over
// the SDK's module.
func TestGoSamplesCompile(t *testing.T) {
	t.Parallel()
	samples, err := write(root("gen", "contract.json"), root("sdk", "go"))
	require.NoError(t, err)
	var source strings.Builder
	source.WriteString("package samples\n\nimport (\n\t\"context\"\n\t\"errors\"\n\t\"fmt\"\n\t\"os\"\n\n\tnexterm \"github.com/nexterm-go/nexterm/sdk/go\"\n)\n")
	for _, id := range slices.Sorted(maps.Keys(samples)) {
		sample := samples[id]["go"]
		if sample == "" {
			continue
		}
		answer := "answer"
		if !strings.HasPrefix(sample, answer) {
			answer = `""`
		}
		if strings.HasPrefix(sample, "for ") {
			sample += "\nvar err error"
		}
		fmt.Fprintf(&source, "\nfunc %s(ctx context.Context, client *nexterm.Client, picture []byte) error {\n%s\nfmt.Print(%s, picture)\nreturn err\n}\n", id, sample, answer)
	}
	guide, err := os.ReadFile(root("internal", "docs", "assets", "index.html"))
	require.NoError(t, err)
	blocks := regexp.MustCompile(`(?s)<pre data-language="go">(.*?)</pre>`).FindAllSubmatch(guide, -1)
	require.Len(t, blocks, 7)
	for i, found := range blocks {
		fmt.Fprintf(&source, "\nfunc guide%d(ctx context.Context, client *nexterm.Client) error {\n{\n%s\n}\nreturn nil\n}\n", i, html.UnescapeString(string(found[1])))
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "samples.go")
	require.NoError(t, os.WriteFile(file, []byte(source.String()), 0o600))
	module, err := filepath.Abs(root("sdk", "go"))
	require.NoError(t, err)
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(module, "samples", "samples.go"): file}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o600))
	command := exec.CommandContext(t.Context(), "go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "./samples")
	command.Dir = module
	output, err := command.CombinedOutput()
	require.NoError(t, err, "%s\n%s", output, source.String())
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
