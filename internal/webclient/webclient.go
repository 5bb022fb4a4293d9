// Package webclient serves a built web client from a folder, which belongs to whoever runs the
// server. It does not own the client, nor the paths of the API.
package webclient

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"github.com/cespare/xxhash/v2"

	"github.com/nexterm-go/nexterm/internal/asset"
)

// Policy is the Content-Security-Policy that the client runs under. It is as strict as the stock
// client allows: its terminal and its editor write styles into the page, its player of recordings
// compiles WebAssembly, bundlers write small pictures and fonts into the styles, and pictures that
// somebody chooses are shown from memory. Nothing comes from another host, and every script is a file.
const Policy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self' 'unsafe-inline'; " +
	"img-src 'self' data: blob:; font-src 'self' data:; media-src 'self'; connect-src 'self'; frame-src 'self'; manifest-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

const (
	index = "index.html"
	// hashedUpTo bounds what is read to tell whether a file has changed, in bytes; beyond it, size
	// and time have to do.
	hashedUpTo = 8 << 20
)

// Folder is where a client is. It is opened anew for each request, so that another one may be put
// in its place at any time.
type Folder string

// Check tells what is wrong with the folder.
func (f Folder) Check() error {
	root, err := os.OpenRoot(string(f))
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	file, _, err := open(root, index)
	if err != nil {
		return fmt.Errorf("%s has no %s that can be read, as a built web client has: %w", f, index, err)
	}
	return file.Close()
}

// ErrAway is what Serve fails with while there is no client in the folder.
var ErrAway = errors.New("there is no web client in its folder")

// Serve answers a GET or a HEAD: a file, or the client itself at the paths of its pages. For what
// is not there the error is fs.ErrNotExist; with an error, nothing is written.
func (f Folder) Serve(w http.ResponseWriter, r *http.Request) error {
	name := strings.TrimPrefix(r.URL.Path, "/")
	if name == "" {
		name = index
	}
	if !public(name) {
		return fs.ErrNotExist
	}
	root, err := os.OpenRoot(string(f))
	if err != nil {
		return fmt.Errorf("%w: %v", ErrAway, err) //nolint:errorlint // it says nothing about what was asked for
	}
	defer func() { _ = root.Close() }()
	file, info, err := open(root, name)
	if errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errNoFile) && isPage(name) {
		name = index
		file, info, err = open(root, name)
	}
	if errors.Is(err, fs.ErrNotExist) && name == index {
		return ErrAway
	}
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	encoding := ""
	for _, coding := range []struct{ name, ending string }{{"br", ".br"}, {"gzip", ".gz"}} {
		if !asset.Accepts(r.Header.Get("Accept-Encoding"), coding.name) {
			continue
		}
		packed, about, err := open(root, name+coding.ending)
		if err != nil {
			continue
		}
		defer func() { _ = packed.Close() }()
		// One that a deploy has left behind is of another file of this name.
		if named(name) || !about.ModTime().Before(info.ModTime()) {
			file, info, encoding = packed, about, coding.name
			break
		}
	}
	etag, err := etag(file, info)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("ETag", etag)
	if encoding != "" {
		h.Set("Content-Encoding", encoding)
	}
	h.Set("Vary", "Accept-Encoding")
	h.Set("Content-Type", asset.ContentType(name))
	h.Set("Cache-Control", "no-cache")
	if named(name) {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", Policy)
	// Addresses have tokens in them, after signing in elsewhere and of pictures.
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	asset.Content(w, r, file)
	return nil
}

// public are names in the folder that are for everybody: no part begins with a dot, which leaves out
// what is above the folder, too.
func public(name string) bool {
	if !fs.ValidPath(name) || strings.ContainsFunc(name, func(r rune) bool { return r == '\\' || unicode.IsControl(r) }) {
		return false
	}
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(part, ".") {
			return false
		}
	}
	return true
}

// isPage tells the paths of the client's pages, which it draws by itself, from files that are not
// there: those have an ending, or are among the assets.
func isPage(name string) bool { return path.Ext(name) == "" && !strings.HasPrefix(name, "assets/") }

// hashed is how bundlers name what they have written: after its content.
var hashed = regexp.MustCompile(`[.-]([A-Za-z0-9_-]{8}|[0-9a-f]{8,64})\.[a-z0-9]+$`)

// named are files that are named after their content, so that they never change. A hash looks
// like no word: it has a digit, or a capital within.
func named(name string) bool {
	found := hashed.FindStringSubmatch(name)
	return found != nil && path.Dir(name) == "assets" && strings.ContainsAny(found[1][1:], "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")
}

// errNoFile is a folder, or the like.
var errNoFile = fmt.Errorf("no file: %w", fs.ErrNotExist)

// open opens a regular file in the folder. Links may lead to others in it; what leads out of it, or
// cannot be a name, is not there.
func open(root *os.Root, name string) (*os.File, fs.FileInfo, error) {
	// Opening a pipe would wait for somebody to write to it.
	info, err := root.Stat(name)
	switch {
	case err == nil && !info.Mode().IsRegular():
		return nil, nil, errNoFile
	case err != nil && !errors.Is(err, fs.ErrPermission):
		return nil, nil, fs.ErrNotExist
	}
	file, err := root.Open(name)
	if err != nil {
		return nil, nil, err
	}
	if info, err = file.Stat(); err != nil {
		_ = file.Close()
	}
	return file, info, err
}

// etag tells contents apart. A build may give all its files the same time.
func etag(file io.ReadSeeker, info fs.FileInfo) (string, error) {
	if info.Size() > hashedUpTo {
		return strconv.Quote(fmt.Sprintf("%x-%x", info.Size(), info.ModTime().UnixNano())), nil
	}
	sum := xxhash.New()
	if _, err := io.Copy(sum, io.LimitReader(file, hashedUpTo)); err != nil {
		return "", err
	}
	_, err := file.Seek(0, io.SeekStart)
	return strconv.Quote(fmt.Sprintf("%016x", sum.Sum64())), err
}
