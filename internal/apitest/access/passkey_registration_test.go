package access_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/origin"
	"github.com/nexterm-go/nexterm/internal/server"
	"github.com/nexterm-go/nexterm/internal/testserver"
)

const (
	passkeyRegisterPath = "/api/account/passkeys/register/verify"
	noChallenge         = "No valid registration challenge found"
	registrationFailed  = "Registration verification failed"
)

func origins(t *testing.T, texts ...string) []origin.Origin {
	t.Helper()
	parsed := make([]origin.Origin, len(texts))
	for i, text := range texts {
		require.NoError(t, parsed[i].UnmarshalText([]byte(text)))
	}
	return parsed
}

func TestPasskeyRegistrationOptions(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	p := newPage(t, s)
	ada := s.NewAccount(t, "ada")
	var options body
	p.as(ada).Post("/api/accounts/passkeys/register/options", body{"origin": p.origin, "future": true}).Want(200).Into(&options)
	require.Regexp(t, "^[A-Za-z0-9_-]{43}$", options["challenge"])
	delete(options, "challenge")
	require.Equal(t, body{
		"rp":   body{"name": "Nexterm", "id": "localhost"},
		"user": body{"id": encode([]byte(fmt.Sprint(ada.AccountID))), "name": "ada", "displayName": "Ada Test"},
		"pubKeyCredParams": []any{
			body{"type": "public-key", "alg": -8.0}, body{"type": "public-key", "alg": -7.0}, body{"type": "public-key", "alg": -257.0},
		},
		"timeout": 60000.0, "attestation": "none", "excludeCredentials": []any{}, "hints": []any{},
		"authenticatorSelection": body{"residentKey": "preferred", "requireResidentKey": false, "userVerification": "preferred"},
		"extensions":             body{"credProps": true},
	}, options)

	a := p.register(ada)
	p.as(ada).Post("/api/account/passkeys/register/options", body{"origin": p.origin}).Want(200).Into(&options)
	require.Equal(t, []any{body{"id": encode(a.ID), "type": "public-key", "transports": []any{"internal", "hybrid"}}}, options["excludeCredentials"])
}

func TestPasskeysAreListedRenamedAndDeletedByTheirOwner(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	p := newPage(t, s)
	ada, eve := s.NewAccount(t, "ada"), s.NewAccount(t, "eve")
	p.register(ada)
	a := testserver.NewAuthenticator(t, p.origin)
	answer := p.as(ada).Post(passkeyRegisterPath, body{"response": a.Create(p.registrationChallenge(ada)), "name": "Laptop", "origin": p.origin}).Want(200)
	require.JSONEq(t, `{"message": "Passkey registered successfully", "verified": true}`, string(answer.Body))
	a.Counter++
	opened := p.verify(a.Get(p.loginChallenge("ada"))).Want(200).Header.Get("Authorization")

	type passkey struct {
		ID   int64
		Name string
	}
	var list []passkey
	listed := ada.Get("/api/accounts/passkeys").Want(200).Into(&list)
	require.Equal(t, []string{"Laptop", "Passkey"}, []string{list[0].Name, list[1].Name})
	require.NotContains(t, string(listed.Body), encode(a.ID))
	path := fmt.Sprintf("/api/account/passkeys/%d", list[0].ID)
	eve.Patch(path, body{"name": "Mine"}).WantError(404, "Passkey not found")
	eve.Delete(path).WantError(404, "Passkey not found")
	require.Equal(t, "Passkey renamed successfully", ada.Patch(path, body{"name": "Old laptop"}).Want(200).Message())
	ada.Get("/api/account/passkeys").Want(200).Into(&list)
	require.Equal(t, "Old laptop", list[0].Name)
	for _, name := range []any{"", strings.Repeat("x", 51), nil, 7} {
		ada.Patch(path, body{"name": name}).Want(400)
	}
	ada.Patch("/api/account/passkeys/0", body{"name": "x"}).WantError(400, "Invalid passkey ID")
	ada.Delete("/api/account/passkeys/x").WantError(400, "Invalid passkey ID")

	require.Equal(t, "Passkey deleted successfully", ada.Delete(path).Want(200).Message())
	ada.Delete(path).WantError(404, "Passkey not found")
	a.Counter++
	p.verify(a.Get(p.loginChallenge("ada"))).WantError(401, passkeyRefused)
	s.Anonymous.With("Authorization", "Bearer "+opened).Get("/api/account/me").Want(200)
}

