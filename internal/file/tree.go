package file

import (
	"context"
	"crypto/md5"  //nolint:gosec // a checksum that people compare with others
	"crypto/sha1" //nolint:gosec // likewise
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
)

const (
	// maxDepth is how deep folders are followed.
	maxDepth = 64
	// maxTree and maxContent bound what is done over SFTP where there is no shell.
	maxTree    = 100_000
	maxContent = 1 << 30
	// concurrency is how many parts of a file are on their way at a time.
	concurrency = 64
)

// removeAll removes a folder and all that is in it. It follows no links, and stops at
// the first failure. So many entries are held of the folders that it is in.
func (h *host) removeAll(ctx context.Context, folder string, depth, held int) error {
	if depth > maxDepth {
		return errTooDeep
	}
	for more := true; more; {
		entries, truncated, err := h.list(ctx, folder)
		if err != nil {
			return err
		}
		if held+len(entries) > maxTree {
			return errTooMuch
		}
		for _, info := range entries {
			if err := ctx.Err(); err != nil {
				return err
			}
			name := path.Join(folder, info.Name())
			if info.IsDir() {
				err = h.removeAll(ctx, name, depth+1, held+len(entries))
			} else {
				err = h.Remove(name)
			}
			if err != nil {
				return err
			}
		}
		more = truncated && len(entries) > 0
	}
	return h.RemoveDirectory(folder)
}

// budget is what may still be done over SFTP.
type budget struct {
	entries int
	content int64
}

// take counts what a folder has as soon as it is held.
func (b *budget) take(entries []fs.FileInfo) error {
	if len(entries) > b.entries {
		return errTooMuch
	}
	b.entries -= len(entries)
	return nil
}

// walk visits a file or a folder and all that is in it, folders first, without
// following links.
func (h *host) walk(ctx context.Context, name string, info fs.FileInfo, left *budget, depth int, visit func(string, fs.FileInfo) error) error {
	if depth > maxDepth {
		return errTooDeep
	}
	if err := visit(name, info); err != nil || !info.IsDir() {
		return err
	}
	entries, truncated, err := h.list(ctx, name)
	if err != nil {
		return err
	}
	if truncated {
		return errTooMuch
	}
	if err := left.take(entries); err != nil {
		return err
	}
	for _, info := range entries {
		if err := h.walk(ctx, path.Join(name, info.Name()), info, left, depth+1, visit); err != nil {
			return err
		}
	}
	return nil
}

// copyTree copies without a shell.
func (h *host) copyTree(ctx context.Context, from, to string) error {
	info, err := h.Lstat(from)
	if err != nil {
		return err
	}
	left := &budget{maxTree, maxContent}
	return h.walk(ctx, from, info, left, 0, func(name string, info fs.FileInfo) error {
		target := to + name[len(from):]
		switch {
		case info.IsDir():
			return h.Mkdir(target)
		case info.Mode()&fs.ModeSymlink != 0:
			link, err := h.ReadLink(name)
			if err != nil {
				return err
			}
			return h.Symlink(link, target)
		case !info.Mode().IsRegular():
			return errIrregular
		}
		return h.copyFile(ctx, name, target, info, left)
	})
}

func (h *host) copyFile(ctx context.Context, from, to string, info fs.FileInfo, left *budget) error {
	if left.content -= info.Size(); left.content < 0 {
		return errTooMuch
	}
	source, err := h.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()
	target, err := h.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return err
	}
	_, err = target.ReadFromWithConcurrency(bounded{ctx, io.LimitReader(source, info.Size())}, concurrency)
	if err = errors.Join(err, target.Close()); err != nil {
		return err
	}
	return h.Chmod(to, info.Mode().Perm())
}

// bounded ends reading with a context.
type bounded struct {
	ctx context.Context
	io.Reader
}

func (b bounded) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	return b.Reader.Read(p)
}

// hashes are the algorithms of checksums.
var hashes = map[string]func() hash.Hash{"md5": md5.New, "sha1": sha1.New, "sha256": sha256.New, "sha512": sha512.New}

// sum makes a checksum without a shell.
func (h *host) sum(ctx context.Context, name string, info fs.FileInfo, algorithm string) (string, error) {
	if info.Size() > maxContent {
		return "", errTooMuch
	}
	f, err := h.Open(name)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	sum := hashes[algorithm]()
	if _, err := f.WriteTo(&limited{ctx, sum, maxContent}); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// limited takes so many bytes until the context ends; what is longer is too much.
type limited struct {
	ctx context.Context
	io.Writer
	left int64
}

func (l *limited) Write(p []byte) (int, error) {
	if err := l.ctx.Err(); err != nil {
		return 0, err
	}
	if l.left -= int64(len(p)); l.left < 0 {
		return 0, errTooMuch
	}
	return l.Writer.Write(p)
}

// size adds up the files of a folder without a shell.
func (h *host) size(ctx context.Context, name string, info fs.FileInfo) (total int64, err error) {
	err = h.walk(ctx, name, info, &budget{entries: maxTree}, 0, func(_ string, info fs.FileInfo) error {
		if info.Mode().IsRegular() {
			total += info.Size()
		}
		return nil
	})
	return total, err
}
