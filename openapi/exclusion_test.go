package openapi_test

import (
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// The generator can speak no WebSocket, and leaves out nothing else: the server
// registers these operations itself, and only these.
func TestGeneratorLeavesOutWebSocketsOnly(t *testing.T) {
	t.Parallel()
	var sockets []string
	for _, item := range load(t).Paths.Map() {
		for _, op := range item.Operations() {
			if op.Extensions["x-websocket"] == true {
				sockets = append(sockets, op.OperationID)
			}
		}
	}
	slices.Sort(sockets)
	data, err := os.ReadFile("codegen.yaml")
	require.NoError(t, err)
	var options struct {
		Output struct {
			Excluded []string `yaml:"exclude-operation-ids"`
		} `yaml:"output-options"`
	}
	require.NoError(t, yaml.Unmarshal(data, &options))
	slices.Sort(options.Output.Excluded)
	require.Equal(t, sockets, options.Output.Excluded, "exclude-operation-ids")
}
