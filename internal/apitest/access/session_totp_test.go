package access_test

import (
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/signin"
	"github.com/nexterm-go/nexterm/internal/testserver"
	"github.com/nexterm-go/nexterm/internal/vault"
)

// secured is an account with TOTP on.
type secured struct {
	t      *testing.T
	server *testserver.Server
	client *testserver.Client
	secret string
}

func newSecured(t *testing.T, secret vault.Secret) secured {
	t.Helper()
	s := testserver.NewEmpty(t)
	c := s.NewAccount(t, "ada")
	sealed, err := s.Vault.Seal(signin.TOTPTable, c.AccountID, signin.TOTPActive, secret)
	require.NoError(t, err)
	s.Exec(t, `insert into totp_secrets (account_id, kind, key_id, ciphertext) values ($1, 'active', $2, $3)`,
		c.AccountID, sealed.KeyID, sealed.Ciphertext)
	s.Exec(t, `update accounts set totp_enabled = true where id = $1`, c.AccountID)
	return secured{t, s, c, string(secret)}
}

// code is the account's code so many time steps from now.
func (a secured) code(now time.Time, steps int) string {
	a.t.Helper()
	return codeAt(a.t, a.secret, now.Add(time.Duration(steps)*30*time.Second))
}

func (a secured) login(on *testserver.Server, code any) *testserver.Response {
	a.t.Helper()
	return on.Anonymous.Post("/api/auth/login", map[string]any{"username": "ada", "password": testserver.Password, "code": code})
}

func TestLoginAsksForTheCodeOnceThePasswordIsRight(t *testing.T) {
	t.Parallel()
	a := newSecured(t, vault.NewTOTPSecret())
	now := time.Now()
	credentials := map[string]any{"username": "ada", "password": "wrong", "code": a.code(now, 0)}
	a.server.Anonymous.Post("/api/auth/login", credentials).WantError(401, "Username or password incorrect")
	delete(credentials, "code")
	answer := a.server.Anonymous.Post("/api/auth/login", credentials).Want(401)
	require.NotContains(t, string(answer.Body), "totp")

	credentials["password"] = testserver.Password
	answer = a.server.Anonymous.Post("/api/auth/login", credentials).Want(202)
	require.JSONEq(t, `{"code": 202, "message": "TOTP is required for this account", "totpRequired": true}`, string(answer.Body))
	require.Empty(t, answer.Header.Get("Authorization"))
	require.Equal(t, "998", answer.Header.Get("RateLimit-Remaining"), "the two wrong passwords count, being asked for a code does not")

	var opened struct {
		Token        string
		TotpRequired bool
	}
	answer = a.login(a.server, a.code(now, 0)).Want(200).Into(&opened)
	require.True(t, opened.TotpRequired)
	require.Equal(t, opened.Token, answer.Header.Get("Authorization"))
	require.Equal(t, "no-store", answer.Header.Get("Cache-Control"))
}

func TestCodesHoldOnceAndNotOlderOnes(t *testing.T) {
	t.Parallel()
	a := newSecured(t, vault.NewTOTPSecret())
	other := testserver.Serve(t, a.server.Pool, a.server.Vault)
	now := time.Now()
	a.login(a.server, a.code(now, -3)).WantError(401, wrongCode)
	a.login(a.server, a.code(now, 4)).WantError(401, wrongCode)
	a.login(a.server, a.code(now, 0)).Want(200)
	a.login(a.server, a.code(now, 0)).WantError(401, wrongCode)
	a.login(other, a.code(now, 0)).WantError(401, wrongCode)
	a.login(other, a.code(now, -1)).WantError(401, wrongCode)
	a.login(other, a.code(now, 1)).Want(200)
	a.login(a.server, a.code(now, 1)).WantError(401, wrongCode)
}

