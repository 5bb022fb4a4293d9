package server_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

// get asks for a path, uncompressed unless the headers, in pairs of name and value, say otherwise.
func get(t *testing.T, c *testserver.Client, url, path string, pairs ...string) (*http.Response, string) {
	t.Helper()
	return ask(t, http.MethodGet, c, url, path, pairs...)
}

func ask(t *testing.T, method string, c *testserver.Client, url, path string, pairs ...string) (*http.Response, string) {
	t.Helper()
	header := http.Header{"Accept-Encoding": {"identity"}}
	if c.Token != "" {
		header.Set("Authorization", "Bearer "+c.Token)
	}
	for i := 0; i < len(pairs); i += 2 {
		header.Set(pairs[i], pairs[i+1])
	}
	return raw(t, method, url+path, header, "")
}

func unzip(t *testing.T, packed string) string {
	t.Helper()
	reader, err := gzip.NewReader(strings.NewReader(packed))
	require.NoError(t, err)
	plain, err := io.ReadAll(reader)
	require.NoError(t, err)
	return string(plain)
}

func TestHeadIsServedWhereverGetIs(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	for _, path := range []string{"/healthz", "/readyz", "/metrics", "/api/openapi.json", "/api/docs", "/api/docs/docs.css"} {
		response, body := ask(t, http.MethodHead, s.Anonymous, s.URL, path)
		require.Equal(t, http.StatusOK, response.StatusCode, path)
		require.Empty(t, body)
	}
	for _, o := range contractOperations() {
		if o.method != http.MethodGet {
			continue
		}
		path := o.ownersPath(t, s)
		c := o.caller(s)
		if o.inQuery() {
			path += "?token=" + s.Owner.Token
		}
		whole, content := get(t, c, s.URL, path)
		head, none := ask(t, http.MethodHead, c, s.URL, path)
		assert.Equal(t, whole.StatusCode, head.StatusCode, o)
		assert.Empty(t, none, o)
		if o.OperationID == "getTotpSecret" || content == "" {
			continue // a new one each time; a redirect without a length
		}
		assert.EqualValues(t, len(content), head.ContentLength, o)
		for _, name := range []string{"Content-Type", "Content-Length", "Etag", "Vary", "Cache-Control", "Location"} {
			assert.Equal(t, whole.Header[name], head.Header[name], "%s: %s", o, name)
		}
	}
}

func TestJSONIsCompressedWhenAskedFor(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	s.Exec(t, `insert into snippets (account_id, name, command, sort_order) select $1, 'snippet ' || n, 'df -h', n from generate_series(1, 200) n`, s.Owner.AccountID)
	for _, path := range []string{"/api/openapi.json", "/api/snippet/all"} {
		plain, text := get(t, s.Owner, s.URL, path)
		require.Empty(t, plain.Header.Get("Content-Encoding"), path)
		require.Equal(t, "Accept-Encoding", plain.Header.Get("Vary"), path)
		for _, accepted := range []string{"gzip", "br, gzip;q=0.5", "*"} {
			packed, bytes := get(t, s.Owner, s.URL, path, "Accept-Encoding", accepted)
			require.Equal(t, "gzip", packed.Header.Get("Content-Encoding"), "%s %s", path, accepted)
			require.Equal(t, "Accept-Encoding", packed.Header.Get("Vary"), path)
			require.Less(t, 3*len(bytes), len(text), path)
			require.Equal(t, text, unzip(t, bytes), path)
		}
		for _, refused := range []string{"gzip;q=0", "br", "x-gzipped", "gzip;q=0, *"} {
			again, same := get(t, s.Owner, s.URL, path, "Accept-Encoding", refused)
			require.Empty(t, again.Header.Get("Content-Encoding"), "%s %s", path, refused)
			require.Equal(t, text, same)
		}
	}
	for _, path := range []string{"/api/tag/list", "/api/service/version", "/api/nothing", "/api/account/totp/secret"} {
		small, _ := get(t, s.Owner, s.URL, path, "Accept-Encoding", "gzip")
		require.Empty(t, small.Header.Get("Content-Encoding"), path)
	}
	metrics, packed := get(t, s.Owner, s.URL, "/metrics", "Accept-Encoding", "gzip")
	require.Equal(t, []string{"gzip"}, metrics.Header["Content-Encoding"])
	require.Contains(t, unzip(t, packed), "go_goroutines", "once")
	// The length of an answer with a token must not tell how much else in it is like the token.
	name := strings.Repeat("a", 255)
	login := fmt.Sprintf(`{"username":"owner","password":%q}`, testserver.Password)
	for path, body := range map[string]string{
		"/api/auth/login": login, "/api/account/api-keys": fmt.Sprintf(`{"name":%q}`, name[:100]),
	} {
		answer, _ := raw(t, http.MethodPost, s.URL+path, http.Header{
			"Accept-Encoding": {"gzip"}, "Content-Type": {"application/json"}, "Authorization": {"Bearer " + s.Owner.Token},
		}, body)
		require.Equal(t, http.StatusOK, answer.StatusCode, path)
		require.Empty(t, answer.Header.Get("Content-Encoding"), path)
		require.Empty(t, answer.Header.Get("ETag"), path)
	}
	secret, _ := get(t, s.Owner, s.URL, "/api/account/totp/secret")
	require.Empty(t, secret.Header.Get("ETag"))
}

