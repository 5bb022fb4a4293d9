package access_test

import (
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/server"
	"github.com/nexterm-go/nexterm/internal/testserver"
)

const (
	refusedState     = "This sign-in has expired, is already completed or was begun in another browser. Please start again."
	refusedSettings  = "This login provider is not available any more."
	refusedThere     = "The login provider has refused the sign-in."
	refusedAway      = "The login provider cannot be reached. Please try again later."
	refusedProof     = "The login provider's answer could not be verified."
	refusedUsername  = "The login provider does not tell a usable username."
	refusedName      = "The login provider does not tell a usable name."
	refusedDuplicate = "This username already belongs to another account."
)

// site is a server with a provider that it can reach.
type site struct {
	*testserver.Server
	t      *testing.T
	issuer *issuer
	id     int64
	// cookies are what browsers got when they began, by the sign-in's state.
	cookies *sync.Map
}

func newSite(t *testing.T, changes ...func(*server.Options)) *site {
	t.Helper()
	s := &site{testserver.New(t, append(changes, testserver.AllowLoopback)...), t, newIssuer(t), 0, &sync.Map{}}
	s.id = addProvider(s.Admin, s.issuer.url)
	return s
}

// other is one more server of the same deployment.
func (s *site) other() *site {
	s.t.Helper()
	return &site{testserver.Serve(s.t, s.Pool, s.Vault, testserver.AllowLoopback), s.t, s.issuer, s.id, s.cookies}
}

// begin signs in at the provider and returns what the browser comes back with.
func (s *site) begin() url.Values {
	s.t.Helper()
	var answer struct{ URL string }
	begun := s.start(s.id).Want(200)
	begun.Into(&answer)
	query := s.issuer.authorize(answer.URL)
	cookie, err := http.ParseSetCookie(begun.Header.Get("Set-Cookie"))
	require.NoError(s.t, err)
	s.cookies.Store(query.Get("state"), cookie.Name+"="+cookie.Value)
	return query
}

func (s *site) start(id int64) *testserver.Response {
	s.t.Helper()
	return s.Anonymous.Post(fmt.Sprint("/api/auth/oidc/login/", id), nil)
}

// finish comes back and returns what the application is told.
func (s *site) finish(query url.Values) (token, message string) {
	s.t.Helper()
	cookie, _ := s.cookies.LoadOrStore(query.Get("state"), "")
	answer := s.Anonymous.With("User-Agent", "Browser/1.0").With("Cookie", cookie.(string)).
		Get("/api/auth/oidc/callback?" + query.Encode()).Want(302)
	require.Equal(s.t, "__Host-nexterm-login=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax", answer.Header.Get("Set-Cookie"))
	require.Equal(s.t, "no-store", answer.Header.Get("Cache-Control"))
	require.Equal(s.t, "no-referrer", answer.Header.Get("Referrer-Policy"))
	require.Empty(s.t, answer.Body)
	location := answer.Header.Get("Location")
	require.Regexp(s.t, `^/\?(token=[0-9a-f]{96}|error=[A-Za-z0-9%.'_-]+)$`, location)
	u, err := url.Parse(location)
	require.NoError(s.t, err)
	return u.Query().Get("token"), u.Query().Get("error")
}

// me signs in and returns the account.
func (s *site) me() body {
	s.t.Helper()
	token, message := s.finish(s.begin())
	require.Empty(s.t, message)
	return s.account(token)
}

func (s *site) account(token string) body {
	s.t.Helper()
	var me body
	s.Anonymous.With("Authorization", "Bearer "+token).Get("/api/account/me").Want(200).Into(&me)
	return me
}

// refuses expects that a sign-in ends with a sentence and changes nothing.
func (s *site) refuses(message string) {
	s.t.Helper()
	s.wantRefusal(s.begin(), message)
}

func (s *site) wantRefusal(query url.Values, message string) {
	s.t.Helper()
	var before, after string
	const count = `select concat((select count(*) from accounts), ' ', (select count(*) from sessions), ' ', (select count(*) from oidc_accounts))`
	s.Scan(s.t, &before, count)
	_, told := s.finish(query)
	require.Equal(s.t, message, told)
	s.Scan(s.t, &after, count)
	require.Equal(s.t, before, after)
}

