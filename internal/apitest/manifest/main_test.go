// Package manifest_test applies files to real servers, and exports them again.
package manifest_test

import (
	"bytes"
	"net/http"
	"os"
	"regexp"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/command"
	"github.com/nexterm-go/nexterm/internal/manifest"
	"github.com/nexterm-go/nexterm/internal/testserver"
	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

// asNexterm makes this program the command.
const asNexterm = "MANIFEST_TEST_AS_NEXTERM"

func TestMain(m *testing.M) {
	if os.Getenv(asNexterm) != "" {
		command.Execute("0.0.0-test")
		return
	}
	testserver.Main(m)
}

// counting counts the writes and the reads of a client, and calls a hook before each write.
type counting struct {
	writes, reads atomic.Int64
	before        func(*http.Request)
}

func (c *counting) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodGet {
		c.reads.Add(1)
	} else {
		c.writes.Add(1)
		if c.before != nil {
			c.before(r)
		}
	}
	return http.DefaultTransport.RoundTrip(r)
}

// as is a client of the SDK's for a seeded caller.
func as(t testing.TB, s *testserver.Server, c *testserver.Client) (*nexterm.Client, *counting) {
	t.Helper()
	counted := &counting{}
	client, err := nexterm.New(s.URL, nexterm.WithToken(c.Token), nexterm.WithHTTPClient(&http.Client{Transport: counted}))
	require.NoError(t, err)
	return client, counted
}

// plan reads a file and holds it against the server.
func plan(t testing.TB, client *nexterm.Client, file string, options manifest.Options) (*manifest.Plan, error) {
	t.Helper()
	document, err := manifest.Parse("team.yaml", []byte(file))
	if err != nil {
		return nil, err
	}
	return document.Plan(t.Context(), client, options)
}

// apply brings the server to what a file says, and returns the plan as it is shown.
func apply(t testing.TB, client *nexterm.Client, file string, options manifest.Options) string {
	t.Helper()
	p, err := plan(t, client, file, options)
	require.NoError(t, err)
	require.NoError(t, p.Apply(t.Context(), func(int) {}))
	return printed(t, p)
}

func printed(t testing.TB, p *manifest.Plan) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, p.Print(&out, false))
	return out.String()
}

// unchanged expects that the server is what the file says, and that saying so again
// writes nothing.
func unchanged(t testing.TB, client *nexterm.Client, file string, options manifest.Options) {
	t.Helper()
	p, err := plan(t, client, file, options)
	require.NoError(t, err)
	require.True(t, p.Empty(), printed(t, p))
}

// withoutSecrets takes the references to secrets out of what is exported.
func withoutSecrets(exported string) string {
	return regexp.MustCompile(`(?m)^ +(password|sshKey):\n +env: \S+\n`).ReplaceAllString(exported, "")
}
