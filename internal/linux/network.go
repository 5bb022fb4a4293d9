package linux

import (
	"net/netip"
	"strings"
)

const (
	maxInterfaces = 512
	maxAddresses  = 64
)

// interfaces joins what /sys says of interfaces, one a line, with their addresses
// as ip lists them. Those of other network namespaces are in the latter alone.
func interfaces(devices, addresses string) []Interface {
	list := []Interface{}
	byName := map[string]int{}
	find := func(name string) *Interface {
		// eth0@if5 is eth0, linked to the fifth interface somewhere else.
		name, _, _ = strings.Cut(clean(name, maxText), "@")
		if i, known := byName[name]; known {
			return &list[i]
		}
		if name == "" || name == "lo" || len(list) == maxInterfaces {
			return nil
		}
		byName[name] = len(list)
		list = append(list, Interface{Name: name, IPv4: []string{}, IPv6: []string{}})
		return &list[len(list)-1]
	}

	// Name, address, state, MTU, speed, bytes received and sent; - for what is not
	// known. Names have no blanks.
	for line := range strings.Lines(devices) {
		fields := strings.Fields(line)
		if len(fields) != 7 {
			continue
		}
		device := find(fields[0])
		if device == nil {
			continue
		}
		if fields[1] != "-" {
			device.MAC = optional(fields[1])
		}
		if fields[2] != "-" {
			device.State = optional(fields[2])
		}
		if n, fine := number(fields[3]); fine {
			device.MTU = &n
		}
		if n, fine := number(fields[4]); fine {
			device.Speed = &n
		}
		device.RxBytes, device.TxBytes = numberOr0(fields[5]), numberOr0(fields[6])
	}

	// 2: eth0    inet 192.0.2.2/24 brd 192.0.2.255 scope global eth0\ ...
	// 5: tun0    inet 10.8.0.1 peer 10.8.0.2/32 scope global tun0\ ...
	for line := range strings.Lines(addresses) {
		fields := strings.Fields(line)
		if len(fields) < 4 || fields[2] != "inet" && fields[2] != "inet6" {
			continue
		}
		address := fields[3]
		if len(fields) > 5 && fields[4] == "peer" {
			if _, length, found := strings.Cut(fields[5], "/"); found {
				address += "/" + length
			}
		}
		prefix, err := netip.ParsePrefix(address)
		if err != nil {
			continue
		}
		device := find(fields[1])
		switch {
		case device == nil:
		case prefix.Addr().Is4():
			if len(device.IPv4) < maxAddresses {
				device.IPv4 = append(device.IPv4, prefix.String())
			}
		case len(device.IPv6) < maxAddresses:
			device.IPv6 = append(device.IPv6, prefix.String())
		}
	}
	return list
}
