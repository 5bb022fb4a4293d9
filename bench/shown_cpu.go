package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"strconv"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/nexterm-go/nexterm/internal/testssh"
)

const (
	// cpuSpan is what is between two readings.
	cpuSpan = 10 * time.Second
	cpuGoal = 5 // points
)

// shownCPU is what is shown of a busy host, and what is true, in percent.
type shownCPU struct{ shown, truth float64 }

// measureCPU has this machine looked after through OpenSSH, while a process keeps
// one processor busy.
func (w *watched) measureCPU(ctx context.Context) (result shownCPU, err error) {
	_, hostKey, err := testssh.MakeKey(ssh.KeyAlgoED25519, "")
	if err != nil {
		return result, err
	}
	key, file, err := testssh.MakeKey(ssh.KeyAlgoED25519, "")
	if err != nil {
		return result, err
	}
	dir, err := os.MkdirTemp("", "nexterm-bench-sshd-")
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	daemon, err := testssh.Listen(dir, hostKey, []ssh.PublicKey{key.PublicKey()})
	if err != nil {
		return result, err
	}
	defer daemon.Close()
	identity, err := w.addIdentity(ctx, map[string]any{"name": "This machine", "type": "ssh", "username": daemon.Username, "sshKey": file})
	if err != nil {
		return result, err
	}
	var id int64
	err = w.pool.QueryRow(ctx, `
		with others as (update entries set config = config || '{"monitoringEnabled": false}' where monitored),
		     added as (
			insert into entries (account_id, type, name, rank, config)
			values ($1, 'server', 'localhost', 0, jsonb_build_object('protocol', 'ssh', 'ip', '127.0.0.1', 'port', $3::integer, 'monitoringEnabled', true))
			returning id)
		insert into entries_identities (entry_id, identity_id, position) select id, $2, 0 from added returning entry_id`,
		w.ids[watcher], identity, daemon.Port).Scan(&id)
	if err != nil {
		return result, err
	}
	busy := exec.CommandContext(ctx, "sh", "-c", "while :; do :; done")
	if err := busy.Start(); err != nil {
		return result, err
	}
	defer func() { _ = busy.Wait() }() // it is killed
	defer func() { err = errors.Join(err, busy.Process.Kill()) }()
	if _, err := w.cycle(ctx, "metrics", 1); err != nil {
		return result, err
	}
	total, idle, err := readTicks()
	if err != nil {
		return result, err
	}
	time.Sleep(cpuSpan)
	totalAfter, idleAfter, err := readTicks()
	if err != nil {
		return result, err
	}
	if _, err := w.cycle(ctx, "metrics", 1); err != nil {
		return result, err
	}
	result.truth = 100 * (1 - (idleAfter-idle)/(totalAfter-total))
	var problem *string
	err = w.pool.QueryRow(ctx, "select coalesce(cpu_usage, -1), error_message from monitoring_snapshots where entry_id = $1", id).Scan(&result.shown, &problem)
	if problem != nil {
		err = errors.New("collect from this machine: " + *problem)
	}
	return result, err
}

// readTicks is the time of all processors since the boot, and how much of it they
// had nothing to do.
func readTicks() (total, idle float64, err error) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0, err
	}
	line, _, _ := bytes.Cut(stat, []byte("\n"))
	for i, field := range bytes.Fields(line)[1:9] {
		n, err := strconv.ParseFloat(string(field), 64)
		if err != nil {
			return 0, 0, err
		}
		total += n
		if i == 3 || i == 4 { // idle, and idle for waiting on disks
			idle += n
		}
	}
	return total, idle, nil
}

func (c shownCPU) printGoal(w io.Writer) {
	off := math.Abs(c.shown - c.truth)
	fmt.Fprintf(w, "%-5s  CPU shown of this machine with one busy processor: %.0f %%, %.1f points from the %.1f %% of /proc/stat (at most %d)\n",
		verdict(off <= cpuGoal), c.shown, off, c.truth, cpuGoal)
}
