package nexterm_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

func TestRetries(t *testing.T) {
	t.Parallel()
	read := func(ctx context.Context, c *nexterm.Client) error {
		_, err := c.Server.GetFirstTimeSetup(ctx)
		return err
	}
	change := func(ctx context.Context, c *nexterm.Client) error { return c.Entries.Delete(ctx, 1) }
	refuse := func(status int, retryAfter string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", retryAfter)
			w.WriteHeader(status)
		}
	}
	abort := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	breakOff := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "tr")
	}
	for name, situation := range map[string]struct {
		fails http.HandlerFunc
		call  func(context.Context, *nexterm.Client) error
		// attempts are what it takes when the first two fail.
		attempts int32
	}{
		"a read and 503":                       {refuse(503, ""), read, 3},
		"a read and 502":                       {refuse(502, ""), read, 3},
		"a read and 429":                       {refuse(429, "0"), read, 3},
		"a read and 500":                       {refuse(500, ""), read, 1},
		"a read and a long Retry-After":        {refuse(503, "31"), read, 1},
		"a read and a lost connection":         {abort, read, 3},
		"a read and an answer that breaks off": {breakOff, read, 3},
		"a change and 503":                     {refuse(503, "0"), change, 1},
		"a change and 429":                     {refuse(429, ""), change, 3},
		"a change and a lost connection":       {abort, change, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var attempts atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if attempts.Add(1) < 3 {
					situation.fails(w, r)
					return
				}
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, "true")
			}))
			defer server.Close()
			err := situation.call(t.Context(), client(t, server.URL, nexterm.WithRetries(2)))
			if (err == nil) != (situation.attempts == 3) || attempts.Load() != situation.attempts {
				t.Errorf("%d attempts, then %v", attempts.Load(), err)
			}
		})
	}
}

// A server that starts again is waited for, whatever the call: nothing was sent.
func TestServerThatComesBack(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	place := listener.Addr().String()
	_ = listener.Close()
	server := &http.Server{Addr: place, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"message": "done"}`)
	})}
	defer func() { _ = server.Close() }()
	time.AfterFunc(200*time.Millisecond, func() { _ = server.ListenAndServe() })
	if err := client(t, "http://"+place, nexterm.WithRetries(6)).Entries.Delete(t.Context(), 1); err != nil {
		t.Error(err)
	}
}

func TestRetryAfterIsWaitedFor(t *testing.T) {
	t.Parallel()
	var first atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if first.CompareAndSwap(0, time.Now().UnixNano()) {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		if waited := time.Since(time.Unix(0, first.Load())); waited < time.Second {
			t.Errorf("came back after %s", waited)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, "true")
	}))
	defer server.Close()
	if _, err := client(t, server.URL, nexterm.WithRetries(1)).Server.GetFirstTimeSetup(t.Context()); err != nil {
		t.Error(err)
	}
}
