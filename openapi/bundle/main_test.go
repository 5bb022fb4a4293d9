package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/gen"
)

const root = `
openapi: 3.0.3
info: {title: t, version: '1'}
paths:
  /api/a: {$ref: 'a.yaml#/paths/~1api~1a'}
components:
  schemas:
    Shared: {type: object, properties: {z: {type: string}, a: {type: string}}}
`

const tag = `
paths:
  /api/a:
    get: {responses: {'200': {description: d, content: {application/json: {schema: {$ref: '#/components/schemas/Own'}}}}}}
components:
  schemas:
    Own: {type: object, properties: {y: {$ref: 'openapi.yaml#/components/schemas/Shared'}, b: {type: string}}}
`

func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	return dir
}

func TestBundle(t *testing.T) {
	t.Parallel()
	document, err := bundle(write(t, map[string]string{"openapi.yaml": root, "a.yaml": tag}))
	require.NoError(t, err)
	require.JSONEq(t, `{"openapi":"3.0.3","info":{"title":"t","version":"1"},
		"paths":{"/api/a":{"get":{"responses":{"200":{"description":"d","content":{"application/json":{"schema":{"$ref":"#/components/schemas/Own"}}}},
			"304":{"$ref":"#/components/responses/NotModified"}}}}},
		"components":{"schemas":{
			"Shared":{"type":"object","properties":{"z":{"type":"string"},"a":{"type":"string"}},"x-property-order":["z","a"]},
			"Own":{"type":"object","properties":{"y":{"$ref":"#/components/schemas/Shared"},"b":{"type":"string"}},"x-property-order":["y","b"]}}}}`,
		string(document))
}

func TestBundleRefuses(t *testing.T) {
	t.Parallel()
	for message, files := range map[string]map[string]string{
		"a.yaml: components/schemas/Shared exists already": {"openapi.yaml": root, "a.yaml": tag + "    Shared: {type: string}\n"},
		"a.yaml: no path /api/a":                           {"openapi.yaml": root, "a.yaml": "paths: {}"},
		"openapi.yaml: /api/a refers to a.yaml#/paths/~1api~1b, not to a.yaml#/paths/~1api~1a": {
			"openapi.yaml": "paths: {/api/a: {$ref: 'a.yaml#/paths/~1api~1b'}}"},
		"a.yaml: /api/b is not listed in openapi.yaml; add /api/b: {$ref: 'a.yaml#/paths/~1api~1b'}": {
			"openapi.yaml": root, "a.yaml": strings.Replace(tag, "components:", "  /api/b: {get: {}}\ncomponents:", 1)},
		"new.yaml: /api/c is not listed in openapi.yaml; add /api/c: {$ref: 'new.yaml#/paths/~1api~1c'}": {
			"openapi.yaml": root, "a.yaml": tag, "new.yaml": "paths: {/api/c: {get: {}}}"},
		"a.yaml: yaml: unmarshal errors:\n  line 2: mapping key \"/api/a\" already defined at line 2": {
			"openapi.yaml": root, "a.yaml": "\npaths: {/api/a: {}, /api/a: {}}"},
		"openapi.yaml: /api/a is not a reference to a tag file": {"openapi.yaml": "paths: {/api/a: {get: {}}}"},
	} {
		_, err := bundle(write(t, files))
		require.EqualError(t, err, message)
	}
	_, err := bundle(write(t, map[string]string{"openapi.yaml": root}))
	require.ErrorIs(t, err, os.ErrNotExist)
}

// Bundling what is committed changes nothing.
func TestBundleIsFresh(t *testing.T) {
	t.Parallel()
	document, err := bundle("..")
	require.NoError(t, err)
	require.Equal(t, string(gen.OpenAPI), string(document))
}
