package monitoring

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"strconv"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/caller"
	"github.com/nexterm-go/nexterm/internal/paging"
)

// family is the place of a metric among the families.
type family int

const (
	up family = iota
	lastSample
	cpuUsage
	memoryUsage
	memoryTotal
	load1
	load5
	load15
	uptime
	processes
	filesystemSize
	filesystemUsed
	networkReceive
	networkTransmit
	info
	familyCount
)

var families = [familyCount]struct {
	name, help string
	kind       dto.MetricType
}{
	up:              {"nexterm_target_up", "Whether the newest sample of the target was collected.", dto.MetricType_GAUGE},
	lastSample:      {"nexterm_target_last_sample_timestamp_seconds", "When the newest sample was taken.", dto.MetricType_GAUGE},
	cpuUsage:        {"nexterm_target_cpu_usage_ratio", "How busy all processors are together.", dto.MetricType_GAUGE},
	memoryUsage:     {"nexterm_target_memory_usage_ratio", "How much of the memory is in use.", dto.MetricType_GAUGE},
	memoryTotal:     {"nexterm_target_memory_total_bytes", "How much memory there is.", dto.MetricType_GAUGE},
	load1:           {"nexterm_target_load1", "Load average over one minute.", dto.MetricType_GAUGE},
	load5:           {"nexterm_target_load5", "Load average over five minutes.", dto.MetricType_GAUGE},
	load15:          {"nexterm_target_load15", "Load average over fifteen minutes.", dto.MetricType_GAUGE},
	uptime:          {"nexterm_target_uptime_seconds", "Time since the boot.", dto.MetricType_GAUGE},
	processes:       {"nexterm_target_processes", "How many processes there are.", dto.MetricType_GAUGE},
	filesystemSize:  {"nexterm_target_filesystem_size_bytes", "Size of what a mounted file system lies on.", dto.MetricType_GAUGE},
	filesystemUsed:  {"nexterm_target_filesystem_used_bytes", "How much of a mounted file system is in use.", dto.MetricType_GAUGE},
	networkReceive:  {"nexterm_target_network_receive_bytes_total", "What an interface has received since the boot.", dto.MetricType_COUNTER},
	networkTransmit: {"nexterm_target_network_transmit_bytes_total", "What an interface has sent since the boot.", dto.MetricType_COUNTER},
	info:            {"nexterm_target_info", "The operating system of the target.", dto.MetricType_GAUGE},
}

// GetMonitoringMetrics answers the newest values as metrics.
func (h *Handlers) GetMonitoringMetrics(ctx context.Context, _ api.GetMonitoringMetricsRequestObject) (api.GetMonitoringMetricsResponseObject, error) {
	var all scrape
	targets := &paging.List[db.GetMonitoringMetricsRow]{Context: ctx, Read: func(_ context.Context, last *db.GetMonitoringMetricsRow) ([]db.GetMonitoringMetricsRow, error) {
		page := db.GetMonitoringMetricsParams{Reach: caller.From(ctx).Reach, Most: paging.Length}
		if last != nil {
			page.After = last.ID
		}
		return h.queries.GetMonitoringMetrics(ctx, page)
	}}
	page, err := targets.Page()
	for ; len(page) > 0 && err == nil; page, err = targets.Page() {
		for i := range page {
			all.addTarget(&page[i])
		}
	}
	if err != nil {
		return nil, err
	}
	accept := map[string][]string{"Accept": {caller.ClientFrom(ctx).Accept}}
	format := expfmt.NegotiateAccept(accept, expfmt.FmtText, expfmt.FmtOpenMetrics_1_0_0, expfmt.FmtOpenMetrics_0_0_1)
	var text bytes.Buffer
	header := api.GetMonitoringMetrics200ResponseHeaders{Vary: "Accept"}
	if format.FormatType() == expfmt.TypeOpenMetrics {
		err = all.write(&text, func(w io.Writer, f *dto.MetricFamily) (int, error) { return expfmt.MetricFamilyToOpenMetrics(w, f) })
		if err == nil {
			_, err = expfmt.FinalizeOpenMetrics(&text)
		}
		return api.GetMonitoringMetrics200ApplicationOpenmetricsTextVersion100CharsetUTF8Response{
			Body: &text, Headers: header, ContentLength: int64(text.Len()),
		}, err
	}
	err = all.write(&text, expfmt.MetricFamilyToText)
	return api.GetMonitoringMetrics200TextPlainVersion004CharsetUTF8Response{Body: &text, Headers: header, ContentLength: int64(text.Len())}, err
}

// scrape is all that is told of all targets, family by family.
type scrape [familyCount][]*dto.Metric

