//go:build linux

package command

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testdb"
)

func TestTrustInEverybodyIsWarnedOf(t *testing.T) {
	t.Parallel()
	url := testdb.URL(t)
	for setting, warned := range map[string]bool{"true": true, "1": false, "": false} {
		command := nexterm(t, url, "serve")
		command.Env = append(command.Env, "TRUST_PROXY="+setting)
		var log bytes.Buffer
		command.Stderr = &log
		_, stop := ready(t, command)
		stop()
		require.Equal(t, warned, strings.Contains(log.String(), "TRUST_PROXY=true lets every client choose"), setting)
	}
}