func TestTheFirstSignInCreatesAnAccountAndLaterOnesRefreshIt(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	me := s.me()
	require.Equal(t, []any{"ada.lovelace@example.com", "Ada", "Lovelace", "user", false},
		[]any{me["username"], me["firstName"], me["lastName"], me["role"], me["totpEnabled"]})

	s.issuer.person = body{"sub": "248289761001", "preferred_username": "renamed", "given_name": "Augusta Ada", "family_name": "King"}
	again := s.other().me()
	require.Equal(t, []any{me["id"], me["username"], "Augusta Ada", "King"}, []any{again["id"], again["username"], again["firstName"], again["lastName"]})
	// Names that are not told stay.
	s.issuer.person = body{"sub": "248289761001", "preferred_username": "renamed", "given_name": "", "family_name": 5}
	require.Equal(t, "Augusta Ada", s.me()["firstName"])

	token, _ := s.finish(s.begin())
	c := s.Anonymous.With("Authorization", "Bearer "+token)
	var sessions []body
	c.Get("/api/session/list").Want(200).Into(&sessions)
	require.Len(t, sessions, 4)
	require.Equal(t, []any{"Browser/1.0", "127.0.0.1", true}, []any{sessions[0]["userAgent"], sessions[0]["ip"], sessions[0]["current"]})
	var users struct{ Users []body }
	s.Admin.Get("/api/users/list?search=ada.love").Want(200).Into(&users)
	require.Len(t, users.Users, 1)
	s.Owner.Post(fmt.Sprintf("/api/organization/%d/invite", s.Organization), body{"username": "ada.lovelace@example.com"}).Want(200)

	// No password fits.
	for _, password := range []string{" ", "password", testserver.Password} {
		s.Anonymous.Post("/api/auth/login", body{"username": "ada.lovelace@example.com", "password": password}).WantError(401, "Username or password incorrect")
	}

	s.Admin.Delete(fmt.Sprintf("/api/users/%.0f", me["id"])).Want(200)
	var links int
	s.Scan(t, &links, `select count(*) from oidc_accounts`)
	require.Zero(t, links)
	c.Get("/api/account/me").Want(401)
	fresh := s.me()
	require.NotEqual(t, me["id"], fresh["id"])
	require.Equal(t, "renamed", fresh["username"])
	require.NotContains(t, s.Log.String(), token)
	require.NotContains(t, s.Log.String(), "state=")
}

// Whoever writes to the database cannot have a secret sent to an issuer of his own.
func TestASecretGoesToItsOwnIssuerOnly(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	own, evil := s.issuer, newIssuer(t)
	s.Exec(t, `update auth_providers set issuer = $1 where id = $2`, evil.url, s.id)
	s.issuer = evil
	s.refuses(refusedSettings)
	require.Zero(t, evil.hit("/token"))
	s.issuer = own
	s.Exec(t, `update auth_providers set issuer = $1, client_id = 'other' where id = $2`, own.url, s.id)
	s.refuses(refusedSettings)
	require.Zero(t, own.hit("/token"))
}

func TestTheStartAnswersThePageOfTheProvider(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Admin.Patch(providerPath(s.id), body{"scope": "profile email"}).Want(200)
	var answer struct{ URL string }
	s.Anonymous.With("Authorization", "Bearer null").Post(fmt.Sprint("/api/auth/oidc/login/", s.id), nil).Want(200).Into(&answer)
	u, err := url.Parse(answer.URL)
	require.NoError(t, err)
	require.Equal(t, []string{"nexterm", "https://nexterm.example.com/api/auth/oidc/callback", "openid profile email"},
		[]string{u.Query().Get("client_id"), u.Query().Get("redirect_uri"), u.Query().Get("scope")})
	require.NotContains(t, answer.URL, "s3cret")
	var stored string
	s.Scan(t, &stored, `select encode(state_hash, 'escape') || encode(nonce_hash, 'escape') || encode(code_verifier, 'escape') from oidc_logins`)
	require.NotContains(t, stored, u.Query().Get("state"))
	require.NotContains(t, stored, u.Query().Get("nonce"))

	s.start(1).WantError(404, "Provider not found or disabled")
	s.start(987654).WantError(404, "Provider not found or disabled")
	s.Anonymous.Post("/api/auth/oidc/login/x", nil).WantError(400, "Invalid provider ID")
	s.Admin.Patch(providerPath(s.id), body{"enabled": false}).Want(200)
	s.start(s.id).WantError(404, "Provider not found or disabled")
}

