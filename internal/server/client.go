package server

import (
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"github.com/nexterm-go/nexterm/internal/caller"
)

// ProxyTrust decides how many of the addresses in X-Forwarded-For are believed.
type ProxyTrust struct {
	hops     int
	networks []netip.Prefix
	all      bool
}

var namedNetworks = map[string][]string{
	"loopback":    {"127.0.0.0/8", "::1/128"},
	"linklocal":   {"169.254.0.0/16", "fe80::/10"},
	"uniquelocal": {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"},
}

// ParseProxyTrust reads the setting TRUST_PROXY: empty or "false" trusts
// nobody; a number is the count of proxies in front; a comma list of addresses,
// CIDR networks or the words loopback, linklocal and uniquelocal names them;
// "true" believes everybody, which lets clients choose their own address.
func ParseProxyTrust(setting string) (ProxyTrust, error) {
	setting = strings.TrimSpace(setting)
	switch setting {
	case "", "false":
		return ProxyTrust{}, nil
	case "true":
		return ProxyTrust{all: true}, nil
	}
	if hops, err := strconv.Atoi(setting); err == nil {
		if hops < 0 {
			return ProxyTrust{}, fmt.Errorf("a number of proxies cannot be negative: %d", hops)
		}
		return ProxyTrust{hops: hops}, nil
	}
	var trust ProxyTrust
	for _, item := range strings.Split(setting, ",") {
		item = strings.TrimSpace(item)
		networks, named := namedNetworks[item]
		if !named {
			networks = []string{item}
		}
		for _, text := range networks {
			prefix, err := parsePrefix(text)
			if err != nil {
				return ProxyTrust{}, fmt.Errorf("%q is neither an address nor a network nor loopback, linklocal or uniquelocal", item)
			}
			trust.networks = append(trust.networks, prefix)
		}
	}
	return trust, nil
}

func parsePrefix(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	if addr := prefix.Addr(); addr.Is4In6() && prefix.Bits() >= 96 {
		prefix = netip.PrefixFrom(addr.Unmap(), prefix.Bits()-96)
	}
	return prefix.Masked(), err
}

// Everybody reports whether any peer may claim any address.
func (t ProxyTrust) Everybody() bool { return t.all }

func (t ProxyTrust) trusts(hop int, addr netip.Addr) bool {
	if t.all || hop < t.hops {
		return true
	}
	for _, network := range t.networks {
		if network.Contains(addr) {
			return true
		}
	}
	return false
}

// client reads who is at the other end. From the socket's peer it walks back
// through X-Forwarded-For, from right to left, as far as each hop is trusted.
func (t ProxyTrust) client(r *http.Request) caller.Client {
	addr := peer(r)
	forwarded := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for hop := 0; hop < len(forwarded) && t.trusts(hop, addr); hop++ {
		next, err := netip.ParseAddr(strings.TrimSpace(forwarded[len(forwarded)-1-hop]))
		if err != nil {
			break
		}
		addr = next.Unmap().WithZone("")
	}
	client := caller.Client{
		UserAgent: strings.ToValidUTF8(r.UserAgent(), "�"),
		Host:      r.Host,
		Origin:    r.Header.Get("Origin"),
		Accept:    strings.Join(r.Header.Values("Accept"), ","),
	}
	if addr.IsValid() {
		client.IP = addr.String()
	}
	return client
}

func peer(r *http.Request) netip.Addr {
	addrPort, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return addrPort.Addr().Unmap().WithZone("")
}
