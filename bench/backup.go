package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/nexterm-go/nexterm/internal/postgres"
)

const (
	backupGoal   = 1.5 // times pg_dump -Fc
	backupMemory = 64  // MiB
)

// saved is what writing the full database to one file takes.
type saved struct {
	ours, dumps           []time.Duration
	size, dumped, largest int64 // bytes
}

// measureBackup compares a backup with a dump of the same database, by turns.
func measureBackup(ctx context.Context, p plan, binary, dir string) (s saved, err error) {
	full := filepath.Join(dir, "full")
	if err := restoreScale(ctx, full); err != nil {
		return s, err
	}
	pool, closeDatabase, err := openDatabase(ctx, postgres.Options{DataDir: full})
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, closeDatabase()) }()
	url, key, file := pool.Config().ConnString(), make([]byte, 32), filepath.Join(dir, "file")
	_, _ = rand.Read(key) // never fails
	write := func(program string, args ...string) (took time.Duration, size, memory int64, err error) {
		command := exec.CommandContext(ctx, program, args...)
		command.Env = []string{"PATH=" + os.Getenv("PATH"), "DATABASE_URL=" + url, "ENCRYPTION_KEY=" + hex.EncodeToString(key)}
		command.Stderr = os.Stderr
		begin := time.Now()
		if err := command.Run(); err != nil {
			return 0, 0, 0, fmt.Errorf("%s: %w", program, err)
		}
		took = time.Since(begin)
		info, err := os.Stat(file)
		if err != nil {
			return 0, 0, 0, err
		}
		return took, info.Size(), command.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10, os.Remove(file)
	}
	for round := range p.rounds + 1 {
		took, size, memory, err := write(binary, "backup", file)
		if err != nil {
			return s, err
		}
		dump, dumped, _, err := write("pg_dump", "-Fc", "-f", file, url)
		if err != nil {
			return s, err
		}
		if round > 0 { // the first reads what lies on the disk
			s.ours, s.dumps, s.size, s.dumped, s.largest = append(s.ours, took), append(s.dumps, dump), size, dumped, max(s.largest, memory)
		}
	}
	return s, nil
}

func (s saved) printGoals(w io.Writer) {
	seconds := time.Duration.Seconds
	ours, dump := median(s.ours, seconds), median(s.dumps, seconds)
	fmt.Fprintf(w, "%-5s  a backup of the full database: %.1f s for %d MB, pg_dump -Fc %.1f s for %d MB: %.2f times as long (at most %.1f)\n",
		verdict(ours <= backupGoal*dump), ours, s.size/1e6, dump, s.dumped/1e6, ours/dump, backupGoal)
	resident := float64(s.largest) / (1 << 20)
	fmt.Fprintf(w, "%-5s  its memory: %.0f MiB (at most %d MiB)\n", verdict(resident <= backupMemory), resident, backupMemory)
}
