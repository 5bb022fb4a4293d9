package manifest_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/manifest"
	"github.com/nexterm-go/nexterm/internal/testserver"
)

const team = `version: 1
personal:
  tags:
    - {name: production, color: '#ff8800'}
  identities:
    - {name: Own login, type: password, username: ada, password: {env: ADA_PASSWORD}}
  folders: [Home lab/rack 1]
  entries:
    - name: nas
      folder: Home lab/rack 1
      icon: database
      tags: [production]
      identities: [Own login]
      config: {protocol: ssh, ip: 10.0.0.9, port: 22, notes: "two\nlines", custom: {a: [1, 2.50, null, 1e3]}}
organizations:
  - name: Engines
    description: Machines that weave.
    auditSettings: {requireConnectionReason: true, recordingRetentionDays: 30}
    sessionSettings: {enableLiveSessionSharing: true}
    members:
      - {username: colleague, permissions: {scripts.manage: deny}}
    identities:
      - {name: Deploy key, type: ssh, username: deploy, sshKey: {file: key}}
    folders: [prod/europe, prod/america, 'odd\/name']
    entries:
      - name: web1
        folder: prod/europe
        tags: [production]
        identities: [Deploy key, {name: Own login}]
        config: {protocol: ssh, ip: web1.example.com, jumpHosts: [prod/europe/bastion, {name: Home lab/rack 1/nas}]}
      - name: web2
        folder: prod/europe
        config: {protocol: ssh, ip: web2.example.com}
      - name: bastion
        folder: prod/europe
        config: {protocol: ssh, ip: bastion.example.com, port: 2222, monitoringEnabled: false}
      - name: desk
        config: {protocol: rdp, ip: 10.1.1.1, colorDepth: 16, macAddress: ''}
    scripts:
      - name: Back up
        content: |
          #!/bin/sh
          tar cz /etc
        osFilter: [Debian]
      - {name: Second, content: exit}
    snippets:
      - {name: Free space, command: df -h, description: Disks.}
groups: []
`

// prepared is the folder with the secrets of team.
func prepared(t *testing.T) manifest.Options {
	t.Helper()
	folder := t.TempDir()
	t.Setenv("ADA_PASSWORD", "hunter2 of ada")
	require.NoError(t, os.WriteFile(filepath.Join(folder, "key"), []byte("-----BEGIN KEY-----\nsecret key\n"), 0o600))
	return manifest.Options{Folder: folder}
}

func TestAFileIsAppliedAndASecondRunWritesNothing(t *testing.T) {
	options := prepared(t)
	s := testserver.New(t)
	client, counted := as(t, s, s.Admin)
	shown := apply(t, client, team, options)
	t.Log(shown)
	assert.NotContains(t, shown, "hunter2")
	assert.Contains(t, shown, "(secret, of the file key)")
	counted.writes.Store(0)
	counted.reads.Store(0)
	unchanged(t, client, team, options)
	assert.Zero(t, counted.writes.Load())
	assert.LessOrEqual(t, counted.reads.Load(), int64(14))
}

func TestExportIsAppliedElsewhereAndExportedAlike(t *testing.T) {
	options := prepared(t)
	first := testserver.New(t)
	client, _ := as(t, first, first.Admin)
	apply(t, client, team, options)
	exported, err := manifest.Export(t.Context(), client)
	require.NoError(t, err)
	t.Log(string(exported))
	unchanged(t, client, string(exported), options)

	second := testserver.New(t)
	other, _ := as(t, second, second.Admin)
	t.Setenv("NEXTERM_PERSONAL_OWN_LOGIN_PASSWORD", "another")
	t.Setenv("NEXTERM_ENGINES_DEPLOY_KEY_KEY", "another")
	apply(t, other, string(exported), options)
	again, err := manifest.Export(t.Context(), other)
	require.NoError(t, err)
	assert.Equal(t, string(exported), string(again))
}
