package manifest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/manifest"
	"github.com/nexterm-go/nexterm/internal/testserver"
	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

func TestDriftIsShownAndMended(t *testing.T) {
	options := prepared(t)
	s := testserver.New(t)
	client, counted := as(t, s, s.Admin)
	ctx := t.Context()
	apply(t, client, team, options)

	entries, err := client.Entries.List(ctx)
	require.NoError(t, err)
	for _, e := range entries {
		switch e.Name {
		case "web1":
			require.NoError(t, client.Entries.Update(ctx, e.ID, nexterm.EntryPatch{
				Icon: nexterm.Value("bug"), Identities: []int64{}, Config: &nexterm.EntryConfig{Protocol: "ssh", IP: "elsewhere", Port: 23, Notes: "a\x1b[2Jb"},
			}))
			require.NoError(t, client.Tags.Unassign(ctx, e.Tags[0].ID, e.ID))
		case "web2":
			require.NoError(t, client.Entries.Delete(ctx, e.ID))
		}
	}
	scripts, err := client.Scripts.ListAll(ctx)
	require.NoError(t, err)
	for _, script := range scripts {
		if script.Name == "Back up" {
			require.NoError(t, client.Scripts.Update(ctx, script.ID, nexterm.ScriptPatch{
				Content: "#!/bin/sh\nrm -r /etc\n", OSFilter: nexterm.Null[[]string](),
			}, nexterm.UpdateScriptQuery{OrganizationID: script.OrganizationID.Or(0)}))
		}
	}
	shown := apply(t, client, team, options)
	assert.Equal(t, `Engines:
  ~ script Back up
      content:
        line 2:
        - rm -r /etc
        + tar cz /etc
      osFilter: none -> Debian
  + entry prod/europe/web2: to ssh web2.example.com
  ~ entry prod/europe/web1
      icon: bug -> server
      config.ip: elsewhere -> web1.example.com
      config.notes: "a\x1b[2Jb" -> none
      config.port: 23 -> none
      config.jumpHosts: none -> prod/europe/bastion, personal Home lab/rack 1/nas
      identities: none -> Deploy key, personal Own login
      tags: none -> production
`, shown[:strings.Index(shown, "note:")])
	counted.writes.Store(0)
	unchanged(t, client, team, options)
	assert.Zero(t, counted.writes.Load())
}

func TestPruneRemovesWhatTheListsDoNotName(t *testing.T) {
	options := prepared(t)
	s := testserver.New(t)
	client, _ := as(t, s, s.Admin)
	apply(t, client, team, options)
	// Things of others, and of organizations that the file does not name.
	other, _ := as(t, s, s.Owner)
	_, err := other.Entries.Create(t.Context(), nexterm.NewEntry{Name: "mine"})
	require.NoError(t, err)
	_, err = client.Organizations.Create(t.Context(), nexterm.NewOrganization{Name: "Unnamed"})
	require.NoError(t, err)
	file := `version: 1
personal:
  tags: []
organizations:
  - name: Engines
    members: []
    folders: [prod/america]
    entries: []
    scripts: [{name: Second, content: exit}]
`
	unpruned, err := plan(t, client, file, manifest.Options{})
	require.NoError(t, err)
	assert.True(t, unpruned.Empty(), "without --prune nothing is removed")
	prune := manifest.Options{Prune: true}
	shown := apply(t, client, file, prune)
	assert.Equal(t, `personal:
  - tag production
Engines:
  - member colleague
  - script Back up
  - entry desk
  - entry prod/europe/web1
  - entry prod/europe/web2
  - entry prod/europe/bastion
  - folder odd\/name
  - folder prod/europe
0 to create, 0 to change, 9 to remove.
`, shown)
	unchanged(t, client, file, prune)
	exported, err := manifest.Export(t.Context(), client)
	require.NoError(t, err)
	assert.Contains(t, string(exported), "Home lab/rack 1", "a list that is left out is not looked after")
	assert.Contains(t, string(exported), "Deploy key")
	assert.Contains(t, string(exported), "Unnamed")
	entries, err := other.Entries.List(t.Context())
	require.NoError(t, err)
	assert.Len(t, entries, 1)

	// A folder with things that the file does not look after stays.
	shown = apply(t, client, "version: 1\npersonal: {folders: []}\n", prune)
	assert.Contains(t, shown, "note: personal: folder Home lab/rack 1 stays")
	assert.Contains(t, shown, "Nothing to change.")
	// What would be removed cannot be referred to.
	_, err = plan(t, client, "version: 1\npersonal: {identities: [], entries: [{name: a, config: {}, identities: [Own login]}]}\n", prune)
	assert.ErrorContains(t, err, "identity Own login is not in the file, and --prune would remove it")
}

