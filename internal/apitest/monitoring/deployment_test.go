package monitoring_test

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/nexterm-go/nexterm/internal/testserver"
	"github.com/nexterm-go/nexterm/internal/testssh"
)

// process is one more server of a deployment, by the name of its workers.
func process(t *testing.T, s *testserver.Server) (name string, kill func()) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), workVariable+"="+s.Pool.Config().ConnString())
	output, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	t.Cleanup(func() { _ = child.Wait() })
	kill = func() { _ = child.Process.Signal(syscall.SIGKILL) }
	t.Cleanup(kill)
	line, err := bufio.NewReader(output).ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSpace(line), kill
}

// Two servers share the cycles, each of which runs once. When one of them is killed
// in the middle of it, no host waits for longer than two intervals and a bit.
func TestTwoServersShareTheCycles(t *testing.T) {
	t.Parallel()
	const (
		interval = 4 * time.Second
		hosts    = 200
	)
	s := testserver.New(t)
	host := testssh.Start(t, &testssh.Server{Run: func(string, ssh.Channel) int {
		time.Sleep(300 * time.Millisecond)
		return 0
	}})
	hurry(t, s, int(interval.Seconds()))
	s.Exec(t, `update monitoring_settings set batch_size = 50, status_checker_enabled = false`)
	identity := newIdentity(s.Owner, body{"type": "password", "username": "root", "password": testssh.Password})
	first := newServer(s.Owner, host.Port(), nil, identity)
	copies(t, s, first, hosts-1)
	victims := map[string]func(){}
	for range 2 {
		name, kill := process(t, s)
		victims[name] = kill
	}
	cycles := func() (n int) {
		s.Scan(t, &n, `select number from monitoring_cycles where service = 'metrics'`)
		return n
	}
	var working string
	require.Eventually(t, func() bool {
		var handed int
		s.Scan(t, &handed, `select handed from monitoring_cycles where service = 'metrics'`)
		if cycles() < 3 || handed < hosts/3 || handed == hosts {
			return false
		}
		s.Scan(t, &working, `select coalesce(max(attempted_by[1]), '') from river_job where state = 'running' and kind = 'probe_lane'`)
		return working != ""
	}, patience, 5*time.Millisecond)
	victims[working]()
	killed := cycles()
	require.Eventually(t, func() bool { return cycles() >= killed+3 }, patience, pause)

	var sampled, twice, lost int
	var longest float64
	s.Scan(t, &sampled, `select count(distinct entry_id) from monitoring_samples where status = 'online'`)
	require.Equal(t, hosts, sampled)
	s.Scan(t, &lost, `select $1 - count(*) from monitoring_samples`, hosts*(killed-1))
	require.LessOrEqual(t, lost, 0)
	const gaps = `with gaps as (
			select extract(epoch from coalesce(lead(timestamp) over (partition by entry_id order by timestamp), now()) - timestamp) as seconds,
				lead(timestamp) over (partition by entry_id order by timestamp) is not null as closed
			from monitoring_samples)
		select `
	s.Scan(t, &longest, gaps+`max(seconds)::float8 from gaps`)
	require.Less(t, longest, (2*interval + late).Seconds())
	s.Scan(t, &twice, gaps+`count(*) from gaps where closed and seconds < $1`, interval.Seconds()/4)
	require.Zero(t, twice)

	// What a cycle costs the queue does not depend on how many hosts there are.
	var jobs int
	s.Scan(t, &jobs, `select count(*) from river_job where kind = 'probe_lane'`)
	require.LessOrEqual(t, jobs, 4*cycles())
}