func TestClientsProveThemselvesAsTheProviderWants(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.issuer.about["token_endpoint_auth_methods_supported"] = []string{"client_secret_post"}
	s.me()
	public := newSite(t)
	public.issuer.clientSecret = ""
	public.Admin.Patch(providerPath(public.id), body{"clientSecret": nil}).Want(200)
	public.me()
	wrong := newSite(t)
	wrong.Admin.Patch(providerPath(wrong.id), body{"clientSecret": "canary-wrong-secret"}).Want(200)
	wrong.refuses(refusedThere)
	require.Contains(t, wrong.Log.String(), "invalid_grant")
	require.NotContains(t, wrong.Log.String(), "canary-wrong-secret")
}

func TestForgedProviderTokensAreRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	stranger, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	change := func(name string, value any) func(body) string {
		return func(claims body) string { return signed(t, newKey(), changed(claims, name, value)) }
	}
	for name, sign := range map[string]func(body) string{
		"another nonce":          change("nonce", "other"),
		"no nonce":               change("nonce", nil),
		"another issuer":         change("iss", "https://evil.example.com"),
		"another audience":       change("aud", "other"),
		"no audience":            change("aud", nil),
		"several audiences":      change("aud", []string{"nexterm", "other"}),
		"another party":          change("azp", "other"),
		"a party that is absent": change("azp", nil),
		"expired":                change("exp", time.Now().Add(-70*time.Second).Unix()),
		"no end":                 change("exp", nil),
		"not yet":                change("nbf", time.Now().Add(70*time.Second).Unix()),
		"a text as beginning":    change("nbf", "soon"),
		"issued long ago":        change("iat", time.Now().Add(-11*time.Minute).Unix()),
		"issued in the future":   change("iat", time.Now().Add(11*time.Minute).Unix()),
		"issued at no time":      change("iat", nil),
		"another access token":   change("at_hash", encode(make([]byte, 16))),
		"no subject":             change("sub", nil),
		"a number as subject":    change("sub", 7),
		"NUL in the subject":     change("sub", "a\x00"),
		"a huge subject":         change("sub", strings.Repeat("x", 256)),
		"another key":            func(claims body) string { return signed(t, stranger, claims) },
		"the algorithm none":     func(claims body) string { return jwt(t, body{"alg": "none"}, claims) + "." },
		"the client's secret":    func(claims body) string { return symmetric(t, []byte("s3cret"), claims) },
		"the public key":         func(claims body) string { return symmetric(t, newKey().N.Bytes(), claims) },
		"no ID token":            func(body) string { return "" },
		"garbage":                func(body) string { return "a.b.c" },
	} {
		s.issuer.sign = sign
		_, message := s.finish(s.begin())
		require.Equal(t, refusedProof, message, name)
	}
	// Clocks differ.
	for name, at := range map[string]time.Duration{"exp": -50 * time.Second, "nbf": 50 * time.Second, "iat": -9 * time.Minute} {
		s.issuer.sign = change(name, time.Now().Add(at).Unix())
		s.me()
	}
	s.issuer.sign = change("azp", "nexterm")
	s.me()
	s.issuer.sign = func(claims body) string {
		return signed(t, newKey(), changed(changed(claims, "aud", []string{"other", "nexterm"}), "azp", "nexterm"))
	}
	s.me()
}

func TestProviderStatesHoldOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, query := range []url.Values{{}, {"code": {"x"}}, {"state": {"x"}, "code": {"x"}}, {"state": {strings.Repeat("A", 43)}, "code": {"x"}}, {"error": {"access_denied"}}} {
		s.wantRefusal(query, refusedState)
	}
	s.Anonymous.Get("/api/auth/oidc/callback?state=" + strings.Repeat("x", 256)).Want(400)

	used := s.begin()
	_, message := s.finish(used)
	require.Empty(t, message)
	s.wantRefusal(used, refusedState)

	late := s.begin()
	s.Exec(t, `update oidc_logins set expires_at = now()`)
	s.wantRefusal(late, refusedState)

	cancelled := s.begin()
	s.wantRefusal(url.Values{"state": cancelled["state"], "error": {"access_denied"}, "error_description": {"<script>"}}, "The sign-in was cancelled.")
	s.wantRefusal(cancelled, refusedState)
	s.wantRefusal(url.Values{"state": s.begin()["state"], "error": {"<script>alert(1)</script>"}}, refusedThere)
	s.wantRefusal(url.Values{"state": s.begin()["state"]}, refusedThere)
	s.wantRefusal(url.Values{"state": s.begin()["state"], "code": {"invented"}}, refusedThere)

	old := s.begin()
	s.Exec(t, `update oidc_logins set expires_at = now()`)
	s.begin()
	s.wantRefusal(old, refusedState)
	var kept int
	s.Scan(t, &kept, `select count(*) from oidc_logins`)
	require.Equal(t, 1, kept, "what has ended goes")
}

