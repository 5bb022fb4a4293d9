// Package statuspage owns the page that shows in a browser how the monitored hosts are, and the
// terminals that it opens. It knows the server only as a client of its public API does.
package statuspage

import (
	"embed"
	"net/http"
	"strings"

	"github.com/nexterm-go/nexterm/internal/asset"
)

// Mount is the path that the page refers to its assets by.
const Mount = "/status"

//go:embed assets
var assets embed.FS

// terminal is the page that has a policy of its own: xterm.js, which task generate copies from npm,
// writes its colors and sizes as styles. No text becomes markup there either, so nobody else does.
const terminal = "terminal.html"

var terminalPolicy = strings.Replace(asset.Policy, "style-src 'self'", "style-src 'self' 'unsafe-inline'", 1)

// Handler serves the pages.
func Handler() http.Handler {
	files := asset.Read(assets)
	strict, styled := asset.Handler(Mount, asset.Policy, files), asset.Handler(Mount, terminalPolicy, files)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.TrimPrefix(r.URL.Path, Mount+"/") == terminal {
			styled.ServeHTTP(w, r)
			return
		}
		strict.ServeHTTP(w, r)
	})
}
