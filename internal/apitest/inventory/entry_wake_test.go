package inventory_test

import (
	"bytes"
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

func TestWakeSendsAMagicPacket(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id := newEntry(s.Owner, "web", body{"organizationId": s.Organization, "config": body{
		"macAddress": "01:23:45:67:89:aB", "wolBroadcastAddress": "127.0.0.1",
	}})
	listener, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9})
	require.Equal(t, "Wake-On-LAN packet sent successfully", s.Colleague.Post(entryPath(id)+"/wake", nil).Want(200).Message())
	if errors.Is(err, os.ErrPermission) {
		return // an ordinary user cannot listen there, so only the answer is known
	}
	require.NoError(t, err)
	defer func() { _ = listener.Close() }()
	require.NoError(t, listener.SetReadDeadline(time.Now().Add(10*time.Second)))
	packet := make([]byte, 200)
	n, err := listener.Read(packet)
	require.NoError(t, err)
	mac := []byte{0x01, 0x23, 0x45, 0x67, 0x89, 0xab}
	require.Equal(t, append(bytes.Repeat([]byte{0xff}, 6), bytes.Repeat(mac, 16)...), packet[:n])
}

// Not parallel: for a moment the process may open nothing, neither a socket for the
// packet. The connections of the client and to the database are open by then.
func TestWakeTellsThatNothingWasSent(t *testing.T) {
	s := testserver.New(t)
	id := newEntry(s.Owner, "web", body{"config": body{"macAddress": "01:23:45:67:89:ab", "wolBroadcastAddress": "127.0.0.1"}})
	s.Owner.Post(entryPath(id)+"/wake", nil).Want(200)
	var limit unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	t.Cleanup(func() { require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)) })
	none := limit
	none.Cur = 0
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &none))
	s.Owner.Post(entryPath(id)+"/wake", nil).WantError(500, "Failed to send Wake-On-LAN packet")
}

func TestWakeRefuses(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id := newEntry(s.Owner, "web", nil)
	_, _, guest := newIntegration(t, s, s.Owner)
	wake := func(c *testserver.Client, id int64) *testserver.Response { return c.Post(entryPath(id)+"/wake", nil) }
	wake(s.Owner, guest).WantError(400, "Wake-On-LAN is only supported for server entries")
	wake(s.Owner, id).WantError(400, "No MAC address configured for this server")
	wake(s.Stranger, id).WantError(404, "Entry not found")
	wake(s.Owner, 987654).WantError(404, "Entry not found")
	for _, mac := range []string{"garbage", "00:11:22:33:44", "02:00:5e:10:00:00:00:01"} {
		s.Exec(t, `update entries set config = jsonb_build_object('macAddress', $2::text) where id = $1`, id, mac)
		wake(s.Owner, id).WantError(400, "Invalid MAC address")
	}
	for _, address := range []string{"garbage", "::1", "192.0.2.256"} {
		s.Exec(t, `update entries set config = jsonb_build_object('macAddress', '00:11:22:33:44:55', 'wolBroadcastAddress', $2::text) where id = $1`, id, address)
		wake(s.Owner, id).WantError(400, "Invalid broadcast address")
	}
	for _, address := range []string{"8.8.8.8", "203.0.113.255", "100.64.0.1", "224.0.0.1", "0.0.0.0", "240.0.0.1"} {
		s.Exec(t, `update entries set config = config || jsonb_build_object('wolBroadcastAddress', $2::text) where id = $1`, id, address)
		wake(s.Owner, id).WantError(400, "The broadcast address is not on a local network")
	}
	shared := newEntry(s.Owner, "shared", body{"organizationId": s.Organization})
	wake(s.Admin, shared).WantError(404, "Entry not found")
}

func TestWakeIsLimitedForEachAccount(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id := newEntry(s.Owner, "web", body{"organizationId": s.Organization, "config": body{
		"macAddress": "01:23:45:67:89:ab", "wolBroadcastAddress": "127.0.0.1",
	}})
	wake := func(c *testserver.Client) *testserver.Response { return c.Post(entryPath(id)+"/wake", nil) }
	for range 10 {
		wake(s.Owner).Want(200)
	}
	answer := wake(s.NewAPIKey(t, s.Owner))
	answer.WantError(429, "Too many packets to wake servers. Please try again later.")
	require.Equal(t, "10;w=60", answer.Header.Get("RateLimit-Policy"))
	require.NotEmpty(t, answer.Header.Get("Retry-After"))
	wake(s.Colleague).Want(200)
}
