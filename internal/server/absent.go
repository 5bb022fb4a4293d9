package server

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/permission"
	"github.com/nexterm-go/nexterm/internal/timestamp"
	"github.com/nexterm-go/nexterm/internal/ws"
)

// absence is a request of the stock web client for a feature of other servers. It is
// no operation of the contract, which describes what there is: what reads gets an
// empty state, or one that is switched off, in the shape that the client draws; what
// changes fails with a sentence that it shows. Credential and permission come first.
type absence struct {
	method, path string
	permission   permission.Name
	answer       func(*server, echo.Context) error
}

var absences = []absence{
	{"GET", "/api/ai", "", says(`{"id":1,"enabled":false,"provider":null,"model":null,"apiUrl":"","authMethod":"api_key","requireConfirmation":true,` +
		`"isConfigured":false,"hasApiKey":false,"subscriptionConnected":false,"subscriptionProvider":null}`)},
	{"PATCH", "/api/ai", permission.SettingsAI, lacks("AI is")},
	{"GET", "/api/ai/providers", "", says(`{"providers":[]}`)},
	{"GET", "/api/ai/models", permission.SettingsAI, says(`{"models":[]}`)},
	{"POST", "/api/ai/test", permission.SettingsAI, lacks("AI is")},
	{"POST", "/api/ai/oauth/start", permission.SettingsAI, lacks("AI is")},
	{"POST", "/api/ai/oauth/exchange", permission.SettingsAI, lacks("AI is")},
	{"POST", "/api/ai/oauth/disconnect", permission.SettingsAI, lacks("AI is")},
	{"POST", "/api/ai/command", "", fails(fail.BadRequest("AI is not enabled"))},

	{"GET", "/api/themes", "", says(`[]`)},
	{"PUT", "/api/themes", "", lacks("Themes are")},
	{"PUT", "/api/themes/active", "", chooseTheme},
	{"GET", "/api/themes/active/css", "", says(`{"css":null}`)},
	{"GET", "/api/themes/{id}", "", fails(errNoTheme)},
	{"PATCH", "/api/themes/{id}", "", fails(errNoTheme)},
	{"DELETE", "/api/themes/{id}", "", fails(errNoTheme)},
	{"GET", "/api/themes/{id}/css", "", fails(errNoTheme)},

	{"PUT", "/api/auth/providers/admin/ldap", permission.SettingsAuthProviders, lacks("LDAP is")},
	{"GET", "/api/auth/providers/admin/ldap/{id}", permission.SettingsAuthProviders, fails(errNoProvider)},
	{"PATCH", "/api/auth/providers/admin/ldap/{id}", permission.SettingsAuthProviders, fails(errNoProvider)},
	{"DELETE", "/api/auth/providers/admin/ldap/{id}", permission.SettingsAuthProviders, fails(errNoProvider)},
	{"POST", "/api/auth/providers/admin/ldap/{id}/test", permission.SettingsAuthProviders, fails(errNoProvider)},

	{"GET", "/api/engines", "", listEngines},
	{"PUT", "/api/engines", permission.SettingsEngines, fails(&fail.Error{
		Status: http.StatusNotImplemented, Message: "Engines are not needed: this server connects by itself",
	})},
	{"DELETE", "/api/engines/1", permission.SettingsEngines, fails(fail.Forbidden("Cannot delete the local engine"))},
	{"POST", "/api/engines/1/regenerate-token", permission.SettingsEngines, fails(fail.Forbidden("Cannot regenerate token for the local engine"))},
	{"DELETE", "/api/engines/{id}", permission.SettingsEngines, fails(errNoEngine)},
	{"POST", "/api/engines/{id}/regenerate-token", permission.SettingsEngines, fails(errNoEngine)},

	{"GET", "/api/backup/settings", permission.SettingsBackup, says(`{"providers":[],"scheduleInterval":0,"retention":5,"includeDatabase":true,` +
		`"includeRecordings":true,"includeLogs":false}`)},
	{"PATCH", "/api/backup/settings", permission.SettingsBackup, lacks("Backup to a provider is")},
	{"GET", "/api/backup/storage", permission.SettingsBackup, measureStorage},
	{"POST", "/api/backup/providers", permission.SettingsBackup, lacks("Backup to a provider is")},
	{"PATCH", "/api/backup/providers/{id}", permission.SettingsBackup, fails(errNoProvider)},
	{"DELETE", "/api/backup/providers/{id}", permission.SettingsBackup, fails(errNoProvider)},
	{"GET", "/api/backup/providers/{id}/backups", permission.SettingsBackup, fails(errNoProvider)},
	{"POST", "/api/backup/providers/{id}/backups", permission.SettingsBackup, fails(errNoProvider)},
	{"POST", "/api/backup/providers/{id}/backups/{name}/restore", permission.SettingsBackup, fails(errNoProvider)},
	{"GET", "/api/backup/files/recordings", permission.SettingsBackup, says(`[]`)},
	{"GET", "/api/backup/files/logs", permission.SettingsBackup, says(`[]`)},
	{"GET", "/api/backup/files/{type}", permission.SettingsBackup, fails(fail.BadRequest("Invalid type"))},
	{"DELETE", "/api/backup/files/{type}/{name}", permission.SettingsBackup, fails(errNoFile)},
	{"GET", "/api/backup/export/database", permission.SettingsBackup, fails(&fail.Error{
		Status: http.StatusNotImplemented, Message: "Export of the database is not available on this server: use pg_dump, or nexterm backup",
	})},
	{"GET", "/api/backup/export/{type}/{name}", permission.SettingsBackup, fails(errNoFile)},

	{"PUT", "/api/integrations", "", lacks("Proxmox integrations are")},
	{"GET", "/api/integrations/{id}", "", fails(errNoIntegration)},
	{"PATCH", "/api/integrations/{id}", "", fails(errNoIntegration)},
	{"DELETE", "/api/integrations/{id}", "", fails(errNoIntegration)},
	{"POST", "/api/integrations/{id}/sync", "", fails(errNoIntegration)},
	{"POST", "/api/integrations/entry/{entryId}/{action}", "", controlGuest},
}

