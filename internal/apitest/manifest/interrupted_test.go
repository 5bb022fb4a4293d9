package manifest_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/manifest"
	"github.com/nexterm-go/nexterm/internal/testserver"
	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

// many is a file of entries in folders, of which every tenth is reached through the one
// that follows it.
func many(folders, each int) string {
	var text strings.Builder
	text.WriteString("version: 1\npersonal:\n  tags: [{name: fleet, color: '#fff'}]\n  folders:\n")
	for f := range folders {
		fmt.Fprintf(&text, "    - fleet/folder-%d\n", f)
	}
	text.WriteString("  entries:\n")
	for f := range folders {
		for e := range each {
			hop := ""
			if e%10 == 0 {
				hop = fmt.Sprintf(", jumpHosts: [fleet/folder-%d/host-%d]", f, e+1)
			}
			fmt.Fprintf(&text, "    - {name: host-%d, folder: fleet/folder-%d, tags: [fleet], config: {protocol: ssh, ip: 10.0.%d.%d%s}}\n", e, f, f, e, hop)
		}
	}
	return text.String()
}

func TestARunThatWasInterruptedIsCompletedByTheNext(t *testing.T) {
	s := testserver.New(t)
	client, counted := as(t, s, s.Owner)
	file := many(4, 12)
	runs, interrupted := 0, 0
	for {
		p, err := plan(t, client, file, manifest.Options{})
		require.NoError(t, err)
		if p.Empty() {
			break
		}
		runs++
		ctx, cancel := context.WithCancel(t.Context())
		left := new(atomic.Int64)
		left.Store(rand.Int64N(30) + 1)
		counted.before = func(*http.Request) {
			if left.Add(-1) == 0 {
				cancel()
			}
		}
		if err := p.Apply(ctx, func(int) {}); err != nil {
			require.ErrorIs(t, err, context.Canceled)
			assert.Contains(t, err.Error(), "run it again for the rest")
			interrupted++
		}
		cancel()
	}
	assert.Positive(t, interrupted)
	t.Log(runs, "runs")
	// Export refuses what is there twice.
	exported, err := manifest.Export(t.Context(), client)
	require.NoError(t, err)
	assert.Equal(t, 48, strings.Count(string(exported), "- name: host-"))
}

func TestTheOrderOfTheFileIsKeptWithJumpHostsThatComeLater(t *testing.T) {
	s := testserver.New(t)
	client, _ := as(t, s, s.Owner)
	apply(t, client, many(2, 12), manifest.Options{})
	exported, err := manifest.Export(t.Context(), client)
	require.NoError(t, err)
	var got []string
	for line := range strings.Lines(string(exported)) {
		if name, is := strings.CutPrefix(strings.TrimSpace(line), "- name: host-"); is {
			got = append(got, name)
		}
	}
	want := []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"}
	assert.Equal(t, append(want, want...), got)
}

// What the server refuses ends a run, by its own words.
func TestARefusalEndsTheRun(t *testing.T) {
	s := testserver.New(t)
	client, counted := as(t, s, s.Colleague)
	p, err := plan(t, client, "version: 1\norganizations: [{name: owner's organization, folders: [abc, abd], entries: [{name: x, folder: abc, config: {}}]}]", manifest.Options{})
	require.NoError(t, err)
	// The right goes after the plan.
	owner, _ := as(t, s, s.Owner)
	_, err = owner.Organizations.UpdateMemberPermissions(t.Context(), s.Organization, s.Colleague.AccountID, nexterm.PermissionChanges{
		Permissions: map[string]nexterm.PermissionChange{"resources.manage": nexterm.PermissionChangeDeny},
	})
	require.NoError(t, err)
	err = p.Apply(t.Context(), func(int) {})
	require.ErrorIs(t, err, nexterm.ErrForbidden)
	assert.Contains(t, err.Error(), "0 of 3 changes are made; run it again for the rest: owner's organization: folder abc: ")
	assert.Equal(t, int64(1), counted.writes.Load())
}
