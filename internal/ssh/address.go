package ssh

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"strings"
)

func (d *Dialer) denies(address netip.Addr) bool {
	// Systems take the unspecified address for their own.
	if address.Unmap().IsUnspecified() && (d.Deny.Contain(netip.IPv6Loopback()) || d.Deny.Contain(netip.AddrFrom4([4]byte{127, 0, 0, 1}))) {
		return true
	}
	return d.Deny.Contain(address)
}

// isHost reports whether a text may be the name or address of a host. Hops are
// written in C, where a zero ends it, or blanks do.
func isHost(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f })
}

// readings are the addresses that systems may read into a host, none if it is a
// name: besides the usual forms those of inet_aton, of one to four numbers, each
// decimal, octal or hexadecimal, the last filling what is left. Leading zeros mean
// octal to some and nothing to others. To read too much only denies more.
func readings(host string) (addresses []netip.Addr) {
	host, _, _ = strings.Cut(host, "%")
	host = strings.TrimSuffix(host, ".")
	if address, err := netip.ParseAddr(host); err == nil {
		addresses = append(addresses, address)
	}
	parts := strings.Split(host, ".")
	if len(parts) > 4 {
		return addresses
	}
	for _, base := range []int{0, 10} {
		if address, ok := readParts(parts, base); ok {
			addresses = append(addresses, address)
		}
	}
	return addresses
}

func readParts(parts []string, base int) (address netip.Addr, ok bool) {
	var number uint64
	for i, part := range parts {
		bits := 8
		if i == len(parts)-1 {
			bits = 8 * (4 - i)
		}
		read, err := strconv.ParseUint(part, base, bits)
		if err != nil {
			return netip.Addr{}, false
		}
		number = number<<bits | read
	}
	var bytes [4]byte
	binary.BigEndian.PutUint32(bytes[:], uint32(number))
	return netip.AddrFrom4(bytes), true
}
