package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/klauspost/compress/zip" // three times as fast as Go's

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/permission"
	"github.com/nexterm-go/nexterm/internal/turn"
)

const (
	// maxLogged is how many paths of a download the audit log keeps, and maxLoggedBytes
	// how long those of a row are together.
	maxLogged      = 100
	maxLoggedBytes = 32 << 10
	// problemsName is the entry that names what could not be read.
	problemsName = "_errors.txt"
	// maxProblems bounds it, in lines.
	maxProblems = 1000
)

func (h *Handlers) folder(ctx context.Context, t *transfer, name string) (api.DownloadFileResponseObject, error) {
	err := h.record(ctx, t.Files, event.FolderDownload, event.Details{"folderPath": name})
	if err != nil {
		return nil, err
	}
	base := path.Base(name)
	if name == "/" {
		base = "files"
	}
	return api.DownloadFile200AsteriskResponse{
		Body: &archive{ctx: ctx, trees: &h.trees, transfer: t, roots: []root{{name, base}}}, ContentType: "application/zip",
		Headers: api.DownloadFile200ResponseHeaders{
			AcceptRanges: "none", CacheControl: "no-store", ContentDisposition: attachment(base + ".zip"), ContentSecurityPolicy: sandbox, ReferrerPolicy: referrer,
		},
	}, nil
}

// DownloadFiles answers several files and folders.
func (h *Handlers) DownloadFiles(ctx context.Context, request api.DownloadFilesRequestObject) (_ api.DownloadFilesResponseObject, err error) {
	a := &archive{ctx: ctx, trees: &h.trees}
	used := map[string]bool{problemsName: true}
	var names []string
	for _, given := range request.Body.Paths {
		name, err := absolute(given)
		if err != nil {
			return nil, err
		}
		base := path.Base(name)
		if name == "/" {
			base = "files"
		}
		plain := base
		for n := 2; used[base]; n++ {
			end := path.Ext(plain)
			base = fmt.Sprintf("%s (%d)%s", strings.TrimSuffix(plain, end), n, end)
		}
		used[base] = true
		a.roots, names = append(a.roots, root{name, base}), append(names, name)
	}
	t, err := h.begin(ctx, request.Params.SessionID, permission.FilesDownload)
	if err != nil {
		return nil, err
	}
	details := event.Details{"paths": names[:min(loggable(names), maxLogged)], "count": len(names)}
	if t.Reason != "" {
		details["connectionReason"] = t.Reason
	}
	if err := h.record(ctx, t.Files, event.FileDownload, details); err != nil {
		t.end()
		return nil, err
	}
	a.transfer = t
	return api.DownloadFiles200ApplicationZipResponse{Body: a, Headers: api.DownloadFiles200ResponseHeaders{
		ContentDisposition: attachment("nexterm-download-" + time.Now().UTC().Format("2006-01-02T15-04-05") + ".zip"), ReferrerPolicy: referrer,
	}}, nil
}

// archive is a ZIP file that is made while it is sent.
type archive struct {
	io.Reader // nobody reads it
	ctx       context.Context
	trees     *turn.Lines[int64]
	transfer  *transfer
	roots     []root
	problems  []string
}

// root is a file or a folder on the host, and what it is called in the archive.
type root struct{ path, name string }

// Close ends the transfer.
func (a *archive) Close() error {
	a.transfer.end()
	return nil
}

// WriteTo makes the archive.
func (a *archive) WriteTo(w io.Writer) (int64, error) {
	leave, err := a.trees.Enter(a.ctx, a.transfer.AccountID)
	if err != nil {
		return 0, err
	}
	defer leave()
	z := zip.NewWriter(w)
	left := &budget{entries: maxTree}
	for _, r := range a.roots {
		info, err := a.transfer.host.Stat(r.path)
		if err == nil {
			err = a.add(z, r, info, left, 0)
		}
		if err := a.note(r.name, err); err != nil {
			return 0, err
		}
	}
	if len(a.problems) > 0 {
		entry, err := z.Create(problemsName)
		if err == nil {
			_, err = io.WriteString(entry, strings.Join(a.problems, "\n")+"\n")
		}
		if err != nil {
			return 0, err
		}
	}
	return 0, z.Close()
}

// unsent is a failure of the client's.
type unsent struct{ error }

func (u unsent) Unwrap() error { return u.error }

// note keeps what could not be read for the end, unless nothing more can be.
func (a *archive) note(name string, err error) error {
	var away unsent
	switch {
	case err == nil:
		return nil
	case errors.As(err, &away):
		return away.error
	case a.ctx.Err() != nil:
		return a.ctx.Err()
	case a.transfer.host.isLost():
		return errLost
	}
	if len(a.problems) < maxProblems {
		a.problems = append(a.problems, printable(name)+": "+textOf(err))
	}
	return nil
}

// entryName is a name that stays below the archive's root wherever it is unpacked.
func entryName(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '\\' || r == 0 {
			return '_'
		}
		return r
	}, strings.ToValidUTF8(name, "_"))
}

func (a *archive) add(z *zip.Writer, r root, info fs.FileInfo, left *budget, depth int) error {
	if depth > maxDepth {
		return errTooDeep
	}
	header := &zip.FileHeader{Name: entryName(r.name), Method: zip.Deflate, Modified: info.ModTime()}
	if !info.IsDir() {
		if !info.Mode().IsRegular() {
			return nil
		}
		return a.addFile(z, r, header)
	}
	header.Name, header.Method = header.Name+"/", zip.Store
	if _, err := z.CreateHeader(header); err != nil {
		return unsent{err}
	}
	entries, truncated, err := a.transfer.host.list(a.ctx, r.path)
	if err != nil {
		return err
	}
	if err := left.take(entries); err != nil {
		return err
	}
	for _, info := range entries {
		below := root{path.Join(r.path, info.Name()), r.name + "/" + info.Name()}
		if err := a.note(below.name, a.add(z, below, info, left, depth+1)); err != nil {
			return unsent{err}
		}
	}
	if truncated {
		return errTooMuch
	}
	return nil
}

func (a *archive) addFile(z *zip.Writer, r root, header *zip.FileHeader) error {
	f, err := a.transfer.host.Open(r.path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	entry, err := z.CreateHeader(header)
	if err != nil {
		return unsent{err}
	}
	_, err = f.WriteTo(sending{entry})
	return err
}

// sending marks failures of the client's.
type sending struct{ io.Writer }

func (s sending) Write(p []byte) (int, error) {
	n, err := s.Writer.Write(p)
	if err != nil {
		err = unsent{err}
	}
	return n, err
}
