package inventory_test

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/testserver"
)

var defaultSettings = body{
	"requireConnectionReason": false, "enableFileOperationAudit": true, "enableServerConnectionAudit": true,
	"enableIdentityManagementAudit": true, "enableIdentityCredentialsAccessAudit": true, "enableServerManagementAudit": true,
	"enableFolderManagementAudit": true, "enableScriptExecutionAudit": true, "enableAIOperationAudit": true,
	"enableSessionRecording": false, "recordingRetentionDays": 90.,
}

func settingsPath(id int64) string { return fmt.Sprintf("/api/audit/organizations/%d/settings", id) }

func changedSettings(changes body) body {
	merged := maps.Clone(defaultSettings)
	maps.Copy(merged, changes)
	return merged
}

func TestAuditSettingsAreForActiveMembers(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	const refused = "You don't have access to this organization"
	for _, c := range []*testserver.Client{s.Owner, s.Colleague} {
		var got body
		c.Get(settingsPath(s.Organization)).Want(200).Into(&got)
		require.Equal(t, defaultSettings, got)
	}
	s.Stranger.Get(settingsPath(s.Organization)).WantError(403, refused)
	s.Stranger.Get(settingsPath(987654)).WantError(403, refused)
	s.Admin.Get(settingsPath(s.Organization)).WantError(403, refused)
	s.Admin.Get(settingsPath(987654)).WantError(404, "Organization not found")
	s.Exec(t, `update organization_members set status = 'pending' where account_id = $1`, s.Colleague.AccountID)
	s.Colleague.Get(settingsPath(s.Organization)).WantError(403, refused)
	s.Owner.Get("/api/audit/organizations/01/settings").WantError(400, "Invalid organization ID")
	s.Owner.Patch("/api/audit/organizations/x/settings", body{}).WantError(400, "Invalid organization ID")
}

func TestAuditSettingsKeepEarlierChanges(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	var got body
	s.Owner.Patch(settingsPath(s.Organization), body{"enableSessionRecording": true, "recordingRetentionDays": "30"}).Want(200).Into(&got)
	require.Equal(t, changedSettings(body{"enableSessionRecording": true, "recordingRetentionDays": 30.}), got)
	s.Owner.Patch(settingsPath(s.Organization), body{"enableFileOperationAudit": false}).Want(200).Into(&got)
	want := changedSettings(body{"enableSessionRecording": true, "recordingRetentionDays": 30., "enableFileOperationAudit": false})
	require.Equal(t, want, got)
	s.Colleague.Get(settingsPath(s.Organization)).Want(200).Into(&got)
	require.Equal(t, want, got)

	var stored []byte
	s.Scan(t, &stored, `select audit_settings from organizations where id = $1`, s.Organization)
	require.JSONEq(t, `{"enableSessionRecording": true, "recordingRetentionDays": 30, "enableFileOperationAudit": false}`, string(stored))

	s.Owner.Patch(settingsPath(s.Organization), got).Want(200).Into(&got)
	require.Equal(t, want, got, "the whole object can be sent back")
}

func TestAuditSettingsChangedAtOnceAllCount(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	var group sync.WaitGroup
	want := maps.Clone(defaultSettings)
	for name, value := range defaultSettings {
		if on, boolean := value.(bool); boolean {
			want[name] = !on
			group.Go(func() { s.Owner.Patch(settingsPath(s.Organization), body{name: !on}) })
		}
	}
	group.Wait()
	var got body
	s.Owner.Get(settingsPath(s.Organization)).Want(200).Into(&got)
	require.Equal(t, want, got)
}

func TestAuditSettingsAreChangedByAuditors(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	const refused = "You don't have permission to update audit settings"
	change := body{"requireConnectionReason": true}
	s.Colleague.Patch(settingsPath(s.Organization), change).WantError(403, refused)
	s.Stranger.Patch(settingsPath(s.Organization), change).WantError(403, refused)
	s.Stranger.Patch(settingsPath(987654), change).WantError(403, refused)
	s.Admin.Patch(settingsPath(s.Organization), change).Want(200)
	s.Admin.Patch(settingsPath(987654), change).WantError(404, "Organization not found")
	s.OverrideMember(t, s.Colleague, "org.audit.view", "allow")
	s.Colleague.Patch(settingsPath(s.Organization), change).Want(200)
	s.Exec(t, `update organization_members set status = 'pending' where account_id = $1`, s.Colleague.AccountID)
	s.Colleague.Patch(settingsPath(s.Organization), change).WantError(403, refused)
}

