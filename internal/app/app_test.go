package app_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/stretchr/testify/require"

	"github.com/nexterm-go/nexterm/internal/app"
	"github.com/nexterm-go/nexterm/internal/contentsource"
	"github.com/nexterm-go/nexterm/internal/outbound"
	"github.com/nexterm-go/nexterm/internal/server"
	"github.com/nexterm-go/nexterm/internal/testserver"
)

// What foreign servers send is held in memory, whoever asks for it: jobs get no
// places of their own.
func TestJobsAndRequestsShareTheSyncersPlaces(t *testing.T) {
	t.Parallel()
	const places = 4
	s := testserver.New(t)
	s.Exec(t, `insert into sources (name, url, is_default, enabled) values ('Official', 'https://source.nexterm.dev', true, false)`)
	asked, leave := make(chan struct{}, places+1), make(chan struct{})
	shelf := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked <- struct{}{}
		<-leave
		_, _ = fmt.Fprintln(w, "dark.theme.css@x")
	}))
	t.Cleanup(shelf.Close)
	ids := make([]int64, places+1)
	for i := range ids {
		s.Scan(t, &ids[i], `insert into sources (name, url) values ('Source', $1) returning id`, fmt.Sprint(shelf.URL, "/", i))
	}

	networks, err := outbound.ParseNetworks("127.0.0.1")
	require.NoError(t, err)
	a, err := app.New(app.Options{
		Options: server.Options{
			Pool: s.Pool, Vault: s.Vault, Outbound: outbound.New(networks), Log: slog.New(slog.DiscardHandler),
		},
		JobDelay: time.Hour,
	})
	require.NoError(t, err)
	ended, _ := a.Jobs.Subscribe(river.EventKindJobCompleted, river.EventKindJobFailed, river.EventKindJobCancelled)
	listener := httptest.NewServer(a.Server)
	t.Cleanup(listener.Close)
	testserver.Run(t, a)
	release := sync.OnceFunc(func() { close(leave) })
	t.Cleanup(release) // of a failed test, too, and before the rest waits for it

	answers := make(chan *testserver.Response, places)
	// One account has half of the places.
	s.Promote(t, s.Owner)
	there := &testserver.Server{URL: listener.URL}
	admins := []*testserver.Client{s.Admin.On(there), s.Owner.On(there)}
	for i, id := range ids[:places] {
		go func() { answers <- admins[i%2].Post(fmt.Sprintf("/api/sources/%d/sync", id), nil) }()
	}
	for range places {
		<-asked
	}
	_, err = a.Jobs.Insert(t.Context(), contentsource.SyncOne{SourceID: ids[places]}, nil)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		var running bool
		s.Scan(t, &running, `select exists (select from river_job where kind = 'source_sync' and state = 'running')`)
		return running
	}, 10*time.Second, 10*time.Millisecond)
	select {
	case <-asked:
		t.Fatal("a source more is synchronized at a time")
	case <-time.After(500 * time.Millisecond):
	}

	release()
	for range places {
		(<-answers).Want(200)
	}
	<-asked
	event := <-ended
	require.Equal(t, river.EventKindJobCompleted, event.Kind, "%v", event.Job.Errors)
}

// The pool is closed after Run, so what is not told by then never is.
func TestTheLastRequestIsNewsForTheOtherServers(t *testing.T) {
	t.Parallel()
	s := testserver.New(t)
	socket := s.Owner.Socket("/api/ws/state")
	pool, err := app.OpenPool(t.Context(), s.Pool.Config().ConnString())
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	a, err := app.New(app.Options{
		Options:    server.Options{Pool: pool, Vault: s.Vault, Log: slog.New(slog.DiscardHandler)},
		InsertOnly: true,
	})
	require.NoError(t, err)
	require.NoError(t, a.Run(t.Context(), func(context.Context) error {
		listener := httptest.NewServer(a.Server)
		defer listener.Close()
		s.Owner.On(&testserver.Server{URL: listener.URL}).Put("/api/identity", map[string]any{"name": "Last", "type": "ssh"}).Want(200)
		return nil
	}))
	pool.Close()
	for message := socket.Next(); message.Type != "IDENTITIES" || !strings.Contains(string(message.Data), `"Last"`); {
		message = socket.Next() // lists as they were before, until patience ends
	}
}
