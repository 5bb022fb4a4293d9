package manifest_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/manifest"
	"github.com/nexterm-go/nexterm/internal/testserver"
	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

// oddNames are what people and programs call things.
var oddNames = []string{
	"true", "123", "~~~", "<<<", "a: b", "- a", "# a", "a/b", `a\b`, "/abc", "abc/", "two\nlines", " abc ", "\ttab", "\u202etxt.exe",
	"\x1b[31mred", "'quoted'", `"quoted"`, "東京都", "e\u0301\u0301\u0301", "{{a}}", "%s%d", "1e3", "0x1F", "null", "2026-01-01", "\r\nabc", "\u2028\u2028\u2028", "\ufeffabc", "\U000E0001abc",
}

func TestOddThingsSurviveExportAndApply(t *testing.T) {
	s, other := testserver.New(t), testserver.New(t)
	client, counted := as(t, s, s.Owner)
	ctx := t.Context()
	organization := s.Organization
	for i, name := range oddNames {
		identity, err := client.Identities.Create(ctx, nexterm.NewIdentity{Name: name, Type: nexterm.IdentityTypeBoth, OrganizationID: organization})
		require.NoError(t, err)
		folder, err := client.Folders.Create(ctx, nexterm.NewFolder{Name: name, OrganizationID: organization})
		require.NoError(t, err)
		tag, err := client.Tags.Create(ctx, nexterm.NewTag{Name: name, Color: "#fff"})
		require.NoError(t, err)
		entry, err := client.Entries.Create(ctx, nexterm.NewEntry{
			Name: name, FolderID: folder.ID, Icon: name, Identities: []int64{identity.ID},
			Config: nexterm.EntryConfig{Protocol: "ssh", Notes: name + "\n " + name, EngineID: i, Extra: map[string]any{name: name, "n": []any{1.5, 1e21, math.Copysign(0, -1), nil, true, map[string]any{}}}},
		})
		require.NoError(t, err)
		require.NoError(t, client.Tags.Assign(ctx, tag.ID, entry.ID))
		_, err = client.Entries.Create(ctx, nexterm.NewEntry{
			Name: name, Type: nexterm.EntryTypePVELxc, Renderer: "guac", Config: nexterm.EntryConfig{VMID: "100", JumpHosts: []int64{entry.ID}},
		})
		require.NoError(t, err)
		_, err = client.Scripts.Create(ctx, nexterm.NewScript{Name: name, Content: name + "\n\n", Description: name, OSFilter: []string{name}})
		require.NoError(t, err)
		_, err = client.Snippets.Create(ctx, nexterm.NewSnippet{Name: name, Command: "\t" + name + "\r\n " + name, OrganizationID: organization})
		require.NoError(t, err)
	}
	exported, err := manifest.Export(ctx, client)
	require.NoError(t, err)
	assert.NotContains(t, string(exported), "\u202e")
	counted.writes.Store(0)
	unchanged(t, client, string(exported), manifest.Options{Prune: true})
	assert.Zero(t, counted.writes.Load())

	elsewhere, _ := as(t, other, other.Owner)
	// Identities without their secrets are the same in what is exported.
	document := withoutSecrets(string(exported))
	apply(t, elsewhere, document, manifest.Options{})
	again, err := manifest.Export(ctx, elsewhere)
	require.NoError(t, err)
	assert.Equal(t, string(exported), string(again))
}

// What an integration looks after is neither exported nor changed nor removed.
func TestWhatIntegrationsManageIsLeftAlone(t *testing.T) {
	s := testserver.New(t)
	client, _ := as(t, s, s.Owner)
	apply(t, client, "version: 1\npersonal: {folders: [outer/managed, outer/plain], entries: [{name: guest, folder: outer/managed, config: {}}]}", manifest.Options{})
	s.Exec(t, `update folders set type = 'integration-root', integration_id = 1 where name = 'managed'`)
	s.Exec(t, `update entries set integration_id = 1 where name = 'guest'`)
	exported, err := manifest.Export(t.Context(), client)
	require.NoError(t, err)
	assert.NotContains(t, string(exported), "managed")
	shown := apply(t, client, "version: 1\npersonal: {folders: [], entries: []}", manifest.Options{Prune: true})
	assert.Contains(t, shown, "- folder outer/plain")
	assert.Contains(t, shown, "note: personal: folder outer stays")
	_, err = plan(t, client, "version: 1\npersonal: {folders: [outer/managed], entries: [{name: guest, folder: outer/managed, config: {}}, {name: new, folder: outer/managed, config: {}}]}", manifest.Options{})
	assert.ErrorContains(t, err, "line 2: entry outer/managed/guest is looked after by an integration")
	assert.ErrorContains(t, err, "line 2: folder outer/managed is looked after by an integration")
}
