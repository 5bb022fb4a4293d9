//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package postgres

import (
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// processAttributes cannot tie PostgreSQL's life to this process here; the next start stops
// what a killed one has left.
func processAttributes(a *account) *syscall.SysProcAttr { return separate(a) }

// commandLine is the program and arguments of a process, empty for one that has ended.
func commandLine(pid int) string {
	out, err := exec.Command("ps", "-ww", "-o", "args=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}
