// Package importing_test tests the import commands against a real server.
package importing_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/cli"
	"github.com/nexterm-go/nexterm/internal/importing"
	"github.com/nexterm-go/nexterm/internal/testserver"
	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

type body = map[string]any

func TestMain(m *testing.M) { testserver.Main(m) }

// answer is what a command has printed, and whether it has failed.
type answer struct {
	out, err string
	failure  error
}

// run runs a command as the user of a client. What it needs of the environment forbids
// tests beside it.
func run(t *testing.T, s *testserver.Server, c *testserver.Client, arguments ...string) answer {
	t.Helper()
	t.Setenv("NEXTERM_URL", s.URL)
	t.Setenv("NEXTERM_TOKEN", c.Token)
	root := &cobra.Command{Use: "nexterm", Version: "0.0.0-test", SilenceErrors: true, SilenceUsage: true}
	cli.AddTo(root)
	var out, err bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&err)
	root.SetArgs(append([]string{"import"}, arguments...))
	failure := root.ExecuteContext(t.Context())
	return answer{out.String(), err.String(), failure}
}

// results runs an import with --json.
func results(t *testing.T, s *testserver.Server, c *testserver.Client, arguments ...string) (rows []importing.Result, a answer) {
	t.Helper()
	a = run(t, s, c, append(arguments, "--json")...)
	require.NoError(t, json.Unmarshal([]byte(a.out), &rows), "%s: %v", a.out, a.failure)
	return rows, a
}

func statuses(rows []importing.Result) map[string]int {
	counts := map[string]int{}
	for _, row := range rows {
		counts[row.Status]++
	}
	return counts
}

func sdk(t *testing.T, s *testserver.Server, c *testserver.Client) *nexterm.Client {
	t.Helper()
	client, err := nexterm.New(s.URL, nexterm.WithToken(c.Token))
	require.NoError(t, err)
	return client
}

// entries are a caller's entries by name.
func entries(t *testing.T, c *testserver.Client) map[string]nexterm.Entry {
	t.Helper()
	var list []nexterm.Entry
	c.Get("/api/entry/list").Want(200).Into(&list)
	byName := map[string]nexterm.Entry{}
	for _, e := range list {
		byName[e.Name] = e
	}
	return byName
}

// stored is how much there is of all that an import can write.
func stored(t *testing.T, s *testserver.Server) (counts []int) {
	t.Helper()
	for _, table := range []string{"entries", "folders", "identities", "entries_identities", "organizations", "organization_members", "accounts", "scripts", "snippets", "events", "audit_logs"} {
		counts = append(counts, s.Count(t, table))
	}
	return counts
}

// secrets opens what is stored for an identity, by its name.
func secrets(t *testing.T, s *testserver.Server, identity string) map[string]string {
	t.Helper()
	rows, err := s.Pool.Query(t.Context(), `select identity_id, kind, ciphertext from credentials c join identities i on i.id = c.identity_id where i.name = $1`, identity)
	require.NoError(t, err)
	opened := map[string]string{}
	for rows.Next() {
		var id int64
		var kind string
		var ciphertext []byte
		require.NoError(t, rows.Scan(&id, &kind, &ciphertext))
		secret, err := s.Vault.Open("credentials", id, kind, ciphertext)
		require.NoError(t, err)
		opened[kind] = string(secret)
	}
	require.NoError(t, rows.Err())
	return opened
}
