package file

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"path"
	"strconv"
	"strings"

	"github.com/pkg/sftp"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/permission"
)

const (
	octets = "application/octet-stream"
	// What is shown in a browser may run nothing and load nothing: it comes from the
	// application's own origin.
	sandbox  = "sandbox; default-src 'none'; style-src 'unsafe-inline'"
	referrer = "no-referrer"
)

// types are what files are by the ends of their names.
var types = map[string]string{
	".pdf": "application/pdf", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".gif": "image/gif", ".webp": "image/webp",
	".svg": "image/svg+xml", ".mp4": "video/mp4", ".webm": "video/webm", ".mp3": "audio/mpeg", ".txt": "text/plain; charset=utf-8",
	".json": "application/json", ".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
	".xml": "application/xml",
}

// DownloadFile answers a file, a folder or a picture's thumbnail.
func (h *Handlers) DownloadFile(ctx context.Context, request api.DownloadFileRequestObject) (_ api.DownloadFileResponseObject, err error) {
	p := request.Params
	name, err := absolute(p.Path)
	if err != nil {
		return nil, err
	}
	t, err := h.begin(ctx, p.SessionID, permission.FilesDownload)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			t.end()
			err = failed(err)
		}
	}()
	info, err := t.host.Stat(name)
	switch {
	case err != nil:
		return nil, err
	case p.Thumbnail != nil && *p.Thumbnail:
		return h.thumbnail(ctx, t, name, info, p.Size)
	case info.IsDir():
		return h.folder(ctx, t, name)
	case !info.Mode().IsRegular():
		return nil, errIrregular
	}
	return h.file(ctx, t, name, info, p)
}

func (h *Handlers) file(ctx context.Context, t *transfer, name string, info fs.FileInfo, p api.DownloadFileParams) (api.DownloadFileResponseObject, error) {
	f, err := t.host.Open(name)
	if err != nil {
		return nil, err
	}
	c := &content{File: f, length: info.Size(), end: t.end}
	wanted := ""
	if p.Range != nil {
		wanted = *p.Range
	}
	partial, err := c.limit(wanted)
	if err == nil {
		err = h.record(ctx, t.Files, event.FileDownload, event.Details{"filePath": name, "fileSize": info.Size()})
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	headers := api.DownloadFile200ResponseHeaders{
		AcceptRanges: "bytes", CacheControl: "no-store", ContentSecurityPolicy: sandbox, ReferrerPolicy: referrer,
	}
	var kind string
	kind, headers.ContentDisposition = shown(name, p.Preview != nil && *p.Preview)
	if kind == types[".pdf"] {
		headers.ContentSecurityPolicy = "" // browsers' viewers do not run in a sandbox
	}
	if !partial {
		return api.DownloadFile200AsteriskResponse{Body: c, Headers: headers, ContentType: kind, ContentLength: c.length}, nil
	}
	return api.DownloadFile206AsteriskResponse{
		Body: c, ContentType: kind, ContentLength: c.length,
		Headers: api.DownloadFile206ResponseHeaders{
			AcceptRanges: headers.AcceptRanges, CacheControl: headers.CacheControl, ContentDisposition: headers.ContentDisposition,
			ContentSecurityPolicy: headers.ContentSecurityPolicy, ReferrerPolicy: headers.ReferrerPolicy,
			ContentRange: fmt.Sprintf("bytes %d-%d/%d", c.offset, c.offset+c.length-1, info.Size()),
		},
	}, nil
}

// shown is what a file is sent as, and whether to show or to save it. What browsers run
// is shown as text.
func shown(name string, preview bool) (kind, disposition string) {
	kind = types[strings.ToLower(path.Ext(name))]
	if kind == "" {
		kind = octets
	}
	if !preview {
		return kind, attachment(path.Base(name))
	}
	switch major, _, _ := strings.Cut(kind, "/"); {
	case major == "image", major == "video", major == "audio", kind == types[".pdf"]:
	case major == "text", kind == types[".xml"]:
		kind = types[".txt"]
	default:
		return kind, attachment(path.Base(name))
	}
	return kind, "inline" + strings.TrimPrefix(attachment(path.Base(name)), "attachment")
}

// attachment names a file to save (RFC 6266).
func attachment(name string) string {
	plain := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' || r == '%' {
			return '_'
		}
		return r
	}, name)
	return `attachment; filename="` + plain + `"; filename*=UTF-8''` + strings.ReplaceAll(url.QueryEscape(name), "+", "%20")
}

// content is a file, or a range of it, on its way to a client.
type content struct {
	*sftp.File
	offset, length int64
	end            func()
}

// limit takes the one range that is wanted (RFC 9110, section 14.2), and reports whether
// there is one.
func (c *content) limit(wanted string) (bool, error) {
	ends, found := strings.CutPrefix(wanted, "bytes=")
	first, last, both := strings.Cut(strings.TrimSpace(ends), "-")
	if !found || !both || strings.Contains(ends, ",") {
		return false, nil
	}
	from, errFrom := strconv.ParseInt(first, 10, 64)
	to, errTo := strconv.ParseInt(last, 10, 64)
	switch {
	case first == "" && errTo == nil && to > 0: // the last bytes
		from, to = max(0, c.length-to), c.length-1
	case errFrom == nil && last == "":
		to = c.length - 1
	case errFrom != nil || errTo != nil || to < from:
		return false, nil //nolint:nilerr // what cannot be read counts as none
	}
	if from < 0 || from >= c.length {
		return false, &fail.Error{
			Status: rangeNotSatisfiable, Message: "The range is not in the file",
			Header: map[string]string{"Content-Range": fmt.Sprintf("bytes */%d", c.length)},
		}
	}
	c.offset, c.length = from, min(to, c.length-1)-from+1
	return true, nil
}

// WriteTo sends it, many parts of it at a time on their way from the host.
func (c *content) WriteTo(w io.Writer) (int64, error) {
	if c.length <= 0 { // it may have something to say all the same, as /proc has
		return c.File.WriteTo(w)
	}
	if _, err := c.Seek(c.offset, io.SeekStart); err != nil {
		return 0, err
	}
	l := &part{w, c.length}
	n, err := c.File.WriteTo(l)
	switch {
	case l.left == 0:
		err = nil
	case err == nil:
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// Close ends the transfer.
func (c *content) Close() error {
	defer c.end()
	return c.File.Close()
}

// part takes so many bytes and no more.
type part struct {
	io.Writer
	left int64
}

func (p *part) Write(b []byte) (int, error) {
	if p.left == 0 {
		return 0, io.EOF
	}
	n, err := p.Writer.Write(b[:min(int64(len(b)), p.left)])
	p.left -= int64(n)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	return n, err
}
