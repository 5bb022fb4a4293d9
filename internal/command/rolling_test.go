//go:build linux

package command

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/testdb"
)

// pollEvery is how often the proxy asks who is ready.
const pollEvery = 500 * time.Millisecond

// balancer is a proxy that sends each request to one of the servers that were
// ready when it last asked.
type balancer struct {
	mu      sync.Mutex
	servers []string
	ready   map[string]bool
	turn    int
}

func (b *balancer) set(at int, server string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.servers[at] = server
}

func (b *balancer) poll(ctx context.Context) {
	for ctx.Err() == nil {
		b.mu.Lock()
		servers := append([]string{}, b.servers...)
		b.mu.Unlock()
		ready := map[string]bool{}
		for _, server := range servers {
			if answer, err := http.Get(server + "/readyz"); err == nil {
				ready[server] = answer.StatusCode == http.StatusOK
				_ = answer.Body.Close()
			}
		}
		b.mu.Lock()
		b.ready = ready
		b.mu.Unlock()
		time.Sleep(pollEvery)
	}
}

func (b *balancer) rewrite(r *httputil.ProxyRequest) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for range b.servers {
		b.turn++
		if server := b.servers[b.turn%len(b.servers)]; b.ready[server] {
			target, _ := url.Parse(server)
			r.SetURL(target)
			return
		}
	}
}

func TestARollingRestartFailsNoRequest(t *testing.T) {
	t.Parallel()
	database := testdb.URL(t)
	serve := func() (string, func()) {
		command := nexterm(t, database, "serve")
		command.Env = append(command.Env, "SHUTDOWN_DELAY=") // what it is by default
		return ready(t, command)
	}
	b := &balancer{servers: make([]string, 2)}
	stops := make([]func(), 2)
	for i := range stops {
		b.servers[i], stops[i] = serve()
	}
	running, stop := context.WithCancel(t.Context())
	var background sync.WaitGroup
	background.Go(func() { b.poll(running) })
	proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: b.rewrite})
	t.Cleanup(proxy.Close)
	time.Sleep(2 * pollEvery)

	var served, failed atomic.Int64
	for range 4 {
		background.Go(func() {
			for running.Err() == nil {
				// Not a GET, which is sent again by itself when a connection breaks.
				answer, err := http.Post(proxy.URL+"/api/auth/device/poll", "application/json", strings.NewReader(`{"token":"`+strings.Repeat("0", 64)+`"}`))
				if !assert.NoError(t, err) {
					return
				}
				if served.Add(1); answer.StatusCode >= 500 {
					failed.Add(1)
				}
				_, _ = io.Copy(io.Discard, answer.Body)
				_ = answer.Body.Close()
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	for i := range stops {
		time.Sleep(2 * pollEvery)
		stops[i]()
		var url string
		url, stops[i] = serve()
		b.set(i, url)
	}
	time.Sleep(2 * pollEvery)
	stop()
	background.Wait()
	t.Log(served.Load(), "requests")
	require.Greater(t, served.Load(), int64(500))
	require.Zero(t, failed.Load())
}
