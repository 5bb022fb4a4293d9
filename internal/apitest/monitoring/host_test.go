package monitoring_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/user"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/nexterm-go/nexterm/internal/testserver"
	"github.com/nexterm-go/nexterm/internal/testssh"
)

// login makes a key that hosts let in, and the identity that has it.
func login(t *testing.T, c *testserver.Client) (ssh.PublicKey, int64) {
	t.Helper()
	account, err := user.Current()
	require.NoError(t, err)
	key, file := testssh.NewKey(t, ssh.KeyAlgoED25519, "")
	return key.PublicKey(), newIdentity(c, body{"type": "ssh", "username": account.Username, "sshKey": file})
}

func hostKey(t *testing.T) string {
	t.Helper()
	_, file := testssh.NewKey(t, ssh.KeyAlgoED25519, "")
	return file
}

// field is a number of a file of /proc, by the name that its line begins with.
func field(t *testing.T, file, name string, n int) float64 {
	t.Helper()
	f, err := os.Open(file)
	require.NoError(t, err)
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); name == "" || fields[0] == name {
			value, err := strconv.ParseFloat(fields[n], 64)
			require.NoError(t, err)
			return value
		}
	}
	t.Fatal(file, "has no", name)
	return 0
}

// What is shown of a host is what the host itself says.
func TestAHostOverOpenSSH(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	hurry(t, s, 2)
	public, identity := login(t, s.Owner)
	daemon := testssh.StartDaemon(t, hostKey(t), []ssh.PublicKey{public})
	id := newServer(s.Owner, daemon.Port, nil, identity)
	quiet := newServer(s.Owner, daemon.Port, body{"monitoringEnabled": false}, identity)
	next := s.Events(t)
	work(t, s)
	require.Eventually(t, func() bool { return samples(t, s, id) >= 2 }, patience, pause)
	seen := await(t, s.Owner, id, func(seen target) bool { return seen.Status == "online" && seen.LastChecked != nil })
	host := seen.Monitoring
	require.Equal(t, "online", *host.Status, "%v", host.ErrorMessage)
	require.Equal(t, host.Timestamp, host.LastSeen)
	require.Equal(t, field(t, "/proc/meminfo", "MemTotal:", 1)*1024, *host.MemoryTotal)
	require.InDelta(t, 100-100*field(t, "/proc/meminfo", "MemAvailable:", 1)/field(t, "/proc/meminfo", "MemTotal:", 1), *host.MemoryUsage, 15)
	require.InDelta(t, field(t, "/proc/uptime", "", 0), *host.Uptime, 60)
	require.Len(t, host.LoadAverage, 3)
	require.NotNil(t, host.CPUUsage)
	require.Greater(t, *host.Processes, 1.0)
	require.NotEmpty(t, host.ProcessList)
	require.LessOrEqual(t, len(host.ProcessList), 50)
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	require.NoError(t, err)
	require.Equal(t, strings.TrimSpace(string(release)), host.OSInfo["kernel"])
	interfaces, err := net.Interfaces()
	require.NoError(t, err)
	var names, want []string
	for _, i := range host.Network {
		names = append(names, i["name"].(string))
	}
	for _, i := range interfaces {
		if i.Flags&net.FlagLoopback == 0 {
			want = append(want, i.Name)
		}
	}
	require.Subset(t, names, want)
	require.NotContains(t, names, "lo")
	require.NotContains(t, overview(s.Owner), quiet)
	require.Zero(t, samples(t, s, quiet))
	require.Empty(t, overview(s.Colleague))
	require.Empty(t, overview(s.Stranger))
	for e := next(); ; e = next() {
		if e.ResourceID == id {
			require.Equal(t, "entry.online", string(e.Action))
			require.Equal(t, "job", string(e.Actor))
			break
		}
	}
	var chart struct {
		Data []body `json:"data"`
	}
	s.Owner.Get(fmt.Sprintf("/api/monitoring/%d", id)).Want(200).Into(&chart)
	require.GreaterOrEqual(t, len(chart.Data), 2)
}

func TestAHostBehindJumpHosts(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	hurry(t, s, 1)
	public, identity := login(t, s.Owner)
	hop := testssh.StartDaemon(t, hostKey(t), []ssh.PublicKey{public})
	second := testssh.StartDaemon(t, hostKey(t), []ssh.PublicKey{public})
	host := testssh.StartDaemon(t, hostKey(t), []ssh.PublicKey{public})
	first := newServer(s.Owner, hop.Port, body{"monitoringEnabled": false}, identity)
	other := newServer(s.Owner, second.Port, body{"monitoringEnabled": false}, identity)
	// Without a login there is no way through.
	locked := newServer(s.Owner, second.Port, body{"monitoringEnabled": false})
	id := newServer(s.Owner, host.Port, body{"jumpHosts": []int64{first, other}}, identity)
	blocked := newServer(s.Owner, host.Port, body{"jumpHosts": []int64{first, locked}}, identity)
	work(t, s)
	await(t, s.Owner, id, func(seen target) bool { return seen.Status == "online" && seen.Monitoring.CPUUsage != nil })
	require.Equal(t, "offline: Jump host 2: No identities configured", message(t, s.Owner, blocked))
	require.Eventually(t, func() bool {
		var checked bool
		s.Scan(t, &checked, `select exists (select from entry_checks where entry_id = $1)`, blocked)
		return checked
	}, patience, pause)
	require.Equal(t, "unknown", overview(s.Owner)[blocked].Status)

	var keys []struct {
		Host, Via string
		Port      int
	}
	s.Owner.Get(fmt.Sprintf("/api/entry/%d/host-keys", id)).Want(200).Into(&keys)
	require.Len(t, keys, 3)
	require.Equal(t, fmt.Sprintf("127.0.0.1:%d,127.0.0.1:%d", hop.Port, second.Port), keys[0].Via)
}

func TestAChangedHostKey(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	hurry(t, s, 1)
	public, identity := login(t, s.Owner)
	daemon := testssh.StartDaemon(t, hostKey(t), []ssh.PublicKey{public})
	id := newServer(s.Owner, daemon.Port, nil, identity)
	next := s.Events(t)
	work(t, s)
	await(t, s.Owner, id, func(seen target) bool { return seen.Monitoring.CPUUsage != nil })

	daemon.SetHostKey(hostKey(t))
	seen := await(t, s.Owner, id, func(seen target) bool { return *seen.Monitoring.Status == "error" })
	require.Equal(t, "Host key has changed", *seen.Monitoring.ErrorMessage)
	require.NotEmpty(t, seen.Monitoring.OSInfo, "what was known last stays")
	require.Nil(t, seen.Monitoring.CPUUsage)
	for e := next(); ; e = next() {
		if e.Action == "host_key.changed" {
			break
		}
	}
	var keys []struct {
		ID      int64
		Offered *struct{ Fingerprint string }
	}
	path := fmt.Sprintf("/api/entry/%d/host-keys", id)
	s.Owner.Get(path).Want(200).Into(&keys)
	require.Len(t, keys, 1)
	require.NotNil(t, keys[0].Offered)
	s.Owner.Post(fmt.Sprint(path, "/", keys[0].ID, "/accept"), body{"fingerprint": keys[0].Offered.Fingerprint}).Want(200)
	await(t, s.Owner, id, func(seen target) bool { return *seen.Monitoring.Status == "online" })
}
