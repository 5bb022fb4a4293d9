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
	localDataDir  = "./data"
	systemDataDir = "/var/lib/nexterm"
)

// ErrInUse is wrapped by the error of a Start whose directory belongs to a running server.
var ErrInUse = errors.New("another server uses this data directory")

// errLocked is what lockFile answers when somebody else holds the lock.
var errLocked = errors.New("locked")

// folder is DataDir/postgres in the hands of this process. It holds three things: lock, data
// (the cluster) and socket.
type folder struct {
	path    string
	data    string
	account *account // runs the cluster; nil is the account of this process
	lock    *os.File
}

// account is whom PostgreSQL runs as when this process is root, which PostgreSQL refuses.
type account struct {
	name     string
	uid, gid int
}

// DefaultDataDir is ./data. For root it is the system's state folder where the account that
// runs PostgreSQL cannot reach ./data, as in root's home.
func DefaultDataDir() string {
	path, err := realPath(localDataDir)
	if err != nil {
		return localDataDir
	}
	a, err := clusterAccount(filepath.Join(path, "postgres", "data"))
	if err != nil || a == nil {
		return localDataDir
	}
	if at := a.blockedAt(path); at == "" || at == path && mine(at) {
		return localDataDir
	}
	return systemDataDir
}

// openFolder creates the folder if need be and takes its lock.
func openFolder(dataDir string, progress func(string)) (*folder, error) {
	path, err := realPath(filepath.Join(dataDir, "postgres"))
	if err != nil {
		return nil, err
	}
	f := &folder{path: path, data: filepath.Join(path, "data")}
	if f.account, err = clusterAccount(f.data); err != nil {
		return nil, err
	}
	// The account of the cluster only passes through what lies above its own folders.
	mode := fs.FileMode(0o700)
	if f.account != nil {
		mode = 0o711
		at := f.account.blockedAt(path)
		// A data directory that is nobody else's may get another group.
		if at != "" && at == filepath.Dir(path) && mine(at) {
			progress("letting the account " + f.account.name + " through " + at + " by its group")
			if err := errors.Join(os.Chown(at, -1, f.account.gid), os.Chmod(at, 0o710)); err != nil { //nolint:gosec // a folder, which a group only passes
				return nil, fmt.Errorf("open the data directory to the account %s: %w", f.account.name, err)
			}
			at = f.account.blockedAt(path)
		}
		if at != "" {
			return nil, fmt.Errorf("PostgreSQL does not run as root, and the account %s, which runs it instead, cannot enter %s:"+
				" set DATA_DIR to a folder that every account can reach, for example %s", f.account.name, at, systemDataDir)
		}
	}
	if err := makeFolders(path, mode); err != nil {
		return nil, fmt.Errorf("create the data directory: %w", err)
	}
	if f.lock, err = os.OpenFile(filepath.Join(path, "lock"), os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return nil, fmt.Errorf("the data directory belongs to another account: %w", err)
	}
	if err := lockFile(f.lock); err != nil {
		_ = f.lock.Close()
		if errors.Is(err, errLocked) {
			return nil, fmt.Errorf("%w: %s", ErrInUse, filepath.Dir(path))
		}
		return nil, fmt.Errorf("lock the data directory: %w", err)
	}
	return f, nil
}

// close gives up the lock. It is safe to call more than once.
func (f *folder) close() {
	unlockFile(f.lock)
	_ = f.lock.Close()
}

// makePrivate creates a folder that only the cluster's account enters.
func (f *folder) makePrivate(path string) error {
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if f.account == nil {
		return nil
	}
	return os.Lchown(path, f.account.uid, f.account.gid)
}

// makeFolders is os.MkdirAll, but the mode does not depend on the umask and folders that
// exist keep theirs.
func makeFolders(path string, mode fs.FileMode) error {
	err := os.Mkdir(path, mode)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeFolders(filepath.Dir(path), mode); err != nil {
			return err
		}
		// Once: some file systems, such as /proc, take no folder anywhere.
		err = os.Mkdir(path, mode)
	}
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return os.Chmod(path, mode)
}

// realPath is the absolute path without links, of which the last parts need not exist yet.
func realPath(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	for exists := path; ; exists = filepath.Dir(exists) {
		real, err := filepath.EvalSymlinks(exists)
		if err == nil {
			return filepath.Join(real, strings.TrimPrefix(path, exists)), nil
		}
		if !errors.Is(err, fs.ErrNotExist) || exists == filepath.Dir(exists) {
			return "", err
		}
		if _, err := os.Lstat(exists); err == nil {
			return "", fmt.Errorf("%s is a link that leads nowhere", exists)
		}
	}
}

// blockedAt is the first folder on the way to path that the account may not enter, or empty.
func (a *account) blockedAt(path string) string {
	for i := 1; i <= len(path); i++ {
		if i < len(path) && path[i] != filepath.Separator && i > 1 {
			continue
		}
		part := path[:i]
		info, err := os.Stat(part)
		if err != nil {
			return "" // not there yet; it is created with a fitting mode
		}
		if !a.mayEnter(info) {
			return part
		}
	}
	return ""
}
