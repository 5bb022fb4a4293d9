package monitoring_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/nexterm-go/nexterm/internal/testserver"
	"github.com/nexterm-go/nexterm/internal/testssh"
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

	shown := map[string]bool{}
	scrape := func(text io.Reader) {
		parser := expfmt.NewTextParser(model.LegacyValidation)
		families, err := parser.TextToMetricFamilies(text)
		require.NoError(t, err)
		for name, family := range families {
			shown[name] = true
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

	files, err := filepath.Glob("../../../deploy/*/*")
	require.NoError(t, err)
	asked := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, name := range regexp.MustCompile(`\b(nexterm|go|process)_[a-z0-9_]+`).FindAllString(string(text), -1) {
			asked[name] = true
			require.Contains(t, shown, name, file)
		}
	}
	require.NotEmpty(t, asked)
}
