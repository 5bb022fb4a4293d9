package access_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func hang(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // before that, nobody notices that the client is gone
	select {
	case <-r.Context().Done():
	case <-time.After(time.Minute):
	}
}

func huge(w http.ResponseWriter, _ *http.Request) {
	_, _ = fmt.Fprintf(w, `{"padding": "%s"}`, strings.Repeat("x", 1<<20))
}

func broken(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, "internal detail of the provider", http.StatusInternalServerError)
}

func garbage(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, "<html>") }

// inside is a server at an address that this one may not reach, and counts who
// gets there all the same.
func inside(t *testing.T) (url string, hits *int) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.2:0")
	require.NoError(t, err)
	hits = new(int)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { *hits++ }))
	_ = s.Listener.Close()
	s.Listener = listener
	s.Start()
	t.Cleanup(s.Close)
	return s.URL, hits
}

const discovery = "/.well-known/openid-configuration"

func TestProvidersThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	private, hits := inside(t)
	for name, endpoint := range map[string]http.HandlerFunc{
		"slow": hang, "huge": huge, "broken": broken, "garbage": garbage, "nothing there": http.NotFound,
		"redirecting": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
		"redirecting inside": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, private, http.StatusTemporaryRedirect)
		},
		"closing":               func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"of another issuer":     func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, body{"issuer": "https://id.example.com"}) },
		"without any endpoints": func(w http.ResponseWriter, r *http.Request) { writeJSON(w, body{"issuer": "http://" + r.Host}) },
		"with a page that is a script": func(w http.ResponseWriter, r *http.Request) {
			writeJSON(w, body{"issuer": "http://" + r.Host, "authorization_endpoint": "javascript:alert(1)", "token_endpoint": "http://" + r.Host, "jwks_uri": "http://" + r.Host})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.issuer.replaced[discovery] = endpoint
			answer := s.start(s.id)
			answer.WantError(503, refusedAway)
			require.Contains(t, s.Log.String(), "login provider")
			require.Less(t, len(s.Log.String()), 20_000)
		})
	}
	t.Cleanup(func() { require.Zero(t, *hits) })
}

func TestProviderEndpointsThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	private, hits := inside(t)
	redirect := func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, private, http.StatusTemporaryRedirect)
	}
	for path, message := range map[string]string{"/token": refusedThere, "/keys": refusedProof, "/userinfo": refusedProof} {
		endpoints := map[string]http.HandlerFunc{"huge": huge, "broken": broken, "garbage": garbage, "redirecting inside": redirect}
		if path == "/token" {
			endpoints["slow"] = hang // one is enough: that takes as long as it may
		}
		for name, endpoint := range endpoints {
			t.Run(path+" "+name, func(t *testing.T) {
				t.Parallel()
				s := newSite(t)
				delete(s.issuer.person, "given_name")
				s.issuer.replaced[path] = endpoint
				s.refuses(message)
				if path != "/keys" {
					require.NotContains(t, s.Log.String(), "internal detail", "it could repeat a secret")
				}
			})
		}
	}
	for member, message := range map[string]string{"token_endpoint": refusedThere, "jwks_uri": refusedProof, "userinfo_endpoint": refusedProof} {
		t.Run(member+" inside", func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			delete(s.issuer.person, "given_name")
			s.issuer.about[member] = private
			s.refuses(message)
		})
	}
	t.Cleanup(func() { require.Zero(t, *hits) })
}

// What was allowed once need not be any more.
func TestIssuersAreCheckedAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	private, hits := inside(t)
	s.Exec(t, `update auth_providers set issuer = $1 where id = $2`, private, s.id)
	s.start(s.id).WantError(503, refusedAway)
	s.Exec(t, `update auth_providers set issuer = $1 where id = $2`, strings.Replace(private, "http:", "https:", 1), s.id)
	s.start(s.id).WantError(503, refusedAway)
	require.Zero(t, *hits)
}

// A provider's word about itself is remembered, but not for ever.
func TestProviderMetadataIsRemembered(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for range 3 {
		s.me()
	}
	require.Equal(t, []int{1, 1}, []int{s.issuer.hit(discovery), s.issuer.hit("/keys")})
}
