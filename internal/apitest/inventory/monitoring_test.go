package inventory_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/testserver"
)

// newTarget makes a monitored entry.
func newTarget(c *testserver.Client, name string, more body) int64 {
	return newEntry(c, name, merge(body{"config": body{"protocol": "ssh", "ip": "192.0.2.1", "port": 2222, "monitoringEnabled": true}}, more))
}

func merge(b, more body) body {
	for key, value := range more {
		b[key] = value
	}
	return b
}

// collected is a sample of an entry, as it is stored, of a host that answers.
func collected(entry int64, age time.Duration, more body) body {
	return merge(body{
		"entry_id": entry, "age_ms": age.Milliseconds(), "took_ms": 150, "status": "online",
		"cpu_usage": 12, "memory_usage": 41, "uptime": 86400, "load_average": []float64{0.1, 0.2, 0.15}, "processes": 213,
		"memory_total": 8326750208,
		"disk": []body{{"name": "sda", "size": 100, "model": nil, "serial": "S1", "rotational": true, "partitions": []body{
			{"name": "sda1", "size": 90, "mountPoint": "/", "type": "ext4", "used": 40, "available": 50, "usagePercent": 45},
		}}},
		"network": []body{{
			"name": "eth0", "ipv4": []string{"192.0.2.1/24"}, "ipv6": []string{}, "rxBytes": 1000, "txBytes": 2000,
			"mac": "00:11:22:33:44:55", "state": "up", "mtu": 1500, "speed": nil,
		}},
		"process_list": []body{{
			"user": "root", "pid": 1, "cpu": 0.1, "mem": 0.3, "vsz": 1, "rss": 2, "tty": "?", "stat": "Ss", "start": "11:02", "time": "0:04", "command": "init",
		}},
		"os_info": body{"hostname": "web1", "name": "Debian GNU/Linux", "version": nil, "kernel": "6.1.0", "architecture": "x86_64"},
		"boot_id": "boot", "cpu_total": 1000, "cpu_idle": 900,
	}, more)
}

// failed is one of a host that does not.
func failed(entry int64, age time.Duration) body {
	return body{"entry_id": entry, "age_ms": age.Milliseconds(), "took_ms": 30000, "status": "offline", "error_message": "Request timeout"}
}

func store(t testing.TB, s *testserver.Server, samples ...body) {
	t.Helper()
	encoded, err := json.Marshal(samples)
	require.NoError(t, err)
	require.NoError(t, db.New(s.Pool).StoreSamples(t.Context(), encoded))
}

// check stores what the status checker has found of an entry.
func check(t testing.TB, s *testserver.Server, entry int64, age time.Duration, status string) []db.StoreChecksRow {
	t.Helper()
	changed, err := db.New(s.Pool).StoreChecks(t.Context(), db.StoreChecksParams{
		EntryIds: []int64{entry}, Ages: []int64{age.Milliseconds()}, Took: []int32{5}, Statuses: []string{status},
	})
	require.NoError(t, err)
	return changed
}

func monitoringPath(id int64) string { return fmt.Sprintf("/api/monitoring/%d", id) }

func targets(c *testserver.Client) (list []body) {
	c.Get("/api/monitoring").Want(200).Into(&list)
	return list
}

func names(targets []body) []any {
	list := []any{}
	for _, target := range targets {
		list = append(list, target["name"])
	}
	return list
}

// ago expects a time so long ago.
func ago(t testing.TB, age time.Duration, text any) {
	t.Helper()
	parsed, err := time.Parse(time.RFC3339, text.(string))
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(-age), parsed, time.Minute/2)
}

func TestMonitoredTargetsAreTheCallersOwn(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	own := newTarget(s.Owner, "own", nil)
	newEntry(s.Owner, "not monitored", nil)
	newEntry(s.Owner, "telnet", body{"config": body{"protocol": "telnet", "ip": "192.0.2.1", "monitoringEnabled": true}})
	newIntegration(t, s, s.Owner)
	newTarget(s.Colleague, "colleague's", nil)
	newTarget(s.Owner, "shared", body{"organizationId": s.Organization, "config": body{"protocol": "ssh", "monitoringEnabled": true}})
	require.Equal(t, []any{"own", "shared"}, names(targets(s.Owner)))
	require.Equal(t, []any{"own", "shared"}, names(targets(s.NewAPIKey(t, s.Owner))))
	require.Equal(t, []any{"colleague's", "shared"}, names(targets(s.Colleague)))
	require.Equal(t, []any{}, names(targets(s.Stranger)))
	require.Equal(t, []any{}, names(targets(s.Admin)))
	require.Equal(t, body{
		"id": number(own), "serverId": number(own), "type": "server", "name": "own", "icon": "server", "ip": "192.0.2.1", "port": 2222.0,
		"status": "unknown", "lastChecked": nil, "monitoringEnabled": true,
		"monitoring": body{
			"id": nil, "entryId": number(own), "integrationId": nil, "timestamp": nil, "updatedAt": nil, "lastSeen": nil, "status": nil,
			"cpuUsage": nil, "memoryUsage": nil, "memoryTotal": nil, "uptime": nil, "processes": nil, "loadAverage": []any{}, "disk": []any{},
			"network": []any{}, "processList": []any{}, "osInfo": body{}, "errorMessage": "No monitoring data available",
		},
	}, targets(s.Owner)[0])
	require.Nil(t, targets(s.Owner)[1]["ip"])
	require.Nil(t, targets(s.Owner)[1]["port"])

	s.Exec(t, `delete from organization_members where account_id = $1`, s.Colleague.AccountID)
	require.Equal(t, []any{"colleague's"}, names(targets(s.Colleague)))
	s.Owner.Patch(entryPath(own), body{"config": body{"protocol": "ssh", "ip": "192.0.2.1"}}).Want(200)
	require.Equal(t, []any{"shared"}, names(targets(s.Owner)))
}

