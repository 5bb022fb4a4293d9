package file

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/pkg/sftp"

	"github.com/nexterm-go/nexterm/internal/event"
)

const (
	// maxPath bounds a path, in bytes, and maxSources how many there are in a request.
	maxPath    = 4096
	maxSources = 1000
	// searchTime and maxFound bound what a completed path takes and finds.
	searchTime = 5 * time.Second
	maxFound   = 20
	// settable are the bits of a mode that can be set.
	settable = 0o7777
)

// entry is one of a folder.
type entry struct {
	Name         string `json:"name"`
	Type         string `json:"type"`
	IsSymlink    bool   `json:"isSymlink"`
	LastModified uint32 `json:"last_modified"`
	Size         uint64 `json:"size"`
	Mode         uint32 `json:"mode"`
}

// clean is a path of a request, absolute and without detours.
func clean(given *string) (string, error) {
	if given == nil || !strings.HasPrefix(*given, "/") || len(*given) > maxPath || strings.Contains(*given, "\x00") {
		return "", badPath
	}
	return path.Clean(*given), nil
}

// onPath is what most operations do: something with one path.
func onPath(r *request, do func(name string) (answer, error)) (answer, error) {
	name, err := clean(r.Path)
	if err != nil {
		return nil, err
	}
	return do(name)
}

func (w *worker) listFiles(ctx context.Context, r *request) (answer, error) {
	return onPath(r, func(name string) (answer, error) {
		all, truncated, err := w.host.list(ctx, name)
		if err != nil {
			return nil, err
		}
		files, fit := encodeList(all)
		a := answer{"files": files}
		if truncated || !fit {
			a["truncated"] = true
		}
		return a, nil
	})
}

// encodeList has as many entries as fit into a frame: names may be written six times as
// long as they are.
func encodeList(all []fs.FileInfo) (list json.RawMessage, fit bool) {
	list = append(list, '[')
	for i, info := range all {
		stat := info.Sys().(*sftp.FileStat)
		e := entry{info.Name(), "file", info.Mode()&fs.ModeSymlink != 0, stat.Mtime, stat.Size, stat.Mode}
		if info.IsDir() {
			e.Type = "folder"
		}
		text, _ := json.Marshal(e) // texts and numbers
		if len(list)+len(text) > maxListed {
			return append(list, ']'), false
		}
		if i > 0 {
			list = append(list, ',')
		}
		list = append(list, text...)
	}
	return append(list, ']'), true
}

func (w *worker) createFile(ctx context.Context, r *request) (answer, error) {
	return onPath(r, func(name string) (answer, error) {
		f, err := w.host.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
		if err != nil {
			return nil, w.host.exists(err, name)
		}
		if err := f.Close(); err != nil {
			return nil, err
		}
		return nil, w.tell(ctx, event.FileCreate, event.Details{"filePath": name})
	})
}

func (w *worker) createFolder(ctx context.Context, r *request) (answer, error) {
	return onPath(r, func(name string) (answer, error) {
		if r.Recursive {
			return nil, w.host.mkdirAll(name, func(made string) error {
				return w.tell(ctx, event.FolderCreate, event.Details{"folderPath": made})
			})
		}
		if err := w.host.Mkdir(name); err != nil {
			return nil, w.host.exists(err, name)
		}
		return nil, w.tell(ctx, event.FolderCreate, event.Details{"folderPath": name})
	})
}

// mkdirAll makes a folder and those that it lies in, and tells of each.
func (h *host) mkdirAll(name string, made func(string) error) error {
	var missing []string
	for ; ; name = path.Dir(name) {
		info, err := h.Stat(name)
		if err == nil && !info.IsDir() {
			return errExists
		}
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) || name == "/" {
			return err
		}
		missing = append(missing, name)
	}
	for i := len(missing) - 1; i >= 0; i-- {
		if err := h.Mkdir(missing[i]); err != nil {
			return h.exists(err, missing[i])
		}
		if err := made(missing[i]); err != nil {
			return err
		}
	}
	return nil
}

func (w *worker) deleteFile(ctx context.Context, r *request) (answer, error) {
	return onPath(r, func(name string) (answer, error) {
		// Remove removes empty folders, too.
		info, err := w.host.Lstat(name)
		if err == nil && info.IsDir() {
			err = errFolder
		}
		if err == nil {
			err = w.host.Remove(name)
		}
		if err != nil {
			return nil, err
		}
		return nil, w.tell(ctx, event.FileDelete, event.Details{"filePath": name})
	})
}

func (w *worker) deleteFolder(ctx context.Context, r *request) (answer, error) {
	return onPath(r, func(name string) (answer, error) {
		info, err := w.host.Lstat(name)
		if err != nil {
			return nil, err
		}
		if name == "/" || !info.IsDir() {
			return nil, badPath
		}
		leave, err := w.trees.Enter(ctx, w.socket.AccountID)
		if err != nil {
			return nil, err
		}
		defer leave()
		if err := w.host.removeAll(ctx, name, 0, 0); err != nil {
			return nil, err
		}
		return nil, w.tell(ctx, event.FolderDelete, event.Details{"folderPath": name})
	})
}

func (w *worker) renameFile(ctx context.Context, r *request) (answer, error) {
	return onPath(r, func(name string) (answer, error) {
		to, err := clean(r.NewPath)
		if err == nil {
			err = w.move(name, to)
		}
		if err != nil {
			return nil, err
		}
		return nil, w.tell(ctx, event.FileRename, event.Details{"oldPath": name, "newPath": to})
	})
}

