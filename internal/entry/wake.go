package entry

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/change"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/ratelimit"
)

// wakePort is the discard service, where magic packets usually go.
const wakePort = 9

var (
	errNotServer  = fail.BadRequest("Wake-On-LAN is only supported for server entries")
	errNoMAC      = fail.BadRequest("No MAC address configured for this server")
	errMAC        = fail.BadRequest("Invalid MAC address")
	errBroadcast  = fail.BadRequest("Invalid broadcast address")
	errNotLocal   = fail.BadRequest("The broadcast address is not on a local network")
	errWakeFailed = &fail.Error{Status: 500, Message: "Failed to send Wake-On-LAN packet"}
)

// everybody on the network of this host.
var everybody = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// wakeLimit is each account's.
var wakeLimit = ratelimit.Limit{
	Name: "wake", Max: 10, Window: time.Minute, Message: "Too many packets to wake servers. Please try again later.",
}

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
	broadcast := everybody
	if row.BroadcastAddress != "" {
		if broadcast, err = netip.ParseAddr(row.BroadcastAddress); err != nil || !broadcast.Is4() {
			return nil, errBroadcast
		}
	}
	if !local(broadcast) {
		return nil, errNotLocal
	}
	var standing ratelimit.Standing
	err = h.changes.Do(ctx, change.Touch{}, func(tx *change.Tx) (err error) {
		standing, err = wakeLimit.Count(ctx, tx.Queries, strconv.FormatInt(c.AccountID, 10))
		return err
	})
	if err := cmp.Or(err, standing.Refusal()); err != nil {
		return nil, err
	}
	if err := wake(ctx, mac, netip.AddrPortFrom(broadcast, wakePort)); err != nil {
		return nil, fmt.Errorf("%w: %w", errWakeFailed, err)
	}
	return api.WakeEntry200JSONResponse{Message: "Wake-On-LAN packet sent successfully"}, nil
}

// local reports whether a packet stays near: what is sent elsewhere is somebody
// else's burden.
func local(to netip.Addr) bool {
	return to.IsPrivate() || to.IsLinkLocalUnicast() || to.IsLoopback() || to == everybody
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
