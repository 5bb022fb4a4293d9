package outbound

import (
	"fmt"
	"net/netip"
	"strings"
)

// Networks are address ranges.
type Networks []netip.Prefix

// ParseNetworks reads networks and single addresses, separated by commas.
func ParseNetworks(text string) (Networks, error) {
	var networks Networks
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		network, err := netip.ParsePrefix(part)
		if err != nil {
			address, err := netip.ParseAddr(part)
			if err != nil {
				return nil, fmt.Errorf("%q is neither an address nor a network", part)
			}
			network = netip.PrefixFrom(address, address.BitLen())
		}
		if network.Addr().Is4In6() {
			return nil, fmt.Errorf("%q: IPv4 networks are written without the prefix ::ffff", part)
		}
		networks = append(networks, network.Masked())
	}
	return networks, nil
}

// Contain reports whether an address is in one of the networks, in whatever clothes
// and from whatever interface.
func (n Networks) Contain(address netip.Addr) bool {
	address = address.Unmap().WithZone("")
	for _, network := range n {
		if network.Contains(address) {
			return true
		}
	}
	return false
}

var (
	// unicast6 is the only part of IPv6 that is given out for public use.
	unicast6 = netip.MustParsePrefix("2000::/3")
	// special are the ranges of the registries for special purposes (RFC 6890)
	// that netip has no question for.
	special = mustParse(
		"0.0.0.0/8",       // this network
		"100.64.0.0/10",   // carrier-grade NAT
		"192.0.0.0/24",    // protocol assignments
		"192.0.2.0/24",    // documentation
		"192.88.99.0/24",  // 6to4 relays
		"198.18.0.0/15",   // benchmarks
		"198.51.100.0/24", // documentation
		"203.0.113.0/24",  // documentation
		"240.0.0.0/4",     // reserved, and broadcast
		"2001::/23",       // protocol assignments, Teredo among them
		"2001:db8::/32",   // documentation
		"2002::/16",       // 6to4, which carries any IPv4 address
		"3fff::/20",       // documentation
	)
)

func mustParse(networks ...string) Networks {
	parsed, err := ParseNetworks(strings.Join(networks, ","))
	if err != nil {
		panic(err) // they are constant
	}
	return parsed
}

// public reports whether an address can belong to a host on the Internet. IPv4
// addresses in IPv6 clothes have to be unmapped before.
func public(address netip.Addr) bool {
	switch {
	case !address.IsValid(), address.IsUnspecified(), address.IsLoopback(), address.IsPrivate(),
		address.IsLinkLocalUnicast(), address.IsMulticast():
		return false
	case address.Is6() && !unicast6.Contains(address):
		return false
	}
	return !special.Contain(address)
}
