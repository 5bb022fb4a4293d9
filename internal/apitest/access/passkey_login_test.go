package access_test

import (
	"fmt"
	"maps"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/server"
	"github.com/nexterm-go/nexterm/internal/testserver"
)

const passkeyRefused = "Authentication verification failed"

func portOf(t *testing.T, s *testserver.Server) string {
	t.Helper()
	u, err := url.Parse(s.URL)
	require.NoError(t, err)
	return u.Port()
}

func TestPasskeysSignInWithAndWithoutAUsername(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	p := newPage(t, s)
	ada := s.NewAccount(t, "ada")
	a := p.register(ada)
	for _, username := range []string{"", "ada"} {
		for _, handle := range []string{"", fmt.Sprint(ada.AccountID)} {
			a.UserHandle = handle
			var opened struct{ Token, Message string }
			answer := p.verify(a.Get(p.loginChallenge(username))).Want(200).Into(&opened)
			a.Counter++
			require.Equal(t, "Your session got successfully created", opened.Message)
			require.Equal(t, opened.Token, answer.Header.Get("Authorization"))
			require.Equal(t, "no-store", answer.Header.Get("Cache-Control"))
			var me struct{ Username string }
			s.Anonymous.With("Authorization", "Bearer "+opened.Token).Get("/api/account/me").Want(200).Into(&me)
			require.Equal(t, "ada", me.Username)
		}
	}
}

func TestPasskeysTakeThePlaceOfPasswordAndCode(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	p := newPage(t, s)
	ada := s.NewAccount(t, "ada")
	a := p.register(ada)
	s.Exec(t, `update accounts set totp_enabled = true`)
	s.Exec(t, `update auth_providers set enabled = false`)
	p.verify(a.Get(p.loginChallenge("ada"))).Want(200)
}

func TestPasskeyOptions(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	p := newPage(t, s)
	ada := s.NewAccount(t, "ada")
	a := p.register(ada)
	var options body
	client := p.as(s.Anonymous).With("Authorization", "Bearer null")
	client.Post("/api/auth/passkey/options", body{"origin": p.origin}).Want(200).Into(&options)
	require.Regexp(t, "^[A-Za-z0-9_-]{43}$", options["challenge"])
	delete(options, "challenge")
	require.Equal(t, body{"rpId": "localhost", "timeout": 60000.0, "userVerification": "preferred"}, options)

	client.Post("/api/auth/passkey/options", body{"origin": p.origin, "username": "ada"}).Want(200).Into(&options)
	require.Equal(t, []any{body{"id": encode(a.ID), "type": "public-key", "transports": []any{"internal", "hybrid"}}}, options["allowCredentials"])

	s.NewAccount(t, "eve")
	const none = "No passkeys registered"
	client.Post("/api/auth/passkey/options", body{"origin": p.origin, "username": "eve"}).WantError(400, none)
	client.Post("/api/auth/passkey/options", body{"origin": p.origin, "username": "nobody"}).WantError(400, none)
	client.Post("/api/auth/passkey/options", body{"origin": p.origin, "username": "Ada"}).Want(200)
	client.Post("/api/auth/passkey/options", body{"origin": p.origin, "username": ""}).WantError(400, "username is not allowed to be empty")
	s.Exec(t, `update passkeys set rp_id = 'elsewhere.example'`)
	client.Post("/api/auth/passkey/options", body{"origin": p.origin, "username": "ada"}).WantError(400, none)
}

