package server

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/gen"
	"github.com/nexterm-go/nexterm/internal/fail"
)

func contract(t testing.TB) *openapi3.T {
	t.Helper()
	document, err := openapi3.NewLoader().LoadFromData(gen.OpenAPI)
	require.NoError(t, err)
	return document
}

// What the strict decoder takes, encoding/json takes too and understands the same.
func FuzzDecodeObject(f *testing.F) {
	for _, seed := range []string{
		`{}`, ` {"a":1} `, `{"a":{"b":[1,2.5e3,"x",true,null]}}`, `{"a":1,"a":2}`, `{"a\u0000":1}`, `{"a":"\ud800"}`, "{\"a\":\"\xff\"}",
		`[]`, `"x"`, `null`, `{"a":1}x`, `{"a":1e999}`, `{"a":-0}`, "{\"a\":\"\x00\"}", `{"\u0061":1,"a":1}`, "\ufeff{}", `{"a":"\u2028"}`,
		strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		open := true
		schema := &openapi3.Schema{Type: &openapi3.Types{"object"}, AdditionalProperties: openapi3.AdditionalProperties{Has: &open}}
		value, err := decodeObject(schema, data)
		if err != nil {
			var named *fail.Error
			require.ErrorAs(t, err, &named)
			require.Equal(t, http.StatusBadRequest, named.Status)
			return
		}
		require.True(t, utf8.Valid(data))
		require.IsType(t, map[string]any{}, value)
		decoder := json.NewDecoder(strings.NewReader(string(data)))
		decoder.UseNumber()
		var expected any
		require.NoError(t, decoder.Decode(&expected))
		encoded, err := json.Marshal(value)
		require.NoError(t, err)
		decoder = json.NewDecoder(strings.NewReader(string(encoded)))
		decoder.UseNumber()
		var again any
		require.NoError(t, decoder.Decode(&again))
		require.Equal(t, expected, again)
		require.NotContains(t, strings.ReplaceAll(string(encoded), `\\`, ""), `\u0000`)
	})
}

func FuzzRewrite(f *testing.F) {
	document := contract(f)
	canonical := canonicalGroups(document)
	for _, seed := range []string{
		"/api/identities", "/api/identities/", "/api/identities/7/move", "/api/identity/list", "/api/sessions//", "/", "", "//", "/api/", "/api",
		"/api/organizations/%2F", "identities", "/api/identitiesx/list", "/api/accounts/me/", "/metrics/",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		rewritten := rewrite(path, canonical, document)
		if strings.HasSuffix(path, "//") {
			return // one slash goes, and then another would
		}
		require.Equal(t, rewritten, rewrite(rewritten, canonical, document), "a second time changes nothing")
		// What is below the group stays byte for byte.
		trimmed := path
		if len(path) > 1 {
			trimmed = strings.TrimSuffix(path, "/")
		}
		if rewritten == trimmed {
			return
		}
		parts, others := strings.SplitN(trimmed, "/", 4), strings.SplitN(rewritten, "/", 4)
		require.Equal(t, len(parts), len(others))
		require.Equal(t, "/api/"+others[2], canonical[parts[2]])
		require.Equal(t, parts[3:], others[3:])
	})
}

func FuzzParseProxyTrust(f *testing.F) {
	for _, seed := range []string{
		"", "false", "true", "1", "-1", "+1", "99999999999999999999", "loopback", "10.0.0.0/8, ::1", "fe80::1%eth0", "::ffff:10.0.0.1",
		"10.0.0.0/33", ",", "loopback,", " 2 ", "1.5", "uniquelocal,linklocal", "::ffff:10.0.0.0/104", "0.0.0.0/0",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, setting string) {
		trust, err := ParseProxyTrust(setting)
		if err != nil {
			require.Equal(t, ProxyTrust{}, trust, "a refused setting trusts nobody")
			return
		}
		require.GreaterOrEqual(t, trust.hops, 0)
		require.Equal(t, strings.TrimSpace(setting) == "true", trust.all)
		for _, network := range trust.networks {
			require.True(t, network.IsValid())
			require.Equal(t, network.Masked(), network)
			require.False(t, network.Addr().Is4In6(), "addresses are compared as IPv4")
		}
	})
}

