package nexterm

import (
	"context"
	"time"
)

// pollPause is how long the device flow waits before it asks again.
const pollPause = 2 * time.Second

// WithTOTP has [Login] ask for a code from the account's authenticator app, if the
// account needs one.
func WithTOTP(code func(context.Context) (string, error)) Option {
	return func(c *Client) { c.totp = code }
}

// Login signs in with username and password and returns a client that is signed in.
// [Client.Logout] ends its session.
func Login(ctx context.Context, address, username, password string, options ...Option) (*Client, error) {
	c, err := New(address, options...)
	if err != nil {
		return nil, err
	}
	body := LoginRequest{Username: username, Password: Secret(password)}
	session, err := c.Sessions.Login(ctx, body)
	if err != nil {
		return nil, err
	}
	// Without a code, an account that needs one gets no token.
	if session.Token == "" {
		if c.totp == nil {
			return nil, &Error{Operation: "Sessions.Login", Message: "the account needs a TOTP code; sign in WithTOTP", kind: ErrUnauthorized}
		}
		code, err := c.totp(ctx)
		if err != nil {
			return nil, err
		}
		body.Code = Secret(code)
		if session, err = c.Sessions.Login(ctx, body); err != nil {
			return nil, err
		}
	}
	WithToken(string(session.Token))(c)
	return c, nil
}

// LoginWithDevice signs in without a password: show gets a code for somebody who is
// signed in elsewhere to approve, and the time until which it holds.
func LoginWithDevice(ctx context.Context, address string, show func(code string, expires time.Time) error, options ...Option) (*Client, error) {
	c, err := New(address, options...)
	if err != nil {
		return nil, err
	}
	// Nobody's code: a token would make it one that links a device to its account.
	c.authorize = func() Secret { return "" }
	code, err := c.Devices.CreateCode(ctx, NewDeviceCode{ClientType: DeviceClientTypeConnector})
	if err != nil {
		return nil, err
	}
	if err := show(code.Code, code.ExpiresAt); err != nil {
		return nil, err
	}
	for {
		poll, err := c.Devices.PollCode(ctx, DevicePollRequest{Token: code.Token})
		switch {
		case err != nil:
			return nil, err
		case poll.Status == "authorized":
			WithToken(string(poll.Token))(c)
			return c, nil
		case poll.Status != "pending":
			return nil, &Error{Operation: "Devices.PollCode", Message: "the code was not approved in time", kind: ErrUnauthorized}
		case !sleep(ctx, pollPause):
			return nil, (&Error{Operation: "Devices.PollCode"}).because(ctx.Err(), "the sign-in was given up", nil)
		}
	}
}

// Logout ends the session of the client's token. API keys are no sessions; they are
// deleted.
func (c *Client) Logout(ctx context.Context) error {
	return c.Sessions.Logout(ctx, LogoutRequest{Token: c.Token()})
}
