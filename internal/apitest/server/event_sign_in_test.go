package server_test

import (
	"fmt"
	"time"

	"github.com/pquerna/otp/totp"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

// signInTellings are those of the ways in and out.
var signInTellings = map[string][]telling{
	"login": {
		{"session.create", func(s stage) request { return login("owner", testserver.Password, 0) }},
		// Nothing else of Colleague is refused within the same minute, which would be one event.
		{"session.refuse", func(s stage) request { return login("colleague", "wrong", 401) }},
		{"session.refuse_unknown", func(s stage) request { return login("nobody", "wrong", 401) }},
	},
	"logout": {
		{"session.delete", func(s stage) request {
			return request{body: object{"token": s.NewAccount(s.t, "leaving").Token}}
		}},
		{"impersonation.end", func(s stage) request { return request{body: object{"token": s.impersonate()}} }},
	},
	"deleteSessions": {{"session.delete impersonation.end", func(s stage) request {
		return request{by: s.everywhere("everywhere")}
	}}},
	"deleteSession": {
		{"session.delete", usual},
		{"impersonation.end", func(s stage) request {
			s.impersonate()
			var id int64
			s.Scan(s.t, &id, `select max(id) from sessions where account_id = $1 and impersonator_id is not null`, s.Owner.AccountID)
			return request{ids: []int64{id}}
		}},
	},
	"beginPasskeyLogin":        {{"", func(stage) request { return request{body: object{"origin": page}} }}},
	"beginPasskeyRegistration": {{"", func(stage) request { return request{body: object{"origin": page}} }}},
	"finishPasskeyRegistration": {{"passkey.create", func(s stage) request {
		return request{body: s.registration(testserver.NewAuthenticator(s.t, page))}
	}}},
	"finishPasskeyLogin": {
		{"session.create", func(s stage) request {
			return request{body: object{"origin": page, "response": s.registered().Get(s.challenge(s.Anonymous, "/api/auth/passkey/options"))}}
		}},
		{"session.refuse", func(s stage) request {
			falsified := s.registered()
			falsified.Flags = testserver.UserPresent
			return request{
				body:   object{"origin": page, "response": falsified.Get(s.challenge(s.Anonymous, "/api/auth/passkey/options"))},
				status: 401,
			}
		}},
	},
	"updatePasskey":    {{"passkey.update", usual}},
	"deletePasskey":    {{"passkey.delete", usual}},
	"createDeviceCode": {{"", usual}},
	"getDeviceCode": {{"", func(s stage) request {
		code, _ := s.deviceCode()
		return request{body: object{"code": code}}
	}}},
	"getDeviceLinkStatus": {{"", usual}},
	"authorizeDeviceCode": {{"device.authorize", func(s stage) request {
		code, _ := s.deviceCode()
		return request{body: object{"code": code}}
	}}},
	"pollDeviceCode": {{"session.create", func(s stage) request {
		code, token := s.deviceCode()
		s.Owner.Post("/api/auth/device/authorize", object{"code": code}).Want(200)
		return request{body: object{"token": token}}
	}}},
	"enableTotp": {{"account.totp_enable", func(s stage) request {
		c := s.NewAccount(s.t, "careful")
		return request{by: c, body: object{"code": s.code(c)}}
	}}},
	"disableTotp": {{"account.totp_disable", func(s stage) request {
		c := s.NewAccount(s.t, "careless")
		c.Post("/api/account/totp/enable", object{"code": s.code(c)}).Want(200)
		return request{by: c}
	}}},
}

func login(username, password string, status int) request {
	return request{body: object{"username": username, "password": password}, status: status}
}

// impersonate returns the token of a session that Admin has opened as Owner.
func (s stage) impersonate() string {
	s.t.Helper()
	var opened struct{ Token string }
	s.Admin.Post(fmt.Sprintf("/api/users/%d/login", s.Owner.AccountID), nil).Want(200).Into(&opened)
	return opened.Token
}

func (s stage) challenge(c *testserver.Client, path string) string {
	s.t.Helper()
	var options struct{ Challenge string }
	c.Post(path, object{"origin": page}).Want(200).Into(&options)
	return options.Challenge
}

func (s stage) registration(a *testserver.Authenticator) object {
	s.t.Helper()
	return object{"origin": page, "response": a.Create(s.challenge(s.Owner, "/api/account/passkeys/register/options"))}
}

// registered is a passkey of Owner.
func (s stage) registered() *testserver.Authenticator {
	s.t.Helper()
	a := testserver.NewAuthenticator(s.t, page)
	s.Owner.Post("/api/account/passkeys/register/verify", s.registration(a)).Want(200)
	a.Counter++
	return a
}

func (s stage) deviceCode() (code, token string) {
	s.t.Helper()
	var created struct{ Code, Token string }
	s.Anonymous.Post("/api/auth/device/create", object{"clientType": "web"}).Want(200).Into(&created)
	return created.Code, created.Token
}

// code proves the account's pending secret.
func (s stage) code(c *testserver.Client) string {
	s.t.Helper()
	var pending struct{ Secret string }
	c.Get("/api/account/totp/secret").Want(200).Into(&pending)
	code, err := totp.GenerateCode(pending.Secret, time.Now())
	require.NoError(s.t, err)
	return code
}
