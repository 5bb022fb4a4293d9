package kubernetes

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// drain is what a server takes to stop after its delay: 15 seconds for requests and 15 for jobs,
// and some to start and end.
const drain = 45 * time.Second

func TestNoRequestFailsWhileServersChange(t *testing.T) {
	d := the[*apps.Deployment](t, "nexterm")
	update := d.Spec.Strategy.RollingUpdate
	if *d.Spec.Replicas != 3 || update.MaxUnavailable.IntValue() != 0 || update.MaxSurge.IntValue() != 1 || d.Spec.MinReadySeconds < 3 {
		t.Errorf("%d replicas, %+v, %d", *d.Spec.Replicas, update, d.Spec.MinReadySeconds)
	}
	container := d.Spec.Template.Spec.Containers[0]
	at := slices.IndexFunc(container.Env, func(set core.EnvVar) bool { return set.Name == "SHUTDOWN_DELAY" })
	delay, err := time.ParseDuration(container.Env[at].Value)
	if err != nil {
		t.Fatal(err)
	}
	if grace := time.Duration(*d.Spec.Template.Spec.TerminationGracePeriodSeconds) * time.Second; delay < 5*time.Second || grace < delay+drain {
		t.Errorf("a server that waits for %s is killed after %s", delay, grace)
	}
	for path, probe := range map[string]*core.Probe{"/healthz": container.LivenessProbe, "/readyz": container.ReadinessProbe} {
		if probe == nil || probe.HTTPGet == nil || probe.HTTPGet.Path != path || probe.HTTPGet.Port.StrVal != container.Ports[0].Name {
			t.Errorf("%s: %+v", path, probe)
		}
	}
	if container.StartupProbe == nil {
		t.Error("a start that takes long is ended")
	}
	budget := the[*policy.PodDisruptionBudget](t, "nexterm")
	if budget.Spec.MaxUnavailable.IntValue() != 1 {
		t.Errorf("budget: %+v", budget.Spec)
	}
	if spread := d.Spec.Template.Spec.TopologySpreadConstraints; len(spread) == 0 || spread[0].TopologyKey != core.LabelHostname {
		t.Errorf("spread: %+v", spread)
	}
	of := labels.Set(d.Spec.Template.Labels)
	selectors := []*meta.LabelSelector{d.Spec.Selector, budget.Spec.Selector}
	for _, spread := range d.Spec.Template.Spec.TopologySpreadConstraints {
		selectors = append(selectors, spread.LabelSelector)
	}
	for _, selector := range selectors {
		selects(t, selector, of, true)
		selects(t, selector, labels.Set(pods(t)["nexterm-migrate"].Labels), false)
	}
}

func selects(t *testing.T, selector *meta.LabelSelector, of labels.Set, want bool) {
	t.Helper()
	parsed, err := meta.LabelSelectorAsSelector(selector)
	if err != nil || parsed.Matches(of) != want {
		t.Errorf("%v selects %v: %v, %v", selector, of, !want, err)
	}
}

func TestRequestsComeThroughTheService(t *testing.T) {
	service, pods := the[*core.Service](t, "nexterm"), pods(t)
	selector := &meta.LabelSelector{MatchLabels: service.Spec.Selector}
	selects(t, selector, pods["nexterm"].Labels, true)
	selects(t, selector, pods["nexterm-migrate"].Labels, false)
	port := pods["nexterm"].Spec.Containers[0].Ports[0]
	if service.Spec.Ports[0].TargetPort.StrVal != port.Name || port.ContainerPort != 6989 {
		t.Errorf("the service leads to %v, the server has %+v", service.Spec.Ports, port)
	}
	for _, rule := range the[*networking.Ingress](t, "nexterm").Spec.Rules {
		for _, path := range rule.HTTP.Paths {
			if b := path.Backend.Service; b.Name != service.Name || b.Port.Name != service.Spec.Ports[0].Name {
				t.Errorf("%s leads to %+v", path.Path, b)
			}
			if strings.HasPrefix("/metrics", path.Path) {
				t.Errorf("%s shows the metrics", path.Path)
			}
		}
	}
}

