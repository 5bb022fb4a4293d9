package postgres

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	// The kernel's field for a socket's path has 104 bytes on BSD and macOS, 108 on Linux.
	longestSocket = 103
	socketName    = "/.s.PGSQL." + port
	socketPrefix  = "nexterm-socket-"
)

// socketFolder is where the postmaster puts its socket.
type socketFolder struct {
	path string
	link string // points to path when that is a temporary folder
}

// makeSocketFolder makes a private folder for the socket: in the data directory, or, when that
// path does not do for a socket, in a temporary folder, which a link there remembers.
func (f *folder) makeSocketFolder() (socketFolder, error) {
	usual := filepath.Join(f.path, "socket")
	if target, err := os.Readlink(usual); err == nil {
		socketFolder{path: target, link: usual}.remove() // of a run that was killed
	}
	if suitsSocket(usual) {
		return socketFolder{path: usual}, f.makePrivate(usual)
	}
	if err := os.Remove(usual); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return socketFolder{}, fmt.Errorf("clear the socket's folder: %w", err)
	}
	for _, parent := range []string{os.TempDir(), "/tmp", "/var/tmp"} {
		path, err := os.MkdirTemp(parent, socketPrefix)
		if err != nil {
			continue
		}
		s := socketFolder{path: path, link: usual}
		if !suitsSocket(path) || f.account != nil && f.account.blockedAt(parent) != "" {
			s.remove()
			continue
		}
		if err := errors.Join(f.makePrivate(path), os.Symlink(path, usual)); err != nil {
			s.remove()
			return socketFolder{}, fmt.Errorf("create the socket's folder: %w", err)
		}
		return s, nil
	}
	return socketFolder{}, fmt.Errorf("%s does not do as a socket's path, nor does any temporary folder", usual)
}

// suitsSocket refuses commas too: they separate hosts in a connection string.
func suitsSocket(folder string) bool {
	return len(folder+socketName) <= longestSocket && !strings.Contains(folder, ",")
}

// remove deletes a temporary folder; the usual one stays for the next start.
func (s socketFolder) remove() {
	if s.link == "" {
		return
	}
	if strings.HasPrefix(filepath.Base(s.path), socketPrefix) {
		_ = os.RemoveAll(s.path)
	}
	_ = os.Remove(s.link)
}
