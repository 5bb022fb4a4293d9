package monitoring_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/nexterm-go/nexterm/internal/testserver"
	"github.com/nexterm-go/nexterm/internal/testssh"
)

var (
	metricNames = regexp.MustCompile(`\b(?:nexterm|go|process)_[a-z0-9_]+`)
	// labelNames are in selectors, groupings, legends and texts.
	labelNames = regexp.MustCompile(`\b(\w+)(?:=~|!~|!=|=)\\?"|\bby \(([\w, ]+)\)|\{\{(\w+)\}\}|\$labels\.(\w+)`)
)

// Alert rules and dashboards ask for nothing but what a server shows that is at work.
func TestDeploymentsAskForMetricsThatThereAre(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	public, identity := login(t, s.Owner)
	daemon := testssh.StartDaemon(t, hostKey(t), []ssh.PublicKey{public})
	id := newServer(s.Owner, daemon.Port, nil, identity)
	a := work(t, s)
	await(t, s.Owner, id, func(seen target) bool { return seen.Status == "online" && seen.Monitoring.CPUUsage != nil })
	// Not every machine that this runs on lets its disks be seen.
	s.Exec(t, `update monitoring_snapshots set disk = '[{"name": "sda", "type": "disk", "size": 100, "partitions": [
		{"name": "sda1", "size": 90, "mountPoint": "/", "type": "ext4", "used": 40, "available": 50, "usagePercent": 44}]}]'`)

	shown, labels := map[string]bool{}, map[string]bool{"job": true, "le": true}
	scrape := func(text io.Reader) {
		parser := expfmt.NewTextParser(model.LegacyValidation)
		families, err := parser.TextToMetricFamilies(text)
		require.NoError(t, err)
		for name, family := range families {
			shown[name] = true
			for _, metric := range family.Metric {
				for _, l := range metric.Label {
					labels[l.GetName()] = true
				}
			}
			if family.GetType() == dto.MetricType_HISTOGRAM {
				shown[name+"_bucket"], shown[name+"_count"], shown[name+"_sum"] = true, true, true
			}
		}
	}
	scrape(bytes.NewReader(s.Owner.Get("/api/monitoring/metrics").Want(200).Body))
	for range 2 { // requests show once they are answered
		answer := httptest.NewRecorder()
		a.Server.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		scrape(answer.Body)
	}

	files, err := filepath.Glob("../../../deploy/[pg]*/*") // Prometheus and Grafana
	require.NoError(t, err)
	require.Len(t, files, 4)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, name := range metricNames.FindAllString(string(text), -1) {
			require.True(t, shown[name], "%s: there is no %s", file, name)
		}
		for _, found := range labelNames.FindAllStringSubmatch(string(text), -1) {
			for name := range strings.SplitSeq(strings.Join(found[1:], ""), ", ") {
				require.True(t, labels[name], "%s: nothing has a label %s", file, name)
			}
		}
	}
}
