package openapi_test

import (
	"maps"
	"slices"
	"strconv"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/assert"
)

// What is shown besides bodies, which the rules check: values of parameters and
// headers, and the failures that operations share.
func TestExamplesAreValid(t *testing.T) {
	t.Parallel()
	document := load(t)
	for path, item := range document.Paths.Map() {
		for method, op := range item.Operations() {
			for _, ref := range slices.Concat(item.Parameters, op.Parameters) {
				p := ref.Value
				if p.In == openapi3.ParameterInPath {
					assert.NotNil(t, p.Example, "%s %s: %s has no example", method, path, p.Name)
				}
				if p.Example != nil {
					assert.NoError(t, p.Schema.Value.VisitJSON(p.Example, openapi3.EnableFormatValidation()), "%s %s: %s", method, path, p.Name)
				}
			}
		}
	}
	for name, ref := range document.Components.Headers {
		assert.NoError(t, ref.Value.Schema.Value.VisitJSON(ref.Value.Example), name)
	}
	statuses := map[string]string{}
	for status, name := range shared {
		statuses[name] = status
	}
	for name, ref := range document.Components.Responses {
		for _, content := range ref.Value.Content {
			assert.NoError(t, content.Schema.Value.VisitJSON(content.Example), name)
			if status := statuses[name]; status != "" {
				code, _ := content.Example.(map[string]any)["code"].(float64)
				assert.Equal(t, status, strconv.Itoa(int(code)), name)
			}
		}
	}
	assert.Subset(t, slices.Collect(maps.Keys(document.Components.Responses)), slices.Collect(maps.Values(shared)))
}