// A code is good for the sign-in that it was made for only.
func TestCodesOfOtherSignIns(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	mine, stolen := s.begin(), s.begin()
	s.wantRefusal(url.Values{"state": mine["state"], "code": stolen["code"]}, refusedThere)

	evil := newIssuer(t)
	other := &site{s.Server, t, evil, addProvider(s.Admin, evil.url), s.cookies}
	mine, foreign := s.begin(), other.begin()
	s.wantRefusal(url.Values{"state": mine["state"], "code": foreign["code"]}, refusedThere)
	mine = s.begin()
	mine.Set("iss", evil.url)
	s.wantRefusal(mine, refusedProof)
	mine = s.begin()
	mine.Set("iss", s.issuer.url)
	token, _ := s.finish(mine)
	first := s.account(token)

	// The same subject of another issuer is somebody else, and names do not join.
	evil.person["preferred_username"] = first["username"]
	other.refuses(refusedDuplicate)
	evil.person["preferred_username"] = "mallory"
	require.NotEqual(t, first["id"], other.me()["id"])
	evil.sign = func(claims body) string { return signed(t, newKey(), changed(claims, "iss", s.issuer.url)) }
	other.refuses(refusedProof)
}

func TestUsernamesOfOthersAreNotTakenOver(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.issuer.person["preferred_username"] = "admin"
	s.issuer.person["email_verified"] = true
	s.refuses(refusedDuplicate)
	s.refuses(refusedDuplicate)
}

func TestSettingsOfTheBeginningHold(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, change := range []body{{"enabled": false}, {"enabled": true}, {"clientSecret": "other"}, {"clientSecret": "s3cret"}, {"name": "x"}} {
		s.Admin.Patch(providerPath(s.id), body{"enabled": true}).Want(200)
		begun := s.begin()
		s.Admin.Patch(providerPath(s.id), change).Want(200)
		s.wantRefusal(begun, refusedSettings)
	}
	begun := s.begin()
	s.Admin.Delete(providerPath(s.id)).Want(200)
	s.wantRefusal(begun, refusedState)
}

func TestNamesThatAreNotUsable(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.issuer.userInfo["sub"] = s.issuer.person["sub"]
	for _, username := range []any{
		nil, "", 7, []string{"ada"}, body{}, true, strings.Repeat("ü", 256), "a\x00b", "a\nb", " ada", "ada ", "ad\u200ba", "\u202eada", "a\ufffdb",
	} {
		s.issuer.person["preferred_username"] = username
		s.refuses(refusedUsername)
	}
	s.issuer.person["preferred_username"] = strings.Repeat("ü", 255)
	for _, name := range []string{"a\x00b", "\x1b[31m", "\ufffd", "\u202egnirts", "a\u2028b"} {
		s.issuer.person["given_name"] = name
		s.refuses(refusedName)
	}
	s.issuer.person["given_name"], s.issuer.person["family_name"] = strings.Repeat("é", 60), "\u3164 \u200b"
	me := s.me()
	require.Equal(t, []any{strings.Repeat("ü", 255), strings.Repeat("é", 50), ""}, []any{me["username"], me["firstName"], me["lastName"]})
}

func TestBothNamesFromOneAttribute(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Admin.Patch(providerPath(s.id), body{"firstNameAttribute": "family_name"}).Want(200)
	me := s.me()
	require.Equal(t, []any{"Lovelace", "Lovelace"}, []any{me["firstName"], me["lastName"]})
}

