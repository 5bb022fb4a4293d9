package access_test

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// newKey makes the key that issuers sign with, once: that takes its time.
var newKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// issuer is an OpenID Connect provider with a real server, which signs in
// everybody who asks. It insists on PKCE.
type issuer struct {
	t            *testing.T
	url          string
	clientSecret string

	mu    sync.Mutex
	codes map[string]url.Values
	hits  map[string]int
	// What it says of itself and of whoever signs in; tests falsify these.
	about    body
	person   body
	userInfo body
	// replaced are endpoints that answer otherwise.
	replaced map[string]http.HandlerFunc
	sign     func(claims body) string
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{
		t: t, clientSecret: "s3cret", codes: map[string]url.Values{}, hits: map[string]int{}, about: body{}, userInfo: body{}, replaced: map[string]http.HandlerFunc{},
		person: body{"sub": "248289761001", "preferred_username": "ada.lovelace@example.com", "given_name": "Ada", "family_name": "Lovelace"},
		sign:   func(claims body) string { return signed(t, newKey(), claims) },
	}
	listener := httptest.NewServer(i)
	t.Cleanup(listener.Close)
	i.url = listener.URL
	return i
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.hits[r.URL.Path]++
	if handler := i.replaced[r.URL.Path]; handler != nil {
		handler(w, r)
		return
	}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		about := body{
			"issuer": i.url, "authorization_endpoint": i.url + "/authorize", "token_endpoint": i.url + "/token", "jwks_uri": i.url + "/keys",
			"userinfo_endpoint": i.url + "/userinfo", "id_token_signing_alg_values_supported": []string{"RS256", "HS256", "none"},
		}
		maps.Copy(about, i.about)
		writeJSON(w, about)
	case "/keys":
		key := newKey()
		writeJSON(w, body{"keys": []body{{
			"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "1", "n": encode(key.N.Bytes()), "e": encode(big.NewInt(int64(key.E)).Bytes()),
		}}})
	case "/token":
		i.token(w, r)
	case "/userinfo":
		if r.Header.Get("Authorization") != "Bearer access" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		writeJSON(w, i.userInfo)
	default:
		http.NotFound(w, r)
	}
}

func writeJSON(w http.ResponseWriter, answer any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}

// token redeems a code, once, for the client that began with it.
func (i *issuer) token(w http.ResponseWriter, r *http.Request) {
	code := r.PostFormValue("code")
	begun := i.codes[code]
	delete(i.codes, code)
	id, secret, _ := r.BasicAuth()
	if i.clientSecret == "" || i.about["token_endpoint_auth_methods_supported"] != nil {
		id, secret = r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	}
	challenge := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	if begun == nil || r.Method != http.MethodPost || r.PostFormValue("grant_type") != "authorization_code" || r.PostFormValue("redirect_uri") != begun.Get("redirect_uri") ||
		id != begun.Get("client_id") || secret != i.clientSecret || encode(challenge[:]) != begun.Get("code_challenge") {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		writeJSON(w, body{"error": "invalid_grant", "error_description": "echo " + r.PostForm.Encode()})
		return
	}
	hash := sha256.Sum256([]byte("access"))
	claims := body{
		"iss": i.url, "aud": begun.Get("client_id"), "exp": time.Now().Add(time.Minute).Unix(), "iat": time.Now().Unix(), "nonce": begun.Get("nonce"),
		"at_hash": encode(hash[:16]),
	}
	maps.Copy(claims, i.person)
	writeJSON(w, body{"access_token": "access", "token_type": "Bearer", "id_token": i.sign(claims)})
}

// authorize is what a browser does at the page that a sign-in begins with; it
// returns the query that the browser comes back with.
func (i *issuer) authorize(page string) url.Values {
	i.t.Helper()
	u, err := url.Parse(page)
	require.NoError(i.t, err)
	require.Equal(i.t, i.url+"/authorize", u.Scheme+"://"+u.Host+u.Path)
	query := u.Query()
	require.Equal(i.t, "code", query.Get("response_type"))
	require.Equal(i.t, "S256", query.Get("code_challenge_method"))
	require.Contains(i.t, strings.Fields(query.Get("scope")), "openid")
	for _, name := range []string{"nonce", "state", "code_challenge"} {
		require.Len(i.t, query.Get(name), 43, name)
	}
	code := rand.Text()
	i.mu.Lock()
	defer i.mu.Unlock()
	i.codes[code] = query
	return url.Values{"code": {code}, "state": {query.Get("state")}}
}

func (i *issuer) hit(path string) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.hits[path]
}

func jwt(t *testing.T, header, claims body) string {
	t.Helper()
	var parts []string
	for _, part := range []body{header, claims} {
		text, err := json.Marshal(part)
		require.NoError(t, err)
		parts = append(parts, encode(text))
	}
	return strings.Join(parts, ".")
}

func signed(t *testing.T, key *rsa.PrivateKey, claims body) string {
	t.Helper()
	text := jwt(t, body{"alg": "RS256", "kid": "1"}, claims)
	hash := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, hash[:])
	require.NoError(t, err)
	return text + "." + encode(signature)
}

// symmetric signs with what everybody knows: the public key, or a secret.
func symmetric(t *testing.T, key []byte, claims body) string {
	t.Helper()
	text := jwt(t, body{"alg": "HS256", "kid": "1"}, claims)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return text + "." + encode(mac.Sum(nil))
}
