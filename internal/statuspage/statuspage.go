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

//go:embed assets
var assets embed.FS

// Handler serves the page.
func Handler() http.Handler { return asset.Handler(Mount, asset.Policy, asset.Read(assets)) }
