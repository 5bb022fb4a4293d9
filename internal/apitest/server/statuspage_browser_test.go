package server_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/gen/db"
	"github.com/nexterm-go/nexterm/internal/testserver"
	"github.com/nexterm-go/nexterm/internal/testserver/browser"
)

// hostile is markup as somebody might put it into any text that is shown.
const hostile = `<img src=x onerror="window.harmed=1">'"--><script>window.harmed=1</script>`

// monitored adds a monitored server, with the status that the checker has found.
func monitored(t *testing.T, s *testserver.Server, c *testserver.Client, name, status string) (id int64) {
	t.Helper()
	id = c.Put("/api/entry", object{"name": name, "type": "server", "config": object{
		"protocol": "ssh", "ip": "192.0.2.10", "port": 22, "monitoringEnabled": true,
	}}).Want(200).ID()
	s.Exec(t, `update entries set status = nullif($2, '') where id = $1`, id, status)
	return id
}

// collected is a sample as it comes from a host, so many minutes ago.
func collected(entry int64, minutes int) object {
	partition := func(name, mount string, percent int) object {
		return object{"name": name, "size": 50 << 30, "mountPoint": mount, "type": "ext4", "used": percent * 50 << 30 / 100, "available": 1, "usagePercent": percent}
	}
	link := func(name string, addresses ...string) object {
		return object{"name": name, "ipv4": addresses, "ipv6": []string{}, "rxBytes": 90<<30 - minutes<<20, "txBytes": 20<<30 - minutes<<18, "mac": nil, "state": "up", "mtu": 1500, "speed": 1000}
	}
	process := func(pid int, user, command string) object {
		return object{"user": user, "pid": pid, "cpu": 12.5, "mem": 1.2, "vsz": 4096, "rss": 65536, "tty": "?", "stat": "S", "start": "10:00", "time": "0:12", "command": command}
	}
	return object{
		"entry_id": entry, "age_ms": minutes * 60_000, "took_ms": 200, "status": "online", "cpu_usage": 20 + int(entry+int64(minutes)*7)%50, "memory_usage": 40 + minutes%9,
		"uptime": 1_000_000, "load_average": []float64{0.42, 0.31, 0.25}, "processes": 213, "memory_total": 16 << 30,
		"disk":         []object{{"name": "sda", "size": 100 << 30, "model": nil, "serial": nil, "rotational": false, "partitions": []object{partition("sda1", "/", 37), partition("sda2", "/srv", 61)}}},
		"network":      []object{link("eth0", "192.0.2.10/24"), link("wg0", "10.8.0.1/24")},
		"process_list": []object{process(812, "postgres", "postgres: checkpointer"), process(1, "root", "/sbin/init")},
		"os_info":      object{"hostname": "host", "name": "Debian GNU/Linux", "version": "13 (trixie)", "kernel": "6.12.41", "architecture": "x86_64"},
	}
}

func failed(entry int64, minutes int, status, message string) object {
	return object{"entry_id": entry, "age_ms": minutes * 60_000, "took_ms": 200, "status": status, "error_message": message}
}

func store(t *testing.T, s *testserver.Server, samples ...object) {
	t.Helper()
	text, err := json.Marshal(samples)
	require.NoError(t, err)
	require.NoError(t, db.New(s.Pool).StoreSamples(t.Context(), text))
}

// statusPage is the page in a browser.
type statusPage struct {
	*browser.Browser
	t *testing.T
}

func openPage(t *testing.T, s *testserver.Server) statusPage {
	t.Helper()
	p := statusPage{browser.Start(t), t}
	p.Show(1280, 800, "light")
	p.Open(s.URL + "/status")
	return p
}

// wait waits until an expression holds.
func (p statusPage) wait(expression string) {
	p.t.Helper()
	require.Eventually(p.t, func() bool {
		var holds bool
		p.Eval(&holds, "return Boolean("+expression+")")
		return holds
	}, 20*time.Second, 50*time.Millisecond, expression)
}

func (p statusPage) text(selector string) (text string) {
	p.t.Helper()
	p.Eval(&text, "return document.querySelector(arguments[0])?.innerText ?? ''", selector)
	return text
}

// texts are those of all that are seen.
func (p statusPage) texts(selector string) (texts []string) {
	p.t.Helper()
	p.Eval(&texts, "return [...document.querySelectorAll(arguments[0])].filter(node => node.checkVisibility()).map(node => node.textContent)", selector)
	return texts
}

// submit fills in a form and sends it.
func (p statusPage) submit(form string, values object) {
	p.t.Helper()
	p.Eval(nil, `const form = document.getElementById(arguments[0]);
		for (const [name, value] of Object.entries(arguments[1])) form.elements[name][value === true ? "checked" : "value"] = value;
		form.requestSubmit();`, form, values)
}

func (p statusPage) signIn(values object) {
	p.t.Helper()
	p.submit("password-form", values)
	p.wait(`document.querySelector("#connection").dataset.kind === "live"`)
}

// network plugs the browser out of it and in again.
func (p statusPage) network(there bool) {
	p.t.Helper()
	p.Call(http.MethodPost, "/chromium/network_conditions", object{"network_conditions": object{
		"offline": !there, "latency": 0, "download_throughput": -1, "upload_throughput": -1,
	}}, nil)
}

const entrance = `document.getElementById("entrance").checkVisibility()`

// wantQuiet expects nothing in the console but these answers.
func (p statusPage) wantQuiet(answers ...string) {
	p.t.Helper()
	messages := p.Console()
	if assert.Len(p.t, messages, len(answers), "%q", messages) {
		for i, answer := range answers {
			assert.Contains(p.t, messages[i], "the server responded with a status of "+answer)
		}
	}
}
