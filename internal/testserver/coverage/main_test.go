package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTable(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for name, answers := range map[string]string{"one": "getMe 200\ngetMe 401\ngetMe 200\n", "other": "getVersion 200\ngone 200\n"} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(answers), 0o600))
	}
	var out strings.Builder
	missing, err := run(folder, &out)
	require.NoError(t, err)
	require.Contains(t, missing, "login")
	require.NotContains(t, missing, "getMe")
	require.Regexp(t, `(?m)^operation +.*200 .*503 *$`, out.String())
	require.Regexp(t, `(?m)^getMe +✓ +– +– +✓ +– *$`, out.String())
	require.Regexp(t, `(?m)^getVersion +✓ +– +– *$`, out.String())
	require.Regexp(t, `\n\d+ operations, 3 of \d+ answers shown\n$`, out.String())
	require.NotContains(t, out.String(), "gone")

	_, err = run(filepath.Join(folder, "missing"), &out)
	require.ErrorIs(t, err, os.ErrNotExist)
}