func TestSecretsAreWrittenWhenTheyHaveTo(t *testing.T) {
	options := prepared(t)
	s := testserver.New(t)
	client, counted := as(t, s, s.Owner)
	file := "version: 1\npersonal:\n  identities:\n    - {name: Login, type: TYPE, username: ada, password: {env: ADA_PASSWORD}KEY}\n"
	password := strings.NewReplacer("TYPE", "password", "KEY", "").Replace(file)
	both := strings.NewReplacer("TYPE", "both", "KEY", ", sshKey: {file: key}").Replace(file)
	secret := func(kind string) string {
		var sealed []byte
		s.Scan(t, &sealed, `select coalesce((select ciphertext from credentials where kind = $1), '')`, kind)
		return string(sealed)
	}
	apply(t, client, password, options)
	first := secret("password")
	counted.writes.Store(0)
	t.Setenv("ADA_PASSWORD", "another")
	unchanged(t, client, password, options)
	assert.Equal(t, first, secret("password"), "a secret is not compared")

	options.Secrets = true
	assert.Contains(t, apply(t, client, password, options), "password: (secret) -> (secret, of the variable ADA_PASSWORD)")
	assert.NotEqual(t, first, secret("password"))
	options.Secrets = false
	shown := apply(t, client, both, options)
	assert.Contains(t, shown, "type: password -> both")
	assert.Contains(t, shown, "sshKey: (secret) -> (secret, of the file key)")
	assert.NotEmpty(t, secret("ssh-key"))
	unchanged(t, client, both, options)

	// A file that is gone does not matter while nothing of it is needed.
	require.NoError(t, os.Remove(filepath.Join(options.Folder, "key")))
	unchanged(t, client, both, options)
}

func TestMembersAndGroups(t *testing.T) {
	s := testserver.New(t)
	client, counted := as(t, s, s.Admin)
	founded := "version: 1\norganizations: [{name: New, members: [{username: ADMIN}]}]\n"
	_, err := plan(t, client, strings.ReplaceAll(founded, "}]", ", permissions: {}}]"), manifest.Options{})
	require.ErrorContains(t, err, "member ADMIN is the owner, who may do everything")
	apply(t, client, founded, manifest.Options{})
	unchanged(t, client, founded, manifest.Options{Prune: true})
	// One setting alone leaves the other.
	apply(t, client, "version: 1\norganizations: [{name: New, sessionSettings: {enableLiveSessionSharing: true}}]", manifest.Options{})
	shown := apply(t, client, "version: 1\norganizations: [{name: New, sessionSettings: {enablePublicShareLinks: false}}]", manifest.Options{})
	assert.Contains(t, shown, "enablePublicShareLinks: true -> false")
	unchanged(t, client, "version: 1\norganizations: [{name: New, sessionSettings: {enableLiveSessionSharing: true, enablePublicShareLinks: false}}]", manifest.Options{})
	file := `version: 1
groups:
  - {name: First, members: [Stranger], permissions: {users.view: allow}}
  - {name: Operators, color: '#112233', permissions: {audit.view: deny}, members: [owner, colleague]}
`
	apply(t, client, file, manifest.Options{})
	unchanged(t, client, file, manifest.Options{})
	changed := `version: 1
groups:
  - {name: Default, permissions: {connect.ssh: allow}}
  - {name: Operators, permissions: {users.view: allow}, members: [owner]}
  - {name: New, members: []}
  - {name: First}
`
	shown = apply(t, client, changed, manifest.Options{Prune: true})
	assert.Contains(t, shown, "groups: First, Operators -> Operators, New, First")
	assert.Contains(t, shown, "audit.view: deny -> none")
	counted.writes.Store(0)
	unchanged(t, client, changed, manifest.Options{Prune: true})
	groups, err := client.Groups.List(t.Context())
	require.NoError(t, err)
	var names []string
	for _, g := range groups {
		names = append(names, g.Name)
	}
	assert.Equal(t, []string{"Administrator", "Operators", "New", "First", "Default"}, names)

	owner, _ := as(t, s, s.Owner)
	members := `version: 1
organizations:
  - name: owner's organization
    members:
      - {username: Colleague, permissions: {scripts.manage: deny, org.audit.view: allow}}
      - {username: STRANGER}
`
	shown = apply(t, owner, members, manifest.Options{Prune: true})
	assert.Contains(t, shown, "+ member STRANGER")
	assert.Contains(t, shown, "org.audit.view: none -> allow")
	unchanged(t, owner, members, manifest.Options{Prune: true})
	shown = apply(t, owner, strings.ReplaceAll(strings.ReplaceAll(members, "deny", "allow"), "      - {username: STRANGER}\n", ""), manifest.Options{Prune: true})
	assert.Contains(t, shown, "- member stranger")
	assert.Contains(t, shown, "scripts.manage: deny -> allow")
}
