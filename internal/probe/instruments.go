package probe

import (
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel"
)

// tracer has a span for each probe, in that of its lane.
var tracer = otel.Tracer("github.com/nexterm-go/nexterm")

// instruments measure the server's own work for Prometheus. No label names a
// target: there can be any number of them.
type instruments struct {
	took    *prometheus.HistogramVec
	waited  *prometheus.HistogramVec
	results *prometheus.CounterVec
	cycles  *prometheus.CounterVec
	left    *prometheus.CounterVec
}

func newInstruments() *instruments {
	return &instruments{
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "nexterm_probe_duration_seconds", Help: "Time that probing one target took, by service.",
			Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120},
		}, []string{"service"}),
		waited: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "nexterm_probe_queue_delay_seconds", Help: "Time from the start of a cycle until a lane of it begins, by service.",
			Buckets: []float64{.01, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"service"}),
		results: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "nexterm_probe_results_total", Help: "Targets that were probed, by service, status and the reason of failures.",
		}, []string{"service", "status", "reason"}),
		cycles: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "nexterm_probe_cycles_total", Help: "Cycles by service and what has become of them: started, skipped because one ran on, abandoned by servers that are gone.",
		}, []string{"service", "outcome"}),
		left: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "nexterm_probe_postponed_total", Help: "Targets that cycles had no time for, by service.",
		}, []string{"service"}),
	}
}

// Collectors are what Prometheus is shown.
func (p *Prober) Collectors() []prometheus.Collector {
	return []prometheus.Collector{p.took, p.waited, p.results, p.cycles, p.left}
}