func TestStatusOfMonitoredTargets(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id := newTarget(s.Owner, "web", nil)
	expect := func(status string, lastChecked time.Duration) {
		t.Helper()
		target := targets(s.Owner)[0]
		require.Equal(t, status, target["status"])
		ago(t, lastChecked, target["lastChecked"])
	}
	store(t, s, collected(id, 4*time.Minute, nil))
	expect("unknown", 4*time.Minute)
	check(t, s, id, 3*time.Minute, "offline")
	expect("offline", 3*time.Minute)
	check(t, s, id, 2*time.Minute, "online")
	expect("online", 2*time.Minute)
	check(t, s, id, time.Minute, "")
	expect("online", time.Minute)

	s.Exec(t, `update monitoring_settings set status_checker_enabled = false`)
	expect("online", 4*time.Minute)
	s.Exec(t, `update entries set status = 'offline'`)
	expect("online", 4*time.Minute)
	store(t, s, failed(id, 2*time.Minute))
	s.Exec(t, `update entries set status = 'online'`)
	expect("offline", 2*time.Minute)
	store(t, s, merge(failed(id, time.Minute), body{"status": "error"}))
	expect("unknown", time.Minute)
	s.Exec(t, `update monitoring_snapshots set status = 'online', updated_at = now() - interval '25 hours'`)
	target := targets(s.Owner)[0]
	require.Equal(t, []any{"unknown", nil}, []any{target["status"], target["lastChecked"]}, "no sample is left")
}

func TestTheNewestSampleIsShownWithWhatIsKept(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id := newTarget(s.Owner, "web", nil)
	sample := func() body { return targets(s.Owner)[0]["monitoring"].(body) }
	store(t, s, collected(id, 3*time.Minute, body{"cpu_usage": nil, "network": []body{}}))
	first := sample()
	require.Equal(t, []any{nil, 41.0, 8326750208.0, 86400.0, 213.0, []any{0.1, 0.2, 0.15}, []any{}, "online", nil}, []any{
		first["cpuUsage"], first["memoryUsage"], first["memoryTotal"], first["uptime"], first["processes"], first["loadAverage"],
		first["network"], first["status"], first["errorMessage"],
	})
	ago(t, 3*time.Minute, first["timestamp"])
	ago(t, 3*time.Minute, first["lastSeen"])
	require.Equal(t, "init", first["processList"].([]any)[0].(body)["command"])

	store(t, s, failed(id, time.Minute))
	second := sample()
	for _, gone := range []string{"cpuUsage", "memoryUsage", "uptime", "processes", "loadAverage"} {
		require.Nil(t, second[gone], gone)
	}
	for _, kept := range []string{"memoryTotal", "disk", "network", "processList", "osInfo", "lastSeen"} {
		require.Equal(t, first[kept], second[kept], kept)
	}
	require.Equal(t, []any{"offline", "Request timeout"}, []any{second["status"], second["errorMessage"]})
	ago(t, time.Minute, second["timestamp"])
	ago(t, time.Minute, second["updatedAt"])

	store(t, s, collected(id, 2*time.Minute, nil))
	require.Equal(t, second, sample(), "another server was quicker with a later one")
	s.Exec(t, `update monitoring_snapshots set updated_at = now() - interval '25 hours'`)
	old := sample()
	require.Equal(t, []any{nil, nil, 8326750208.0, first["osInfo"]}, []any{old["timestamp"], old["errorMessage"], old["memoryTotal"], old["osInfo"]})
}

// history makes so many samples of an entry, a minute apart, the newest so old.
func history(t testing.TB, s *testserver.Server, entry int64, count int, newest time.Duration) {
	t.Helper()
	s.Exec(t, `insert into monitoring_samples (entry_id, timestamp, status, processes)
		select $1, now() - make_interval(secs => $3) - n * interval '1 minute', 'online', n from generate_series(0, $2::integer - 1) n`,
		entry, count, newest.Seconds())
}

