package postgres

import (
	"bytes"
	"fmt"
	"os"
	"syscall"
)

// processAttributes make the kernel end PostgreSQL when this process dies, kill -9 included.
func processAttributes(a *account) *syscall.SysProcAttr {
	attr := separate(a)
	attr.Pdeathsig = syscall.SIGINT
	return attr
}

// commandLine is the program and arguments of a process, empty for one that has ended.
func commandLine(pid int) string {
	args, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return ""
	}
	return string(bytes.TrimSpace(bytes.ReplaceAll(args, []byte{0}, []byte{' '})))
}
