package server

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/caller"
)

func TestParseProxyTrustRefuses(t *testing.T) {
	t.Parallel()
	for setting, message := range map[string]string{
		"-1":                   "a number of proxies cannot be negative: -1",
		"1.5":                  `"1.5" is neither an address nor a network nor loopback, linklocal or uniquelocal`,
		"nonsense":             `"nonsense" is neither an address nor a network nor loopback, linklocal or uniquelocal`,
		"10.0.0.0/8, nonsense": `"nonsense" is neither an address nor a network nor loopback, linklocal or uniquelocal`,
		"10.0.0.0/33":          `"10.0.0.0/33" is neither an address nor a network nor loopback, linklocal or uniquelocal`,
		"loopback,":            `"" is neither an address nor a network nor loopback, linklocal or uniquelocal`,
		"99999999999999999999": `"99999999999999999999" is neither an address nor a network nor loopback, linklocal or uniquelocal`,
		"TRUE":                 `"TRUE" is neither an address nor a network nor loopback, linklocal or uniquelocal`,
	} {
		_, err := ParseProxyTrust(setting)
		require.EqualError(t, err, message)
	}
}

func TestClientAddress(t *testing.T) {
	t.Parallel()
	const peer, forwarded = "127.0.0.1:4000", "203.0.113.9, 198.51.100.7, 10.0.0.1"
	for _, c := range []struct{ setting, peer, forwarded, ip string }{
		{"", peer, forwarded, "127.0.0.1"},
		{"false", peer, forwarded, "127.0.0.1"},
		{"0", peer, forwarded, "127.0.0.1"},
		{"1", peer, forwarded, "10.0.0.1"},
		{"2", peer, forwarded, "198.51.100.7"},
		{"3", peer, forwarded, "203.0.113.9"},
		{"99", peer, forwarded, "203.0.113.9"},
		{"true", peer, forwarded, "203.0.113.9"},
		{"1", peer, "", "127.0.0.1"},
		{"loopback", peer, forwarded, "10.0.0.1"},
		{"loopback, uniquelocal", peer, forwarded, "198.51.100.7"},
		{"127.0.0.1, 10.0.0.0/24, 198.51.100.7", peer, forwarded, "203.0.113.9"},
		{"127.0.0.2", peer, forwarded, "127.0.0.1"},
		{"::ffff:127.0.0.0/104", peer, forwarded, "10.0.0.1"},
		{"::ffff:127.0.0.1", peer, forwarded, "10.0.0.1"},
		{"loopback", "[::1]:4000", forwarded, "10.0.0.1"},
		{"loopback", "[::ffff:127.0.0.1]:4000", forwarded, "10.0.0.1"},
		{"linklocal", "[fe80::1%eth0]:4000", "2001:db8::1", "2001:db8::1"},
		{"", "[::ffff:192.0.2.1]:4000", "", "192.0.2.1"},
		{"", "[fe80::1%eth0]:4000", "", "fe80::1"},
		// What is no address ends the walk: whoever wrote it lies or is broken.
		{"3", peer, "203.0.113.9, unknown, 10.0.0.1", "10.0.0.1"},
		{"3", peer, "203.0.113.9, , 10.0.0.1", "10.0.0.1"},
		{"1", peer, "203.0.113.9:1234", "127.0.0.1"},
		{"1", peer, "::ffff:203.0.113.9", "203.0.113.9"},
		{"1", peer, "fe80::1%eth0", "fe80::1"},
		{"true", "@", forwarded, "203.0.113.9"},
		{"", "@", forwarded, ""},
	} {
		trust, err := ParseProxyTrust(c.setting)
		require.NoError(t, err)
		header := http.Header{}
		if c.forwarded != "" {
			header.Set("X-Forwarded-For", c.forwarded)
		}
		client := trust.client(&http.Request{RemoteAddr: c.peer, Header: header})
		require.Equal(t, c.ip, client.IP, "%+v", c)
	}
}

// A proxy may append a header of its own instead of joining the list.
func TestClientAddressFromSeveralHeaders(t *testing.T) {
	t.Parallel()
	trust, err := ParseProxyTrust("2")
	require.NoError(t, err)
	client := trust.client(&http.Request{RemoteAddr: "127.0.0.1:1", Header: http.Header{"X-Forwarded-For": {"203.0.113.9", "198.51.100.7"}}})
	require.Equal(t, "203.0.113.9", client.IP)
}

func TestEverybodyIsTrustedOnlyByTrue(t *testing.T) {
	t.Parallel()
	for setting, everybody := range map[string]bool{"true": true, " true ": true, "": false, "1": false, "0.0.0.0/0": false} {
		trust, err := ParseProxyTrust(setting)
		require.NoError(t, err)
		require.Equal(t, everybody, trust.Everybody(), setting)
	}
}

func TestNetworkOfALimit(t *testing.T) {
	t.Parallel()
	for ip, subject := range map[string]string{
		"192.0.2.1":           "192.0.2.1",
		"2001:db8:1:2:3:4::5": "2001:db8:1:2::/64",
		"2001:db8:1:2::":      "2001:db8:1:2::/64",
		"::1":                 "::/64",
		"":                    "",
	} {
		require.Equal(t, subject, caller.Client{IP: ip}.Network())
	}
}

func TestUserAgentIsText(t *testing.T) {
	t.Parallel()
	client := ProxyTrust{}.client(&http.Request{Header: http.Header{"User-Agent": {"a\xffb"}}})
	require.Equal(t, "a\ufffdb", client.UserAgent)
}
