package nexterm_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	nexterm "github.com/nexterm-go/nexterm/sdk/go"
)

const canary = "canary-7f3a"

// client of something that is no nexterm server, or cannot be reached.
func client(t *testing.T, address string, options ...nexterm.Option) *nexterm.Client {
	t.Helper()
	client, err := nexterm.New(address, append([]nexterm.Option{nexterm.WithToken(canary), nexterm.WithRetries(0)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// failure checks that an error is what it should be, and keeps the token to itself.
func failure(t *testing.T, err, kind error, status int, text string) {
	t.Helper()
	var failure *nexterm.Error
	switch {
	case !errors.As(err, &failure):
		t.Errorf("%v is not an Error", err)
	case !errors.Is(err, kind) || failure.Status != status || !strings.Contains(err.Error(), text):
		t.Errorf("%d %v is not %d %v with %q", failure.Status, err, status, kind, text)
	case strings.Contains(err.Error(), canary):
		t.Errorf("the token is in %v", err)
	}
}

func TestIDsThatLeadElsewhere(t *testing.T) {
	t.Parallel()
	c := client(t, "http://127.0.0.1:1")
	for _, id := range []string{"", ".", ".."} {
		_, err := c.Connections.Get(t.Context(), id)
		failure(t, err, nexterm.ErrBadRequest, 0, "there is nothing that can have")
	}
}

func TestIDsAreEscapedOnce(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.RequestURI }))
	defer server.Close()
	_ = client(t, server.URL+"/below/").Keymaps.Reset(t.Context(), "a/ü b%?..")
	if got := <-asked; got != "/below/api/keymaps/a%2F%C3%BC%20b%25%3F../reset" {
		t.Error(got)
	}
}

func TestWrongAddresses(t *testing.T) {
	t.Parallel()
	for address, text := range map[string]string{
		"":                                "is not like https://nexterm.example.com",
		"localhost:6989":                  "is not like https://nexterm.example.com",
		"ftp://nexterm.example.com":       "is not like https://nexterm.example.com",
		"https://":                        "is not like https://nexterm.example.com",
		"https://ada:" + canary + "@host": "has more to it",
		"ftp://ada:" + canary + "@host":   "is not like",
		"https://host/?token=" + canary:   "has more to it",
		"https://" + canary + "%zz@host":  "is not a URL",
	} {
		_, err := nexterm.New(address)
		failure(t, err, nexterm.ErrBadRequest, 0, text)
	}
	_, err := nexterm.New("http://host", nexterm.WithToken(canary+"\n"))
	failure(t, err, nexterm.ErrBadRequest, 0, "the end of a line")
	if _, err := nexterm.New("https://host/nexterm/"); err != nil {
		t.Error(err)
	}
}

func TestForeignAnswers(t *testing.T) {
	t.Parallel()
	answer := func(status int, header, value, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set(header, value)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	page := "<html>" + canary + "</html>"
	for name, foreign := range map[string]struct {
		answer http.HandlerFunc
		kind   error
		status int
		text   string
	}{
		"a proxy whose server is away": {answer(502, "Content-Type", "text/html", page), nexterm.ErrUnavailable, 502, "Bad Gateway, and the answer is text/html"},
		"a proxy's own failure":        {answer(403, "Content-Type", "text/html", page), nexterm.ErrUnexpected, 403, "is there a proxy in between?"},
		"a page that succeeds":         {answer(200, "Content-Type", "text/html", page), nexterm.ErrUnexpected, 200, "text/html, not JSON"},
		"JSON of somebody else":        {answer(404, "Content-Type", "application/json", `{"error": "`+canary+`"}`), nexterm.ErrUnexpected, 404, "Not Found"},
		"JSON of another form":         {answer(200, "Content-Type", "application/json", `{"id": "`+canary+`"}`), nexterm.ErrUnexpected, 200, "id is not a int64"},
		"broken JSON":                  {answer(200, "Content-Type", "application/json", `{"id": `+canary), nexterm.ErrUnexpected, 200, "no JSON at byte"},
		"null":                         {answer(200, "Content-Type", "application/json", `null`), nexterm.ErrUnexpected, 200, "null"},
		"a redirect":                   {answer(307, "Location", "https://other.example.com/?token="+canary, ""), nexterm.ErrUnexpected, 307, "to https://other.example.com;"},
		"an answer that breaks off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, `{"id": 1`)
		}, nexterm.ErrUnexpected, 200, "the answer breaks off"},
		"a connection that breaks off": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, nexterm.ErrUnavailable, 0, "does not answer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(foreign.answer)
			defer server.Close()
			_, err := client(t, server.URL).Entries.Get(t.Context(), 1)
			failure(t, err, foreign.kind, foreign.status, foreign.text)
		})
	}
	t.Run("a page that confirms", func(t *testing.T) {
		t.Parallel()
		server := httptest.NewServer(answer(200, "Content-Type", "text/html", page))
		defer server.Close()
		failure(t, client(t, server.URL).Entries.Delete(t.Context(), 1), nexterm.ErrUnexpected, 200, "not JSON")
	})
}

func TestServerThatIsAway(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := "http://" + listener.Addr().String()
	_ = listener.Close()
	_, err = client(t, address).Entries.List(t.Context())
	failure(t, err, nexterm.ErrUnavailable, 0, "Entries.List: the server does not answer")
	// Its token is in the address.
	_, err = client(t, address).Account.GetAvatar(t.Context(), 1)
	failure(t, err, nexterm.ErrUnavailable, 0, "connection refused")
	for _, err := range client(t, address).Watch(t.Context()) {
		failure(t, err, nexterm.ErrUnavailable, 0, "connection refused")
	}
}

func TestCertificateThatNobodySigned(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	begin := time.Now()
	_, err := client(t, server.URL, nexterm.WithRetries(4)).Entries.List(t.Context())
	failure(t, err, nexterm.ErrUnavailable, 0, "certificate is not to be trusted")
	var certificate *tls.CertificateVerificationError
	if !errors.As(err, &certificate) || time.Since(begin) > time.Second {
		t.Errorf("%v after %s", err, time.Since(begin))
	}
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	_, err = client(t, "https"+strings.TrimPrefix(plain.URL, "http")).Entries.List(t.Context())
	failure(t, err, nexterm.ErrUnexpected, 0, "does not speak TLS")
}

func TestCancelledCallsEndAtOnce(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			w.Header().Set("Retry-After", "20")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		<-release
	}))
	defer server.Close()
	defer close(release)
	c := client(t, server.URL, nexterm.WithRetries(4))
	for name, call := range map[string]func(context.Context) error{
		"waiting for an answer": func(ctx context.Context) error { _, err := c.Entries.List(ctx); return err },
		"between two attempts":  func(ctx context.Context) error { return c.Entries.Delete(ctx, 1) },
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		begin := time.Now()
		failure(t, call(ctx), context.DeadlineExceeded, 0, "given up")
		if took := time.Since(begin); took > time.Second {
			t.Errorf("%s: took %s", name, took)
		}
		cancel()
	}
}

func TestWrongToken(t *testing.T) {
	t.Parallel()
	_, err := client(t, address).Entries.List(t.Context())
	failure(t, err, nexterm.ErrUnauthorized, 401, "(request ")
	for _, err := range client(t, address, nexterm.WithRetries(4)).Watch(t.Context()) {
		failure(t, err, nexterm.ErrUnauthorized, 0, "Watch: ")
	}
	_, err = nexterm.Login(t.Context(), address, username, canary)
	failure(t, err, nexterm.ErrUnauthorized, 401, "Sessions.Login: ")
}