func TestAuditSettingsRefuse(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	for _, c := range []struct {
		change  body
		message string
	}{
		{body{}, "At least one field is required"},
		{body{"recordingRetentionDays": 0}, "recordingRetentionDays must be a positive number"},
		{body{"recordingRetentionDays": 3651}, "recordingRetentionDays must be less than or equal to 3650"},
		{body{"recordingRetentionDays": 1.5}, "recordingRetentionDays must be an integer"},
		{body{"enableAIOperationAudit": "true"}, "enableAIOperationAudit must be a boolean"},
		{body{"enableAIOperationAudit": nil}, "enableAIOperationAudit must be a boolean"},
		{body{"id": 1}, "id is not allowed"},
	} {
		s.Owner.Patch(settingsPath(s.Organization), c.change).WantError(400, c.message)
	}
	var got body
	s.Owner.Get(settingsPath(s.Organization)).Want(200).Into(&got)
	require.Equal(t, defaultSettings, got)
}

func TestAuditSettingsSwitchRecordingOff(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	create := body{"name": "Shared", "type": "password", "organizationId": s.Organization}
	s.Owner.Patch(settingsPath(s.Organization), body{"enableIdentityManagementAudit": false}).Want(200)
	s.Owner.Put("/api/identity", create).Want(200)
	newFolder(s.Owner, "Personal", nil)
	require.Len(t, foundLogs(t, s.Owner), 2, "personal actions are always kept, and so are changes of the settings")
	s.Owner.Patch(settingsPath(s.Organization), body{"enableIdentityManagementAudit": true}).Want(200)
	s.Owner.Put("/api/identity", create).Want(200)
	require.Len(t, foundLogs(t, s.Owner), 4)
}

func TestAuditSettingsTellOfAChangedConnectionReason(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	next := s.Events(t)
	s.Owner.Patch(settingsPath(s.Organization), body{"requireConnectionReason": false, "enableSessionRecording": true}).Want(200)
	require.Empty(t, next().Lists)
	s.Owner.Patch(settingsPath(s.Organization), body{"requireConnectionReason": true}).Want(200)
	require.Equal(t, []event.List{event.Entries}, next().Lists)
}

func TestAuditMetadata(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	s.Deny(t, s.Stranger, "audit.view")
	var metadata struct {
		Actions, Resources, ActionCategories []map[string]string
	}
	s.Stranger.Get("/api/audit/metadata").Want(200).Into(&metadata)
	require.Len(t, metadata.Actions, len(event.Vocabulary))
	require.Equal(t, map[string]string{"key": "ENTRY_CREATE", "value": "entry.create", "category": "entry", "label": "Server created"}, metadata.Actions[0])
	require.Equal(t, map[string]string{"key": "AI_FOLDER_CREATE", "value": "ai.folder_create", "category": "ai", "label": "AI created a folder"}, metadata.Actions[31])
	require.Equal(t, map[string]string{"key": "ENTRY", "value": "entry", "label": "Server"}, metadata.Resources[0])
	require.Equal(t, map[string]string{"key": "SCRIPT", "value": "script", "label": "Script"}, metadata.Resources[4])

	var categories, used []string
	for _, c := range metadata.ActionCategories {
		require.NotEmpty(t, c["label"])
		require.NotEmpty(t, c["description"])
		categories = append(categories, c["key"])
	}
	for _, a := range metadata.Actions {
		if !slices.Contains(used, a["category"]) {
			used = append(used, a["category"])
		}
	}
	require.Equal(t, []string{"entry", "file", "folder", "folder_mgmt", "identity", "script", "ai"}, categories[:7])
	require.Equal(t, categories, used)
}
