package statuspage

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/nexterm-go/nexterm/internal/asset"
)

// The policy lets a browser load nothing from elsewhere and read no text as markup; this shows that
// nothing even tries, and that what the files name is there.
func TestPageKeepsToItsPolicy(t *testing.T) {
	t.Parallel()
	files := asset.Read(assets)
	reference := regexp.MustCompile(`(?:src="|href="|from "|url\(["']?)(?:\./|` + Mount + `/)([^"')]*)`)
	named := map[string]bool{"index.html": true, terminal: true}
	for name, content := range files {
		for _, found := range reference.FindAllSubmatch(content, -1) {
			named[string(found[1])] = true
		}
		// What others have written names addresses in comments; that it keeps to the policy, a browser shows.
		if strings.HasPrefix(name, "xterm") {
			continue
		}
		plain := bytes.ReplaceAll(content, []byte("http://www.w3.org/2000/svg"), nil)
		if breach := regexp.MustCompile(`(?i)://|@import|innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|\sstyle="|\son\w+="|<script[^>]*>[^<]`).Find(plain); breach != nil {
			t.Errorf("%s has %q", name, breach)
		}
	}
	for name := range named {
		policy := asset.Policy
		if name == terminal {
			policy = terminalPolicy
		}
		w := httptest.NewRecorder()
		Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, Mount+"/"+name, nil))
		if w.Code != http.StatusOK || w.Header().Get("Content-Security-Policy") != policy || strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
			t.Errorf("%s is answered %d %s", name, w.Code, w.Header())
		}
	}
	if len(named) != len(files) {
		t.Errorf("%d files in the binary, %d of them in use", len(files), len(named))
	}
}
