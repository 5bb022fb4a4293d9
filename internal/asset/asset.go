// Package asset serves pages that are in the binary, with everything that they need. It does not
// own the pages.
package asset

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Read returns the files of an embedded folder by their names. What fails here is a fault of the
// build, not of a request.
func Read(folder embed.FS) map[string][]byte {
	entries, err := folder.ReadDir("assets")
	if err != nil {
		panic(err)
	}
	files := make(map[string][]byte, len(entries))
	for _, entry := range entries {
		if files[entry.Name()], err = folder.ReadFile("assets/" + entry.Name()); err != nil {
			panic(err)
		}
	}
	return files
}

// Policy is the Content-Security-Policy of pages that need this host alone. They handle a token,
// and texts that strangers have chosen: browsers that know Trusted Types refuse to read any text as
// markup.
const Policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'none'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// file is one of them as clients get it.
type file struct {
	contentType string
	etag        string
	plain       []byte
	// gzipped waits for the first who wants it: a server's start does not.
	gzipped func() []byte
}

// Handler serves index.html at mount, with or without a trailing slash, and the other files below,
// all under the Content-Security-Policy. It may be mounted with mount stripped from the path or
// not.
func Handler(mount, policy string, contents map[string][]byte) http.Handler {
	files := make(map[string]file, len(contents))
	for name, content := range contents {
		sum := sha256.Sum256(content)
		files[name] = file{contentType(name), hex.EncodeToString(sum[:12]), content, sync.OnceValue(func() []byte { return zip(content) })}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			refuse(w, http.StatusMethodNotAllowed)
			return
		}
		name := strings.Trim(strings.TrimPrefix(r.URL.Path, mount), "/")
		if name == "" {
			name = "index.html"
		}
		f, ok := files[name]
		if !ok {
			refuse(w, http.StatusNotFound)
			return
		}
		h.Set("Content-Security-Policy", policy)
		f.serve(w, r)
	})
}

func (f file) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Type", f.contentType)
	// The names stay the same from version to version, so the browser has to ask each time.
	h.Set("Cache-Control", "no-cache")
	h.Set("Vary", "Accept-Encoding")
	body, etag := f.plain, f.etag
	if AcceptsGzip(r.Header.Get("Accept-Encoding")) {
		h.Set("Content-Encoding", "gzip")
		body, etag = f.gzipped(), f.etag+"-gzip"
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
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"code":%d,"message":%q}`+"\n", status, http.StatusText(status))
}

func zip(plain []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(plain); err != nil {
		panic(err)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return out.Bytes()
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
	case ".json":
		return "application/json"
	case ".svg":
		return "image/svg+xml"
	default:
		return "text/plain; charset=utf-8"
	}
}