type chart struct {
	Server, Latest body
	Data           []struct {
		EntryID   int64
		Processes int
	}
	TimeRange string
}

func getChart(c *testserver.Client, id int64, query string) (got chart) {
	c.Get(monitoringPath(id) + query).Want(200).Into(&got)
	return got
}

func TestCharts(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id := newTarget(s.Owner, "web", nil)
	history(t, s, newTarget(s.Owner, "another", nil), 10, 0)
	empty := getChart(s.Owner, id, "")
	require.Equal(t, []any{"1h", body{}, 0}, []any{empty.TimeRange, empty.Latest, len(empty.Data)})
	require.Equal(t, body{
		"id": number(id), "name": "web", "ip": "192.0.2.1", "port": 2222.0, "status": nil, "monitoringEnabled": true,
	}, empty.Server)

	s.Exec(t, `select make_partitions('monitoring_samples', '3 hours', now() - interval '1 day', now() - interval '6 hours')`)
	history(t, s, id, 24*60+30, time.Second)
	for query, want := range map[string]struct{ points, inWindow int }{
		"": {60, 60}, "?timeRange=": {60, 60}, "?timeRange=1h": {60, 60}, "?timeRange=6h": {360, 360},
		"?timeRange=24h": {720, 1440}, "?timeRange=7d": {720, 1440},
	} {
		got := getChart(s.Owner, id, query)
		require.Len(t, got.Data, want.points, query)
		for i, point := range got.Data {
			require.Equal(t, i*(want.inWindow-1)/(want.points-1), point.Processes, "%s: point %d", query, i)
			require.Equal(t, id, point.EntryID)
		}
	}
	for _, bad := range []string{"2h", "1H", "24", "7d%20"} {
		s.Owner.Get(monitoringPath(id)+"?timeRange="+bad).WantError(400, "Invalid time range")
		s.Owner.Get("/api/monitoring/integration/1?timeRange="+bad).WantError(400, "Invalid time range")
	}
	s.Exec(t, `update monitoring_settings set data_retention_hours = 2`)
	require.Len(t, getChart(s.Owner, id, "?timeRange=7d").Data, 120, "what is past the retention is not shown")
	require.Equal(t, 119, getChart(s.Owner, id, "?timeRange=6h").Data[119].Processes)
}

func TestChartsWithoutSamplesInTheirWindowShowTheLast(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	id := newTarget(s.Owner, "web", nil)
	history(t, s, id, 150, 7*time.Hour)
	hour := getChart(s.Owner, id, "?timeRange=1h")
	require.Len(t, hour.Data, 60)
	require.Equal(t, []int{0, 1, 3, 99}, []int{hour.Data[0].Processes, hour.Data[1].Processes, hour.Data[2].Processes, hour.Data[59].Processes})
	require.Len(t, getChart(s.Owner, id, "?timeRange=6h").Data, 100)
	require.Len(t, getChart(s.Owner, id, "?timeRange=24h").Data, 150)
	s.Exec(t, `update monitoring_settings set data_retention_hours = 6`)
	require.Empty(t, getChart(s.Owner, id, "?timeRange=24h").Data)
}

func TestMonitoringOfAServerFollowsItsReach(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	own, shared := newTarget(s.Owner, "own", nil), newTarget(s.Owner, "shared", body{"organizationId": s.Organization})
	plain := newEntry(s.Owner, "not monitored", nil)
	_, _, guest := newIntegration(t, s, s.Owner)
	store(t, s, collected(shared, time.Minute, nil))
	require.Equal(t, "web1", getChart(s.Colleague, shared, "").Latest["osInfo"].(body)["hostname"])
	require.Equal(t, []any{false, body{}}, []any{getChart(s.Owner, plain, "").Server["monitoringEnabled"], getChart(s.Owner, plain, "").Latest})
	require.Equal(t, "running", getChart(s.Owner, guest, "").Server["status"])
	for _, refused := range []*testserver.Response{
		s.Colleague.Get(monitoringPath(own)), s.Stranger.Get(monitoringPath(own)), s.Stranger.Get(monitoringPath(shared)),
		s.Admin.Get(monitoringPath(shared)), s.Owner.Get(monitoringPath(987654321)),
	} {
		refused.WantError(404, "Server not found")
	}
	s.Owner.Get("/api/monitoring/pve-1").WantError(400, "Invalid server ID")
	s.Owner.Get("/api/monitoring/integration/1").WantError(404, "Integration does not exist")
	s.Owner.Get("/api/monitoring/integration/x").WantError(400, "Invalid integration ID")
	s.Exec(t, `delete from organization_members where account_id = $1`, s.Colleague.AccountID)
	s.Colleague.Get(monitoringPath(shared)).WantError(404, "Server not found")
}
