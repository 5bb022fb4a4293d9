package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

// What the stock web client asks for although it is not here: whom it is for, and
// what they get.
var absent = []struct {
	request, permission string
	body                any
	status              int
	answer              string
}{
	{"GET /api/ai", "", nil, 200, `"isConfigured":false`},
	{"PATCH /api/ai", "settings.ai", map[string]any{"enabled": true}, 501, "AI is not available on this server"},
	{"GET /api/ai/providers", "", nil, 200, `{"providers":[]}`},
	{"GET /api/ai/models", "settings.ai", nil, 200, `{"models":[]}`},
	{"POST /api/ai/test", "settings.ai", nil, 501, "AI is not available on this server"},
	{"POST /api/ai/oauth/start", "settings.ai", nil, 501, "AI is not available on this server"},
	{"POST /api/ai/oauth/exchange", "settings.ai", nil, 501, "AI is not available on this server"},
	{"POST /api/ai/oauth/disconnect", "settings.ai", nil, 501, "AI is not available on this server"},
	{"POST /api/ai/command", "", map[string]any{"sessionId": "x", "prompt": "x"}, 400, "AI is not enabled"},
	{"GET /api/themes", "", nil, 200, `[]`},
	{"PUT /api/themes", "", map[string]any{"name": "x", "css": "x"}, 501, "Themes are not available on this server"},
	{"PUT /api/themes/active", "", map[string]any{"themeId": nil}, 200, `{"activeThemeId":null}`},
	{"PUT /api/themes/active", "", map[string]any{"themeId": 1}, 404, "Theme not found"},
	{"PUT /api/themes/active", "", map[string]any{}, 400, "themeId is required"},
	{"PUT /api/themes/active", "", map[string]any{"themeId": "x"}, 400, "themeId must be"},
	{"PUT /api/themes/active", "", map[string]any{"themeId": nil, "x": 1}, 400, "x is not allowed"},
	{"PUT /api/themes/active", "", strings.Repeat(" ", 100<<10+1), 413, "too large"},
	{"GET /api/themes/active/css", "", nil, 200, `{"css":null}`},
	{"GET /api/themes/1", "", nil, 404, "Theme not found"},
	{"GET /api/themes/1/css", "", nil, 404, "Theme not found"},
	{"PATCH /api/themes/1", "", map[string]any{"name": "x"}, 404, "Theme not found"},
	{"DELETE /api/themes/1", "", nil, 404, "Theme not found"},
	{"PUT /api/auth/providers/admin/ldap", "settings.auth_providers", map[string]any{"name": "x"}, 501, "LDAP is not available on this server"},
	{"GET /api/auth/providers/admin/ldap/1", "settings.auth_providers", nil, 404, "Provider not found"},
	{"PATCH /api/auth/providers/admin/ldap/1", "settings.auth_providers", map[string]any{}, 404, "Provider not found"},
	{"DELETE /api/auth/providers/admin/ldap/1", "settings.auth_providers", nil, 404, "Provider not found"},
	{"POST /api/auth/providers/admin/ldap/1/test", "settings.auth_providers", nil, 404, "Provider not found"},
	{"GET /api/engines", "", nil, 200, `"name":"Built-in"`},
	{"PUT /api/engines", "settings.engines", map[string]any{"name": "x"}, 501, "Engines are not needed: this server connects by itself"},
	{"DELETE /api/engines/1", "settings.engines", nil, 403, "Cannot delete the local engine"},
	{"DELETE /api/engines/2", "settings.engines", nil, 404, "Engine not found"},
	{"POST /api/engines/1/regenerate-token", "settings.engines", nil, 403, "Cannot regenerate token for the local engine"},
	{"POST /api/engines/2/regenerate-token", "settings.engines", nil, 404, "Engine not found"},
	{"GET /api/backup/settings", "settings.backup", nil, 200, `"providers":[]`},
	{"PATCH /api/backup/settings", "settings.backup", map[string]any{"retention": 1}, 501, "Backup to a provider is not available on this server"},
	{"GET /api/backup/storage", "settings.backup", nil, 200, `"recordings":0`},
	{"POST /api/backup/providers", "settings.backup", map[string]any{"name": "x"}, 501, "Backup to a provider is not available on this server"},
	{"PATCH /api/backup/providers/1", "settings.backup", map[string]any{}, 404, "Provider not found"},
	{"DELETE /api/backup/providers/1", "settings.backup", nil, 404, "Provider not found"},
	{"GET /api/backup/providers/1/backups", "settings.backup", nil, 404, "Provider not found"},
	{"POST /api/backup/providers/1/backups", "settings.backup", nil, 404, "Provider not found"},
	{"POST /api/backup/providers/1/backups/..%2Fx/restore", "settings.backup", nil, 404, "Provider not found"},
	{"GET /api/backup/files/recordings", "settings.backup", nil, 200, `[]`},
	{"GET /api/backup/files/logs", "settings.backup", nil, 200, `[]`},
	{"GET /api/backup/files/etc", "settings.backup", nil, 400, "Invalid type"},
	{"DELETE /api/backup/files/logs/..%2F..%2Fpasswd", "settings.backup", nil, 404, "File not found"},
	{"PUT /api/integrations", "", map[string]any{"name": "x"}, 501, "Proxmox integrations are not available on this server"},
	{"GET /api/integrations/1", "", nil, 404, "Integration not found"},
	{"PATCH /api/integrations/1", "", map[string]any{}, 404, "Integration not found"},
	{"DELETE /api/integrations/1", "", nil, 404, "Integration not found"},
	{"POST /api/integrations/1/sync", "", nil, 404, "Integration not found"},
	{"POST /api/integrations/entry/987654321/start", "", nil, 404, "Entry not found"},
	{"POST /api/integrations/entry/x/start", "", nil, 404, "Entry not found"},
}

