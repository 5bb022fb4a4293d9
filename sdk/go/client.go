package nexterm

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Client calls the API of one server, as one account or as nobody. It is safe for
// concurrent use.
type Client struct {
	Services

	base      url.URL
	http      *http.Client
	retries   int
	userAgent string
	totp      func(context.Context) (string, error)
	// authorize hands out the token. As a value, it would be printed with the client.
	authorize func() Secret
}

// Option changes what [New] and the ways to sign in make.
type Option func(*Client)

// WithToken signs the client in with the token of a session or an API key.
func WithToken(token string) Option {
	return func(c *Client) { c.authorize = func() Secret { return Secret(token) } }
}

// timeout is for every attempt. Some operations take the server a minute.
const timeout = 90 * time.Second

// WithHTTPClient sends requests with this client instead of one that gives every
// attempt a minute and a half. Redirects are not followed in any case.
func WithHTTPClient(client *http.Client) Option {
	return func(c *Client) { c.http = client }
}

// WithRetries says how many times a call is repeated, 4 if it is not given. 0 is
// never.
func WithRetries(retries int) Option {
	return func(c *Client) { c.retries = retries }
}

// WithUserAgent names the program, for the server's list of sessions.
func WithUserAgent(userAgent string) Option {
	return func(c *Client) { c.userAgent = userAgent }
}

// New makes a client of the server at an address such as
// https://nexterm.example.com. It sends nothing.
func New(address string, options ...Option) (*Client, error) {
	base, err := url.Parse(address)
	switch {
	// What cannot be parsed may have a password in it.
	case err != nil:
		return nil, &Error{Message: "the address of the server is not a URL", kind: ErrBadRequest}
	case base.Scheme != "http" && base.Scheme != "https" || base.Host == "":
		return nil, &Error{Message: fmt.Sprintf("the address of the server, %q, is not like https://nexterm.example.com", base.Redacted()), kind: ErrBadRequest}
	case base.User != nil || base.RawQuery != "" || base.Fragment != "":
		return nil, &Error{Message: "the address of the server has more to it than scheme, host and path", kind: ErrBadRequest}
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 16
	c := &Client{
		base: *base, http: &http.Client{Transport: transport, Timeout: timeout}, retries: 4,
		userAgent: "nexterm-go/" + Version, authorize: func() Secret { return "" },
	}
	c.base.Path = strings.TrimRight(base.Path, "/")
	for _, option := range options {
		option(c)
	}
	if strings.ContainsFunc(string(c.authorize()), func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, &Error{Message: "the token has characters in it that no token has, such as the end of a line", kind: ErrBadRequest}
	}
	own := *c.http
	// To whom a redirect leads, the token does not belong.
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.http = &own
	c.Services = newServices(c)
	return c, nil
}

// Token is what the client is signed in with, to be kept for [WithToken]; empty if
// it is not signed in.
func (c *Client) Token() Secret { return c.authorize() }

// As is a client of the same server with another token, such as an [Impersonation]'s.
func (c *Client) As(token Secret) *Client {
	other := *c
	other.authorize = func() Secret { return token }
	other.Services = newServices(&other)
	return &other
}

// String says which server it is.
func (c *Client) String() string { return "nexterm client of " + c.base.String() }
