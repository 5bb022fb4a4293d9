package access_test

import (
	"fmt"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/signin"
	"github.com/nexterm-go/nexterm/internal/testserver"
	"github.com/nexterm-go/nexterm/internal/vault"
)

const wrongCode = "Your provided code is invalid or has expired."

// secretOf returns the pending secret.
func secretOf(c *testserver.Client) string {
	var answer struct{ Secret, URL string }
	c.Get("/api/account/totp/secret").Want(200).Into(&answer)
	return answer.Secret
}

func codeAt(t *testing.T, secret string, at time.Time) string {
	t.Helper()
	code, err := totp.GenerateCode(secret, at)
	require.NoError(t, err)
	return code
}

// wrong is a code that fits no time step near now.
func wrong(t *testing.T, secret string) string {
	t.Helper()
	near := map[string]bool{}
	for step := -3; step <= 3; step++ {
		near[codeAt(t, secret, time.Now().Add(time.Duration(step)*30*time.Second))] = true
	}
	for _, code := range []string{"000000", "111111", "222222", "333333", "444444", "555555", "666666", "777777"} {
		if !near[code] {
			return code
		}
	}
	panic("eight codes cannot all fit seven steps")
}

func TestTOTPSecretStaysThePendingOneUntilItIsUsed(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	ada := s.NewAccount(t, "ada")
	s.Exec(t, `update accounts set username = 'ada+admin@example.com & co' where id = $1`, ada.AccountID)

	var first struct{ Secret, URL string }
	ada.Get("/api/accounts/totp/secret").Want(200).Into(&first)
	require.Regexp(t, "^[A-Z2-7]{32}$", first.Secret)
	require.Equal(t, "otpauth://totp/Nexterm%20%28ada%2Badmin%40example.com%20%26%20co%29?secret="+first.Secret+"&issuer=Nexterm", first.URL)
	parsed, err := url.Parse(first.URL)
	require.NoError(t, err)
	require.Equal(t, "/Nexterm (ada+admin@example.com & co)", parsed.Path)
	require.Equal(t, first.Secret, secretOf(ada), "it is the same until it is used")

	ada.Post("/api/account/totp/enable", body{"code": codeAt(t, first.Secret, time.Now())}).Want(200)
	require.NotEqual(t, first.Secret, secretOf(ada), "the active secret is never shown again")
	ada.Post("/api/account/totp/disable", nil).Want(200)
	require.NotEqual(t, first.Secret, secretOf(ada), "a used secret does not come back")

	var stored int
	s.Scan(t, &stored, `select count(*) from totp_secrets where position($1::bytea in ciphertext) > 0`, []byte(first.Secret))
	require.Zero(t, stored, "secrets are sealed")
}

func TestOneTOTPSecretComesOfManyFirstCalls(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	ada := s.NewAccount(t, "ada")
	other := ada.On(testserver.Serve(t, s.Pool, s.Vault))
	var group sync.WaitGroup
	secrets := make([]string, 8)
	for i := range secrets {
		group.Go(func() { secrets[i] = secretOf([]*testserver.Client{ada, other}[i%2]) })
	}
	group.Wait()
	for _, secret := range secrets {
		require.Equal(t, secrets[0], secret)
	}
}

func TestEnableAndDisableTOTP(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	ada := s.NewAccount(t, "ada")

	ada.Post("/api/account/totp/disable", nil).WantError(409, "TOTP is already disabled on your account")
	ada.Post("/api/account/totp/enable", body{"code": "123456"}).WantError(400, wrongCode)

	secret := secretOf(ada)
	var refusal struct{ Message, ServerTime string }
	ada.Post("/api/account/totp/enable", body{"code": wrong(t, secret)}).Want(400).Into(&refusal)
	require.Equal(t, wrongCode, refusal.Message)
	at, err := time.Parse("2006-01-02T15:04:05.000Z", refusal.ServerTime)
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), at, time.Minute)

	code := codeAt(t, secret, time.Now())
	answer := ada.Post("/api/account/totp/enable", body{"code": code}).Want(200)
	require.Equal(t, "TOTP has been successfully enabled on your account.", answer.Message())
	ada.Post("/api/account/totp/enable", body{"code": code}).WantError(409, "TOTP is already enabled on your account")
	var me struct{ TotpEnabled bool }
	ada.Get("/api/account/me").Want(200).Into(&me)
	require.True(t, me.TotpEnabled)

	answer = ada.Post("/api/accounts/totp/disable", nil).Want(200)
	require.Equal(t, "TOTP has been successfully disabled on your account.", answer.Message())
	ada.Post("/api/account/totp/disable", nil).WantError(409, "TOTP is already disabled on your account")
	ada.Get("/api/account/me").Want(200).Into(&me)
	require.False(t, me.TotpEnabled)
	s.Anonymous.Post("/api/auth/login", body{"username": "ada", "password": testserver.Password}).Want(200)
}

