package manifest_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/manifest"
	"github.com/nexterm-go/nexterm/internal/testserver"
	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

const wrong = `version: 1
persnal: {}
personal:
  tags: [{name: mine, color: '#fff'}]
  identities:
    - {name: clear, type: password, password: hunter2}
    - {name: unset, type: password, password: {env: NEXTERM_TEST_UNSET}}
    - {name: no file, type: ssh, sshKey: {file: nowhere/key}}
    - {name: no end, type: ssh, sshKey: {file: /dev/zero}}
  folders: [lab, a]
  entries:
    - {name: web, folder: lab, config: {protocol: ssh}, identities: [nobody], tags: [none]}
    - {name: web, folder: lab, config: {}}
    - {name: other, folder: attic, config: {protocol: ssh, jumpHosts: [lab/nowhere, {name: x, organization: Nobody}, rdp]}}
    - {name: rdp, config: {protocol: rdp}}
    - {name: self, config: {protocol: ssh, jumpHosts: [self]}}
    - {name: ring1, config: {protocol: ssh, jumpHosts: [ring2]}}
    - {name: ring2, config: {protocol: ssh, jumpHosts: [ring1]}}
organizations:
  - name: owner's organization
    members:
      - {username: nobody at all}
      - {username: colleague, permissions: {no.such: allow}}
      - {username: owner, permissions: {scripts.manage: deny}}
groups:
  - {name: Operators, members: [owner]}
`

func TestAllProblemsAreToldAtOnceAndNothingIsApplied(t *testing.T) {
	s := testserver.New(t)
	client, counted := as(t, s, s.Owner)
	_, err := plan(t, client, wrong, manifest.Options{Folder: t.TempDir()})
	require.ErrorIs(t, err, nexterm.ErrBadRequest)
	assert.Equal(t, `team.yaml cannot be applied, and nothing was:
  line 1: groups: you may not do this, for want of the permission permissions.manage
  line 2: unknown key persnal
  line 6: password: a secret in clear; write where it is: {file: PATH}, {env: NAME} or {stdin: true}
  line 7: identity unset: password (secret, of the variable NEXTERM_TEST_UNSET) is not set
  line 8: identity no file: sshKey (secret, of the file nowhere/key) no such file or directory
  line 9: identity no end: sshKey (secret, of the file /dev/zero) is no file
  line 10: folder a: a name has from 3 to 50 characters
  line 12: identity nobody does not exist: neither the file nor the server has it
  line 12: tag none does not exist: neither the file nor the server has it
  line 13: a second entry lab/web; the first stands at line 12
  line 14: entry attic/other: the jump host rdp is no SSH entry
  line 14: folder attic does not exist: neither the file nor the server has it
  line 14: jump host Nobody: x: you are not in one organization of this name, and the file has none
  line 14: jump host lab/nowhere does not exist: neither the file nor the server has it
  line 16: entry self: it cannot be its own jump host
  line 17: entry ring1: its jump hosts lead back to it
  line 22: member nobody at all: there is no account of this name
  line 23: there is no permission no.such here
  line 24: member owner is the owner, who may do everything`, err.Error())
	assert.Zero(t, counted.writes.Load())
}

func TestRightsAndQuotasAreCheckedBefore(t *testing.T) {
	s := testserver.New(t)
	client, counted := as(t, s, s.Colleague)
	_, err := plan(t, client, `version: 1
organizations:
  - name: owner's organization
    description: Taken over
    members: [{username: stranger}]
`, manifest.Options{})
	require.ErrorIs(t, err, nexterm.ErrBadRequest)
	assert.Contains(t, err.Error(), "line 3: owner's organization: you may not do this, for want of the permission org.manage")
	assert.Contains(t, err.Error(), "line 3: owner's organization: you may not do this, for want of the permission org.members.manage")

	_, err = plan(t, client, "version: 1\npersonal:\n  folders: ["+strings.Repeat("x", 3)+folders(5001)+"]\n", manifest.Options{})
	require.ErrorIs(t, err, nexterm.ErrBadRequest)
	assert.Contains(t, err.Error(), "personal would have 5002 of kind folder, and the server allows 5000")
	assert.Zero(t, counted.writes.Load())
}

func folders(count int) string {
	var text strings.Builder
	for i := range count {
		text.WriteString(", folder-" + string(rune('a'+i/676)) + string(rune('a'+i/26%26)) + string(rune('a'+i%26)))
	}
	return text.String()
}

func TestThingsOfOneNameAreRefused(t *testing.T) {
	s := testserver.New(t)
	client, counted := as(t, s, s.Owner)
	ctx := t.Context()
	for range 2 {
		_, err := client.Entries.Create(ctx, nexterm.NewEntry{Name: "twin\x1b[31m"})
		require.NoError(t, err)
		_, err = client.Folders.Create(ctx, nexterm.NewFolder{Name: "twins"})
		require.NoError(t, err)
		_, err = client.Scripts.Create(ctx, nexterm.NewScript{Name: "twin", Content: "x"})
		require.NoError(t, err)
	}
	counted.writes.Store(0)
	file := `version: 1
personal:
  folders: [twins]
  entries:
    - {name: "twin\e[31m", config: {}}
    - {name: in it, folder: twins, config: {}}
  scripts: [{name: twin, content: y}]
`
	_, err := plan(t, client, file, manifest.Options{})
	require.ErrorIs(t, err, nexterm.ErrBadRequest)
	assert.Contains(t, err.Error(), "line 3: folder twins: the server has several of this name")
	assert.Contains(t, err.Error(), `line 5: entry "twin\x1b[31m": the server has several of this name`)
	assert.Contains(t, err.Error(), "line 6: folder twins: the server has several of this name")
	assert.Contains(t, err.Error(), "line 7: script twin: the server has several of this name")

	_, err = manifest.Export(ctx, client)
	require.ErrorIs(t, err, nexterm.ErrConflict)
	assert.Contains(t, err.Error(), `personal: entry "twin\x1b[31m"`)
	assert.NotContains(t, err.Error(), "\x1b")
	assert.Zero(t, counted.writes.Load())
}

// Whatever is wrong in a file, it is told and nothing worse happens.
func TestMangledFilesAreToldOf(t *testing.T) {
	options := prepared(t)
	s := testserver.New(t)
	client, counted := as(t, s, s.Admin)
	text := strings.ReplaceAll(team, "groups: []", "groups: [{name: Operators, color: '#112233', permissions: {users.view: allow}, members: [owner]}]")
	lines := strings.Split(strings.TrimSpace(text), "\n")
	told := 0
	for i := range lines {
		for _, value := range []string{"", " ''", " 0", " []", " {}", " [{}]", " ['']"} {
			mangled := slices.Clone(lines)
			before, _, found := strings.Cut(lines[i], ":")
			if mangled[i] = before + ":" + value; !found {
				mangled[i] = value
			}
			_, err := plan(t, client, strings.Join(mangled, "\n"), options)
			if err == nil {
				continue
			}
			told++
			var problems *manifest.Problems
			require.ErrorAs(t, err, &problems)
		}
	}
	assert.Greater(t, told, 100)
	assert.Zero(t, counted.writes.Load())
}
