package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/contract"
)

func TestScores(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for name, answers := range map[string]string{
		"one": "getMe 200 true\ngetMe 401 true\ngetMe 200 true\ngetMe example true\n", "other": "getVersion 200 false\ngone 200 true\nlogin example false\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(answers), 0o600))
	}
	var out strings.Builder
	full, err := run(folder, &out)
	require.NoError(t, err)
	require.False(t, full)
	require.Regexp(t, `(?m)^operation +.*200 .*503 *$`, out.String())
	require.Regexp(t, `(?m)^getMe +✓ +– +– +✓ +– *$`, out.String())
	require.Regexp(t, `(?m)^getVersion +✓ +– *$`, out.String())
	require.Regexp(t, `(?m)^getIntegrationMonitoring +– +– +– +– *$`, out.String(), "it cannot succeed yet")
	require.Contains(t, out.String(), ", getMe 304, ")
	require.Contains(t, out.String(), ", login example, ")
	require.Regexp(t, `\noperations exercised +\d\.\d %  2 of \d+\nstatuses exercised +0\.\d %  3 of \d+\nclose codes exercised +0\.0 %  0 of \d+\n`, out.String())
	require.Regexp(t, `(?m)^operation +1000 .*4403 *$`, out.String())
	require.Regexp(t, `\nexamples executed +0\.\d %  1 of \d+\nresponses validated +80\.0 %  4 of 5\n$`, out.String())

	var all strings.Builder
	for _, o := range contract.Operations() {
		all.WriteString(o.OperationID + " example true\n")
		for _, code := range o.CloseCodes() {
			all.WriteString(o.OperationID + " " + code + " true\n")
		}
		for status := range o.Responses.Map() {
			if !o.NotYet() || status >= "400" {
				all.WriteString(o.OperationID + " " + status + " true\n")
			}
		}
	}
	folder = t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "all"), []byte(all.String()), 0o600))
	full, err = run(folder, &out)
	require.NoError(t, err)
	require.True(t, full)

	_, err = run(filepath.Join(folder, "missing"), &out)
	require.ErrorIs(t, err, os.ErrNotExist)
}
