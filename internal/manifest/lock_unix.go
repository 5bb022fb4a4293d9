//go:build unix

package manifest

import (
	"os"
	"syscall"
)

// take is false where another process has the file.
func take(file *os.File) bool {
	return syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}
