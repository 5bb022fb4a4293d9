//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package postgres

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

var errSystem = errors.New("a private PostgreSQL does not run on this system: set DATABASE_URL")

func clusterAccount(string) (*account, error)         { return nil, errSystem }
func (a *account) mayEnter(fs.FileInfo) bool          { return true }
func mine(string) bool                                { return false }
func processAttributes(*account) *syscall.SysProcAttr { return nil }
func lockFile(*os.File) error                         { return errSystem }
func unlockFile(*os.File)                             {}
func kill(int, syscall.Signal) error                  { return errSystem }
func commandLine(int) string                          { return "" }
