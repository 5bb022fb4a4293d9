// Package docs owns the page that shows the contract in a browser, with everything the page
// needs in the binary. It does not own the contract, which it is only given the address of.
package docs

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

// Mount is the path that the page refers to its assets by.
const Mount = "/api/docs"

// policy admits this host only. Swagger UI sets style attributes, hence the one 'unsafe-inline'.
const policy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; " +
	"img-src 'self' data:; connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"

//go:embed assets
var assets embed.FS

// asset is one file as clients get it; plain is nil where only the compressed form is kept.
type asset struct {
	contentType string
	etag        string
	plain       []byte
	gzipped     []byte
}

// Handler serves the page at Mount, with or without a trailing slash, and its assets below. It
// may be mounted with Mount stripped from the path or not. specURL is where the browser finds
// the contract; it has to be on the same host, because the policy refuses others.
func Handler(specURL string) http.Handler {
	files := load(specURL)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			refuse(w, http.StatusMethodNotAllowed)
			return
		}
		name := strings.Trim(strings.TrimPrefix(r.URL.Path, Mount), "/")
		if name == "" {
			name = "index.html"
		}
		file, ok := files[name]
		if !ok {
			refuse(w, http.StatusNotFound)
			return
		}
		file.serve(w, r)
	})
}

func (a asset) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Type", a.contentType)
	// The names stay the same from version to version, so the browser has to ask each time.
	h.Set("Cache-Control", "no-cache")
	body, etag := a.plain, a.etag
	if a.gzipped != nil {
		h.Set("Vary", "Accept-Encoding")
		if AcceptsGzip(r.Header.Get("Accept-Encoding")) {
			h.Set("Content-Encoding", "gzip")
			body, etag = a.gzipped, a.etag+"-gzip"
		} else {
			body = unzip(a.gzipped)
		}
	}
	h.Set("ETag", strconv.Quote(etag))
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

// AcceptsGzip reads an Accept-Encoding header (RFC 9110 §12.5.3). Absent means plain here: a
// client that says nothing is seldom a browser.
func AcceptsGzip(header string) bool {
	any := false
	for item := range strings.SplitSeq(header, ",") {
		coding, params, _ := strings.Cut(item, ";")
		coding = strings.ToLower(strings.TrimSpace(coding))
		accepted := true
		if key, value, ok := strings.Cut(strings.TrimSpace(params), "="); ok && strings.EqualFold(key, "q") {
			q, err := strconv.ParseFloat(value, 64)
			accepted = err == nil && q > 0
		}
		switch coding {
		case "gzip":
			return accepted
		case "*":
			any = accepted
		}
	}
	return any
}

// refuse answers in the error shape of the whole API.
func refuse(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"code":%d,"message":%q}`+"\n", status, http.StatusText(status))
}

// load reads the embedded files once; what fails here is a fault of the build, not of a request.
func load(specURL string) map[string]asset {
	entries, err := assets.ReadDir("assets")
	if err != nil {
		panic(err)
	}
	files := make(map[string]asset, len(entries))
	for _, entry := range entries {
		content, err := assets.ReadFile("assets/" + entry.Name())
		if err != nil {
			panic(err)
		}
		if entry.Name() == "index.html" {
			content = render(content, specURL)
		}
		sum := sha256.Sum256(content)
		name, compressed := strings.CutSuffix(entry.Name(), ".gz")
		file := asset{contentType: contentType(name), etag: hex.EncodeToString(sum[:12])}
		if compressed {
			file.gzipped = content
		} else {
			file.plain = content
		}
		files[name] = file
	}
	return files
}

func render(page []byte, specURL string) []byte {
	var out bytes.Buffer
	if err := template.Must(template.New("index").Parse(string(page))).Execute(&out, specURL); err != nil {
		panic(err)
	}
	return out.Bytes()
}

func unzip(compressed []byte) []byte {
	r, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		panic(err)
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		panic(err)
	}
	return plain
}

// contentType does not ask package mime, whose answers depend on the machine's files.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	default:
		return "text/plain; charset=utf-8"
	}
}
