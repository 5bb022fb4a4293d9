//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package postgres

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// clusterAccount is the account that runs the cluster in data when this process is root, and
// nil otherwise. A cluster that exists keeps its owner, or it would not open any more.
func clusterAccount(data string) (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	if info, err := os.Stat(data); err == nil {
		owner := info.Sys().(*syscall.Stat_t)
		if owner.Uid == 0 {
			return nil, fmt.Errorf("%s belongs to root, as whom PostgreSQL does not run: give it to another account, for example with chown -R postgres", data)
		}
		return &account{name: accountName(owner.Uid), uid: int(owner.Uid), gid: int(owner.Gid)}, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.Atoi(u.Uid)
		if err != nil || uid == 0 {
			continue
		}
		gid, err := strconv.Atoi(u.Gid)
		if err != nil {
			continue
		}
		return &account{name: name, uid: uid, gid: gid}, nil
	}
	return nil, errors.New("PostgreSQL does not run as root, and there is no account postgres or nobody to run it: create one, run the server as an ordinary account, or set DATABASE_URL")
}

func accountName(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return id
}

func (a *account) mayEnter(folder fs.FileInfo) bool {
	owner, mode := folder.Sys().(*syscall.Stat_t), folder.Mode()
	switch {
	case int(owner.Uid) == a.uid:
		return mode&0o100 != 0
	case int(owner.Gid) == a.gid:
		return mode&0o010 != 0
	default:
		return mode&0o001 != 0
	}
}

// mine reports whether nobody but this process's account gets into a folder.
func mine(path string) bool {
	info, err := os.Stat(path)
	return err == nil && int(info.Sys().(*syscall.Stat_t).Uid) == os.Geteuid() && info.Mode().Perm() == 0o700
}

// separate puts a program into its own process group, because Ctrl-C must reach PostgreSQL
// only after this process has drained its requests, and drops root.
func separate(a *account) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if a != nil {
		attr.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
	}
	return attr
}

// lockFile holds the file until it is closed or this process ends, however it ends.
func lockFile(file *os.File) error {
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EWOULDBLOCK):
			return errLocked
		}
		return err
	}
}

// unlockFile gives the lock up at once. Closing the file would not where another
// program is being started at that moment: until it runs, it has the file open, too.
func unlockFile(file *os.File) { _ = syscall.Flock(int(file.Fd()), syscall.LOCK_UN) }

func kill(pid int, signal syscall.Signal) error {
	if err := syscall.Kill(pid, signal); !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}