func TestOfOneCodeTwiceAtOnceOneSignsIn(t *testing.T) {
	t.Parallel()
	a := newSecured(t, vault.NewTOTPSecret())
	other := testserver.Serve(t, a.server.Pool, a.server.Vault)
	code := a.code(time.Now(), 0)
	var group sync.WaitGroup
	statuses := make([]int, 4)
	for i := range statuses {
		group.Go(func() { statuses[i] = a.login([]*testserver.Server{a.server, other}[i%2], code).Status })
	}
	group.Wait()
	require.ElementsMatch(t, []int{200, 401, 401, 401}, statuses)
}

func TestCodesKeepTheirLeadingZeros(t *testing.T) {
	t.Parallel()
	// One secret in a hundred has a code with two of them in the current step, and
	// the test uses it up before the step after the next.
	var secret vault.Secret
	var code string
	for len(code) < 2 || code[:2] != "00" {
		secret = vault.NewTOTPSecret()
		var err error
		code, err = totp.GenerateCode(string(secret), time.Now())
		require.NoError(t, err)
	}
	a := newSecured(t, secret)
	number, err := strconv.Atoi(code)
	require.NoError(t, err)
	a.login(a.server, number).Want(200)
	a.server.Exec(t, `update accounts set totp_last_step = null`)
	a.login(a.server, code).Want(200)
	a.server.Exec(t, `update accounts set totp_last_step = null`)
	a.login(a.server, float64(number)).Want(200)

	for _, refused := range []any{code[1:], "0" + code, strconv.Itoa(number)} {
		a.login(a.server, refused).WantError(400, "code must be six digits")
	}
	a.login(a.server, 0).WantError(401, wrongCode)
}

func TestCodesAreLimitedPerAccountOverServersAndOperations(t *testing.T) {
	t.Parallel()
	a := newSecured(t, vault.NewTOTPSecret())
	other := testserver.Serve(t, a.server.Pool, a.server.Vault)
	servers := []*testserver.Server{a.server, other}
	now := time.Now()
	for range 9 {
		a.login(a.server, wrong(a.t, a.secret)).WantError(401, wrongCode)
	}
	a.login(a.server, a.code(now, 0)).Want(200)
	for i := range 10 {
		a.login(servers[i%2], wrong(a.t, a.secret)).WantError(401, wrongCode)
	}
	for _, s := range servers {
		answer := a.login(s, a.code(now, 1))
		answer.WantError(429, "Too many authentication attempts. Please try again later.")
		require.Equal(t, "10;w=900", answer.Header.Get("RateLimit-Policy"))
		require.Equal(t, "10", answer.Header.Get("RateLimit-Limit"))
		require.Equal(t, "0", answer.Header.Get("RateLimit-Remaining"))
		require.Equal(t, answer.Header.Get("RateLimit-Reset"), answer.Header.Get("Retry-After"))
		seconds, err := strconv.Atoi(answer.Header.Get("Retry-After"))
		require.NoError(t, err)
		require.LessOrEqual(t, seconds, 900)
		require.GreaterOrEqual(t, seconds, 899-int(time.Since(now).Seconds()))
	}
	answer := a.server.Anonymous.Post("/api/auth/login", map[string]any{"username": "ada", "password": "wrong", "code": a.code(now, 1)})
	answer.WantError(401, "Username or password incorrect")

	a.server.Exec(t, `update accounts set totp_enabled = false`)
	a.client.Get("/api/account/totp/secret").Want(200)
	refused := a.client.On(other).Post("/api/account/totp/enable", map[string]any{"code": "123456"}).Want(429)
	require.NotEmpty(t, refused.Header.Get("Retry-After"))

	a.server.Exec(t, `update accounts set totp_enabled = true`)
	a.server.Exec(t, `update rate_limits set window_ends_at = now() where limiter = 'totp'`)
	a.login(a.server, a.code(time.Now(), 1)).Want(200)
}

func TestSignInWithACodeMeetsTheEndOfItsAccount(t *testing.T) {
	t.Parallel()
	a := newSecured(t, vault.NewTOTPSecret())
	code := a.code(time.Now(), 0)
	a.server.WhileDeleting(t, a.client, func() *testserver.Response { return a.login(a.server, code) }).WantError(401, wrongCode)
}