func FuzzClient(f *testing.F) {
	for _, seed := range [][4]string{
		{"1", "192.0.2.1:1234", "198.51.100.7", "agent"}, {"loopback", "127.0.0.1:1", "1.1.1.1, 10.0.0.1", ""},
		{"true", "[::1]:1", "2001:db8::1, garbage", "\xff"}, {"", "pipe", ",,,", "x"}, {"2", "[fe80::1%eth0]:1", "::ffff:1.2.3.4,fe80::2%x", "y"},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3])
	}
	f.Fuzz(func(t *testing.T, setting, remote, forwarded, agent string) {
		trust, err := ParseProxyTrust(setting)
		if err != nil {
			return
		}
		r := &http.Request{RemoteAddr: remote, Header: http.Header{"X-Forwarded-For": {forwarded}, "User-Agent": {agent}}}
		client := trust.client(r)
		require.True(t, utf8.ValidString(client.UserAgent))
		if client.IP != "" {
			addr, err := netip.ParseAddr(client.IP)
			require.NoError(t, err)
			require.False(t, addr.Is4In6())
			require.Empty(t, addr.Zone())
			require.NotEmpty(t, client.Network())
		}
		if trust.hops == 0 && !trust.all && len(trust.networks) == 0 && peer(r).IsValid() {
			require.Equal(t, peer(r).String(), client.IP, "nobody is trusted")
		}
	})
}

// Whatever a body holds, the guard says one sentence or lets it pass as its
// schema wants it; and a second coercion changes nothing.
func FuzzCoerce(f *testing.F) {
	document := contract(f)
	var schemas []*openapi3.Schema
	for _, item := range document.Paths.Map() {
		for _, op := range item.Operations() {
			if op.RequestBody == nil {
				continue
			}
			if content := op.RequestBody.Value.Content.Get("application/json"); content != nil {
				schemas = append(schemas, content.Schema.Value)
			}
		}
	}
	for _, seed := range []string{
		`{"organizationId":"7"}`, `{"organizationId":7.0}`, `{"organizationId":1e2}`, `{"organizationId":1e99999999}`, `{"name":5}`,
		`{"type":"ssh","name":"abc"}`, `{"a":null}`, `{"recordingRetentionDays":"30"}`, `{"permissions":{"x":"allow"}}`, `{}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, schema := range schemas {
			value, err := decodeObject(schema, data)
			if err != nil {
				return
			}
			value = coerce(schema, value)
			message := violation(schema, value, "")
			require.Equal(t, schema.VisitJSON(value) == nil, message == "")
			require.True(t, utf8.ValidString(message))
			if message == "" {
				require.Equal(t, value, coerce(schema, value))
				_, err := json.Marshal(value)
				require.NoError(t, err)
			}
		}
	})
}

// A number that passes is the same number for the code that binds it.
func FuzzQueryNumber(f *testing.F) {
	one, many := 1.0, 500.0
	schema := &openapi3.Schema{Type: &openapi3.Types{"integer"}, Format: "int64", Min: &one, Max: &many}
	for _, seed := range []string{"1", "500", "501", "1e2", "100.0", "0x1", "+1", " 1", "1e99999999", "-0", "١"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		value, message := coerceText(schema, text, "limit")
		if message == "" {
			message = violation(schema, value, "limit")
		}
		if message != "" {
			require.True(t, strings.HasPrefix(message, "limit "))
			return
		}
		require.Equal(t, reflect.Int64, reflect.TypeOf(value).Kind())
		require.LessOrEqual(t, value, int64(500))
		require.GreaterOrEqual(t, value, int64(1))
	})
}

func FuzzParseQuery(f *testing.F) {
	for _, seed := range []string{"", "a=1&b=2", "a=%00", "a=%ff", "a=%zz", "a;b", "%00=1", "a=1&a=2", "a+b=c+d", "&&=&"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		values, err := parseQuery(raw)
		if err != nil {
			var named *fail.Error
			require.True(t, errors.As(err, &named))
			return
		}
		again, err := url.ParseQuery(values.Encode())
		require.NoError(t, err)
		require.Equal(t, values, again)
	})
}
