// Package asset serves pages that are in the binary, with everything that they need. It does not
// own the pages.
package asset

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io"
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
		files[name] = file{ContentType(name), hex.EncodeToString(sum[:12]), content, sync.OnceValue(func() []byte { return zip(content) })}
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
	if Accepts(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		body, etag = f.gzipped(), f.etag+"-gzip"
	}
	h.Set("ETag", strconv.Quote(etag))
	Content(w, r, bytes.NewReader(body))
}

// Content is http.ServeContent for what has its header already, with the API's errors.
func Content(w http.ResponseWriter, r *http.Request, content io.ReadSeeker) {
	http.ServeContent(&shaping{ResponseWriter: w}, r, "", time.Time{}, content)
}

// shaping leaves out the words that net/http has for a failure.
type shaping struct {
	http.ResponseWriter
	refused bool
}

func (s *shaping) WriteHeader(status int) {
	if s.refused = status >= http.StatusBadRequest; s.refused {
		s.Header().Set("Cache-Control", "no-store")
		refuse(s.ResponseWriter, status)
		return
	}
	s.ResponseWriter.WriteHeader(status)
}

func (s *shaping) Write(text []byte) (int, error) {
	if s.refused {
		return len(text), nil
	}
	return s.ResponseWriter.Write(text)
}

// Accepts looks for a coding in an Accept-Encoding header (RFC 9110 §12.5.3). Absent means plain
// here: a client that says nothing is seldom a browser.
func Accepts(header, wanted string) bool {
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
		case wanted:
			return accepted
		case "*":
			any = accepted
		}
	}
	return any
}

// refuse answers in the error shape of the whole API.
func refuse(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
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

var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
	".js": "text/javascript; charset=utf-8", ".mjs": "text/javascript; charset=utf-8", ".wasm": "application/wasm",
	".json": "application/json", ".map": "application/json", ".webmanifest": "application/manifest+json",
	".txt": "text/plain; charset=utf-8", ".md": "text/plain; charset=utf-8", ".xml": "text/xml; charset=utf-8",
	".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif",
	".webp": "image/webp", ".avif": "image/avif", ".ico": "image/x-icon",
	".woff2": "font/woff2", ".woff": "font/woff", ".ttf": "font/ttf", ".otf": "font/otf",
	".mp3": "audio/mpeg", ".ogg": "audio/ogg", ".wav": "audio/wav", ".mp4": "video/mp4", ".webm": "video/webm",
}

// ContentType goes by the ending of a name. It does not ask package mime, whose answers depend on
// the machine's files.
func ContentType(name string) string {
	return cmp.Or(contentTypes[strings.ToLower(path.Ext(name))], "application/octet-stream")
}