func TestForgedPasskeyRegistrationsAreRefused(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	p := newPage(t, s)
	ada, eve := s.NewAccount(t, "ada"), s.NewAccount(t, "eve")
	register := func(a *testserver.Authenticator, challenge string) *testserver.Response {
		return p.as(ada).Post(passkeyRegisterPath, body{"response": a.Create(challenge), "origin": p.origin})
	}
	for name, forge := range map[string]func(a *testserver.Authenticator){
		"another origin":        func(a *testserver.Authenticator) { a.Origin = "http://localhost:1" },
		"another relying party": func(a *testserver.Authenticator) { a.RPID = "example.com" },
		"user not verified":     func(a *testserver.Authenticator) { a.Flags = testserver.UserPresent },
		"user not present":      func(a *testserver.Authenticator) { a.Flags = testserver.UserVerified },
		"another algorithm":     func(a *testserver.Authenticator) { a.Algorithm = -35 },
	} {
		a, challenge := testserver.NewAuthenticator(t, p.origin), p.registrationChallenge(ada)
		forge(a)
		answer := register(a, challenge)
		require.Equal(t, 400, answer.Status, name)
		require.Equal(t, registrationFailed, answer.Message(), name)
		register(testserver.NewAuthenticator(t, p.origin), challenge).WantError(400, noChallenge)
	}
	a := testserver.NewAuthenticator(t, p.origin)
	register(a, strings.Repeat("A", 43)).WantError(400, noChallenge)
	register(a, p.registrationChallenge(eve)).WantError(400, noChallenge)
	register(a, p.loginChallenge("")).WantError(400, noChallenge)
	expired := p.registrationChallenge(ada)
	s.Exec(t, `update passkey_challenges set expires_at = now()`)
	register(a, expired).WantError(400, noChallenge)
	challenge := p.registrationChallenge(ada)
	p.as(ada).Post(passkeyRegisterPath, body{"response": a.Create(challenge), "origin": "http://localhost:1"}).WantError(400, noChallenge)
	register(a, challenge).WantError(400, noChallenge)

	register(a, p.registrationChallenge(ada)).Want(200)
	register(a, p.registrationChallenge(ada)).WantError(409, "Passkey is already registered")
	p.as(eve).Post(passkeyRegisterPath, body{"response": a.Create(p.registrationChallenge(eve)), "origin": p.origin}).
		WantError(409, "Passkey is already registered")
	p.as(ada).Post(passkeyRegisterPath, body{"response": a.Get(challenge), "origin": p.origin}).WantError(400, "response.response.attestationObject is required")
	broken := a.Create(challenge)
	broken["response"].(body)["attestationObject"] = "AAAA"
	p.as(ada).Post(passkeyRegisterPath, body{"response": broken, "origin": p.origin}).WantError(400, "response is malformed")
	p.as(ada).Post(passkeyRegisterPath, body{"response": a.Create(challenge), "name": strings.Repeat("x", 51), "origin": p.origin}).
		WantError(400, "name length must be less than or equal to 50 characters long")
}

// Whoever signs in with such a key has us calculate with it, for seconds if it is large.
func TestHugeKeysAreRefused(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	p := newPage(t, s)
	ada := s.NewAccount(t, "ada")
	for bytes, refusal := range map[int]string{
		512: "", 1024: "", 1200: registrationFailed,
		60_000: "response.response.attestationObject length must be less than or equal to 16384 characters long",
	} {
		a := testserver.NewAuthenticator(t, p.origin)
		a.PublicKey = map[int]any{1: 3, 3: -257, -1: slices.Repeat([]byte{0xff}, bytes), -2: []byte{1, 0, 1}}
		answer := p.as(ada).Post(passkeyRegisterPath, body{"response": a.Create(p.registrationChallenge(ada)), "origin": p.origin})
		if refusal == "" {
			answer.Want(200)
		} else {
			answer.WantError(400, refusal)
		}
	}
}