func TestListsAreSentOnce(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	other := testserver.Serve(t, s.Pool, s.Vault)
	tag := func(name string) { s.Owner.Put("/api/tag", map[string]any{"name": name, "color": "#112233"}).Want(200) }
	tag("first")
	for _, path := range []string{"/api/tag/list", "/api/openapi.json"} {
		whole, text := get(t, s.Owner, s.URL, path)
		etag := whole.Header.Get("ETag")
		require.Regexp(t, `^W/"[!-~]+"$`, etag, path)
		packed, _ := get(t, s.Owner, s.URL, path, "Accept-Encoding", "gzip")
		require.Equal(t, etag, packed.Header.Get("ETag"), "it is the same list however it travels")
		for _, known := range []string{etag, `"x", ` + etag, strings.TrimPrefix(etag, "W/"), "*"} {
			for _, url := range []string{s.URL, other.URL} {
				for _, method := range []string{http.MethodGet, http.MethodHead} {
					again, rest := ask(t, method, s.Owner, url, path, "If-None-Match", known, "Accept-Encoding", "gzip")
					require.Equal(t, http.StatusNotModified, again.StatusCode, "%s %s", path, known)
					require.Empty(t, rest)
					require.Equal(t, etag, again.Header.Get("ETag"))
					require.Equal(t, whole.Header.Get("Cache-Control"), again.Header.Get("Cache-Control"))
					require.Empty(t, again.Header.Get("Content-Encoding"))
				}
			}
		}
		changed, same := get(t, s.Owner, s.URL, path, "If-None-Match", `W/"other"`)
		require.Equal(t, http.StatusOK, changed.StatusCode)
		require.Equal(t, text, same)
	}
	before, _ := get(t, s.Owner, s.URL, "/api/tag/list")
	tag("second")
	after, _ := get(t, s.Owner, s.URL, "/api/tag/list", "If-None-Match", before.Header.Get("ETag"))
	require.Equal(t, http.StatusOK, after.StatusCode)
	require.NotEqual(t, before.Header.Get("ETag"), after.Header.Get("ETag"))
	refused, _ := get(t, s.Anonymous, s.URL, "/api/tag/list", "If-None-Match", "*")
	require.Equal(t, http.StatusBadRequest, refused.StatusCode, "only who may see it learns that it is the same")
	require.Contains(t, s.Log.String(), `"status":304`)
}

func TestWhatIsKnownIsNotSentAgain(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	exampleConnection(t, s)
	for _, o := range contractOperations() {
		if o.answers(http.StatusNotModified) && o.Extensions["x-not-yet"] == nil {
			o.caller(s).With("If-None-Match", "*").Get(o.ownersPath(t, s)).Want(304)
		}
	}
}

// A list that is too long to be held goes out as it is written.
func TestLongListsAreNotHeld(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	s.Exec(t, `insert into snippets (account_id, name, command, sort_order)
		select $1, 'snippet ' || n, repeat(md5(n::text), 200), n from generate_series(1, 700) n`, s.Owner.AccountID)
	whole, text := get(t, s.Owner, s.URL, "/api/snippet/all")
	require.Greater(t, len(text), 4<<20)
	require.Empty(t, whole.Header.Get("ETag"))
	packed, small := get(t, s.Owner, s.URL, "/api/snippet/all", "Accept-Encoding", "gzip")
	require.Equal(t, "gzip", packed.Header.Get("Content-Encoding"))
	require.True(t, bytes.Equal([]byte(text), []byte(unzip(t, small))))
}
