package entry

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/fail"
)

// wakePort is the discard service, where magic packets usually go.
const wakePort = 9

var (
	errNotServer  = fail.BadRequest("Wake-On-LAN is only supported for server entries")
	errNoMAC      = fail.BadRequest("No MAC address configured for this server")
	errMAC        = fail.BadRequest("Invalid MAC address")
	errBroadcast  = fail.BadRequest("Invalid broadcast address")
	errWakeFailed = &fail.Error{Status: 500, Message: "Failed to send Wake-On-LAN packet"}
)

// WakeEntry sends a magic packet to the network of a server. Nobody answers it.
func (h *Handlers) WakeEntry(ctx context.Context, request api.WakeEntryRequestObject) (api.WakeEntryResponseObject, error) {
	c := caller.From(ctx)
	row, err := h.queries.WakeEntry(ctx, db.WakeEntryParams{ID: request.EntryID, Reach: c.Reach})
	switch {
	case err != nil:
		return nil, fail.OnNoRows(err, errNotFound)
	case api.EntryType(row.Type) != api.EntryTypeServer:
		return nil, errNotServer
	case row.MacAddress == "":
		return nil, errNoMAC
	}
	mac, err := net.ParseMAC(row.MacAddress)
	if err != nil || len(mac) != 6 {
		return nil, errMAC
	}
	broadcast := netip.AddrFrom4([4]byte{255, 255, 255, 255})
	if row.BroadcastAddress != "" {
		if broadcast, err = netip.ParseAddr(row.BroadcastAddress); err != nil || !broadcast.Is4() {
			return nil, errBroadcast
		}
	}
	if err := wake(ctx, mac, netip.AddrPortFrom(broadcast, wakePort)); err != nil {
		return nil, fmt.Errorf("%w: %w", errWakeFailed, err)
	}
	return api.WakeEntry200JSONResponse{Message: "Wake-On-LAN packet sent successfully"}, nil
}

// wake sends six bytes FF and the address sixteen times. Go's UDP sockets may
// broadcast.
func wake(ctx context.Context, mac net.HardwareAddr, to netip.AddrPort) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "udp4", to.String())
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	_, err = conn.Write(append(bytes.Repeat([]byte{0xff}, 6), bytes.Repeat(mac, 16)...))
	return err
}
