package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Generating changes nothing that is committed.
func TestServicesAreFresh(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..", "..")
	target := filepath.Join(t.TempDir(), "services.gen.ts")
	require.NoError(t, run(filepath.Join(root, "gen", "contract.json"), target))
	want, err := os.ReadFile(target)
	require.NoError(t, err)
	got, err := os.ReadFile(filepath.Join(root, "sdk", "typescript", "src", "services.gen.ts"))
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
}

func TestComments(t *testing.T) {
	t.Parallel()
	require.Equal(t, "  /** a */\n", comment("  ", "a\n", ""))
	require.Equal(t, "/**\n * a\n *\n * b * / c\n */\n", comment("", "a", "b */ c"))
	require.Empty(t, comment("", " "))
	require.Equal(t, `'it\'s'`, quote("it's"))
}
