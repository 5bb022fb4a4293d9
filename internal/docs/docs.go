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

// policy admits this host only. The page handles a token and whatever the API answers: browsers that
// know Trusted Types refuse to read any text as markup.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'none'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

//go:embed assets
var assets embed.FS

// Handler serves the page, with the samples of all operations.
func Handler(samples []byte) http.Handler {
	files := asset.Read(assets)
	files["samples.json"] = samples
	return asset.Handler(Mount, policy, files)
}