func TestFiftyPasskeysAreTheMostAlsoInARace(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	p := newPage(t, s)
	ada := s.NewAccount(t, "ada")
	s.Exec(t, `insert into passkeys (account_id, credential_id, public_key, sign_count, backup_eligible, backed_up, rp_id)
		select $1, n::text::bytea, '', 0, false, false, 'localhost' from generate_series(1, 49) n`, ada.AccountID)
	answers := make([]body, 3)
	for i := range answers {
		answers[i] = testserver.NewAuthenticator(t, p.origin).Create(p.registrationChallenge(ada))
	}
	var group sync.WaitGroup
	statuses := make([]int, len(answers))
	for i, answer := range answers {
		group.Go(func() {
			statuses[i] = p.as(ada).Post(passkeyRegisterPath, body{"response": answer, "origin": p.origin}).Status
		})
	}
	group.Wait()
	require.ElementsMatch(t, []int{200, 400, 400}, statuses)
}

func TestOriginsAreNotTakenOnTrust(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	p := newPage(t, s)
	ada := s.NewAccount(t, "ada")
	ask := func(c *testserver.Client, origin any) []*testserver.Response {
		return []*testserver.Response{
			p.as(c).Post("/api/account/passkeys/register/options", body{"origin": origin}),
			c.On(&testserver.Server{URL: p.origin}).Post("/api/auth/passkey/options", body{"origin": origin}),
		}
	}
	for _, text := range []any{"", "localhost", "ftp://localhost", "http://", "http://localhost/", "http://localhost/a", "http://localhost?x",
		"http://localhost#x", "http://a@localhost", "http://local host", "http://localhost:port", "http://localhost\\@evil.example", "javascript:alert(1)", "null", nil, 7} {
		for _, answer := range ask(ada, text) {
			answer.WantError(400, "origin must be a valid origin")
		}
	}
	for _, text := range []string{"https://evil.example", "http://localhost:1", "http://127.0.0.1:" + portOf(t, s), "http://localhost.evil.example:" + portOf(t, s)} {
		for _, answer := range ask(ada, text) {
			answer.WantError(400, "origin is not allowed")
		}
	}
	for _, answer := range ask(ada, strings.ToUpper(p.origin)) {
		answer.Want(200)
	}
	p.as(ada).Post("/api/account/passkeys/register/options", body{}).WantError(400, "origin is required")

	withPage := func(page string) *testserver.Response {
		return p.as(ada).With("Origin", page).Post("/api/account/passkeys/register/options", body{"origin": p.origin})
	}
	withPage("https://evil.example").WantError(400, "origin is not allowed")
	withPage("null").WantError(400, "origin is not allowed")
	withPage(p.origin).Want(200)
}

func TestConfiguredOriginsTakeThePlaceOfTheHost(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t, func(o *server.Options) {
		o.PublicURLs = origins(t, "https://nexterm.example.com", " https://other.example.com:8443")
	})
	ada := s.NewAccount(t, "ada")
	begin := func(origin string) *testserver.Response {
		return ada.Post("/api/account/passkeys/register/options", body{"origin": origin})
	}
	var options struct{ Rp struct{ ID string } }
	begin("https://other.example.com:8443").Want(200).Into(&options)
	require.Equal(t, "other.example.com", options.Rp.ID)
	begin("https://nexterm.example.com:443").Want(200)
	begin("http://nexterm.example.com").WantError(400, "origin is not allowed")
	begin("https://nexterm.example.com:8443").WantError(400, "origin is not allowed")
	begin(s.URL).WantError(400, "origin is not allowed")
}

func TestPasskeysAreForSessionsOnly(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	key := s.NewAPIKey(t, s.NewAccount(t, "ada"))
	const refusal = "API keys cannot manage account credentials"
	key.Get("/api/account/passkeys").WantError(403, refusal)
	key.Post("/api/account/passkeys/register/options", body{}).WantError(403, refusal)
	key.Post(passkeyRegisterPath, body{}).WantError(403, refusal)
	key.Patch("/api/account/passkeys/1", body{"name": "x"}).WantError(403, refusal)
	key.Delete("/api/account/passkeys/1").WantError(403, refusal)
}

func TestChallengesAreBounded(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	p := newPage(t, s)
	s.Exec(t, `insert into passkey_challenges (challenge, kind, origin, rp_id, expires_at)
		select n::text::bytea, 'authentication', '', '', now() + n * interval '10 milliseconds' from generate_series(1, 10050) n`)
	a := p.register(s.NewAccount(t, "ada"))
	p.verify(a.Get(p.loginChallenge(""))).Want(200)
	p.loginChallenge("")
	var left int
	s.Scan(t, &left, `select count(*) from passkey_challenges`)
	require.LessOrEqual(t, left, 10_000)
}
