package inventory_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testserver"
)

const (
	textFormat  = "text/plain; version=0.0.4; charset=utf-8"
	openMetrics = "application/openmetrics-text; version=1.0.0; charset=utf-8"
)

// scrape reads the metrics as Prometheus does: by name and labels.
func scrape(t testing.TB, c *testserver.Client) map[string]float64 {
	t.Helper()
	answer := c.Get("/api/monitoring/metrics").Want(200)
	require.Equal(t, textFormat, answer.Header.Get("Content-Type"))
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(answer.Body))
	require.NoError(t, err, "%s", answer.Body)
	found := map[string]float64{}
	for name, f := range families {
		for _, m := range f.Metric {
			var labels []string
			for _, l := range m.Label {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			key := strings.TrimPrefix(name, "nexterm_target_") + " " + strings.Join(labels, " ")
			require.NotContains(t, found, key, "once")
			found[key] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return found
}

func TestMetricsOfTargets(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	web := newTarget(s.Owner, "web", nil)
	require.Empty(t, scrape(t, s.Owner))
	store(t, s, collected(web, time.Minute, nil))
	all := scrape(t, s.Owner)
	var timestamp float64
	s.Scan(t, &timestamp, `select (extract(epoch from date_trunc('milliseconds', updated_at)))::double precision from monitoring_snapshots`)
	of := fmt.Sprintf(" entry_id=%d name=web organization_id= instance=192.0.2.1:2222", web)
	want := map[string]float64{
		"up": 1, "last_sample_timestamp_seconds": timestamp, "cpu_usage_ratio": 0.12, "memory_usage_ratio": 0.41, "memory_total_bytes": 8326750208,
		"load1": 0.1, "load5": 0.2, "load15": 0.15, "uptime_seconds": 86400, "processes": 213,
	}
	labelled := map[string]float64{
		"filesystem_size_bytes" + of + " device=sda1 mountpoint=/ fstype=ext4": 90, "filesystem_used_bytes" + of + " device=sda1 mountpoint=/ fstype=ext4": 40,
		"network_receive_bytes_total" + of + " device=eth0": 1000, "network_transmit_bytes_total" + of + " device=eth0": 2000,
		"info" + of + " os=Debian GNU/Linux version= kernel=6.1.0 architecture=x86_64": 1,
	}
	for name, value := range want {
		labelled[name+of] = value
	}
	require.Equal(t, labelled, all)

	store(t, s, failed(web, 0))
	all = scrape(t, s.Owner)
	require.Zero(t, all["up"+of])
	require.NotContains(t, all, "cpu_usage_ratio"+of)
	require.Contains(t, all, "memory_total_bytes"+of, "it is not old yet")
	s.Exec(t, `update monitoring_snapshots set last_seen_at = now() - interval '4 minutes'`)
	require.Len(t, scrape(t, s.Owner), 3)

	store(t, s, collected(web, 0, nil))
	s.Exec(t, `update monitoring_snapshots set updated_at = now() - interval '170 seconds', last_seen_at = now() - interval '170 seconds'`)
	require.Len(t, scrape(t, s.Owner), len(labelled))
	s.Exec(t, `update monitoring_settings set monitoring_interval = 30`)
	require.Len(t, scrape(t, s.Owner), 3, "up, the time and what it is, of a sample that is older than three intervals")
}

func TestMetricsFollowTheReach(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	own := newTarget(s.Owner, "own", body{"config": body{"protocol": "ssh", "monitoringEnabled": true}})
	shared := newTarget(s.Owner, "shared", body{"organizationId": s.Organization, "config": body{"protocol": "ssh", "ip": "2001:db8::1", "monitoringEnabled": true}})
	store(t, s, failed(own, 0), failed(shared, 0))
	ups := func(c *testserver.Client) (list []string) {
		for key := range scrape(t, c) {
			if strings.HasPrefix(key, "up ") {
				list = append(list, key)
			}
		}
		return list
	}
	private := fmt.Sprintf("up entry_id=%d name=own organization_id= instance=", own)
	public := fmt.Sprintf("up entry_id=%d name=shared organization_id=%d instance=[2001:db8::1]:22", shared, s.Organization)
	require.ElementsMatch(t, []string{private, public}, ups(s.Owner))
	require.ElementsMatch(t, []string{private, public}, ups(s.NewAPIKey(t, s.Owner)))
	require.Equal(t, []string{public}, ups(s.Colleague))
	require.Empty(t, ups(s.Stranger))
	s.Exec(t, `delete from organization_members where account_id = $1`, s.Colleague.AccountID)
	require.Empty(t, ups(s.Colleague))
}

// What hosts name as they like breaks no scrape.
func TestMetricsOfHostsThatNameThingsOddly(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	const odd = "a\"b\\c\nd{e}=\r\u2028\ufffd"
	partition := func(name, mount any, used int) body {
		return body{"name": name, "size": 9, "mountPoint": mount, "type": "ext4", "used": used, "available": 0, "usagePercent": 0}
	}
	network := func(name string) body {
		return body{"name": name, "ipv4": []string{}, "ipv6": []string{}, "rxBytes": 1, "txBytes": 2, "mac": nil, "state": nil, "mtu": nil, "speed": nil}
	}
	web := newTarget(s.Owner, "web\n\"", nil)
	broken := newTarget(s.Owner, "broken", nil)
	store(t, s, collected(web, 0, body{
		"disk": []body{{"name": "sda", "size": 1, "model": nil, "serial": nil, "rotational": nil, "partitions": []body{
			partition("sda1", "/", 1), partition("sda1", "/", 2), partition("sda2", nil, 0), partition("sda3", "[SWAP]", 0),
			partition(odd, odd, 3), partition("sda4", "/unknown", 0),
		}}},
		"network": []body{network("eth0"), network("eth0"), network(odd)},
		"os_info": body{"name": odd, "version": "\x00"},
	}), collected(broken, 0, body{"disk": body{"no": "list"}, "network": []any{"x"}, "os_info": []any{}}))
	s.Exec(t, `update monitoring_snapshots set network = '[{"name": "\ud800", "rxBytes": 5}]' where entry_id = $1`, broken)
	found := scrape(t, s.Owner)
	count := func(prefix string) (n int) {
		for key := range found {
			if strings.HasPrefix(key, prefix) {
				n++
			}
		}
		return n
	}
	require.Equal(t, []int{3, 2, 3, 2, 1}, []int{
		count("filesystem_size_bytes"), count("filesystem_used_bytes"), count("network_receive_bytes_total"), count("up "), count("info "),
	})
	of := fmt.Sprintf(" entry_id=%d name=web\n\" organization_id= instance=192.0.2.1:2222", web)
	require.Equal(t, 1.0, found["filesystem_used_bytes"+of+" device=sda1 mountpoint=/ fstype=ext4"], "the first of two alike")
	require.Contains(t, found, "filesystem_size_bytes"+of+" device="+odd+" mountpoint="+odd+" fstype=ext4")
}

func TestMetricsComeAsTheyAreAskedFor(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	store(t, s, collected(newTarget(s.Owner, "web", nil), 0, nil))
	for accept, want := range map[string]string{
		"": textFormat, "*/*": textFormat, "text/plain": textFormat, "text/plain;version=0.0.4": textFormat, "nonsense;;": textFormat,
		"application/json": textFormat, "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited": textFormat,
		"application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.9": textFormat,
		"application/openmetrics-text": openMetrics, "application/openmetrics-text; version=1.0.0; charset=utf-8": openMetrics,
		"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1": openMetrics,
	} {
		answer := s.Owner.With("Accept", accept).Get("/api/monitoring/metrics").Want(200)
		require.Equal(t, want, answer.Header.Get("Content-Type"), accept)
		require.Equal(t, "Accept", answer.Header.Get("Vary"))
		text := string(answer.Body)
		require.Equal(t, want == openMetrics, strings.HasSuffix(text, "\n# EOF\n"), accept)
		require.Equal(t, want == openMetrics, strings.Contains(text, "# TYPE nexterm_target_network_receive_bytes counter\nnexterm_target_network_receive_bytes_total{"))
		require.Equal(t, want == textFormat, strings.Contains(text, "# TYPE nexterm_target_network_receive_bytes_total counter\nnexterm_target_network_receive_bytes_total{"))
	}
}
