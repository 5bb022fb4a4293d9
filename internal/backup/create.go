package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// unfinished begins and partial ends the name that a file has until it is whole.
	unfinished = ".nexterm-"
	partial    = ".partial"
	// abandoned is how long nobody writes to one that is left by a process that is gone.
	abandoned = time.Hour
)

// Create writes a backup to a file that is there whole or not at all, and never in
// the place of another one. It is for nobody else to read. In a folder it is called by
// its time, and its master key.
func Create(ctx context.Context, config *pgx.ConnConfig, path string, keys Keys, version string, progress func(done, all int64)) (string, error) {
	folder, in := path, true
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		folder, in = filepath.Dir(path), false
		if err := missing(path); err != nil {
			return path, err
		}
	}
	removeAbandoned(folder)
	file, err := os.CreateTemp(folder, unfinished+"*"+partial)
	if err != nil {
		return path, err
	}
	defer func() { _ = os.Remove(file.Name()) }() // is not there any more when all goes well
	m, err := Write(ctx, config, file, keys, version, progress)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return path, err
	}
	if in {
		master, err := keys.master(m)
		if err != nil {
			return path, err
		}
		path = filepath.Join(folder, "nexterm-"+m.Time.UTC().Format(timeFormat)+"-"+master.Fingerprint()+".age")
	}
	if err := missing(path); err != nil {
		return path, err
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return path, err
	}
	f, err := os.Open(folder)
	if err != nil {
		return path, err
	}
	return path, errors.Join(f.Sync(), f.Close())
}

// removeAbandoned removes what processes have left that were killed.
func removeAbandoned(folder string) {
	entries, _ := os.ReadDir(folder)
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), unfinished) || !strings.HasSuffix(entry.Name(), partial) || !entry.Type().IsRegular() {
			continue
		}
		if info, err := entry.Info(); err == nil && time.Since(info.ModTime()) > abandoned {
			_ = os.Remove(filepath.Join(folder, entry.Name()))
		}
	}
}

// timeFormat sorts as names do.
const timeFormat = "20060102T150405Z"

func missing(path string) error {
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return errors.Join(err, fmt.Errorf("%s is there already", path))
}