func (s *scrape) write(w io.Writer, encode func(io.Writer, *dto.MetricFamily) (int, error)) error {
	for i, metrics := range s {
		if len(metrics) == 0 {
			continue
		}
		f := &families[i]
		if _, err := encode(w, &dto.MetricFamily{Name: &f.name, Help: &f.help, Type: &f.kind, Metric: metrics}); err != nil {
			return err
		}
	}
	return nil
}

// target is what the metrics of one target have in common.
type target struct {
	*scrape
	labels []*dto.LabelPair
	// told are the names of what a target has many of. A host may name two alike,
	// which would break the whole scrape.
	told map[[4]string]bool
}

func (s *scrape) addTarget(row *db.GetMonitoringMetricsRow) {
	var organization, instance string
	if row.OrganizationID != nil {
		organization = strconv.FormatInt(*row.OrganizationID, 10)
	}
	if row.IP != "" {
		instance = net.JoinHostPort(row.IP, strconv.Itoa(int(row.Port)))
	}
	t := target{s, []*dto.LabelPair{
		label("entry_id", strconv.FormatInt(row.ID, 10)), label("name", row.Name), label("organization_id", organization), label("instance", instance),
	}, map[[4]string]bool{}}
	if row.Retained {
		online := 0.0
		if *row.SampleStatus == string(api.MonitoringSampleStatusOnline) {
			online = 1
		}
		t.add(up, online)
		t.add(lastSample, float64(row.UpdatedAt.UnixMilli())/float64(time.Second/time.Millisecond))
	}
	if row.Current {
		addKnown(t, cpuUsage, row.CpuUsage, 100)
		addKnown(t, memoryUsage, row.MemoryUsage, 100)
		addKnown(t, uptime, row.Uptime, 1)
		addKnown(t, processes, row.Processes, 1)
		for i, value := range row.LoadAverage[:min(len(row.LoadAverage), 3)] {
			t.add(load1+family(i), value)
		}
	}
	if row.Seen {
		addKnown(t, memoryTotal, row.MemoryTotal, 1)
		t.addDisks(row.Disk)
		t.addInterfaces(row.Network)
	}
	var os api.OSInfo
	if row.OsInfo != nil && json.Unmarshal(row.OsInfo, &os) == nil {
		t.add(info, 1, label("os", text(os.Name)), label("version", text(os.Version)), label("kernel", text(os.Kernel)), label("architecture", text(os.Architecture)))
	}
}

// addDisks adds the mounted file systems. What is not as the contract has it is
// left out: a host's doing must not cost the others their metrics.
func (t target) addDisks(raw []byte) {
	var disks []api.Disk
	if raw == nil || t.full() || json.Unmarshal(raw, &disks) != nil {
		return
	}
	for _, disk := range disks {
		for _, p := range disk.Partitions {
			names := [4]string{"filesystem", p.Name, text(p.MountPoint), text(p.Type)}
			if p.MountPoint == nil || *p.MountPoint == "[SWAP]" || t.told[names] {
				continue
			}
			t.told[names] = true
			labels := []*dto.LabelPair{label("device", names[1]), label("mountpoint", names[2]), label("fstype", names[3])}
			t.add(filesystemSize, float64(p.Size), labels...)
			if p.Used != 0 || p.Available != 0 { // else it is not known
				t.add(filesystemUsed, float64(p.Used), labels...)
			}
		}
	}
}

// maxParts is how many file systems and interfaces all targets have in a scrape:
// more than any deployment, and less than fits into memory.
const maxParts = 200_000

func (t target) full() bool {
	return len(t.scrape[filesystemSize])+len(t.scrape[networkReceive]) >= maxParts
}

func (t target) addInterfaces(raw []byte) {
	var interfaces []api.NetworkInterface
	if raw == nil || t.full() || json.Unmarshal(raw, &interfaces) != nil {
		return
	}
	for _, i := range interfaces {
		names := [4]string{"network", i.Name}
		if t.told[names] {
			continue
		}
		t.told[names] = true
		t.add(networkReceive, float64(i.RxBytes), label("device", i.Name))
		t.add(networkTransmit, float64(i.TxBytes), label("device", i.Name))
	}
}

// addKnown adds a value that may be missing, as so many units.
func addKnown[N int32 | int64](t target, f family, value *N, unit float64) {
	if value != nil {
		t.add(f, float64(*value)/unit)
	}
}

func (t target) add(f family, value float64, more ...*dto.LabelPair) {
	metric := &dto.Metric{Label: append(t.labels[:len(t.labels):len(t.labels)], more...)}
	if families[f].kind == dto.MetricType_COUNTER {
		metric.Counter = &dto.Counter{Value: &value}
	} else {
		metric.Gauge = &dto.Gauge{Value: &value}
	}
	t.scrape[f] = append(t.scrape[f], metric)
}

func label(name, value string) *dto.LabelPair { return &dto.LabelPair{Name: &name, Value: &value} }

func text(known *string) string {
	if known == nil {
		return ""
	}
	return *known
}
