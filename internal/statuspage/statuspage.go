// Package statuspage owns the page that shows in a browser how the monitored hosts are. It knows
// the server only as a client of its public API does.
package statuspage

import (
	"embed"
	"net/http"

	"github.com/nexterm-go/nexterm/internal/asset"
)

// Mount is the path that the page refers to its assets by.
const Mount = "/status"

// policy admits this host's scripts, styles and API only. The page handles texts that strangers
// have chosen, such as names of hosts and processes, and a token: browsers that know Trusted Types
// refuse to read any text as markup.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'none'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

//go:embed assets
var assets embed.FS

// Handler serves the page.
func Handler() http.Handler { return asset.Handler(Mount, policy, asset.Read(assets)) }