// move gives something another path, where there is nothing.
func (w *worker) move(from, to string) error {
	if strings.HasPrefix(to, from+"/") {
		return problem("A folder cannot be put into itself")
	}
	// Some hosts would replace it.
	if _, err := w.host.Lstat(to); err == nil {
		return errExists
	}
	return w.host.Rename(from, to)
}

// each does something with all that is to go to a folder, until it fails, and tells
// of what is done.
func (w *worker) each(ctx context.Context, r *request, action event.Action, do func(from, to string) error) (answer, error) {
	folder, err := clean(r.Destination)
	if err != nil || len(r.Sources) == 0 || len(r.Sources) > maxSources {
		return nil, badPaths
	}
	var sources []string
	for _, source := range r.Sources {
		name, err := clean(&source)
		if err != nil || name == "/" {
			return nil, badPaths
		}
		sources = append(sources, name)
	}
	var failed error
	done := 0
	for _, source := range sources {
		err := ctx.Err()
		if err == nil {
			err = do(source, path.Join(folder, path.Base(source)))
		}
		if err != nil {
			failed = problem(source + ": " + textOf(err))
			break
		}
		done++
	}
	for rest := sources[:done]; len(rest) > 0; {
		part := rest[:loggable(rest)]
		if err := w.tell(ctx, action, event.Details{"sources": part, "destination": folder}); err != nil {
			return nil, err
		}
		rest = rest[len(part):]
	}
	return nil, failed
}

// loggable is how many paths fit into a row of the audit log, and at least one.
func loggable(paths []string) int {
	size := 0
	for i, name := range paths {
		if size += len(name); size > maxLoggedBytes && i > 0 {
			return i
		}
	}
	return len(paths)
}

func (w *worker) moveFiles(ctx context.Context, r *request) (answer, error) {
	return w.each(ctx, r, event.FileRename, w.move)
}

func (w *worker) copyFiles(ctx context.Context, r *request) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, slowTime)
	defer cancel()
	return w.each(ctx, r, event.FileCreate, func(from, to string) error { return w.copy(ctx, from, to) })
}

func (w *worker) searchDirectories(ctx context.Context, r *request) (answer, error) {
	if r.SearchPath == nil || len(*r.SearchPath) > maxPath || strings.Contains(*r.SearchPath, "\x00") {
		return nil, badPath
	}
	found := []string{}
	at := strings.LastIndex(*r.SearchPath, "/")
	if at < 0 {
		return answer{"directories": found}, nil
	}
	base, begin := (*r.SearchPath)[:at+1], strings.ToLower((*r.SearchPath)[at+1:])
	folder, err := clean(&base)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, searchTime)
	defer cancel()
	all, _, _ := w.host.list(ctx, folder) // a part will do
	for _, info := range all {
		if len(found) == maxFound || w.host.isLost() {
			break
		}
		if !strings.HasPrefix(strings.ToLower(info.Name()), begin) {
			continue
		}
		name := path.Join(folder, info.Name())
		if info.Mode()&fs.ModeSymlink != 0 && ctx.Err() == nil {
			if target, err := w.host.Stat(name); err == nil {
				info = target
			}
		}
		if info.IsDir() {
			found = append(found, name)
		}
	}
	return answer{"directories": found}, nil
}

func (w *worker) resolveSymlink(_ context.Context, r *request) (answer, error) {
	return onPath(r, func(name string) (answer, error) {
		info, err := w.host.Stat(name)
		if err != nil {
			return nil, err
		}
		target, err := w.host.RealPath(name)
		if err != nil {
			return nil, err
		}
		return answer{"path": target, "isDirectory": info.IsDir(), "size": info.Size()}, nil
	})
}

func (w *worker) chmod(ctx context.Context, r *request) (answer, error) {
	name, err := clean(r.Path)
	if err != nil || r.Mode == nil || *r.Mode < 0 {
		return nil, badMode
	}
	mode := *r.Mode & settable
	// The library takes the bits as they are.
	if err := w.host.Chmod(name, fs.FileMode(mode)); err != nil {
		return nil, err
	}
	return nil, w.tell(ctx, event.FileChmod, event.Details{"filePath": name, "mode": strconv.FormatInt(mode, 8)})
}

func (w *worker) stat(ctx context.Context, r *request) (answer, error) {
	return onPath(r, func(name string) (answer, error) {
		info, err := w.host.Stat(name)
		if err != nil {
			return nil, err
		}
		stat := info.Sys().(*sftp.FileStat)
		owner, group := w.owners(ctx, name)
		return answer{
			"size": stat.Size, "mode": stat.Mode, "uid": stat.UID, "gid": stat.GID, "atime": stat.Atime, "mtime": stat.Mtime,
			"owner": owner, "group": group, "isDir": info.IsDir(),
		}, nil
	})
}

func (w *worker) syncPath(ctx context.Context, r *request) (answer, error) {
	return onPath(r, func(name string) (answer, error) {
		if err := w.socket.Keep(ctx, name); err != nil {
			return nil, w.broken(ctx, err)
		}
		frame := encode(opPathSync, answer{"path": name})
		w.socket.Pass(frame)
		return nil, nil
	})
}
