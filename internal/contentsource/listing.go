package contentsource

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // the format's checksum; it proves nothing about the author
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/nexterm-go/nexterm/internal/outbound"
)

const (
	indexName     = "NTINDEX"
	indexTime     = 10 * time.Second
	fileTime      = 30 * time.Second
	maxIndexBytes = 1 << 20
	maxFileBytes  = 1 << 20
	maxFiles      = 2000
	maxPathBytes  = 1024
)

const (
	errBadIndex      = unusable(indexName + " is empty or invalid")
	errIndexTooLarge = unusable(indexName + " is too large")
)

var errTooManyFiles = unusable(fmt.Sprintf("The source has more than %d files", maxFiles))

// kind is what a file delivers, told by its extension.
type kind int

const (
	other kind = iota
	scriptKind
	snippetKind
	themeKind
)

var extensions = map[string]kind{
	".sh": scriptKind, ".bash": scriptKind, ".zsh": scriptKind, ".fish": scriptKind, ".ps1": scriptKind,
	".snippet": snippetKind, ".txt": snippetKind, ".cmd": snippetKind,
}

func kindOf(name string) kind {
	name = strings.ToLower(name)
	if strings.HasSuffix(name, ".theme.css") {
		return themeKind
	}
	return extensions[path.Ext(name)]
}

// file is one entry of a listing. Its hash changes with its content; what kind
// of hash that is depends on the source.
type file struct {
	path, hash string
	kind       kind
}

// listing is what a source has: its files in the source's own order, without
// those that mean nothing here, and a way to read them.
type listing struct {
	files []file
	read  func(context.Context, file) ([]byte, error)
}

func (l listing) count(wanted kind) int32 {
	var n int32
	for _, f := range l.files {
		if f.kind == wanted {
			n++
		}
	}
	return n
}

// list fetches what a source has: from its index or, where there is none, from
// the default branch of the git repository at the same URL. Its errors are
// unusable.
func list(ctx context.Context, client *outbound.Client, location string) (listing, error) {
	base, err := parseLocation(location)
	if err != nil {
		return listing{}, err
	}
	index, err := fetchIndex(ctx, client, base)
	var status *outbound.StatusError
	if !errors.As(err, &status) {
		return index, explain(err)
	}
	missing := unusable(fmt.Sprintf("Failed to fetch %s: HTTP %d", indexName, status.Code))
	if !status.NotFound() {
		return listing{}, missing
	}
	repository, err := fetchRepository(ctx, client, base)
	if errors.Is(err, errNoRepository) {
		return listing{}, missing
	}
	return repository, explain(err)
}

func fetchIndex(ctx context.Context, client *outbound.Client, base *url.URL) (listing, error) {
	ctx, cancel := context.WithTimeout(ctx, indexTime)
	defer cancel()
	text, err := client.Get(ctx, below(base, indexName), maxIndexBytes)
	if errors.Is(err, outbound.ErrTooLarge) {
		return listing{}, errIndexTooLarge
	}
	if err != nil {
		return listing{}, err
	}
	files, err := parseIndex(text)
	return listing{files: files, read: func(ctx context.Context, f file) ([]byte, error) {
		ctx, cancel := context.WithTimeout(ctx, fileTime)
		defer cancel()
		content, err := client.Get(ctx, below(base, f.path), maxFileBytes)
		if err != nil {
			return nil, err
		}
		if sum := md5.Sum(content); hex.EncodeToString(sum[:]) != f.hash { //nolint:gosec // as above
			return nil, fmt.Errorf("%s does not match its hash", f.path)
		}
		return content, nil
	}}, err
}

// below is the URL of a file of the source. The path is taken as it is, so that
// a percent sign in a name stays one.
func below(base *url.URL, name string) *url.URL {
	u := *base
	u.Path, u.RawPath = base.Path+"/"+name, ""
	return &u
}

// parseIndex reads lines of the form path@hash. One path that leads out of the
// source spoils the index: nobody writes it by mistake.
func parseIndex(text []byte) ([]file, error) {
	if !utf8.Valid(text) {
		return nil, errBadIndex
	}
	var files []file
	known := map[string]bool{}
	for line := range bytes.Lines(text) {
		entry := strings.TrimSpace(string(line))
		at := strings.LastIndexByte(entry, '@')
		if at < 0 || strings.HasPrefix(entry, "#") {
			continue
		}
		name, hash := strings.TrimSpace(entry[:at]), strings.TrimSpace(entry[at+1:])
		if !validPath(name) {
			return nil, errBadIndex
		}
		if known[name] {
			continue
		}
		known[name] = true
		if len(known) > maxFiles {
			return nil, errTooManyFiles
		}
		if k := kindOf(name); k != other {
			files = append(files, file{path: name, hash: hash, kind: k})
		}
	}
	if len(files) == 0 {
		return nil, errBadIndex
	}
	return files, nil
}

var scheme = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*:`)

// validPath accepts what leads to a file inside the source and nowhere else.
func validPath(name string) bool {
	if name == "" || len(name) > maxPathBytes || !utf8.ValidString(name) || scheme.MatchString(name) {
		return false
	}
	for segment := range strings.SplitSeq(name, "/") {
		if segment == "" || segment == "." || segment == ".." {
			return false
		}
	}
	return !strings.ContainsFunc(name, func(r rune) bool { return r == '\\' || unicode.IsControl(r) })
}