var (
	errNoTheme       = fail.NotFound("Theme not found")
	errNoProvider    = fail.NotFound("Provider not found")
	errNoEngine      = fail.NotFound("Engine not found")
	errNoFile        = fail.NotFound("File not found")
	errNoIntegration = fail.NotFound("Integration not found")
	errNoEntry       = fail.NotFound("Entry not found")
)

// registerAbsences has the guard before each, but gives them no name: an alert
// counts the failures of what has one.
func (s *server) registerAbsences(router heads, contract *openapi3.T) {
	for _, a := range absences {
		o := operation{method: a.method, route: a.path, timeout: defaultTimeout}
		if a.permission != "" {
			o.permissions = []permission.Name{a.permission}
		}
		if strings.HasPrefix(a.path, "/api/backup/export/") { // opened as a link
			o.queryToken = "token"
		}
		if a.path == "/api/themes/active" {
			o.body, o.bodyLimit, o.tooLarge = themeChoice, defaultBodyLimit, "The request body is too large"
		}
		before := []echo.MiddlewareFunc{s.deadline(o.timeout), s.guard(o)}
		if strings.HasSuffix(a.path, "}") {
			before = append([]echo.MiddlewareFunc{exact(contract)}, before...)
		}
		handler := func(c echo.Context) error { return a.answer(s, c) }
		if a.method == http.MethodGet {
			router.GET(echoRoute(a.path), handler, before...)
			continue
		}
		router.Add(a.method, echoRoute(a.path), handler, before...)
	}
}

func says(answer string) func(*server, echo.Context) error {
	return func(_ *server, c echo.Context) error { return c.JSONBlob(http.StatusOK, []byte(answer)) }
}

func fails(err error) func(*server, echo.Context) error {
	return func(*server, echo.Context) error { return err }
}

// lacks fails for a feature, named with its verb.
func lacks(feature string) func(*server, echo.Context) error {
	return fails(&fail.Error{Status: http.StatusNotImplemented, Message: feature + " not available on this server"})
}

var themeChoice = func() *openapi3.Schema {
	s := openapi3.NewObjectSchema().WithProperty("themeId", openapi3.NewInt64Schema().WithNullable().WithMin(1))
	s.Required, s.Extensions = []string{"themeId"}, map[string]any{"x-property-order": []any{"themeId"}}
	return s.WithoutAdditionalProperties()
}()

// chooseTheme knows the client's own themes, which have no id.
func chooseTheme(_ *server, c echo.Context) error {
	choice := c.Request().Body.(validated).value.(map[string]any)
	if choice["themeId"] != nil {
		return errNoTheme
	}
	return c.JSONBlob(http.StatusOK, []byte(`{"activeThemeId":null}`))
}

// listEngines answers the one that connects to hosts: the server itself.
func listEngines(s *server, c echo.Context) error {
	began := timestamp.Format(s.began)
	return c.JSON(http.StatusOK, []map[string]any{{
		"id": 1, "name": "Built-in", "isLocal": true, "connected": true, "version": s.version,
		"lastConnectedAt": began, "createdAt": began, "remoteAddr": nil, "encrypted": false,
	}})
}

// measureStorage answers bytes.
func measureStorage(s *server, c echo.Context) error {
	size, err := s.queries.GetDatabaseSize(c.Request().Context())
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, map[string]int64{"database": size, "recordings": 0, "logs": 0})
}

// controlGuest would start or stop a virtual machine.
func controlGuest(s *server, c echo.Context) error {
	ctx := c.Request().Context()
	id, err := strconv.ParseInt(c.Param("entryId"), 10, 64)
	if err != nil {
		return errNoEntry
	}
	if _, err := s.queries.GetEntryPlace(ctx, db.GetEntryPlaceParams{ID: id, Reach: caller.From(ctx).Reach}); err != nil {
		return fail.OnNoRows(err, errNoEntry)
	}
	return lacks("Control of Proxmox guests is")(s, c)
}

// assistantSocket is the WebSocket of the client's assistant, which only a configured
// one is asked for.
var assistantSocket = operation{
	id: "openAssistantSocket", method: http.MethodGet, route: "/api/ws/ai", queryToken: "sessionToken", websocket: true, timeout: 10 * time.Second,
}

func closeAssistant(_ context.Context, conn *ws.Conn, _ *caller.Caller, _ ws.Parameters) {
	conn.End(4020, "AI assistant is not configured")
}
