// Package outbound owns the HTTP requests that this server sends to addresses
// which people have typed in. It refuses those that lead inside: every dialled
// address is checked, so neither a redirect nor a changing DNS answer gets
// around it. It does not know what the requests are for.
package outbound

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"syscall"
	"time"
)

const (
	userAgent    = "nexterm"
	maxRedirects = 5
	dialTimeout  = 10 * time.Second
	// idleTimeout is how long a server may think before it answers, or goes on with
	// its answer.
	idleTimeout = 10 * time.Second
)

var (
	// ErrBlocked refuses an address that is not public and not allowed.
	ErrBlocked = errors.New("blocked private/loopback address")
	// ErrRedirected refuses an answer that leads elsewhere.
	ErrRedirected = errors.New("the answer is a redirect")
	// ErrTooLarge ends the reading of an answer that is over its limit.
	ErrTooLarge = errors.New("the answer is too large")
)

// StatusError is an answer outside 2xx.
type StatusError struct{ Code int }

func (e *StatusError) Error() string { return fmt.Sprintf("HTTP %d", e.Code) }

// NotFound reports whether there is nothing at the URL.
func (e *StatusError) NotFound() bool { return e.Code == http.StatusNotFound }

// Client sends requests to public addresses and to those of the allowed
// networks.
type Client struct {
	allowed   Networks
	transport *http.Transport
}

// New returns a client for which the allowed networks count as public.
func New(allowed Networks) *Client {
	c := &Client{allowed: allowed}
	dialer := &net.Dialer{Timeout: dialTimeout, Control: c.control}
	c.transport = &http.Transport{
		// No proxy: the address to check is the one that is dialled.
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return impatient{conn}, nil
		},
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    dialTimeout,
		MaxResponseHeaderBytes: 64 << 10,
		MaxIdleConnsPerHost:    8,
		IdleConnTimeout:        idleTimeout,
	}
	return c
}

// impatient is a connection that fails when nothing comes for too long.
type impatient struct{ net.Conn }

func (c impatient) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(idleTimeout)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

// control sees the address of every connection after its name is resolved and
// before it is opened.
func (c *Client) control(_, address string, _ syscall.RawConn) error {
	peer, err := netip.ParseAddrPort(address)
	if err != nil || !c.permits(peer.Addr()) {
		return ErrBlocked
	}
	return nil
}

func (c *Client) permits(address netip.Addr) bool {
	return c.allowed.Contain(address) || public(address.Unmap().WithZone(""))
}

// Check resolves a host and fails with ErrBlocked when one of its addresses
// is forbidden. That it cannot be resolved is left to the request itself.
func (c *Client) Check(ctx context.Context, host string) error {
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil //nolint:nilerr // the request tells what is wrong
	}
	for _, address := range addresses {
		if !c.permits(address) {
			return ErrBlocked
		}
	}
	return nil
}

// Allows reports whether all addresses of a host are within the allowed networks.
func (c *Client) Allows(ctx context.Context, host string) bool {
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	return err == nil && len(addresses) > 0 && !slices.ContainsFunc(addresses, func(address netip.Addr) bool {
		return !c.allowed.Contain(address)
	})
}

// Direct is Limited for requests with secrets: redirects are errors, and no
// answer takes longer than so long.
func (c *Client) Direct(maxBytes int64, timeout time.Duration) *http.Client {
	client := c.Limited(maxBytes)
	client.Timeout = timeout
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return ErrRedirected }
	return client
}

// Limited returns an HTTP client of which no answer exceeds so many bytes:
// reading one fails with ErrTooLarge.
func (c *Client) Limited(maxBytes int64) *http.Client {
	return c.Reporting(maxBytes, func(error) {})
}

// Reporting is Limited for users that hide why a request failed, or the reading of
// its answer: report is told.
func (c *Client) Reporting(maxBytes int64, report func(error)) *http.Client {
	return &http.Client{Transport: limited{c.transport, maxBytes, report}, CheckRedirect: checkRedirect}
}

// Get reads a whole answer of at most so many bytes. Another status than 200
// is a StatusError.
func (c *Client) Get(ctx context.Context, target *url.URL, maxBytes int64) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return nil, err
	}
	answer, err := c.Limited(maxBytes).Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, &StatusError{answer.StatusCode}
	}
	return io.ReadAll(answer.Body)
}

func checkRedirect(request *http.Request, via []*http.Request) error {
	switch {
	case request.URL.Scheme != "http" && request.URL.Scheme != "https", request.URL.User != nil:
		return ErrBlocked
	case len(via) > maxRedirects:
		return errors.New("too many redirects")
	}
	return nil
}

// limited names this program and bounds the answers.
type limited struct {
	transport http.RoundTripper
	maxBytes  int64
	report    func(error)
}

func (l limited) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.Header.Get("User-Agent") == "" {
		request = request.Clone(request.Context())
		request.Header.Set("User-Agent", userAgent)
	}
	answer, err := l.transport.RoundTrip(request)
	if err != nil {
		l.report(err)
		return nil, err
	}
	answer.Body = &limitedBody{answer.Body, l.maxBytes, l.report}
	return answer, nil
}

type limitedBody struct {
	io.ReadCloser
	left   int64
	report func(error)
}

// Read delivers one byte less than it may read, to tell an answer that ends at
// the limit from one that goes on.
func (b *limitedBody) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if int64(n) > b.left {
		n, err = int(b.left), ErrTooLarge
	}
	b.left -= int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		b.report(err)
	}
	return n, err
}
