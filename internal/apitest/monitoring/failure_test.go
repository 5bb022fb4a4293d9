package monitoring_test

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/nexterm-go/nexterm/internal/app"
	"github.com/nexterm-go/nexterm/internal/hostkey"
	"github.com/nexterm-go/nexterm/internal/outbound"
	"github.com/nexterm-go/nexterm/internal/testserver"
	"github.com/nexterm-go/nexterm/internal/testssh"
)

// Each failure is told by its name, and costs nothing but its own time.
func TestHostsThatFail(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	hurry(t, s, 8)
	s.Exec(t, `update monitoring_settings set batch_size = 50`)
	password := newIdentity(s.Owner, body{"type": "password", "username": "root", "password": testssh.Password})
	wrong := newIdentity(s.Owner, body{"type": "password", "username": "root", "password": "no"})
	garbled := newIdentity(s.Owner, body{"type": "ssh", "username": "root", "sshKey": "no key"})
	nameless := newIdentity(s.Owner, body{"type": "password-only", "password": testssh.Password})

	play := func(play func(net.Conn)) int { return testssh.Start(t, &testssh.Server{Play: play}).Port() }
	say := func(text string) int { return play(func(c net.Conn) { _, _ = c.Write([]byte(text)) }) }
	run := func(run func(string, ssh.Channel) int) int { return testssh.Start(t, &testssh.Server{Run: run}).Port() }
	forever := func(c net.Conn) {
		for buffer := make([]byte, 1<<10); ; {
			if _, err := c.Read(buffer); err != nil {
				return
			}
		}
	}
	refusing := testssh.Refusing(t)
	good := testssh.Start(t, &testssh.Server{}).Port()
	const unreachable = "offline: Failed to connect to SSH host"

	wanted := map[int64]string{
		newServer(s.Owner, refusing, nil, password):                                                                           unreachable,
		newServer(s.Owner, play(forever), nil, password):                                                                      "offline: Request timeout",
		newServer(s.Owner, play(func(net.Conn) {}), nil, password):                                                            unreachable,
		newServer(s.Owner, say("HTTP/1.1 400 Bad Request\r\n\r\n"), nil, password):                                            unreachable,
		newServer(s.Owner, say("SSH-2.0-x\r\n"+strings.Repeat("garbage", 1000)), nil, password):                               unreachable,
		newServer(s.Owner, good, nil, wrong):                                                                                  "offline: SSH authentication failed",
		newServer(s.Owner, good, nil, garbled):                                                                                "error: The private key could not be read",
		newServer(s.Owner, good, nil, nameless):                                                                               "error: Missing username",
		newServer(s.Owner, good, nil):                                                                                         "error: No identities configured",
		newServer(s.Owner, good, body{"ip": nil}, password):                                                                   "error: Missing host configuration",
		newServer(s.Owner, good, body{"ip": "host.invalid"}, password):                                                        unreachable,
		newServer(s.Owner, good, body{"engineId": "other"}, password):                                                         "error: No engine connected. Monitoring requires the Nexterm Engine.",
		newServer(s.Owner, good, body{"ip": "127.0.0.9"}, password):                                                           "error: Target address is not allowed",
		newServer(s.Owner, run(func(_ string, c ssh.Channel) int { _, _ = io.Copy(io.Discard, c); return 0 }), nil, password): "offline: Request timeout",
		newServer(s.Owner, run(func(_ string, c ssh.Channel) int { _ = c.Close(); return -1 }), nil, password):                unreachable,
		newServer(s.Owner, run(func(string, ssh.Channel) int { return 127 }), nil, password):                                  "online",
		newServer(s.Owner, run(func(_ string, c ssh.Channel) int {
			for line := []byte(strings.Repeat("\x00\xff{\"", 1000)); ; {
				if _, err := c.Write(line); err != nil {
					return 1
				}
			}
		}), nil, password): "online",
	}
	networks, err := outbound.ParseNetworks("127.0.0.9")
	require.NoError(t, err)
	before := runtime.NumGoroutine()
	t.Run("cycle", func(t *testing.T) {
		work(t, s, func(o *app.Options) { o.Deny = networks })
		for id, want := range wanted {
			assert.Equal(t, want, message(t, s.Owner, id), "%d", id)
		}
	})
	require.Eventually(t, func() bool { return runtime.NumGoroutine() <= before+5 }, patience, pause, "%d before", before)
	require.NotContains(t, s.Log.String(), "a probe has failed")
}

// What a person has to say to is not said by the collector.
func TestUnknownHostKeysAreRefused(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	hurry(t, s, 1)
	host := testssh.Start(t, &testssh.Server{})
	password := newIdentity(s.Owner, body{"type": "password", "username": "root", "password": testssh.Password})
	id := newServer(s.Owner, host.Port(), nil, password)
	work(t, s, func(o *app.Options) { o.HostKeys = hostkey.Strict })
	require.Equal(t, "error: Host key is not known", message(t, s.Owner, id))
	key := string(ssh.MarshalAuthorizedKey(host.HostKeys[0].PublicKey()))
	s.Owner.Put(fmt.Sprintf("/api/entry/%d/host-keys", id), body{"publicKey": strings.TrimSpace(key)}).Want(200)
	await(t, s.Owner, id, func(seen target) bool { return *seen.Monitoring.Status == "online" })
}

// Settings hold at once, on servers that are already at it.
func TestSettingsHoldAtOnce(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	s.Admin.Patch("/api/monitoring/settings/global", body{"statusCheckerEnabled": false, "monitoringEnabled": false}).Want(200)
	host := testssh.Start(t, &testssh.Server{})
	password := newIdentity(s.Owner, body{"type": "password", "username": "root", "password": testssh.Password})
	id := newServer(s.Owner, host.Port(), nil, password)
	work(t, s)
	time.Sleep(3 * time.Second)
	require.Zero(t, host.Accepted())
	s.Admin.Patch("/api/monitoring/settings/global", body{"monitoringEnabled": true}).Want(200)
	await(t, s.Owner, id, func(seen target) bool { return seen.Monitoring.Timestamp != nil })
	var checks int
	s.Scan(t, &checks, `select count(*) from entry_checks`)
	require.Zero(t, checks)
	s.Admin.Patch("/api/monitoring/settings/global", body{"statusCheckerEnabled": true}).Want(200)
	await(t, s.Owner, id, func(seen target) bool { return seen.Status == "online" })
	host.Close()
	s.Admin.Patch("/api/monitoring/settings/global", body{"statusInterval": 10}).Want(200)
	await(t, s.Owner, id, func(seen target) bool { return seen.Status == "offline" })
	s.Admin.Patch("/api/monitoring/settings/global", body{"statusCheckerEnabled": false}).Want(200)
	var entry struct{ Status string }
	s.Owner.Get(fmt.Sprintf("/api/entry/%d", id)).Want(200).Into(&entry)
	require.Equal(t, "online", entry.Status)
}