func TestNetworksAreClosed(t *testing.T) {
	server := the[*networking.NetworkPolicy](t, "nexterm")
	for name, pod := range pods(t) {
		parsed, err := meta.LabelSelectorAsSelector(&server.Spec.PodSelector)
		if err != nil || !parsed.Matches(labels.Set(pod.Labels)) {
			t.Errorf("%s has no policy: %v", name, err)
		}
	}
	if len(server.Spec.PolicyTypes) != 2 {
		t.Errorf("%v", server.Spec.PolicyTypes)
	}
	for _, rule := range server.Spec.Ingress {
		if len(rule.From) == 0 || len(rule.Ports) != 1 || rule.Ports[0].Port.IntValue() != 6989 {
			t.Errorf("everybody reaches %v", rule.Ports)
		}
	}
	if !slices.ContainsFunc(server.Spec.Ingress, func(rule networking.NetworkPolicyIngressRule) bool {
		return slices.ContainsFunc(rule.From, func(peer networking.NetworkPolicyPeer) bool {
			return peer.NamespaceSelector == nil && peer.PodSelector.MatchLabels["app.kubernetes.io/component"] == "server"
		})
	}) {
		t.Error("servers do not let each other in")
	}
	// The address of a Pod has to be known before what is made of it.
	env := pods(t)["nexterm"].Spec.Containers[0].Env
	ip := slices.IndexFunc(env, func(set core.EnvVar) bool {
		return set.ValueFrom != nil && set.ValueFrom.FieldRef.FieldPath == "status.podIP"
	})
	url := slices.IndexFunc(env, func(set core.EnvVar) bool { return set.Name == "NODE_URL" })
	if ip < 0 || url < ip || env[url].Value != "http://$("+env[ip].Name+"):6989" {
		t.Error("servers do not know where they reach each other's live connections")
	}
	var to []string
	for _, rule := range server.Spec.Egress {
		for _, peer := range rule.To {
			port := ""
			if len(rule.Ports) > 0 {
				port = rule.Ports[0].Port.String()
			}
			switch {
			case peer.IPBlock != nil:
				if !slices.Contains(peer.IPBlock.Except, "169.254.0.0/16") {
					t.Error("the credentials of clouds can be reached")
				}
				to = append(to, peer.IPBlock.CIDR+port)
			case peer.PodSelector != nil && peer.PodSelector.MatchLabels["app.kubernetes.io/component"] == "server":
				selects(t, peer.PodSelector, labels.Set(pods(t)["nexterm"].Labels), true)
				to = append(to, "servers"+port)
			default:
				to = append(to, fmt.Sprint(slices.Collect(maps.Values(peer.PodSelector.MatchLabels)), port))
			}
		}
	}
	if want := []string{"servers6989", "[kube-dns]53", "[nexterm-db]5432", "0.0.0.0/0"}; !slices.Equal(to, want) {
		t.Errorf("it reaches %v", to)
	}
}

func TestDatabase(t *testing.T) {
	_, cluster := read(t)
	image, _ := field(cluster, "spec", "imageName").(string)
	if field(cluster, "kind") != "Cluster" || field(cluster, "spec", "instances") != float64(3) || !strings.HasSuffix(image, ":17") {
		t.Errorf("%v", cluster)
	}
	name, _ := field(cluster, "metadata", "name").(string)
	owner := field(cluster, "spec", "bootstrap", "initdb", "owner")
	database := field(cluster, "spec", "bootstrap", "initdb", "database")
	want := fmt.Sprintf("postgres://%v@%s-rw:5432/%v?sslmode=verify-full&", owner, name, database)
	for pod, template := range pods(t) {
		if url := template.Spec.Containers[0].Env[0]; url.Name != "DATABASE_URL" || !strings.HasPrefix(url.Value, want) {
			t.Errorf("%s: %s=%s, want %s", pod, url.Name, url.Value, want)
		}
		at := slices.IndexFunc(template.Spec.Volumes, func(v core.Volume) bool { return v.Projected != nil })
		for i, secret := range []string{name + "-app", name + "-ca"} {
			if is := template.Spec.Volumes[at].Projected.Sources[i].Secret.Name; is != secret {
				t.Errorf("%s mounts %s, which nobody makes", pod, is)
			}
		}
	}
}
