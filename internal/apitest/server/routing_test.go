package server_test

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/gen"
	"github.com/nexterm-go/nexterm/internal/testserver"
)

var methods = []string{"GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "NONSENSE"}

func TestWrongMethods(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	for path := range testserver.Contract().Paths.Map() {
		path = parameter.ReplaceAllString(path, "1")
		// More than one template can match: /api/identity/list is an id to some.
		var served []string
		for template, item := range testserver.Contract().Paths.Map() {
			if !regexp.MustCompile("^" + parameter.ReplaceAllString(template, "[^/]+") + "$").MatchString(path) {
				continue
			}
			for method, op := range item.Operations() {
				served = append(served, method)
				if method == http.MethodGet && op.Extensions["x-websocket"] != true {
					served = append(served, http.MethodHead)
				}
			}
		}
		for _, method := range methods {
			if slices.Contains(served, method) {
				continue
			}
			response, body := raw(t, method, s.URL+path, http.Header{"Authorization": {"Bearer " + s.Owner.Token}}, "")
			allow := strings.Split(response.Header.Get("Allow"), ", ")
			require.NotEmpty(t, allow[0], "%s %s", method, path)
			for _, method := range allow {
				assert.Contains(t, append(served, "OPTIONS"), method, path)
			}
			switch method {
			case "OPTIONS": // asks for just that header
				require.Equal(t, http.StatusNoContent, response.StatusCode, path)
			case "HEAD": // has no body
				require.Equal(t, http.StatusMethodNotAllowed, response.StatusCode, path)
			default:
				wantShape(t, response, body, http.StatusMethodNotAllowed)
			}
		}
	}
}

func TestUnknownPaths(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	for _, path := range []string{
		"/", "/api", "/api/", "/api/nothing", "/api/identity/1/nothing", "/api/identities/1/2/3", "//api/identity/list",
		"/api//identity/list", "/api/identity//list", "/API/identity/list", "/api/Identity/list", "/api/identity/list/x",
		"/api/identity%2Flist", "/api/../api/nothing", "/api/%00", "/api/\u00fc", "/api/%ff", "/metrics/x", "/healthz/x",
		"/.env", "/api/identitys/list", "/api/" + strings.Repeat("x", 8000),
	} {
		for _, method := range []string{"GET", "PUT", "DELETE"} {
			response, body := raw(t, method, s.URL+path, nil, "")
			wantShape(t, response, body, http.StatusNotFound)
		}
	}
}

// Both spellings of a path, with and without a slash at the end, are one.
func TestSpellings(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, manyLogins)
	for _, o := range contractOperations() {
		for _, c := range []*testserver.Client{s.Anonymous, s.Stranger} {
			path := o.unknownPath()
			// A request that changes nothing, so that it can be repeated.
			body := any("{")
			if o.body() == nil {
				body = nil
			}
			canonical := o.send(c, path, body)
			for _, spelling := range spellings(path) {
				other := o.send(c, spelling, body)
				assert.Equal(t, canonical.Status, other.Status, spelling)
				assert.Equal(t, string(canonical.Body), string(other.Body), spelling)
				assert.Equal(t, canonical.Header.Get("Content-Type"), other.Header.Get("Content-Type"), spelling)
			}
		}
	}
}

// spellings lists the other ways of writing a canonical path.
func spellings(path string) []string {
	all := []string{path + "/", path + "?", path + "/?limit="}
	for _, tag := range testserver.Contract().Tags {
		groups, _ := tag.Extensions["x-alias"].(map[string]any)
		for group, alias := range groups {
			if rest, found := strings.CutPrefix(path, group); found && (rest == "" || rest[0] == '/') {
				plural := alias.(string) + rest
				if testserver.Contract().Paths.Value(plural) == nil {
					all = append(all, plural, plural+"/")
				}
			}
		}
	}
	return all
}

