// Package prometheus checks deploy/prometheus and deploy/grafana without either server. It is a
// module of its own so that the parsers' dependencies stay out of the product. That the metrics
// exist is tested with a server that runs, in internal/apitest/monitoring.
package prometheus

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"
)

const folder = "../../deploy/prometheus"

// configuration is what is used of Prometheus's, whose own package brings the clients of every
// cloud with it. Keys that are not here do not load.
type configuration struct {
	Global struct {
		ScrapeInterval     model.Duration `yaml:"scrape_interval"`
		EvaluationInterval model.Duration `yaml:"evaluation_interval"`
	}
	RuleFiles []string `yaml:"rule_files"`
	Alerting  struct {
		Alertmanagers []struct {
			StaticConfigs []targets `yaml:"static_configs"`
		}
	}
	ScrapeConfigs []scrape `yaml:"scrape_configs"`
}

type scrape struct {
	JobName        string `yaml:"job_name"`
	Scheme         string
	MetricsPath    string         `yaml:"metrics_path"`
	ScrapeInterval model.Duration `yaml:"scrape_interval"`
	HonorLabels    bool           `yaml:"honor_labels"`
	Authorization  struct {
		CredentialsFile string `yaml:"credentials_file"`
	}
	StaticConfigs []targets `yaml:"static_configs"`
}

type targets struct{ Targets []string }

func load(t *testing.T) (c configuration) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, "prometheus.yml"))
	if err != nil {
		t.Fatal(err)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&c); err != nil {
		t.Fatal(err)
	}
	return c
}

// query parses an expression, and reports jobs that nobody scrapes.
func query(t *testing.T, text string) {
	t.Helper()
	expression, err := parser.NewParser(parser.Options{}).ParseExpr(text)
	if err != nil {
		t.Errorf("%s: %v", text, err)
		return
	}
	var jobs []string
	for _, s := range load(t).ScrapeConfigs {
		jobs = append(jobs, s.JobName)
	}
	for _, selector := range parser.ExtractSelectors(expression) {
		for _, matcher := range selector {
			if matcher.Name == "job" && !slices.Contains(jobs, matcher.Value) {
				t.Errorf("%s: no job %q is scraped", text, matcher.Value)
			}
			if matcher.Name == model.MetricNameLabel && matcher.Value != "up" &&
				!strings.HasPrefix(matcher.Value, "nexterm_") && !strings.HasPrefix(matcher.Value, "process_") && !strings.HasPrefix(matcher.Value, "go_") {
				t.Errorf("%s: %s is none of the server's metrics", text, matcher.Value)
			}
		}
	}
}

func TestScrapes(t *testing.T) {
	c := load(t)
	want := map[string]scrape{
		"nexterm":       {},
		"nexterm-hosts": {Scheme: "https", MetricsPath: "/api/monitoring/metrics", HonorLabels: true},
	}
	for _, s := range c.ScrapeConfigs {
		w, known := want[s.JobName]
		delete(want, s.JobName)
		if !known || s.Scheme != w.Scheme || s.MetricsPath != w.MetricsPath || s.HonorLabels != w.HonorLabels {
			t.Errorf("%+v", s)
		}
		// What goes to all who may look at metrics needs no key, hosts do.
		if (s.Authorization.CredentialsFile != "") != (s.MetricsPath != "") {
			t.Errorf("%s: credentials in %q", s.JobName, s.Authorization.CredentialsFile)
		}
	}
	if len(want) > 0 {
		t.Errorf("not scraped: %v", want)
	}
}

func TestRules(t *testing.T) {
	for _, file := range load(t).RuleFiles {
		groups, errs := rulefmt.ParseFile(filepath.Join(folder, file), false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		seen := map[string]bool{}
		for _, group := range groups.Groups {
			for _, rule := range group.Rules {
				query(t, rule.Expr)
				if rule.Alert == "" || seen[rule.Alert] {
					t.Errorf("alert %q is there twice, or has no name", rule.Alert)
				}
				seen[rule.Alert] = true
				if severity := rule.Labels["severity"]; severity != "critical" && severity != "warning" {
					t.Errorf("%s: severity %q", rule.Alert, severity)
				}
				if rule.Annotations["summary"] == "" {
					t.Errorf("%s: no summary", rule.Alert)
				}
			}
		}
		if len(seen) == 0 {
			t.Errorf("%s: no rules", file)
		}
	}
}