// TestForgedPasskeysAreRefused changes one thing at a time of an answer that holds.
func TestForgedPasskeysAreRefused(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	p := newPage(t, s)
	ada, eve := s.NewAccount(t, "ada"), s.NewAccount(t, "eve")
	stored, others := p.register(ada), p.register(eve)
	unregistered := testserver.NewAuthenticator(t, p.origin)
	for name, forge := range map[string]func(a *testserver.Authenticator, challenge *string){
		"page of another host":          func(a *testserver.Authenticator, _ *string) { a.Origin = "http://localhost.example:" + portOf(t, s) },
		"page of another port":          func(a *testserver.Authenticator, _ *string) { a.Origin = "http://localhost:1" },
		"page of another scheme":        func(a *testserver.Authenticator, _ *string) { a.Origin = "https://localhost:" + portOf(t, s) },
		"another relying party":         func(a *testserver.Authenticator, _ *string) { a.RPID = "example.com" },
		"invented challenge":            func(_ *testserver.Authenticator, c *string) { *c = strings.Repeat("A", 43) },
		"challenge of another kind":     func(_ *testserver.Authenticator, c *string) { *c = p.registrationChallenge(ada) },
		"challenge for another account": func(_ *testserver.Authenticator, c *string) { *c = p.loginChallenge("eve") },
		"empty challenge":               func(_ *testserver.Authenticator, c *string) { *c = "" },
		"another key":                   func(a *testserver.Authenticator, _ *string) { a.Key = unregistered.Key },
		"key of another account":        func(a *testserver.Authenticator, _ *string) { a.Key = others.Key },
		"unknown credential":            func(a *testserver.Authenticator, _ *string) { a.ID, a.Key = unregistered.ID, unregistered.Key },
		"credential of another account": func(a *testserver.Authenticator, _ *string) { a.ID, a.Key, a.Counter = others.ID, others.Key, 100 },
		"counter that stays":            func(a *testserver.Authenticator, _ *string) { a.Counter = 1 },
		"counter back at nothing":       func(a *testserver.Authenticator, _ *string) { a.Counter = 0 },
		"user not verified":             func(a *testserver.Authenticator, _ *string) { a.Flags = testserver.UserPresent },
		"user not present":              func(a *testserver.Authenticator, _ *string) { a.Flags = testserver.UserVerified },
		"suddenly a backup": func(a *testserver.Authenticator, _ *string) {
			a.Flags |= testserver.BackupEligible | testserver.BackedUp
		},
		"handle of another account": func(a *testserver.Authenticator, _ *string) { a.UserHandle = fmt.Sprint(eve.AccountID) },
		"handle of nobody":          func(a *testserver.Authenticator, _ *string) { a.UserHandle = "x" },
	} {
		forged, challenge := *stored, p.loginChallenge("ada")
		forge(&forged, &challenge)
		answer := p.verify(forged.Get(challenge))
		require.Equal(t, 401, answer.Status, "%s: %s", name, answer.Body)
		require.Equal(t, passkeyRefused, answer.Message(), name)
	}
	answer := stored.Get(p.loginChallenge("ada"))
	tampered := answer["response"].(body)
	tampered["signature"] = encode(append([]byte{0x30}, []byte("no signature")...))
	p.verify(answer).WantError(401, passkeyRefused)

	create := stored.Create(p.loginChallenge("ada"))["response"].(body)["clientDataJSON"]
	answer = stored.Get(p.loginChallenge("ada"))
	answer["response"].(body)["clientDataJSON"] = create
	p.verify(answer).WantError(401, passkeyRefused)

	p.verify(stored.Get(p.loginChallenge("ada"))).Want(200)
	s.Exec(t, `delete from accounts where id = $1`, ada.AccountID)
	stored.Counter++
	p.verify(stored.Get(p.loginChallenge(""))).WantError(401, passkeyRefused)
}

func TestCountersMayBeAbsent(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	p := newPage(t, s)
	ada := s.NewAccount(t, "ada")
	a := testserver.NewAuthenticator(t, p.origin)
	a.Counter = 0
	p.as(ada).Post("/api/account/passkeys/register/verify", body{"response": a.Create(p.registrationChallenge(ada)), "origin": p.origin}).Want(200)
	p.verify(a.Get(p.loginChallenge("ada"))).Want(200)
	p.verify(a.Get(p.loginChallenge("ada"))).Want(200)
	a.Counter = 7
	p.verify(a.Get(p.loginChallenge("ada"))).Want(200)
	p.verify(a.Get(p.loginChallenge("ada"))).WantError(401, passkeyRefused)
}