func TestPluralSpellingsExist(t *testing.T) {
	t.Parallel()
	require.Contains(t, spellings("/api/identity/list"), "/api/identities/list")
	require.Contains(t, spellings("/api/session/7"), "/api/sessions/7/")
	require.Contains(t, spellings("/api/account/me"), "/api/accounts/me")
}

func TestServiceEndpoints(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	require.Equal(t, "ok\n", string(s.Anonymous.Get("/healthz").Want(200).Body))
	require.Equal(t, "ready\n", string(s.Anonymous.Get("/readyz").Want(200).Body))
	require.NotContains(t, s.Log.String(), `"level":"INFO"`, "what is asked all the time is no news")

	s.Owner.Get("/api/account/me").Want(200)
	metrics := string(s.Anonymous.Get("/metrics").Want(200).Body)
	require.Contains(t, metrics, `nexterm_request_duration_seconds_count{method="GET",operation="getMe",status="200"} 1`)
	require.Contains(t, metrics, "nexterm_database_connections_in_use")
	require.Contains(t, metrics, "go_goroutines")

	contract := s.Anonymous.Get("/api/openapi.json").Want(200)
	require.Equal(t, gen.OpenAPI, contract.Body)
	require.Contains(t, string(s.Anonymous.Get("/api/docs").Want(200).Body), "/api/openapi.json")
}

// Clients cannot create series by inventing methods and paths.
func TestMetricsHaveFewLabels(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	for _, method := range []string{"INVENTED", "GET"} {
		raw(t, method, s.URL+"/api/invented/path", nil, "")
	}
	metrics := string(s.Anonymous.Get("/metrics").Want(200).Body)
	require.NotContains(t, strings.ToLower(metrics), "invented")
	require.Contains(t, metrics, `{method="other",operation="",status="404"} 1`)
}

func TestLogLines(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	answer := s.Owner.Get("/api/identities/list?token=in-the-query").Want(200)
	id := answer.Header.Get("X-Request-Id")
	require.NotEmpty(t, id)
	require.NotEqual(t, id, s.Owner.Get("/api/identity/list").Header.Get("X-Request-Id"))
	s.Anonymous.With("X-Request-Id", "chosen by the client").Get("/api/nothing?token=in-the-query").Want(404)

	var line struct {
		Msg, Method, Path, Operation, IP string
		Status                           int
		Account                          int64
		RequestID                        string `json:"request_id"`
	}
	for text := range strings.Lines(s.Log.String()) {
		if strings.Contains(text, id) {
			require.NoError(t, json.Unmarshal([]byte(text), &line))
			break
		}
	}
	require.Equal(t, "request", line.Msg)
	require.Equal(t, "GET", line.Method)
	require.Equal(t, "/api/identity/list", line.Path)
	require.Equal(t, "listIdentities", line.Operation)
	require.Equal(t, "127.0.0.1", line.IP)
	require.Equal(t, 200, line.Status)
	require.Equal(t, s.Owner.AccountID, line.Account)
	require.Equal(t, id, line.RequestID)
	require.NotContains(t, s.Log.String(), "in-the-query")
	require.NotContains(t, s.Log.String(), "chosen by the client")
}

func TestHeadersOfAnswers(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	for _, path := range []string{"/api/account/me", "/api/nothing", "/healthz"} {
		header := s.Owner.Get(path).Header
		require.NotEmpty(t, header.Get("X-Request-Id"), path)
		require.Equal(t, "nosniff", header.Get("X-Content-Type-Options"), path)
		require.Equal(t, "no-store", header.Get("Cache-Control"), path)
	}
}

// A client that gives up is nobody's failure: no error is logged.
func TestClientThatGoesAway(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	require.NoError(t, err)
	_, err = io.WriteString(conn, "PUT /api/identity HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+s.Owner.Token+
		"\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{\"name\":")
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	require.Eventually(t, func() bool { return strings.Contains(s.Log.String(), "createIdentity") }, waitLimit, waitTick)
	require.NotContains(t, s.Log.String(), `"level":"ERROR"`)
}
