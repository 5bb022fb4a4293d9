package contentsource

import (
	"context"
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/nexterm-go/nexterm/internal/outbound"
)

const (
	// resolveTime is how long the name in a new URL may take to resolve.
	resolveTime = 5 * time.Second
	// maxURL bounds a URL as it is stored: with everything escaped that needs it.
	maxURL = 2048
)

// unusable is why a source delivers nothing, in words for people.
type unusable string

func (u unusable) Error() string { return string(u) }

const (
	errInvalidURL  = unusable("Invalid URL")
	errBlocked     = unusable("Blocked private/loopback address")
	errTimeout     = unusable("Request timed out")
	errUnreachable = unusable("Could not connect to the source")
)

// parseLocation reads the URL of a source. What is returned has one spelling
// for each place: no trailing slash, host and scheme in small letters.
func parseLocation(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || u.User != nil ||
		u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return nil, errInvalidURL
	}
	if port := u.Port(); port != "" {
		if number, err := strconv.ParseUint(port, 10, 16); err != nil || number == 0 {
			return nil, errInvalidURL
		}
	}
	u.Host = strings.ToLower(u.Host)
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), strings.TrimRight(u.RawPath, "/")
	if len(u.String()) > maxURL {
		return nil, errInvalidURL
	}
	return u, nil
}

// checkLocation is parseLocation for a URL that is about to be stored: its host
// must not lead inside. Whether anything answers there is left to the sync.
func checkLocation(ctx context.Context, client *outbound.Client, text string) (string, error) {
	u, err := parseLocation(text)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, resolveTime)
	defer cancel()
	if client.Check(ctx, u.Hostname()) != nil {
		return "", errBlocked
	}
	return u.String(), nil
}

// explain turns the failure of a request into words; nil stays nil.
func explain(err error) error {
	var reason unusable
	var host *net.DNSError
	var network net.Error
	switch {
	case err == nil, errors.As(err, &reason):
		return err
	case errors.Is(err, outbound.ErrBlocked):
		return errBlocked
	case errors.As(err, &host):
		return unusable("Could not resolve host: " + host.Name)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return errTimeout
	}
	return errUnreachable
}