func TestChallengesHoldForOneAttempt(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	p := newPage(t, s)
	a := p.register(s.NewAccount(t, "ada"))

	challenge := p.loginChallenge("ada")
	forged := *a
	forged.RPID = "example.com"
	p.verify(forged.Get(challenge)).WantError(401, passkeyRefused)
	p.verify(a.Get(challenge)).WantError(401, passkeyRefused)

	challenge = p.loginChallenge("ada")
	p.verify(a.Get(challenge)).Want(200)
	a.Counter++
	p.verify(a.Get(challenge)).WantError(401, passkeyRefused)

	challenge = p.loginChallenge("ada")
	s.Exec(t, `update passkey_challenges set expires_at = now()`)
	p.verify(a.Get(challenge)).WantError(401, passkeyRefused)

	challenge = p.loginChallenge("ada")
	for _, origin := range []string{"http://localhost:1", p.origin} {
		p.as(s.Anonymous).Post("/api/auth/passkey/verify", body{"response": a.Get(challenge), "origin": origin}).WantError(401, passkeyRefused)
	}

	other := newPage(t, testserver.Serve(t, s.Pool, s.Vault))
	challenge = p.loginChallenge("ada")
	other.as(other.server.Anonymous).Post("/api/auth/passkey/verify", body{"response": a.Get(challenge), "origin": p.origin}).WantError(401, passkeyRefused)
	p.verify(a.Get(challenge)).WantError(401, passkeyRefused)
}

func TestOfOnePasskeyOnTwoServersOneSignsIn(t *testing.T) {
	t.Parallel()
	host := func(o *server.Options) { o.PublicURLs = origins(t, "http://localhost:6989") }
	s := testserver.NewEmpty(t, host)
	servers := []*testserver.Server{s, testserver.Serve(t, s.Pool, s.Vault, host)}
	ada := s.NewAccount(t, "ada")
	const origin = "http://localhost:6989"
	var options struct{ Challenge string }
	ada.Post("/api/account/passkeys/register/options", body{"origin": origin}).Want(200).Into(&options)
	a := testserver.NewAuthenticator(t, origin)
	ada.On(servers[1]).Post("/api/account/passkeys/register/verify", body{"response": a.Create(options.Challenge), "origin": origin}).Want(200)
	a.Counter++
	s.Anonymous.Post("/api/auth/passkey/options", body{"origin": origin}).Want(200).Into(&options)
	answer := a.Get(options.Challenge)
	var group sync.WaitGroup
	statuses := make([]int, 4)
	for i := range statuses {
		group.Go(func() {
			statuses[i] = servers[i%2].Anonymous.Post("/api/auth/passkey/verify", body{"response": answer, "origin": origin}).Status
		})
	}
	group.Wait()
	require.ElementsMatch(t, []int{200, 401, 401, 401}, statuses)
}

func TestMalformedPasskeysAre400(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	p := newPage(t, s)
	a := p.register(s.NewAccount(t, "ada"))
	challenge := p.loginChallenge("ada")
	for _, member := range []string{"id", "rawId", "type", "response", "clientExtensionResults"} {
		answer := a.Get(challenge)
		delete(answer, member)
		p.verify(answer).WantError(400, "response."+member+" is required")
	}
	for _, member := range []string{"clientDataJSON", "authenticatorData", "signature"} {
		answer := a.Get(challenge)
		delete(answer["response"].(body), member)
		p.verify(answer).WantError(400, "response.response."+member+" is required")
		answer["response"].(body)[member] = "not base64url!"
		p.verify(answer).Want(400)
		answer["response"].(body)[member] = 7
		p.verify(answer).Want(400)
	}
	for name, change := range map[string]body{
		"another type": {"type": "password"}, "other raw id": {"rawId": "AAAA"}, "id of one character": {"id": "A", "rawId": "A"},
	} {
		answer := a.Get(challenge)
		maps.Copy(answer, change)
		require.Equal(t, 400, p.verify(answer).Status, name)
	}
	for name, data := range map[string]string{"no JSON": "{", "no object": "[]", "bytes": "\xff\xfe"} {
		answer := a.Get(challenge)
		answer["response"].(body)["clientDataJSON"] = encode([]byte(data))
		require.Equal(t, 400, p.verify(answer).Status, name)
	}
	answer := a.Get(challenge)
	answer["response"].(body)["authenticatorData"] = encode([]byte("short"))
	p.verify(answer).WantError(400, "response is malformed")
	p.as(s.Anonymous).Post("/api/auth/passkey/verify", body{"origin": p.origin}).WantError(400, "response is required")

	answer = a.Get(challenge)
	answer["response"].(body)["userHandle"] = nil
	answer["future"] = true
	p.verify(answer).Want(200)
}

func TestPasskeySignInMeetsTheEndOfItsAccount(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	p := newPage(t, s)
	ada := s.NewAccount(t, "ada")
	answer := p.register(ada).Get(p.loginChallenge(""))
	s.WhileDeleting(t, ada, func() *testserver.Response { return p.verify(answer) }).WantError(401, passkeyRefused)
}
