// Package origin owns which web pages belong to this server. It does not fetch
// anything from them.
package origin

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/nexterm-go/nexterm/internal/caller"
)

// Origin is a web origin (RFC 6454): scheme, host and port. Equal origins are ==.
type Origin struct {
	scheme string
	// host is the name and, unless it is the scheme's default, the port.
	host string
	name string
}

// Parse reads an origin such as https://nexterm.example.com:8443; nothing may
// follow.
func Parse(text string) (Origin, error) {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.User != nil || u.Path != "" || strings.ContainsAny(text, "?#") {
		return Origin{}, fmt.Errorf("%q is no origin such as https://nexterm.example.com", text)
	}
	o := Origin{scheme: strings.ToLower(u.Scheme), host: strings.ToLower(u.Host), name: strings.ToLower(u.Hostname())}
	defaultPort := map[string]string{"http": "80", "https": "443"}[o.scheme]
	if defaultPort == "" {
		return Origin{}, fmt.Errorf("%q is neither http nor https", text)
	}
	if port := u.Port(); port == "" || port == defaultPort {
		o.host = strings.TrimSuffix(o.host, ":"+port)
	}
	return o, nil
}

// UnmarshalText is Parse, for settings.
func (o *Origin) UnmarshalText(text []byte) (err error) {
	*o, err = Parse(strings.TrimSpace(string(text)))
	return err
}

// String writes the origin as browsers do: small letters, no default port.
func (o Origin) String() string { return o.scheme + "://" + o.host }

// Name is the host without its port.
func (o Origin) Name() string { return o.name }

// Trusted reports whether a page of this origin may act for the client of a
// request. A client's word is not enough: the origin has to be one of the
// server's own or, when those are not known, the host that the request was sent
// to; and where the browser names the page behind the request, that page.
func (o Origin) Trusted(client caller.Client, own []Origin) bool {
	if client.Origin != "" {
		if page, err := Parse(client.Origin); err != nil || page != o {
			return false
		}
	}
	if len(own) > 0 {
		return slices.Contains(own, o)
	}
	// Behind a proxy that ends TLS, the scheme is not known.
	requested, err := Parse(o.scheme + "://" + client.Host)
	return err == nil && requested == o
}
