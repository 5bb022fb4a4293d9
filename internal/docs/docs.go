// Package docs owns the page that explains the API in a browser: a guide, and a reference that is
// drawn from the contract. It does not own the contract, which it reads as any client does.
package docs

import (
	"embed"
	"net/http"

	"github.com/nexterm-go/nexterm/internal/asset"
)

// Mount is the path that the page refers to its assets by.
const Mount = "/api/docs"

//go:embed assets
var assets embed.FS

// Handler serves the page, with the samples of all operations.
func Handler(samples []byte) http.Handler {
	files := asset.Read(assets)
	files["samples.json"] = samples
	return asset.Handler(Mount, asset.Policy, files)
}
