package architecture_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	named  = regexp.MustCompile(`(?m)^-- name: (\S+) :\S+$`)
	remark = regexp.MustCompile(`(?m)--.*$`)
	writes = regexp.MustCompile(`\b(insert\s+into|update\s+\w+|delete\s+from|for (no key )?update|for (key )?share|pg_advisory_xact_lock)\b`)
)

// beside are writes that no change is about: the last use of a credential, and
// counting attempts, which has to outlive what it counts.
var beside = map[string]bool{
	"TouchSession": true, "TouchAPIKey": true, "CountAttempt": true, "ForgiveAttempt": true, "DeleteAttempts": true,
	"CreateKeyset": true,
}

// writing names the statements that write or lock.
func writing(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("../../db/queries/*.sql")
	require.NoError(t, err)
	found := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		starts := named.FindAllStringSubmatchIndex(string(text), -1)
		for i, start := range starts {
			end := len(text)
			if i+1 < len(starts) {
				end = starts[i+1][0]
			}
			name := string(text[start[2]:start[3]])
			found[name] = !beside[name] && writes.MatchString(remark.ReplaceAllString(string(text[start[1]:end]), ""))
		}
	}
	return found
}

// Every write goes through a change: nobody calls a statement that writes on the
// queries that they read with.
func TestWritesAreChanges(t *testing.T) {
	t.Parallel()
	writes := writing(t)
	require.True(t, writes["CreateEntry"] && writes["LockEntry"] && writes["DeleteTag"] && !writes["ListEntries"] && !writes["GetMe"])
	err := filepath.WalkDir("..", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return err
		}
		set := token.NewFileSet()
		parsed, err := parser.ParseFile(set, file, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			method, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || !writes[method.Sel.Name] {
				return true
			}
			if of, ok := method.X.(*ast.SelectorExpr); ok && of.Sel.Name == "queries" {
				t.Errorf("%s: %s writes outside of a change", set.Position(call.Pos()), method.Sel.Name)
			}
			return true
		})
		return nil
	})
	require.NoError(t, err)
}
