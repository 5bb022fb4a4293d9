package sdk

import (
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"
)

func TestNames(t *testing.T) {
	t.Parallel()
	for _, name := range []struct{ id, service, short string }{
		{"createEntry", "entries", "create"},
		{"listRecentEntries", "entries", "listRecent"},
		{"getOrganizationSessionSettings", "organizations", "getSessionSettings"},
		{"listApiKeys", "apiKeys", "list"},
		{"createOidcProvider", "authProviders", "createOidc"},
		{"listMembers", "organizations", "listMembers"},
		{"importSSHConfig", "entries", "importSSHConfig"},
		{"login", "sessions", "login"},
	} {
		require.Equal(t, name.short, shorten(name.id, name.service), name.id)
	}
	require.Equal(t, []string{"import", "ssh", "config"}, Words("importSSHConfig"))
	require.Equal(t, "importSshConfig", Camel([]string{"import", "ssh", "config"}))
	require.Equal(t, "identities", plural("identity"))
	require.Equal(t, "hostkeys", plural("hostkey"))
}

func document(t *testing.T, paths string) *openapi3.T {
	t.Helper()
	document, err := openapi3.NewLoader().LoadFromData([]byte(`{"openapi": "3.0.3", "tags": [{"name": "entry"}, {"name": "feed"}], "paths": ` + paths + `}`))
	require.NoError(t, err)
	return document
}

func TestServices(t *testing.T) {
	t.Parallel()
	services, err := Services(document(t, `{
		"/a/{id}": {
			"parameters": [{"name": "q", "in": "query", "schema": {"type": "string"}}, {"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}],
			"get": {"operationId": "listEntries", "tags": ["entry"], "responses": {"200": {"description": "d"}}},
			"put": {"operationId": "createEntry", "tags": ["entry"], "x-sdk-name": "add", "responses": {"201": {"description": "d"}}}},
		"/b": {"get": {"operationId": "openSocket", "tags": ["feed"], "responses": {"101": {"description": "d"}}}}}`))
	require.NoError(t, err)
	require.Len(t, services, 1)
	require.Equal(t, "entries", services[0].Name)
	require.Len(t, services[0].Operations, 2)
	require.Equal(t, "add", services[0].Operations[0].Name)
	require.Equal(t, "PUT", services[0].Operations[0].Method)
	require.Equal(t, "list", services[0].Operations[1].Name)
	require.Equal(t, "id", services[0].Operations[1].Parameters[0].Name)
	require.Equal(t, "q", services[0].Operations[1].Parameters[1].Name)
	require.Equal(t, map[string]map[string]string{"entries": {"add": "createEntry", "list": "listEntries"}}, Names(services))

	_, err = Services(document(t, `{
		"/a": {"delete": {"operationId": "deleteEntries", "tags": ["entry"], "responses": {"200": {"description": "d"}}}},
		"/b": {"delete": {"operationId": "deleteEntry", "tags": ["entry"], "responses": {"200": {"description": "d"}}}}}`))
	require.EqualError(t, err, "deleteEntries and deleteEntry are both entries.delete; give one of them an x-sdk-name")
}

func TestPagedLists(t *testing.T) {
	t.Parallel()
	page := `"responses": {"200": {"description": "d", "content": {"application/json": {"schema":
		{"type": "object", "properties": {"total": {"type": "integer"}, "logs": {"type": "array", "items": {"type": "string"}}}}}}}}`
	parameter := func(name string) string {
		return `{"name": "` + name + `", "in": "query", "schema": {"type": "string"}}`
	}
	services, err := Services(document(t, `{
		"/a": {"get": {"operationId": "listEntryLogs", "tags": ["entry"], "parameters": [`+parameter("limit")+`,`+parameter("offset")+`,`+parameter("cursor")+`], `+page+`}},
		"/b": {"get": {"operationId": "listEntries", "tags": ["entry"], "parameters": [`+parameter("limit")+`], `+page+`}}}`))
	require.NoError(t, err)
	require.Nil(t, services[0].Operations[0].Pages)
	require.Equal(t, &Pages{Name: "allLogs", Items: "logs", Cursor: true}, services[0].Operations[1].Pages)
	require.Equal(t, map[string]string{"list": "listEntries", "listLogs": "listEntryLogs", "allLogs": "listEntryLogs"}, Names(services)["entries"])
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	require.True(t, Secret("token", openapi3.NewStringSchema()))
	require.True(t, Secret("key", openapi3.NewStringSchema().WithFormat("password")))
	require.True(t, Secret("code", &openapi3.Schema{Extensions: map[string]any{"x-secret": true}}))
	require.False(t, Secret("code", openapi3.NewStringSchema()))
}
