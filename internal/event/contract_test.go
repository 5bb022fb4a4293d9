package event_test

import (
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/gen"
	"github.com/nexterm-go/nexterm/internal/event"
)

// Clients learn from the contract what the audit log can tell.
func TestTheContractPublishesTheVocabulary(t *testing.T) {
	t.Parallel()
	contract, err := openapi3.NewLoader().LoadFromData(gen.OpenAPI)
	require.NoError(t, err)
	var known []any
	for _, d := range event.Vocabulary {
		known = append(known, string(d.Action))
	}
	require.Equal(t, known, contract.Components.Schemas["AuditAction"].Value.Properties["value"].Value.Enum)
}
