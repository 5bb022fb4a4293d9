package access_test

import (
	"testing"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

// page is a page of the server's own, at which passkeys are used.
type page struct {
	t      *testing.T
	server *testserver.Server
	origin string
}

func newPage(t *testing.T, s *testserver.Server) page {
	t.Helper()
	return page{t, s, "http://localhost:" + portOf(t, s)}
}

// as is a client whose requests are sent to localhost, as from the page.
func (p page) as(c *testserver.Client) *testserver.Client {
	return c.On(&testserver.Server{URL: p.origin})
}

func (p page) registrationChallenge(c *testserver.Client) string {
	p.t.Helper()
	var options struct{ Challenge string }
	p.as(c).Post("/api/account/passkeys/register/options", body{"origin": p.origin}).Want(200).Into(&options)
	return options.Challenge
}

// register gives the account a passkey.
func (p page) register(c *testserver.Client) *testserver.Authenticator {
	p.t.Helper()
	a := testserver.NewAuthenticator(p.t, p.origin)
	p.as(c).Post("/api/account/passkeys/register/verify", body{
		"response": a.Create(p.registrationChallenge(c)), "origin": p.origin,
	}).Want(200)
	a.Counter++
	return a
}

func (p page) loginChallenge(username string) string {
	p.t.Helper()
	start := body{"origin": p.origin}
	if username != "" {
		start["username"] = username
	}
	var options struct{ Challenge string }
	p.as(p.server.Anonymous).Post("/api/auth/passkey/options", start).Want(200).Into(&options)
	return options.Challenge
}

func (p page) verify(response body) *testserver.Response {
	p.t.Helper()
	return p.as(p.server.Anonymous).Post("/api/auth/passkey/verify", body{"response": response, "origin": p.origin})
}
