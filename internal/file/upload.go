package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	"github.com/pkg/sftp"

	"github.com/nexterm-go/nexterm/gen/api"
	"github.com/nexterm-go/nexterm/internal/event"
	"github.com/nexterm-go/nexterm/internal/fail"
	"github.com/nexterm-go/nexterm/internal/permission"
)

// UploadFile writes the body to a file.
func (h *Handlers) UploadFile(ctx context.Context, request api.UploadFileRequestObject) (api.UploadFileResponseObject, error) {
	name, err := absolute(request.Params.Path)
	if err != nil {
		return nil, err
	}
	t, err := h.begin(ctx, request.Params.SessionID, permission.FilesUpload)
	if err != nil {
		return nil, err
	}
	defer t.end()
	f, isNew, err := h.create(ctx, t, name)
	if err != nil {
		return nil, failed(err)
	}
	body := &body{Reader: request.Body}
	if h.maxUpload > 0 {
		body.left = h.maxUpload + 1
	}
	size, err := f.ReadFromWithConcurrency(body, concurrency)
	if isNew && err == nil {
		err = f.Chmod(0o644)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		if isNew {
			_ = t.host.Remove(name) // the host may be gone
		}
		if body.err != nil {
			return nil, body.err
		}
		return nil, failed(err)
	}
	err = h.record(context.WithoutCancel(ctx), t.Files, event.FileUpload, event.Details{"filePath": name, "fileSize": size})
	return api.UploadFile200JSONResponse{Success: true, Path: name, Size: size}, err
}

// create opens a file to write it anew, and says whether there was none.
func (h *Handlers) create(ctx context.Context, t *transfer, name string) (f *sftp.File, isNew bool, err error) {
	f, err = t.host.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	if errors.Is(err, fs.ErrNotExist) {
		if err := h.need(ctx, t.Files, permission.FilesModify); err != nil {
			return nil, false, fs.ErrNotExist
		}
		err = t.host.mkdirAll(path.Dir(name), func(made string) error {
			return h.record(ctx, t.Files, event.FolderCreate, event.Details{"folderPath": made})
		})
		if err != nil {
			return nil, false, err
		}
		f, err = t.host.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	}
	if err == nil {
		return f, true, nil
	}
	// Hosts do not say that it is because there is one.
	if _, known := t.host.regular(name); errors.Is(known, fs.ErrNotExist) || isLost(known) {
		return nil, false, err
	} else if known != nil {
		return nil, false, known
	}
	f, err = t.host.OpenFile(name, os.O_WRONLY|os.O_TRUNC)
	return f, false, err
}

// body is an upload's, whose own failures are told from the host's.
type body struct {
	io.Reader
	// left is one more than may come, if that is limited.
	left int64
	err  error
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if b.left != 0 {
		if b.left -= int64(n); b.left <= 0 {
			err = fail.TooLarge("The file is too large")
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		var named *fail.Error
		if b.err = err; !errors.As(err, &named) {
			b.err = fail.BadRequest("The request body could not be read")
		}
		return n, fmt.Errorf("upload: %w", err)
	}
	return n, err
}
