//go:build linux

package command

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	traces "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/nexterm-go/nexterm/internal/testdb"
)

// receiver is an OTLP collector that keeps what it gets.
type receiver struct {
	mu    sync.Mutex
	raw   bytes.Buffer
	spans []*traces.Span
}

func (c *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		body, _ = gzip.NewReader(body)
	}
	raw, _ := io.ReadAll(body)
	var export collector.ExportTraceServiceRequest
	if err := proto.Unmarshal(raw, &export); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raw.Write(raw)
	for _, resource := range export.ResourceSpans {
		for _, scope := range resource.ScopeSpans {
			c.spans = append(c.spans, scope.Spans...)
		}
	}
}

func (c *receiver) named(name string) []*traces.Span {
	var found []*traces.Span
	for _, span := range c.spans {
		if span.Name == name {
			found = append(found, span)
		}
	}
	return found
}

func TestTracesAreExportedWithoutSecrets(t *testing.T) {
	t.Parallel()
	received := &receiver{}
	target := httptest.NewServer(received)
	defer target.Close()
	place := testdb.URL(t)
	command := nexterm(t, place, "serve")
	command.Env = append(command.Env, "LOG_LEVEL=info", "OTEL_EXPORTER_OTLP_ENDPOINT="+target.URL)
	var log bytes.Buffer
	command.Stderr = &log
	url, stop := ready(t, command)

	const password = "Very-secret-passw0rd"
	body := `{"username":"ann","password":"` + password + `","firstName":"Ann","lastName":"Lee"}`
	request, err := http.NewRequest(http.MethodPost, url+"/api/account/register?note=hidden", strings.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Traceparent", "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01")
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	answer, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Less(t, response.StatusCode, 300, "%s", answer)
	stop()

	requests := received.named("registerAccount")
	require.Len(t, requests, 1)
	trace := requests[0].TraceId
	assert.NotEqual(t, "\x01\x23\x45\x67\x89\xab\xcd\xef\x01\x23\x45\x67\x89\xab\xcd\xef", string(trace), "strangers do not choose traces")
	var statements int
	for _, span := range received.spans {
		if bytes.Equal(span.TraceId, trace) && span.Name != "registerAccount" {
			statements++
		}
	}
	assert.Positive(t, statements, "statements belong to the request's trace")
	assert.Contains(t, log.String(), "trace_id=")
	for _, secret := range []string{password, "hidden"} {
		assert.NotContains(t, received.raw.String(), secret)
	}
}

func TestDebugAddr(t *testing.T) {
	t.Parallel()
	for addr, refused := range map[string]bool{
		"localhost:6060": false, "127.0.0.1:0": false, "[::1]:6060": false,
		":6060": true, "0.0.0.0:6060": true, "192.168.1.2:6060": true, "localhost": true, "example.com:6060": true,
	} {
		assert.Equal(t, refused, checkDebugAddr(addr) != nil, addr)
	}

	command := nexterm(t, testdb.URL(t), "serve")
	command.Env = append(command.Env, "DEBUG_ADDR=127.0.0.1:0", "LOG_LEVEL=info")
	logged, err := command.StderrPipe()
	require.NoError(t, err)
	_, stop := ready(t, command)
	defer stop()
	lines := bufio.NewReader(logged)
	line, err := lines.ReadString('\n')
	for err == nil && !strings.Contains(line, "profiles are served") {
		line, err = lines.ReadString('\n')
	}
	require.NoError(t, err)
	go func() { _, _ = io.Copy(io.Discard, lines) }()
	_, profiles, _ := strings.Cut(strings.TrimSpace(line), "url=")

	for host, status := range map[string]int{"": http.StatusOK, "evil.example:80": http.StatusForbidden} {
		request, err := http.NewRequest(http.MethodGet, profiles+"goroutine?debug=1", nil)
		require.NoError(t, err)
		request.Host = host
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		assert.Equal(t, status, response.StatusCode, host)
	}
}
