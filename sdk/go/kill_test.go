package nexterm_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

// Three servers on one database stand behind a proxy that asks one after the other, and
// leaves out one that has failed. When one is killed, clients that read notice nothing, and
// nothing is written twice.
func TestServerThatIsKilled(t *testing.T) {
	t.Parallel()
	backends := []string{address}
	kill := func() {}
	for range 2 {
		another, err := start(
			"DATABASE_URL=postgres://nexterm@/nexterm?port=5432&sslmode=disable&host="+filepath.Join(dir, "data", "postgres", "socket"),
			"ENCRYPTION_KEY_FILE="+filepath.Join(dir, "data", "encryption.key"), "DATA_DIR="+t.TempDir(), "SHUTDOWN_DELAY=0s",
		)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(another.stop)
		backends, kill = append(backends, another.address), another.kill
	}
	var turn atomic.Uint32
	var away sync.Map
	proxy := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			for range backends {
				target, _ := url.Parse(backends[int(turn.Add(1))%len(backends)])
				r.SetURL(target)
				if _, found := away.Load(target.Host); !found {
					return
				}
			}
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, _ error) {
			away.Store(r.URL.Host, true)
			w.WriteHeader(http.StatusBadGateway)
		},
	})
	t.Cleanup(proxy.Close)
	owner := account(t, "steady")
	var load sync.WaitGroup
	var reads atomic.Int32
	written := make(chan string, 10_000)
	end := time.Now().Add(3 * time.Second)
	for worker := range 4 {
		c := client(t, proxy.URL, nexterm.WithToken(string(owner.Token())), nexterm.WithRetries(4))
		load.Add(2)
		go func() {
			defer load.Done()
			for ; time.Now().Before(end); reads.Add(1) {
				if _, err := c.Entries.List(t.Context()); err != nil {
					t.Error(err)
				}
			}
		}()
		go func() {
			defer load.Done()
			for i := 0; time.Now().Before(end); i++ {
				name := fmt.Sprintf("%d-%d", worker, i)
				_, err := c.Snippets.Create(t.Context(), nexterm.NewSnippet{Name: name, Command: "true"})
				// Whether what the dead server was asked for is done, nobody knows.
				if err == nil {
					written <- name
				} else if !errors.Is(err, nexterm.ErrUnavailable) {
					t.Error(err)
				}
			}
		}()
	}
	time.Sleep(time.Second)
	kill()
	load.Wait()
	close(written)
	stored := map[string]int{}
	for _, snippet := range must[[]nexterm.Snippet](t)(owner.Snippets.List(t.Context())) {
		if stored[snippet.Name]++; stored[snippet.Name] > 1 {
			t.Errorf("%s is there twice", snippet.Name)
		}
	}
	for name := range written {
		if stored[name] != 1 {
			t.Errorf("%s is not there", name)
		}
	}
	if _, noticed := away.Load(strings.TrimPrefix(backends[2], "http://")); !noticed || reads.Load() == 0 || len(stored) == 0 {
		t.Errorf("%d reads, %d changes, server missed: %t", reads.Load(), len(stored), noticed)
	}
}
