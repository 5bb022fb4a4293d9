package access_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
	"github.com/nexterm-go/nexterm/internal/testserver/browser"
)

// loginPage does what a web client does, with nothing but the browser's own API.
const loginPage = `<!doctype html><title>Sign in</title><script>
const post = async (path, body, token) => {
	const headers = {"Content-Type": "application/json"};
	if (token) headers.Authorization = "Bearer " + token;
	const answer = await fetch(path, {method: "POST", headers, body: JSON.stringify({...body, origin: location.origin})});
	return {status: answer.status, body: await answer.json()};
};
const register = async (token, name) => {
	const options = await post("/api/account/passkeys/register/options", {}, token);
	if (options.status !== 200) return options;
	const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options.body);
	const response = (await navigator.credentials.create({publicKey})).toJSON();
	return post("/api/account/passkeys/register/verify", {response, name}, token);
};
const signIn = async username => {
	const options = await post("/api/auth/passkey/options", username ? {username} : {});
	if (options.status !== 200) return options;
	const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options.body);
	const response = (await navigator.credentials.get({publicKey})).toJSON();
	return post("/api/auth/passkey/verify", {response});
};
</script>`

// serveLoginPage serves the page and, behind a proxy, the server under one
// origin; WebAuthn takes localhost for secure.
func serveLoginPage(t *testing.T, s *testserver.Server) (address string) {
	t.Helper()
	target, err := url.Parse(s.URL)
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle("/api/", httputil.NewSingleHostReverseProxy(target))
	mux.HandleFunc("/login", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprint(w, loginPage)
	})
	web := httptest.NewServer(mux)
	t.Cleanup(web.Close)
	_, port, err := net.SplitHostPort(web.Listener.Addr().String())
	require.NoError(t, err)
	return "http://localhost:" + port + "/login"
}

// scriptAnswer is what a function of the page returns of a request.
type scriptAnswer struct {
	Status int
	Body   struct{ Token, Message string }
	Error  string
}

func run(b *browser.Browser, function string, arguments ...any) (a scriptAnswer) {
	b.Eval(&a, "return "+function+"(...arguments).catch(error => ({error: String(error)}))", arguments...)
	return a
}

func TestChromiumRegistersAPasskeyAndSignsIn(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	ada := s.NewAccount(t, "ada")
	b := browser.Start(t)
	authenticator := b.AddAuthenticator()
	b.Open(serveLoginPage(t, s))

	registered := run(b, "register", ada.Token, "Chromium")
	require.Equal(t, 200, registered.Status, "%+v", registered)
	again := run(b, "register", ada.Token, "Chromium")
	require.Contains(t, again.Error, "InvalidStateError", "excludeCredentials names the authenticator's own")

	for _, username := range []string{"ada", "", "ada"} {
		opened := run(b, "signIn", username)
		require.Equal(t, 200, opened.Status, "%q: %+v", username, opened)
		var me struct{ Username string }
		s.Anonymous.With("Authorization", "Bearer "+opened.Body.Token).Get("/api/account/me").Want(200).Into(&me)
		require.Equal(t, "ada", me.Username)
	}
	var agents int
	s.Scan(t, &agents, `select count(*) from sessions where user_agent like '%Chrome%'`)
	require.Equal(t, 3, agents)

	b.SetUserVerified(authenticator, false)
	unverified := run(b, "signIn", "")
	require.NotEqual(t, 200, unverified.Status, "%+v", unverified)
	b.SetUserVerified(authenticator, true)

	s.Exec(t, `delete from passkeys`)
	require.Equal(t, 400, run(b, "signIn", "ada").Status)
	require.Equal(t, 401, run(b, "signIn", "").Status)
}
