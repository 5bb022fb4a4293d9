package sdk

import (
	"maps"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// Body is the schema of what an operation takes as JSON, nil if it takes none.
func Body(op *openapi3.Operation) *openapi3.SchemaRef {
	if op.RequestBody == nil || op.RequestBody.Value.Content["application/json"] == nil {
		return nil
	}
	return op.RequestBody.Value.Content["application/json"].Schema
}

// Answers are the schemas of what calls that succeed answer as JSON, by status.
func Answers(op *openapi3.Operation) []*openapi3.SchemaRef {
	var answers []*openapi3.SchemaRef
	for _, status := range slices.Sorted(maps.Keys(op.Responses.Map())) {
		if content := op.Responses.Value(status).Value.Content["application/json"]; strings.HasPrefix(status, "2") && content != nil {
			answers = append(answers, content.Schema)
		}
	}
	return answers
}

// Confirms says of an answer that it tells no more than the status does: that it is done.
func Confirms(s *openapi3.Schema) bool {
	for name := range s.Properties {
		if name != "message" && name != "success" {
			return false
		}
	}
	return len(s.Properties) > 0
}

// SchemaName is the contract's name of a schema, empty if it has none.
func SchemaName(ref *openapi3.SchemaRef) string {
	name, found := strings.CutPrefix(ref.Ref, "#/components/schemas/")
	if !found {
		return ""
	}
	return name
}

// Properties are the names of a schema's properties, in their order.
func Properties(s *openapi3.Schema) []string {
	var names []string
	for _, name := range s.Extensions["x-property-order"].([]any) {
		names = append(names, name.(string))
	}
	return names
}

// Patience is how many seconds clients wait for an operation that takes longer than they
// usually wait, and 0 for all others.
func Patience(op *openapi3.Operation) int {
	if seconds, _ := op.Extensions["x-timeout"].(float64); seconds > 60 {
		return int(seconds) + 30
	}
	return 0
}
