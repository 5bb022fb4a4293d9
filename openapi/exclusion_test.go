package openapi_test

import (
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// The generators can speak no WebSocket, and leave out nothing else: the server
// registers these operations itself, and only these.
func TestGeneratorsLeaveOutWebSocketsOnly(t *testing.T) {
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
	for _, file := range []string{"codegen.yaml", "sdk.yaml"} {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		var options struct {
			Output struct {
				Excluded []string `yaml:"exclude-operation-ids"`
			} `yaml:"output-options"`
		}
		require.NoError(t, yaml.Unmarshal(data, &options))
		slices.Sort(options.Output.Excluded)
		require.Equal(t, sockets, options.Output.Excluded, "exclude-operation-ids of %s", file)
	}
}
