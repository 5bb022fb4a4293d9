package hostkey

import (
	"cmp"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/ssh"
)

// defaultPort is SSH's.
const defaultPort = 22

// Place is where the keys of a host are kept: with an owner, for the one way there.
type Place struct {
	Owner caller.Owner
	Host  string
	Port  int
	// Via are the hops before it, as host:port joined by commas.
	Via string
}

// Places are those of the hosts of a way, in its order: each hop's own, and never
// that of the host behind it.
func Places(owner caller.Owner, way []ssh.Hop) []Place {
	places := make([]Place, len(way))
	via := make([]string, len(way))
	for i, hop := range way {
		host, port := Canonical(hop.Host), cmp.Or(hop.Port, defaultPort)
		places[i] = Place{Owner: owner, Host: host, Port: port, Via: strings.Join(via[:i], ",")}
		via[i] = net.JoinHostPort(host, strconv.Itoa(port))
	}
	return places
}

// Canonical is the one spelling of a host: names in lower case and without a dot at
// the end, addresses as netip writes them, IPv4 ones never as IPv6.
func Canonical(host string) string {
	host = strings.TrimRight(host, ".")
	bare := host
	if inside, found := strings.CutPrefix(host, "["); found {
		bare = strings.TrimSuffix(inside, "]")
	}
	if address, err := netip.ParseAddr(bare); err == nil {
		return address.Unmap().String()
	}
	return strings.ToLower(host)
}
