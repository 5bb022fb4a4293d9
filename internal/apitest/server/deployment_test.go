package server_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/origin"
	"github.com/nexterm-go/nexterm/internal/server"
	"github.com/nexterm-go/nexterm/internal/testserver"
)

// Whichever of two servers a client meets, on one database, it is the same one:
// nothing that decides who gets in is in the memory of one of them.
func TestTwoServersAreOne(t *testing.T) {
	t.Parallel()
	const page = "http://localhost:6989"
	deployment := func(t *testing.T) (one, two *testserver.Server) {
		t.Helper()
		public, err := origin.Parse(page)
		require.NoError(t, err)
		options := func(o *server.Options) {
			o.LoginLimit, o.DeviceLimit, o.PublicURLs = 4, 2, []origin.Origin{public}
		}
		one = testserver.New(t, options)
		return one, testserver.Serve(t, one.Pool, one.Vault, options)
	}

	t.Run("failed sign-ins are counted together", func(t *testing.T) {
		t.Parallel()
		one, two := deployment(t)
		failLogin(one.Anonymous).Want(400)
		failLogin(two.Anonymous).Want(400)
		remaining(t, one.Anonymous.Post("/api/auth/passkey/options", object{"origin": page}).Want(200), 20, 19)
		remaining(t, two.Anonymous.Post("/api/auth/passkey/options", object{"origin": page}).Want(200), 20, 18)
		failLogin(two.Anonymous).Want(400)
		remaining(t, failLogin(one.Anonymous).Want(400), 4, 0)
		signIn(one.Anonymous, "owner").WantError(429, tooMany)
		signIn(two.Anonymous, "owner").WantError(429, tooMany)
	})

	t.Run("codes are counted together and hold once", func(t *testing.T) {
		t.Parallel()
		one, two := deployment(t)
		var pending struct{ Secret string }
		one.Owner.Get("/api/account/totp/secret").Want(200).Into(&pending)
		code := func(steps time.Duration) string {
			text, err := totp.GenerateCode(pending.Secret, time.Now().Add(steps*30*time.Second))
			require.NoError(t, err)
			return text
		}
		one.Owner.On(two).Post("/api/account/totp/enable", object{"code": code(0)}).Want(200)
		login := func(s *testserver.Server, code string) *testserver.Response {
			one.Exec(t, `delete from rate_limits where limiter = 'login'`)
			return s.Anonymous.Post("/api/auth/login", object{"username": "owner", "password": testserver.Password, "code": code})
		}
		used := code(0)
		login(one, used).Want(200)
		login(two, used).Want(401)
		for i := range 9 {
			login([]*testserver.Server{one, two}[i%2], code(20)).Want(401)
		}
		login(one, code(1)).WantError(429, tooMany)
		login(two, code(1)).WantError(429, tooMany)
	})

	t.Run("a challenge of one is answered to the other, once", func(t *testing.T) {
		t.Parallel()
		one, two := deployment(t)
		key := testserver.NewAuthenticator(t, page)
		challenge := func(c *testserver.Client, path string) string {
			var options struct{ Challenge string }
			c.Post(path, object{"origin": page}).Want(200).Into(&options)
			return options.Challenge
		}
		registration := object{"origin": page, "response": key.Create(challenge(one.Owner, "/api/account/passkeys/register/options"))}
		one.Owner.On(two).Post("/api/account/passkeys/register/verify", registration).Want(200)
		one.Owner.Post("/api/account/passkeys/register/verify", registration).WantError(400, "No valid registration challenge found")

		key.Counter++
		signed := object{"origin": page, "response": key.Get(challenge(one.Anonymous, "/api/auth/passkey/options"))}
		two.Anonymous.Post("/api/auth/passkey/verify", signed).Want(200)
		one.Anonymous.Post("/api/auth/passkey/verify", signed).WantError(401, "Authentication verification failed")
	})

	t.Run("a device meets a server for each step", func(t *testing.T) {
		t.Parallel()
		one, two := deployment(t)
		var created struct{ Code, Token string }
		one.Anonymous.Post("/api/auth/device/create", object{"clientType": "web"}).Want(200).Into(&created)
		two.Anonymous.Post("/api/auth/device/create", object{"clientType": "web"}).Want(200)
		for _, s := range []*testserver.Server{one, two} {
			s.Anonymous.Post("/api/auth/device/create", object{"clientType": "web"}).
				WantError(429, "Too many requests. Please try again later.")
		}
		poll := func(s *testserver.Server) (answer struct{ Status, Token string }) {
			s.Anonymous.Post("/api/auth/device/poll", object{"token": created.Token}).Want(200).Into(&answer)
			return answer
		}
		require.Equal(t, "pending", poll(two).Status)
		one.Owner.On(two).Post("/api/auth/device/authorize", object{"code": created.Code}).Want(200)
		one.Owner.Post("/api/auth/device/authorize", object{"code": created.Code}).
			WantError(400, "Device code has already been authorized")
		opened := poll(one)
		require.Equal(t, "authorized", opened.Status)
		require.Equal(t, "invalid", poll(two).Status)
		two.Anonymous.With("Authorization", "Bearer "+opened.Token).Get("/api/account/me").Want(200)
	})

	t.Run("what one revokes has ended on the other", func(t *testing.T) {
		t.Parallel()
		one, two := deployment(t)
		session := func(c *testserver.Client) string {
			var id int64
			one.Scan(t, &id, `select id from sessions where account_id = $1`, c.AccountID)
			return fmt.Sprintf("/api/session/%d", id)
		}
		for _, end := range []struct {
			who *testserver.Client
			by  func()
		}{
			{one.Owner, func() { one.Anonymous.Post("/api/auth/logout", object{"token": one.Owner.Token}).Want(200) }},
			{one.Colleague, func() { one.Colleague.Delete(session(one.Colleague)).Want(200) }},
			{one.Stranger, func() { one.Admin.Delete(fmt.Sprintf("/api/users/%d", one.Stranger.AccountID)).Want(200) }},
		} {
			there := end.who.On(two)
			there.Get("/api/account/me").Want(200)
			socket := there.Socket("/api/ws/state")
			for range 5 {
				socket.Next()
			}
			end.by()
			there.Get("/api/account/me").WantError(401, badSession)
			farewell := socket.Next()
			require.Equal(t, "LOGOUT", farewell.Type)
			require.JSONEq(t, `{"reason": "session_invalidated"}`, string(farewell.Data))
			socket.WantClose(4010, "Session invalidated")
			there.Socket("/api/ws/state").WantClose(4003, "Invalid session")
		}
	})
}