func TestAbsentFeatures(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	before := contents(t, s)
	for _, row := range absent {
		method, path, _ := strings.Cut(row.request, " ")
		who := s.Owner
		if row.permission != "" {
			who = s.Admin
			s.Owner.Do(method, path, row.body).WantError(403, "Forbidden")
		}
		s.Anonymous.Do(method, path, row.body).WantError(400, "You need to provide the 'authorization' header")
		s.Anonymous.With("Authorization", "Bearer null").Do(method, path, row.body).WantError(401, "The provided token is not valid")
		answer := who.Do(method, path, row.body)
		assert.Equal(t, row.status, answer.Status, row.request)
		assert.Contains(t, string(answer.Body), row.answer, row.request)
		if method == http.MethodGet && row.status == 200 {
			head := who.Do(http.MethodHead, path, nil).Want(200)
			assert.Equal(t, "application/json", head.Header.Get("Content-Type"), row.request)
		}
		beyond := who.Do(method, path+"/1/2/3/4", nil)
		assert.Contains(t, []int{404, 405}, beyond.Status, row.request)
		assert.NotContains(t, string(beyond.Body), row.answer, row.request)
	}
	require.Equal(t, before, contents(t, s))
	for _, row := range absent {
		method, path, _ := strings.Cut(row.request, " ")
		for _, o := range allOperations() {
			require.False(t, o.method == method && o.path == path, "%s is there", row.request)
		}
	}
}

func TestBuiltInEngine(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	var engines []struct {
		ID                 int
		IsLocal, Connected bool
		Version            string
		LastConnectedAt    time.Time
		RemoteAddr         *string
	}
	s.Stranger.Get("/api/engines").Want(200).Into(&engines)
	require.Len(t, engines, 1)
	require.True(t, engines[0].IsLocal && engines[0].Connected)
	require.WithinDuration(t, time.Now(), engines[0].LastConnectedAt, time.Minute)
	var version struct{ Version string }
	s.Anonymous.Get("/api/service/version").Want(200).Into(&version)
	require.Equal(t, version.Version, engines[0].Version)

	var storage struct{ Database int64 }
	s.Admin.Get("/api/backup/storage").Want(200).Into(&storage)
	require.Greater(t, storage.Database, int64(1<<20))
}

// A guest that the caller reads cannot be started; that others have one does not show.
func TestGuestsCannotBeControlled(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	entry := newEntry(t, s, nil)
	path := fmt.Sprintf("/api/integrations/entry/%d/start", entry)
	s.Owner.Post(path, nil).WantError(501, "Control of Proxmox guests is not available on this server")
	for _, c := range []*testserver.Client{s.Stranger, s.Admin} {
		c.Post(path, nil).WantError(404, "Entry not found")
	}
}

func TestExportOfBackups(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	for path, want := range map[string]struct {
		status  int
		message string
	}{
		"/api/backup/export/database":               {501, "Export of the database is not available on this server: use pg_dump, or nexterm backup"},
		"/api/backup/export/recordings/..%2Fpasswd": {404, "File not found"},
	} {
		s.Admin.Get(path).WantError(401, "Token required") // the header does not count
		s.Anonymous.Get(path+"?token=null").WantError(401, "Invalid token")
		s.Anonymous.Get(path+"?token="+s.Owner.Token).WantError(403, "Forbidden")
		s.Anonymous.Get(path+"?token="+s.Admin.Token).WantError(want.status, want.message)
	}
}

func TestAssistantIsNotConfigured(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	socket := s.Owner.Socket("/api/ws/ai?sessionId=x&conversationId=y")
	socket.WantClose(4020, "AI assistant is not configured")
	s.Anonymous.Socket("/api/ws/ai?sessionId=x").WantClose(4001, "You need to provide the token in the 'sessionToken' parameter")
}