func TestAttributesFromUserInfo(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Admin.Patch(providerPath(s.id), body{"usernameAttribute": "nick", "firstNameAttribute": "first"}).Want(200)
	s.refuses(refusedProof) // whose UserInfo is about nobody
	s.issuer.userInfo = body{"sub": "somebody else", "nick": "ada"}
	s.refuses(refusedProof)
	s.issuer.userInfo = body{"sub": "248289761001", "nick": "ada", "first": "Ada", "family_name": "Overridden"}
	me := s.me()
	require.Equal(t, []any{"ada", "Ada", "Lovelace"}, []any{me["username"], me["firstName"], me["lastName"]})
	s.issuer.replaced["/userinfo"] = func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "access", http.StatusInternalServerError) }
	s.refuses(refusedProof)

	asked := s.issuer.hit("/userinfo")
	s.issuer.person["nick"], s.issuer.person["first"] = "ada", "Ada"
	s.me()
	require.Equal(t, asked, s.issuer.hit("/userinfo"), "the ID token tells it all")
	without := newSite(t)
	without.issuer.about["userinfo_endpoint"] = nil
	delete(without.issuer.person, "given_name")
	require.Equal(t, "", without.me()["firstName"])
}

func TestOfOneProviderAnswerOnTwoServersOneSignsIn(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	servers := []*site{s, s.other()}
	query := s.begin()
	var group sync.WaitGroup
	tokens, messages := make([]string, 6), make([]string, 6)
	for i := range tokens {
		group.Go(func() { tokens[i], messages[i] = servers[i%2].finish(query) })
	}
	group.Wait()
	require.Len(t, strings.Join(tokens, ""), 96)
	require.ElementsMatch(t, []string{"", refusedState, refusedState, refusedState, refusedState, refusedState}, messages)
}

func TestFirstSignInsTogetherCreateOneAccount(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	servers := []*site{s, s.other()}
	queries := make([]url.Values, 6)
	for i := range queries {
		queries[i] = s.begin()
	}
	var group sync.WaitGroup
	messages := make([]string, len(queries))
	for i, query := range queries {
		group.Go(func() { _, messages[i] = servers[i%2].finish(query) })
	}
	group.Wait()
	require.Empty(t, strings.Join(messages, ""))
	var accounts, sessions int
	s.Scan(t, &accounts, `select count(*) from accounts where username = 'ada.lovelace@example.com'`)
	s.Scan(t, &sessions, `select count(*) from sessions s join oidc_accounts l on l.account_id = s.account_id`)
	require.Equal(t, []int{1, 6}, []int{accounts, sessions})
}

func TestProviderSignInsAreLimited(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(o *server.Options) { o.LoginLimit = 1 })
	for range 5 {
		s.begin()
	}
	s.start(s.id).WantError(429, "Too many authentication attempts. Please try again later.")
	s.Anonymous.Post("/api/auth/login", body{"username": "owner", "password": testserver.Password}).Want(200)
}

func TestTheOldestOfTooManySignInsGoes(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	first, second := s.begin(), s.begin()
	s.Exec(t, `insert into oidc_logins (state_hash, provider_id, provider_revision, nonce_hash, key_id, code_verifier)
		select sha256(n::text::bytea), $1, 1, sha256(''), (select id from data_keys), '' from generate_series(1, 9998) n`, s.id)
	s.begin()
	s.wantRefusal(first, refusedState)
	_, message := s.finish(second)
	require.Empty(t, message)
}

// Whoever begins a sign-in of his own and sends the link to its end to somebody else
// would have that person work in his account.
func TestOnlyTheBrowserThatBeganFinishes(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	begun := s.start(s.id).Want(200).Header.Get("Set-Cookie")
	require.Regexp(t, `^__Host-nexterm-login=[0-9a-f]{64}; Path=/; Max-Age=600; Secure; HttpOnly; SameSite=Lax$`, begun)

	mine, foreign := s.begin(), s.begin()
	state := mine.Get("state")
	cookie, _ := s.cookies.Load(state)
	another, _ := s.cookies.Load(foreign.Get("state"))
	for _, wrong := range []any{"", another, "__Host-nexterm-login=", "__Host-nexterm-login=" + state, "__Host-nexterm-login=%zz"} {
		s.cookies.Store(state, wrong)
		s.wantRefusal(mine, refusedState)
	}
	s.Anonymous.With("Cookie", "__Host-nexterm-login="+strings.Repeat("x", 256)).Get("/api/auth/oidc/callback?state=x").Want(400)
	s.cookies.Store(state, cookie)
	_, message := s.finish(mine)
	require.Empty(t, message, "a stranger's attempt does not end the sign-in")
}
