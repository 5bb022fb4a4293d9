package outbound_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/outbound"
)

func loopback(t *testing.T) *outbound.Client {
	t.Helper()
	networks, err := outbound.ParseNetworks("127.0.0.1")
	require.NoError(t, err)
	return outbound.New(networks)
}

func serve(t *testing.T, handler http.HandlerFunc) *url.URL {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return parse(t, s.URL)
}

func parse(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	require.NoError(t, err)
	return u
}

func TestForbiddenAddressesAreNotDialled(t *testing.T) {
	t.Parallel()
	client := outbound.New(nil)
	for _, host := range []string{
		"127.0.0.1", "127.1.2.3", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254",
		"100.64.0.1", "192.0.0.1", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
		"[::]", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:10.0.0.1]", "[::ffff:169.254.169.254]", "[::127.0.0.1]", "[64:ff9b::7f00:1]",
		"[fe80::1]", "[fe80::1%25lo]", "[fec0::1]", "[fc00::1]", "[fd12::1]", "[ff02::1]", "[2001::1]", "[2001:db8::1]", "[2002:7f00:1::]", "[100::1]", "[3fff::1]",
		"localhost",
	} {
		_, err := client.Get(t.Context(), parse(t, "http://"+host+":1/"), 100)
		require.ErrorIs(t, err, outbound.ErrBlocked, host)
		name := strings.Trim(strings.ReplaceAll(host, "%25", "%"), "[]")
		require.ErrorIs(t, client.Check(t.Context(), name), outbound.ErrBlocked, host)
	}
}

func TestPublicAddressesPassTheCheck(t *testing.T) {
	t.Parallel()
	client := outbound.New(nil)
	for _, host := range []string{"1.1.1.1", "8.8.8.8", "100.63.255.255", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8"} {
		require.NoError(t, client.Check(t.Context(), host), host)
	}
}

func TestAllowedNetworksAreReached(t *testing.T) {
	t.Parallel()
	var agent string
	target := serve(t, func(w http.ResponseWriter, r *http.Request) {
		agent = r.UserAgent()
		_, _ = fmt.Fprint(w, "content")
	})
	content, err := loopback(t).Get(t.Context(), target, 100)
	require.NoError(t, err)
	require.Equal(t, "content", string(content))
	require.Equal(t, "nexterm", agent)

	_, err = outbound.New(nil).Get(t.Context(), target, 100)
	require.ErrorIs(t, err, outbound.ErrBlocked)
}

func TestRedirectsAreCheckedAgain(t *testing.T) {
	t.Parallel()
	for _, location := range []string{
		"http://127.0.0.2:1/", "http://169.254.169.254/latest/meta-data", "file:///etc/passwd", "ftp://127.0.0.1/", "http://user:secret@127.0.0.1/",
	} {
		target := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, location, http.StatusFound) })
		_, err := loopback(t).Get(t.Context(), target, 100)
		require.ErrorIs(t, err, outbound.ErrBlocked, location)
	}
	endless := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/again", http.StatusFound) })
	_, err := loopback(t).Get(t.Context(), endless, 100)
	require.ErrorContains(t, err, "too many redirects")
}

func TestDirectFollowsNoRedirect(t *testing.T) {
	t.Parallel()
	target := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			http.Redirect(w, r, "/again", http.StatusTemporaryRedirect)
			return
		}
		<-r.Context().Done()
	})
	_, err := loopback(t).Direct(100, time.Minute).Get(target.String() + "/")
	require.ErrorIs(t, err, outbound.ErrRedirected)
	_, err = loopback(t).Direct(100, 100*time.Millisecond).Get(target.String() + "/again")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, err = outbound.New(nil).Direct(100, time.Second).Get(target.String())
	require.ErrorIs(t, err, outbound.ErrBlocked)
}

func TestAllowedHosts(t *testing.T) {
	t.Parallel()
	client := loopback(t)
	for host, allowed := range map[string]bool{
		"127.0.0.1": true, "::ffff:127.0.0.1": true, "127.0.0.2": false, "8.8.8.8": false, "::1": false, "name.invalid": false, "": false,
	} {
		require.Equal(t, allowed, client.Allows(t.Context(), host), host)
	}
}

func TestAnswersAreBounded(t *testing.T) {
	t.Parallel()
	target := serve(t, func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write(make([]byte, 1000)) })
	content, err := loopback(t).Get(t.Context(), target, 1000)
	require.NoError(t, err)
	require.Len(t, content, 1000)
	_, err = loopback(t).Get(t.Context(), target, 999)
	require.ErrorIs(t, err, outbound.ErrTooLarge)
}

func TestOtherStatusesAreErrors(t *testing.T) {
	t.Parallel()
	_, err := loopback(t).Get(t.Context(), serve(t, http.NotFound), 100)
	var status *outbound.StatusError
	require.ErrorAs(t, err, &status)
	require.Equal(t, 404, status.Code)
}

func TestUnresolvedNamesAreLeftToTheRequest(t *testing.T) {
	t.Parallel()
	client := outbound.New(nil)
	require.NoError(t, client.Check(t.Context(), "name.invalid"))
	_, err := client.Get(t.Context(), parse(t, "http://name.invalid/"), 100)
	var unresolved *net.DNSError
	require.True(t, errors.As(err, &unresolved), "%v", err)
}

func TestParseNetworks(t *testing.T) {
	t.Parallel()
	networks, err := outbound.ParseNetworks(" 10.1.2.3/8, fd00::/8 ,192.0.2.7,")
	require.NoError(t, err)
	require.Equal(t, "[10.0.0.0/8 fd00::/8 192.0.2.7/32]", fmt.Sprint([]any{networks[0], networks[1], networks[2]}))
	for _, text := range []string{"10.0.0.0/33", "example.com", "::ffff:10.0.0.0/104"} {
		_, err := outbound.ParseNetworks(text)
		require.Error(t, err, text)
	}
}
