package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestThePageIsFresh(t *testing.T) {
	t.Parallel()
	committed, err := os.ReadFile("../settings.md")
	require.NoError(t, err)
	require.Equal(t, string(committed), string(page()), "run go run ./docs/settings")
	require.Contains(t, string(committed), "| `SERVER_PORT` | port of the HTTP server | `6989` |")
	require.Contains(t, string(committed), "| found by itself |", "a default in words")
}
