package docs

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

const specURL = "/api/openapi.json"

func get(t *testing.T, path string, header ...string) (*http.Response, []byte) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	Handler(specURL).ServeHTTP(w, r)
	answer := w.Result()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, body
}

func TestPageIsServedHoweverItIsMounted(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/", "/index.html", Mount, Mount + "/", Mount + "/index.html"} {
		answer, body := get(t, path)
		if answer.StatusCode != http.StatusOK || !bytes.Contains(body, []byte(`data-spec="`+specURL+`"`)) {
			t.Errorf("%s: %d %s", path, answer.StatusCode, body)
		}
	}
}

func TestEveryAssetIsServed(t *testing.T) {
	t.Parallel()
	types := map[string]string{
		"index.html":                       "text/html; charset=utf-8",
		"init.js":                          "text/javascript; charset=utf-8",
		"docs.css":                         "text/css; charset=utf-8",
		"swagger-ui-bundle.js":             "text/javascript; charset=utf-8",
		"swagger-ui.css":                   "text/css; charset=utf-8",
		"swagger-ui-bundle.js.LICENSE.txt": "text/plain; charset=utf-8",
		"swagger-ui.LICENSE.txt":           "text/plain; charset=utf-8",
		"swagger-ui.NOTICE.txt":            "text/plain; charset=utf-8",
	}
	files := load(specURL)
	if len(files) != len(types) {
		t.Errorf("%d assets in the binary, %d expected", len(files), len(types))
	}
	for name, contentType := range types {
		plain, body := get(t, Mount+"/"+name)
		if plain.StatusCode != http.StatusOK || len(body) == 0 {
			t.Errorf("%s: %d, %d bytes", name, plain.StatusCode, len(body))
		}
		for key, want := range map[string]string{
			"Content-Type":            contentType,
			"Content-Encoding":        "",
			"Cache-Control":           "no-cache",
			"X-Content-Type-Options":  "nosniff",
			"Content-Security-Policy": policy,
		} {
			if got := plain.Header.Get(key); got != want {
				t.Errorf("%s: %s is %q, want %q", name, key, got, want)
			}
		}

		small, packed := get(t, Mount+"/"+name, "Accept-Encoding", "br, gzip")
		if small.Header.Get("Content-Encoding") == "gzip" {
			if !bytes.Equal(unzip(packed), body) {
				t.Errorf("%s: compressed and plain differ", name)
			}
			if small.Header.Get("ETag") == plain.Header.Get("ETag") {
				t.Errorf("%s: two representations, one ETag", name)
			}
			if plain.Header.Get("Vary") != "Accept-Encoding" || small.Header.Get("Vary") != "Accept-Encoding" {
				t.Errorf("%s: a cache may mix up the representations", name)
			}
		} else if !bytes.Equal(packed, body) {
			t.Errorf("%s: body depends on Accept-Encoding", name)
		}

		again, rest := get(t, Mount+"/"+name, "If-None-Match", plain.Header.Get("ETag"))
		if again.StatusCode != http.StatusNotModified || len(rest) != 0 {
			t.Errorf("%s: asked again: %d, %d bytes", name, again.StatusCode, len(rest))
		}
	}
}

func TestNothingElseIsServed(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/nope.js", "/assets/init.js", "/../docs.go", "/swagger-ui.css.gz"} {
		answer, body := get(t, Mount+path)
		if answer.StatusCode != http.StatusNotFound || !strings.HasPrefix(string(body), `{"code":404,`) {
			t.Errorf("%s: %d %s", path, answer.StatusCode, body)
		}
	}
	w := httptest.NewRecorder()
	Handler(specURL).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, Mount, nil))
	if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
}

// The policy lets a browser load nothing from elsewhere; this shows that nothing even tries.
func TestPageRefersToNoOtherHost(t *testing.T) {
	t.Parallel()
	_, page := get(t, Mount)
	references := regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllSubmatch(page, -1)
	if len(references) < 5 {
		t.Errorf("only %d references found in the page", len(references))
	}
	for _, reference := range references {
		link := string(reference[1])
		name, ours := strings.CutPrefix(link, Mount+"/")
		if !ours {
			if link != specURL && !strings.HasPrefix(link, "data:") {
				t.Errorf("the page refers to %s", link)
			}
			continue
		}
		if answer, _ := get(t, link); answer.StatusCode != http.StatusOK {
			t.Errorf("the page refers to %s, which answers %d", name, answer.StatusCode)
		}
	}
	if regexp.MustCompile(`(?i)<script(?:\s[^>]*)?>[^<]|\son\w+=`).Match(page) {
		t.Error("the page has a script inside, which its own policy refuses")
	}

	_, script := get(t, Mount+"/init.js")
	if !bytes.Contains(script, []byte(`validatorUrl: "none"`)) || bytes.Contains(script, []byte("://")) {
		t.Error("init.js reaches out to other hosts")
	}
	for _, sheet := range []string{"swagger-ui.css", "docs.css"} {
		_, css := get(t, Mount+"/"+sheet)
		for _, link := range regexp.MustCompile(`(?:url\(|@import)\s*["']?([^"')]{0,40})`).FindAllSubmatch(css, -1) {
			if !bytes.HasPrefix(link[1], []byte("data:")) {
				t.Errorf("%s refers to %s", sheet, link[1])
			}
		}
		if bytes.Contains(css, []byte("sourceMappingURL")) {
			t.Errorf("%s names a source map that is not there", sheet)
		}
	}
}

func TestSpecURLIsEscaped(t *testing.T) {
	t.Parallel()
	page := render([]byte(`<div data-spec="{{.}}"></div>`), `"><script>`)
	if strings.Contains(string(page), "<script>") {
		t.Errorf("%s", page)
	}
}

func TestAcceptsGzip(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]bool{
		"": false, "gzip": true, "GZIP": true, "br, gzip;q=0.5": true, "*": true,
		"gzip;q=0": false, "gzip; q=0.0, *": false, "identity": false, "x-gzip2": false, "gzip;q=x": false,
	} {
		if got := AcceptsGzip(header); got != want {
			t.Errorf("%q: %v", header, got)
		}
	}
}
