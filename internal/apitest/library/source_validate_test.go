package library_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nexterm-go/nexterm/internal/testserver"
	"github.com/stretchr/testify/require"
)

func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	listener := httptest.NewServer(handler)
	t.Cleanup(listener.Close)
	return listener.URL
}

func TestValidateSourceCountsWhatIsListed(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, testserver.AllowLoopback)
	shelf := newShelf(t)
	shelf.list("a.sh@x", "b.fish@x", "c.txt@x", "d.theme.css@x", "e.css@x", "a.sh@y")
	var answer body
	s.Admin.Post("/api/sources/validate", body{"url": shelf.url + "/"}).Want(200).Into(&answer)
	require.Equal(t, body{"valid": true, "scriptCount": 2.0, "snippetCount": 1.0, "themeCount": 1.0}, answer)
	var list []body
	s.Admin.Get("/api/sources").Want(200).Into(&list)
	require.Empty(t, list, "nothing is stored")
}

func TestValidateSourceTellsWhatIsWrong(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, testserver.AllowLoopback)
	redirect := func(to string) string {
		return serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) })
	}
	status := func(code int) string {
		return serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) })
	}
	content := func(text string) string {
		return serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) })
	}
	refused := func(url, reason string) {
		var answer body
		s.Admin.Post("/api/sources/validate", body{"url": url}).Want(200).Into(&answer)
		require.Equal(t, body{"valid": false, "error": reason}, answer, url)
	}
	for _, url := range malformedURLs {
		refused(url, "Invalid URL")
	}
	for _, url := range forbiddenURLs {
		refused(url, "Blocked private/loopback address")
	}
	refused(redirect("http://127.0.0.2/NTINDEX"), "Blocked private/loopback address")
	refused(redirect("http://169.254.169.254/latest/meta-data/"), "Blocked private/loopback address")
	refused(redirect("http://[::1]/"), "Blocked private/loopback address")
	refused(redirect("file:///etc/passwd"), "Blocked private/loopback address")
	refused("https://name.invalid", "Could not resolve host: name.invalid")
	refused(status(404), "Failed to fetch NTINDEX: HTTP 404")
	refused(status(500), "Failed to fetch NTINDEX: HTTP 500")
	refused(content(""), "NTINDEX is empty or invalid")
	refused(content("<html>"), "NTINDEX is empty or invalid")
	refused(content("../a.sh@x"), "NTINDEX is empty or invalid")
	refused(content("a.md@x"), "NTINDEX is empty or invalid")
	refused(content(strings.Repeat("a", 1<<20+1)), "NTINDEX is too large")
	refused(serve(t, func(w http.ResponseWriter, _ *http.Request) {
		connection, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_ = connection.Close()
		}
	}), "Could not connect to the source")
	s.Admin.Post("/api/sources/validate", body{}).WantError(400, "url is required")
	s.Admin.Post("/api/sources/validate", body{"url": 5}).WantError(400, "url must be a string")
}

func TestSlowSourcesAreGivenUp(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, testserver.AllowLoopback)
	silent := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	trickling := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	var group sync.WaitGroup
	for _, url := range []string{silent, trickling} {
		group.Go(func() {
			var answer body
			s.Admin.Post("/api/sources/validate", body{"url": url}).Want(200).Into(&answer)
			require.Equal(t, body{"valid": false, "error": "Request timed out"}, answer)
		})
		group.Go(func() {
			require.Equal(t, "error", getSource(s.Admin, addSource(s.Admin, "Slow", url))["lastSyncStatus"])
		})
	}
	group.Wait()
}

func TestFewSourcesAreReadAtATime(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, testserver.AllowLoopback)
	var now, most atomic.Int32
	slow := serve(t, func(w http.ResponseWriter, r *http.Request) {
		most.Store(max(most.Load(), now.Add(1)))
		defer now.Add(-1)
		time.Sleep(50 * time.Millisecond)
		http.NotFound(w, r)
	})
	var group sync.WaitGroup
	for range 12 {
		group.Go(func() { s.Admin.Post("/api/sources/validate", body{"url": slow}).Want(200) })
	}
	group.Wait()
	require.LessOrEqual(t, most.Load(), int32(4))
}

// One account's hanging sources do not keep others from theirs.
func TestPlacesForReadingAreShared(t *testing.T) {
	t.Parallel()
	s := testserver.New(t, testserver.AllowLoopback)
	s.Promote(t, s.Owner)
	arrived := make(chan struct{}, 8)
	silent := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-r.Context().Done()
	})
	var group sync.WaitGroup
	defer group.Wait()
	for range 4 {
		group.Go(func() { s.Admin.Post("/api/sources/validate", body{"url": silent}).Want(200) })
	}
	<-arrived
	<-arrived
	shelf := newShelf(t)
	shelf.list("a.sh@x")
	start := time.Now()
	var answer body
	s.Owner.Post("/api/sources/validate", body{"url": shelf.url}).Want(200).Into(&answer)
	require.Equal(t, true, answer["valid"])
	require.Less(t, time.Since(start), 5*time.Second)
	select {
	case <-arrived:
		require.Fail(t, "one account has more than its places")
	default:
	}
}
