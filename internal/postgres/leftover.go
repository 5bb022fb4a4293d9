package postgres

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// postmaster is what a server publishes about itself in its data directory.
type postmaster struct {
	pid    int
	socket string // the folder of its socket
	ready  bool
}

// postmaster reads postmaster.pid; the zero value means that there is none.
func (f *folder) postmaster() postmaster {
	text, err := os.ReadFile(filepath.Join(f.data, "postmaster.pid"))
	if err != nil {
		return postmaster{}
	}
	lines := strings.Split(string(text), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(lines[0]))
	if err != nil || pid <= 1 {
		return postmaster{}
	}
	if len(lines) < 8 {
		return postmaster{pid: pid} // the state is the eighth line, and missing at first
	}
	return postmaster{pid: pid, socket: lines[4], ready: strings.TrimSpace(lines[7]) == "ready"}
}

// runs says whether the process is a server over this cluster: the path is one of its
// arguments. Its working directory would say so too, but containers hide that even from root.
func (f *folder) runs(pid int) bool {
	return strings.Contains(commandLine(pid)+" ", " -D "+f.data+" ")
}

// stopLeftover ends the server that a killed parent left in this folder. The caller holds
// the lock, so no other living program owns that server.
func (f *folder) stopLeftover(ctx context.Context, progress func(string)) error {
	p := f.postmaster()
	if p.pid == 0 {
		return nil
	}
	if !f.runs(p.pid) {
		return f.disownPidFile(p.pid)
	}
	progress("stopping the database server that an earlier run left behind")
	steps := []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{syscall.SIGINT, fastStop}, {syscall.SIGQUIT, quitStop}, {syscall.SIGKILL, quitStop}}
	for _, step := range steps {
		if err := kill(p.pid, step.signal); err != nil {
			return fmt.Errorf("stop the PostgreSQL server that an earlier run left behind (process %d): %w", p.pid, err)
		}
		for deadline := time.Now().Add(step.wait); time.Now().Before(deadline); {
			// A process that nobody has reaped still has its pid, but no arguments.
			if f.postmaster().pid != p.pid || !f.runs(p.pid) {
				return nil
			}
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(pollEvery):
			}
		}
	}
	return fmt.Errorf("the PostgreSQL server that an earlier run left behind (process %d) does not end", p.pid)
}

// disownPidFile keeps a stale postmaster.pid from blocking the start. PostgreSQL takes its
// server for alive when any process of the account has that number, which in a restarted
// container may be a thread of this very program. It ignores the number of its own parent, so
// that is put there; the rest stays, from which it sees whether a process still has the old
// server's memory open.
func (f *folder) disownPidFile(pid int) error {
	line := commandLine(pid)
	if line == "" || line != commandLine(os.Getpid()) && strings.Contains(line, "postgres") {
		return nil // dead, or a server that is not ours to judge
	}
	path := filepath.Join(f.data, "postmaster.pid")
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read the pid file of an earlier server: %w", err)
	}
	_, rest, _ := strings.Cut(string(text), "\n")
	if err := os.WriteFile(path, []byte(strconv.Itoa(os.Getpid())+"\n"+rest), 0o600); err != nil {
		return fmt.Errorf("update the pid file of an earlier server: %w", err)
	}
	return nil
}