func TestOfTwoEnablingAtOnceOneIsLate(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	ada := s.NewAccount(t, "ada")
	other := ada.On(testserver.Serve(t, s.Pool, s.Vault))
	code := codeAt(t, secretOf(ada), time.Now())
	var group sync.WaitGroup
	statuses := make([]int, 2)
	for i, c := range []*testserver.Client{ada, other} {
		group.Go(func() { statuses[i] = c.Post("/api/account/totp/enable", body{"code": code}).Status })
	}
	group.Wait()
	require.ElementsMatch(t, []int{200, 409}, statuses)
}

func TestEnableTOTPRefusesWhatIsNoCode(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	ada := s.NewAccount(t, "ada")
	ada.Post("/api/account/totp/enable", nil).WantError(400, "code is required")
	for _, code := range []any{"", "12345", "1234567", "12345a", "１２３４５６", " 123456", -1, 1000000, 1.5, true, nil, []any{}, body{}} {
		ada.Post("/api/account/totp/enable", body{"code": code}).WantError(400, "code must be six digits")
	}
	ada.Post("/api/account/totp/enable", body{"code": "123456", "secret": "x"}).WantError(400, "secret is not allowed")
}

func TestTOTPSecretsAreForSessionsOnly(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	key := s.NewAPIKey(t, s.NewAccount(t, "ada"))
	const refusal = "API keys cannot manage account credentials"
	key.Get("/api/account/totp/secret").WantError(403, refusal)
	key.Post("/api/account/totp/enable", body{"code": "123456"}).WantError(403, refusal)
	key.Post("/api/account/totp/disable", nil).WantError(403, refusal)
	s.Anonymous.Get("/api/account/totp/secret").Want(400)
}

func TestEnablingTOTPMeetsTheEndOfItsAccount(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	ada := s.NewAccount(t, "ada")
	code := codeAt(t, secretOf(ada), time.Now())
	answer := s.WhileDeleting(t, ada, func() *testserver.Response {
		return ada.Post("/api/account/totp/enable", body{"code": code})
	})
	require.Contains(t, []int{401, 409}, answer.Status)
}

// The code that has proved the secret signs in as well; after that it is used up.
func TestTheTOTPProofSignsInOnce(t *testing.T) {
	t.Parallel()
	s := testserver.NewEmpty(t)
	ada := s.NewAccount(t, "ada")
	code := codeAt(t, secretOf(ada), time.Now())
	ada.Post("/api/account/totp/enable", body{"code": code}).Want(200)
	login := body{"username": "ada", "password": testserver.Password, "code": code}
	s.Anonymous.Post("/api/auth/login", login).Want(200)
	s.Anonymous.Post("/api/auth/login", login).WantError(401, wrongCode)
}

// A rotation of keys seals the secret anew between its reading and its use.
func TestTotpIsEnabledWhileKeysRotate(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	secret := secretOf(s.Owner)
	sealed, err := s.Vault.Seal(signin.TOTPTable, s.Owner.AccountID, signin.TOTPPending, vault.Secret(secret))
	require.NoError(t, err)
	s.Exec(t, fmt.Sprintf(`create function rotate() returns trigger language plpgsql as
		$$ begin update totp_secrets set ciphertext = '\x%x' where kind = 'pending'; return new; end $$`, sealed.Ciphertext))
	s.Exec(t, `create trigger rotate before insert or update on rate_limits execute function rotate()`)
	s.Owner.Post("/api/account/totp/enable", body{"code": codeAt(t, secret, time.Now())}).Want(200)
}
