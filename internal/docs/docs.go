// Package docs owns the page that shows the contract in a browser, with everything the page
// needs in the binary. It does not own the contract, which it is only given the address of.
package docs

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"

	"github.com/nexterm-go/nexterm/internal/asset"
)

// Mount is the path that the page refers to its assets by.
const Mount = "/api/docs"

// policy admits this host only. Swagger UI sets style attributes, hence the one 'unsafe-inline'.
const policy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; " +
	"img-src 'self' data:; connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"

//go:embed assets
var assets embed.FS

// Handler serves the page. specURL is where the browser finds the contract; it has to be on the
// same host, because the policy refuses others.
func Handler(specURL string) http.Handler {
	files := asset.Read(assets)
	files["index.html"] = render(files["index.html"], specURL)
	return asset.Handler(Mount, policy, files)
}

func render(page []byte, specURL string) []byte {
	var out bytes.Buffer
	if err := template.Must(template.New("index").Parse(string(page))).Execute(&out, specURL); err != nil {
		panic(err)
	}
	return out.Bytes()
}
