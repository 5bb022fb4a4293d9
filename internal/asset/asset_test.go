package asset

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const page = "<!doctype html><title>Page</title>"

func do(t *testing.T, method, path string, header ...string) (*http.Response, []byte) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	Handler("/page", "default-src 'none'", map[string][]byte{
		"index.html": []byte(page), "icon.svg": []byte("<svg/>"), "app.js": []byte("export {};"), "table.json": []byte("{}"),
	}).ServeHTTP(w, r)
	answer := w.Result()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, body
}

func TestPageIsServedHoweverItIsMounted(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/", "/index.html", "/page", "/page/", "/page/index.html"} {
		answer, body := do(t, http.MethodGet, path)
		if answer.StatusCode != http.StatusOK || string(body) != page {
			t.Errorf("%s: %d %s", path, answer.StatusCode, body)
		}
	}
}

func TestFilesAreServedPlainAndCompressed(t *testing.T) {
	t.Parallel()
	for name, contentType := range map[string]string{
		"index.html": "text/html; charset=utf-8", "icon.svg": "image/svg+xml", "app.js": "text/javascript; charset=utf-8",
		"table.json": "application/json",
	} {
		plain, body := do(t, http.MethodGet, "/page/"+name)
		small, packed := do(t, http.MethodGet, "/page/"+name, "Accept-Encoding", "br, gzip")
		unpacked, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			t.Fatal(err)
		}
		if same, err := io.ReadAll(unpacked); err != nil || !bytes.Equal(same, body) || len(body) == 0 {
			t.Errorf("%s: compressed and plain differ", name)
		}
		if small.Header.Get("Content-Encoding") != "gzip" || plain.Header.Get("Content-Encoding") != "" {
			t.Errorf("%s: the encoding is not what was asked for", name)
		}
		if small.Header.Get("ETag") == plain.Header.Get("ETag") {
			t.Errorf("%s: two representations, one ETag", name)
		}
		for _, answer := range []*http.Response{plain, small} {
			for key, want := range map[string]string{
				"Content-Type": contentType, "Vary": "Accept-Encoding", "Cache-Control": "no-cache", "Referrer-Policy": "no-referrer",
				"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'",
			} {
				if got := answer.Header.Get(key); got != want {
					t.Errorf("%s: %s is %q, want %q", name, key, got, want)
				}
			}
		}
		again, rest := do(t, http.MethodGet, "/page/"+name, "If-None-Match", plain.Header.Get("ETag"))
		if again.StatusCode != http.StatusNotModified || len(rest) != 0 {
			t.Errorf("%s: asked again: %d, %d bytes", name, again.StatusCode, len(rest))
		}
	}
}

func TestNothingElseIsServed(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/page/nope.js", "/page/assets/icon.svg", "/page/../asset.go"} {
		answer, body := do(t, http.MethodGet, path)
		kind := answer.Header.Get("Content-Type")
		if answer.StatusCode != http.StatusNotFound || !strings.HasPrefix(string(body), `{"code":404,`) || kind != "application/json; charset=utf-8" {
			t.Errorf("%s: %d %s %s", path, answer.StatusCode, kind, body)
		}
	}
	answer, _ := do(t, http.MethodPost, "/page")
	if answer.StatusCode != http.StatusMethodNotAllowed || answer.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d, Allow %q", answer.StatusCode, answer.Header.Get("Allow"))
	}
}

func TestAccepts(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]bool{
		"": false, "gzip": true, "GZIP": true, "br, gzip;q=0.5": true, "*": true,
		"gzip;q=0": false, "gzip; q=0.0, *": false, "identity": false, "x-gzip2": false, "gzip;q=x": false,
	} {
		if got := Accepts(header, "gzip"); got != want {
			t.Errorf("%q: %v", header, got)
		}
	}
}
