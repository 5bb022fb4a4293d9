package docs

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/nexterm-go/nexterm/internal/asset"
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
	if files := asset.Read(assets); len(files) != len(types) {
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
