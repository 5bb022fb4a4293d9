package probe

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/linux"
)

// However much a host prints, so much is kept of it.
func TestListsFit(t *testing.T) {
	t.Parallel()
	require.Equal(t, "null", string(fitting[linux.Disk](nil)))
	require.Equal(t, `[1,2]`, string(fitting([]int{1, 2})))
	long := make([]linux.Process, 50)
	for i := range long {
		long[i] = linux.Process{PID: int64(i), Command: strings.Repeat("a", 1024)}
	}
	var kept []linux.Process
	require.NoError(t, json.Unmarshal(fitting(long), &kept))
	require.Equal(t, long, kept, "what Linux hosts have fits")
	for i := range long {
		long[i].Command = strings.Repeat("<", 1024)
	}
	encoded := fitting(long)
	require.LessOrEqual(t, len(encoded), listBytes)
	require.NoError(t, json.Unmarshal(encoded, &kept))
	require.Equal(t, long[:len(kept)], kept)
	require.NotEmpty(t, kept)
	require.Equal(t, "[]", string(fitting([]string{strings.Repeat("a", listBytes)})))
}
